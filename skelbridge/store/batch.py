"""Many examples as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import skeleton_defs

from .columns import CAMERA
from .mapped_shard import damage_told

if TYPE_CHECKING:
    from .catalogue import Catalogue, Group
    from .mapped_shard import MappedShard


@dataclass(frozen=True, eq=False)
class Batch:
    """Columns of N examples; J is the largest joint count among them.

    Attributes:
      indices: (N,) places in the store.
      groups: the (dataset, split, skeleton) that occur.
      group: (N,) index into `groups`.
      frame: (N,).
      joints3d: (N, J, 3) mm in world coordinates; NaN where missing and beyond a format's joints.
      joints2d: (N, J, 2) px; NaN likewise, and where only 3D is annotated.
      validity: (N, J) bool.
      box: (N, 4) left, top, width, height px; NaN where unknown.
      image_size: (N, 2) width, height px; 0 where unknown.
      has_camera: (N,) bool.
      R, t, K, distortion, world_up: (N, 3, 3), (N, 3), (N, 3, 3), (N, 12), (N, 3) of the cameras;
        identity, zeros, identity, zeros and NaN where there is none.
      sequence, subject, camera_name, person: N texts.
    """

    indices: np.ndarray
    groups: list[Group]
    group: np.ndarray
    frame: np.ndarray
    joints3d: np.ndarray
    joints2d: np.ndarray
    validity: np.ndarray
    box: np.ndarray
    image_size: np.ndarray
    has_camera: np.ndarray
    R: np.ndarray
    t: np.ndarray
    K: np.ndarray
    distortion: np.ndarray
    world_up: np.ndarray
    sequence: list[str]
    subject: list[str]
    camera_name: list[str]
    person: list[str]

    def __len__(self) -> int:
        return len(self.indices)


_TEXTS = ("sequence", "subject", "camera_name", "person")


def gather(catalogue: Catalogue, indices: np.ndarray) -> Batch:
    """Reads the examples at `indices` (N,) of a store, shard by shard."""
    n = len(indices)
    numbers, rows = catalogue.locate(indices)
    segments = [int(number) for number in np.unique(numbers)]
    joint_counts = {
        number: skeleton_defs.get(catalogue.group(number).skeleton).n_joints for number in segments
    }
    batch = _empty(indices, max(joint_counts.values(), default=0))
    texts = {name: [""] * n for name in _TEXTS}
    cameras = np.zeros(n, CAMERA)
    cameras["R"] = cameras["K"] = np.eye(3)
    cameras["world_up"] = np.nan
    groups: dict[Group, int] = {}
    for number in segments:
        places = np.flatnonzero(numbers == number)
        group, shard = catalogue.group(number), catalogue.shard(number)
        batch["group"][places] = groups.setdefault(group, len(groups))
        with damage_told(shard.path):
            _take(shard, group.skeleton, rows[places], places, batch, cameras, texts)
    fields = {name: cameras[name] for name in ("R", "t", "K", "distortion", "world_up")}
    return Batch(groups=list(groups), **batch, **fields, **texts)


def _take(
    shard: MappedShard,
    skeleton: str,
    chosen: np.ndarray,
    places: np.ndarray,
    batch: dict[str, np.ndarray],
    cameras: np.ndarray,
    texts: dict[str, list[str]],
) -> None:
    """Copies the rows `chosen` of a shard to the `places` of a batch."""
    for name in ("frame", "image_size", "box"):
        column = shard.column(skeleton, name)
        if column is not None:
            batch[name][places] = column[chosen]
    for name in ("validity", "joints2d", "joints3d"):
        column = shard.column(skeleton, name)
        if column is not None:
            values = column[chosen]
            if name == "joints3d" and (offset := shard.column(skeleton, "offset")) is not None:
                values = values + offset[chosen][:, None]
            batch[name][places, : values.shape[1]] = values
    numbers_of_cameras = shard.column(skeleton, "camera")
    if numbers_of_cameras is not None:
        which = numbers_of_cameras[chosen]
        known = which >= 0
        batch["has_camera"][places] = known
        cameras[places[known]] = shard.column(skeleton, "cameras")[which[known]]
    for name, column in texts.items():
        ids = shard.column(skeleton, name)[chosen].tolist()
        words = {i: shard.text(skeleton, name, i) or "" for i in set(ids)}
        for place, i in zip(places.tolist(), ids, strict=True):
            column[place] = words[i]


def _empty(indices: np.ndarray, n_joints: int) -> dict[str, np.ndarray]:
    n = len(indices)
    return {
        "indices": indices,
        "group": np.zeros(n, np.int64),
        "frame": np.zeros(n, np.int64),
        "joints3d": np.full((n, n_joints, 3), np.nan),
        "joints2d": np.full((n, n_joints, 2), np.nan, np.float32),
        "validity": np.zeros((n, n_joints), bool),
        "box": np.full((n, 4), np.nan, np.float32),
        "image_size": np.zeros((n, 2), np.int64),
        "has_camera": np.zeros(n, bool),
    }
