"""Poses as a flat list of instances, each seen in one frame: what the keypoint formats write."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skelbridge.posefiles.data import PoseData
from skeleton_defs.errors import UserError


@dataclass(frozen=True, eq=False)
class Instances:
    """The poses of a `PoseData`, one per row.

    Attributes:
      positions: `(N, J, D)`, NaN where a joint is missing.
      confidence: `(N, J)`, or None.
      frame: `(N,)` index of the frame or image in which each instance was seen.
      n_frames: how many frames there are; some may have no instance.
      person: `(N,)` index of each instance in its frame.
      extras: those extras that have one value per instance, by key, first axis N.
    """

    positions: np.ndarray
    confidence: np.ndarray | None
    frame: np.ndarray
    n_frames: int
    person: np.ndarray
    extras: dict[str, np.ndarray]

    @property
    def present(self) -> np.ndarray:
        """`(N, J)`: whether all coordinates of a joint are there."""
        return ~np.isnan(self.positions).any(axis=-1)

    @property
    def scores(self) -> np.ndarray:
        """`(N, J)`: the confidence, 1 where none is known."""
        if self.confidence is None:
            return np.ones(self.positions.shape[:2])
        return np.where(np.isfinite(self.confidence), self.confidence, 1)

    def where(self, chosen: np.ndarray) -> Instances:
        """Returns a selection of the instances (a mask or indices); frames keep their numbers."""
        return Instances(
            positions=self.positions[chosen],
            confidence=None if self.confidence is None else self.confidence[chosen],
            frame=self.frame[chosen],
            n_frames=self.n_frames,
            person=self.person[chosen],
            extras={key: values[chosen] for key, values in self.extras.items()},
        )


def require_pixels(poses: PoseData, format_name: str) -> None:
    """Raises `UserError` where poses are not for a format that holds 2D keypoints only."""
    if poses.n_dims != 2:
        raise UserError(
            f"{format_name} keypoints are 2D, in pixels. Received 3D poses; write .json, .npz or "
            ".csv"
        )


def instances_of(poses: PoseData) -> Instances:
    """Flattens poses into instances, with the frame each belongs to.

    A last leading axis `person` counts people within a frame, and instances share a frame where
    their extra `image_id` is the same; every other entry is a frame of its own. People who are
    absent from a frame (no joint at all) are left out.
    """
    leading_shape = tuple(poses.positions.shape[:-2])
    positions = np.asarray(poses.positions[:] if leading_shape else poses.positions)
    count = int(np.prod(leading_shape, dtype=np.int64))
    with_people = bool(poses.leading) and poses.leading[-1] == "person"
    people = leading_shape[-1] if with_people else 1
    index = np.arange(count)
    frame, person = (index // people, index % people) if people else (index, index)
    n_frames = int(np.prod(leading_shape[:-1], dtype=np.int64)) if with_people else count
    extras = _per_instance(poses.extras, leading_shape, people)
    if poses.leading == ("instance",) and getattr(extras.get("image_id"), "ndim", 0) == 1:
        n_frames, frame, person = _by_image(extras["image_id"])
    flat = Instances(
        positions=positions.reshape(count, *positions.shape[-2:]),
        confidence=None
        if poses.confidence is None
        else np.asarray(poses.confidence).reshape(count, -1),
        frame=frame,
        n_frames=n_frames,
        person=person,
        extras=extras,
    )
    return flat.where(flat.present.any(axis=1)) if with_people else flat


def _per_instance(extras: dict, leading_shape: tuple[int, ...], people: int) -> dict:
    """Flattens the extras that have a value per instance, or one per frame for all its people."""
    count = int(np.prod(leading_shape, dtype=np.int64))
    flat = {}
    for key, values in extras.items():
        if not isinstance(values, np.ndarray) or not leading_shape:
            continue
        if values.shape[: len(leading_shape)] == leading_shape:
            flat[key] = values.reshape(count, *values.shape[len(leading_shape) :])
        elif len(leading_shape) > 1 and values.shape == leading_shape[:-1]:
            flat[key] = np.repeat(values.reshape(-1), people)
    return flat


def _by_image(image_id: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Numbers images in the order of their first instance, and the instances within each."""
    numbers: dict = {}
    seen: list[int] = []
    frame = np.empty(len(image_id), dtype=np.int64)
    person = np.empty(len(image_id), dtype=np.int64)
    for i, name in enumerate(image_id.tolist()):
        frame[i] = numbers.setdefault(name, len(numbers))
        if frame[i] == len(seen):
            seen.append(0)
        person[i] = seen[frame[i]]
        seen[frame[i]] += 1
    return len(numbers), frame, person
