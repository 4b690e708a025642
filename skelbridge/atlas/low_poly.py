"""The low-poly body: a mesh of some 1,200 vertices, its shapes, and all formats' points on it.

It is made for drawing people with numpy alone. Everything is in the reference T-pose of
`body_parts` (metres; x to the person's left, y up, z forward, the root's bone head at the origin)
and hangs on the body parts, the shoulder girdles between chest and arms, and nothing else: no
fingers, no toes, no twist along a limb. A point is the sum over its entries of

    R_p (x - w pivot_p) + w position_p

with the part's rotation R_p and the place of its pivot; vertices have up to four such entries.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.containers.npz import open_npz, write_npz_archive

from .body_parts import LOW_POLY_PARENTS, LOW_POLY_PARTS, with_girdles


@dataclass(frozen=True, eq=False)
class LowPolyBody:
    """The mean adult and how adults differ from it.

    With `E` entries of `P` points, `S` shape components and `K` parts:

    Attributes:
      faces: `(F, 3)` vertex numbers, counter-clockwise seen from outside.
      vertices: `(V, 3)`; `vertex_shapes`: `(S, V, 3)` what one standard deviation adds.
      skin_parts, skin_weights: `(V, 4)` the parts that carry each vertex, and their shares.
      pivots: `(K, 3)`; `pivot_shapes`: `(S, K, 3)`.
      points: `P` names `family:key`.
      entry_points, entry_parts, entry_weights: `(E,)` point (in their order), part and share of
        each entry.
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

    def shaped(self, shape: np.ndarray, *, points: Sequence[int] | None = None) -> ShapedBody:
        """Build one person.

        Args:
          shape: `(S,)` standard deviations from the mean.
          points: numbers of the points that are wanted, in their order; all by default.
        """
        shape = np.asarray(shape, float)
        rows = np.arange(len(self.entries))
        wanted = np.arange(len(self.points)) if points is None else np.asarray(points, int)
        if points is not None:
            first = np.searchsorted(self.entry_points, wanted)
            last = np.searchsorted(self.entry_points, wanted, side="right")
            rows = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
            counts = last - first
        else:
            counts = np.bincount(self.entry_points, minlength=len(self.points))
        return ShapedBody(
            body=self,
            vertices=self.vertices + np.tensordot(shape, self.vertex_shapes, 1),
            pivots=self.pivots + np.tensordot(shape, self.pivot_shapes, 1),
            entries=self.entries[rows] + np.tensordot(shape, self.entry_shapes[:, rows], 1),
            entry_parts=self.entry_parts[rows],
            entry_weights=self.entry_weights[rows],
            starts=np.cumsum(counts) - counts,
        )

    def posed(self, rotations: np.ndarray, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pose one body.

        Args:
          rotations: `(..., 20, 3, 3)`, see `with_girdles`.
          shape: `(S,)` standard deviations from the mean.

        Returns:
          `(..., V, 3)` vertices and `(..., P, 3)` points.
        """
        return self.shaped(shape).posed(rotations)

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
            if name == "points":
                continue
            wide = np.float64 if value.dtype.kind == "f" else np.int64
            values[name] = value.astype(wide)
        return cls(**values)


@dataclass(frozen=True, eq=False)
class ShapedBody:
    """One person in the reference T-pose, ready to be posed.

    Attributes:
      body: that it was made from.
      vertices: `(V, 3)`; `pivots`: `(K, 3)`.
      entries, entry_parts, entry_weights: of the wanted points, one point's after the other's.
      starts: `(P,)` the first entry of each point.
    """

    body: LowPolyBody
    vertices: np.ndarray
    pivots: np.ndarray
    entries: np.ndarray
    entry_parts: np.ndarray
    entry_weights: np.ndarray
    starts: np.ndarray

    def places(self, turns: np.ndarray) -> np.ndarray:
        """Return where `(..., 22, 3, 3)` turns bring the pivots: `(..., 22, 3)`; the root stays."""
        places = np.zeros(turns.shape[:-1])
        for part, parent in enumerate(LOW_POLY_PARENTS):
            if parent >= 0:
                bone = self.pivots[part] - self.pivots[parent]
                places[..., part, :] = places[..., parent, :] + turns[..., parent, :, :] @ bone
        return places

    def posed(self, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pose it: see `LowPolyBody.posed`."""
        turns = with_girdles(rotations)
        moves = np.empty((*turns.shape[:-1], 4))
        moves[..., :3] = turns
        moves[..., 3] = self.places(turns) - (turns @ self.pivots[:, :, None])[..., 0]
        shares = self.body.skin_weights
        # Elementwise sums, so that equal bodies give equal bits however many are posed at once.
        blended = moves[..., self.body.skin_parts[:, 0], :, :] * shares[:, 0, None, None]
        for k in range(1, shares.shape[1]):
            blended += moves[..., self.body.skin_parts[:, k], :, :] * shares[:, k, None, None]
        carried = moves[..., self.entry_parts, :, :]
        points = np.add.reduceat(
            _applied(carried, self.entries, self.entry_weights[:, None]), self.starts, axis=-2
        )
        return _applied(blended, self.vertices, 1.0), points


def _applied(moves: np.ndarray, vectors: np.ndarray, weights) -> np.ndarray:
    """Returns R x + w t of `(..., N, 3, 4)` transforms."""
    result = moves[..., 3] * weights
    for axis in range(3):
        result = result + moves[..., axis] * vectors[:, axis, None]
    return result


def body_path() -> Path:
    """Return where the installed body is."""
    return Path(__file__).with_name("body.npz")


@functools.lru_cache(maxsize=1)
def default_body() -> LowPolyBody:
    """Return the installed body."""
    return LowPolyBody.load(body_path())
