"""The low-poly body: a mesh of some 1,200 vertices, its shapes, and all formats' points on it.

It is made for drawing people with numpy alone. Everything is in the reference T-pose of `transfer`
(metres; x to the person's left, y up, z forward, the root's bone head at the origin) and hangs on
the body parts, the shoulder girdles between chest and arms, and nothing else: no fingers, no toes,
no twist along a limb. A point is the sum over its entries of

    R_p (x - w pivot_p) + w position_p

with the part's rotation R_p and the place of its pivot; vertices have up to four such entries.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from dataset_adapters.containers.npz import open_npz, write_npz_archive

from .posing import CLAVICLE_SHARE, SHOULDER_SHARE
from .transfer import PART_PARENTS, PARTS
from .turning import swing_vector, unit

#: Parts of the low-poly body, parents first.
LOW_POLY_PARTS = (*PARTS[:6], *(f"{side}_{part}" for side in ("left", "right") for part in (
    "collar", "shoulder", "upper_arm", "forearm", "hand", "thigh", "shank", "foot")))  # fmt: skip
LOW_POLY_PARENTS = tuple(
    -1 if (parent := {**PART_PARENTS, "left_shoulder": "left_collar",
                      "right_shoulder": "right_collar", "left_upper_arm": "left_shoulder",
                      "right_upper_arm": "right_shoulder"}[part]) is None
    else LOW_POLY_PARTS.index(parent)
    for part in LOW_POLY_PARTS
)  # fmt: skip
#: Along a left upper arm that does not move its shoulder: the mean adult's at rest.
_AT_EASE = unit(np.array([0.710, -0.704, 0.0]))


@dataclass(frozen=True, eq=False)
class LowPolyBody:
    """The mean adult and how adults differ from it.

    With `E` entries of `P` points, `S` shape components and `K` parts:

    Attributes:
      faces: `(F, 3)` vertex numbers.
      vertices: `(V, 3)`; `vertex_shapes`: `(S, V, 3)` what one standard deviation adds.
      skin_parts, skin_weights: `(V, 4)` the parts that carry each vertex, and their shares.
      pivots: `(K, 3)`; `pivot_shapes`: `(S, K, 3)`.
      points: `P` names `family:key`.
      entry_points, entry_parts, entry_weights: `(E,)` point, part and share of each entry.
      entries: `(E, 3)` the entry's vector, its share of a place; `entry_shapes`: `(S, E, 3)`.
    """

    faces: np.ndarray
    vertices: np.ndarray
    vertex_shapes: np.ndarray
    skin_parts: np.ndarray
    skin_weights: np.ndarray
    pivots: np.ndarray
    pivot_shapes: np.ndarray
    points: tuple[str, ...]
    entry_points: np.ndarray
    entry_parts: np.ndarray
    entry_weights: np.ndarray
    entries: np.ndarray
    entry_shapes: np.ndarray

    def posed(self, rotations: np.ndarray, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pose one body.

        Args:
          rotations: `(20, 3, 3)`, see `with_girdles`.
          shape: `(S,)` standard deviations from the mean.

        Returns:
          `(V, 3)` vertices and `(P, 3)` points.
        """
        turns = with_girdles(rotations)
        pivots = self.pivots + np.tensordot(shape, self.pivot_shapes, 1)
        places = np.zeros_like(pivots)
        for part, parent in enumerate(LOW_POLY_PARENTS):
            if parent >= 0:
                places[part] = places[parent] + turns[parent] @ (pivots[part] - pivots[parent])
        moves = places - np.einsum("kij,kj->ki", turns, pivots)
        vertices = self.vertices + np.tensordot(shape, self.vertex_shapes, 1)
        blended = np.einsum("vi,vijk->vjk", self.skin_weights, turns[self.skin_parts])
        skin = np.einsum("vjk,vk->vj", blended, vertices)
        skin += np.einsum("vi,vij->vj", self.skin_weights, moves[self.skin_parts])
        entries = self.entries + np.tensordot(shape, self.entry_shapes, 1)
        carried = np.einsum("eij,ej->ei", turns[self.entry_parts], entries)
        carried += self.entry_weights[:, None] * moves[self.entry_parts]
        points = np.zeros((len(self.points), 3))
        np.add.at(points, self.entry_points, carried)
        return skin, points

    def save(self, path: str | os.PathLike, provenance: Mapping[str, object]) -> None:
        """Write the file; equal bodies make equal bytes."""
        arrays = {
            "parts": np.array(LOW_POLY_PARTS), "parents": np.array(LOW_POLY_PARENTS, np.int8),
            "faces": self.faces.astype(np.uint16), "points": np.array(self.points, dtype="S"),
            "skin_parts": self.skin_parts.astype(np.uint8),
            "skin_weights": self.skin_weights.astype(np.float16),
            "entry_points": self.entry_points.astype(np.uint16),
            "entry_parts": self.entry_parts.astype(np.uint8),
            "entry_weights": self.entry_weights.astype(np.float32),
            "provenance": np.array(json.dumps(dict(provenance), sort_keys=True)),
        }  # fmt: skip
        for name in ("vertices", "pivots", "entries"):
            arrays[name] = getattr(self, name).astype(np.float32)
        for name in ("vertex_shapes", "pivot_shapes", "entry_shapes"):
            arrays[name] = getattr(self, name).astype(np.float16)
        write_npz_archive(path, {name: arrays[name] for name in sorted(arrays)})

    @classmethod
    def load(cls, path: str | os.PathLike) -> LowPolyBody:
        """Read a file that `save` wrote."""
        with open_npz(path) as arrays:
            values = {name: arrays[name] for name in cls.__dataclass_fields__}
        values["points"] = tuple(name.decode() for name in values["points"].tolist())
        for name, value in values.items():
            if name != "points" and value.dtype.kind == "f":
                values[name] = value.astype(np.float64)
        return cls(**values)


def with_girdles(rotations: np.ndarray) -> np.ndarray:
    """Let the shoulders follow the arms, as `posing.bone_turns` does.

    Args:
      rotations: `(..., 20, 3, 3)` of `PARTS`, relative to the reference T-pose; collars that do
        nothing of their own are turned like `spine3`.

    Returns:
      `(..., 22, 3, 3)` of `LOW_POLY_PARTS`.
    """
    part = {name: rotations[..., k, :, :] for k, name in enumerate(PARTS)}
    to_chest = np.swapaxes(part["spine3"], -1, -2)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        straight = np.array([sign, 0.0, 0.0])
        ease = _AT_EASE * (sign, 1, 1)
        direction = (to_chest @ part[f"{side}_upper_arm"] @ straight[:, None])[..., 0]
        raised, in_t_pose = swing_vector(ease, direction), swing_vector(ease, straight)
        collar = part[f"{side}_collar"]
        for name, share in (("collar", CLAVICLE_SHARE), ("shoulder", SHOULDER_SHARE)):
            part[f"{side}_{name}"] = (collar @ matrix_from_axis_angle(share * raised)
                                      @ matrix_from_axis_angle(-share * in_t_pose))  # fmt: skip
    return np.stack([part[name] for name in LOW_POLY_PARTS], axis=-3)
