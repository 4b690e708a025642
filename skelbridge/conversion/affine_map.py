"""The map between two formats: target joints as affine combinations of source joints."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

import skeleton_defs
from skeleton_defs import Skeleton, UserError

from .apply import apply_to_confidence, apply_weights

#: How a target joint came about; see `AffineMap.status`.
STATUSES = ("copied", "named", "combined", "unavailable")
_ROW_SUM_TOLERANCE = 1e-6
#: The arrays of errors that a map may carry.
ERRORS = ("expected_error_mm", "statistical_error_mm", "placement_error_mm")


@dataclass(frozen=True, eq=False, repr=False)
class AffineMap:
    """Target joints as affine combinations of source joints.

    Rows that sum to one commute with every translation, rotation, scaling and affine change of
    coordinates, so a map needs no units and no frame.

    Attributes:
      weights: (J_target, J_source) float64. Every row sums to 1 within 1e-6, or is NaN altogether
        (unavailable).
      source, target: the skeleton formats of columns and rows.
      status: per target joint: `copied`, the same point by construction; `named`, only the name
        agrees; `combined`, a learned combination; `unavailable`, a NaN row.
      expected_error_mm: (J_target,) expected distance from the true joint in mm, NaN where nobody
        has measured it. 0 for copied joints.
      notes: per target joint one line on where it comes from; may be empty.
      method: what built the map, e.g. `names`.
      statistical_error_mm, placement_error_mm: (J_target,) the two parts of the expected error,
        NaN where they are not known apart: how well the source joints tell where the joint is, and
        how well it is known where the formats put their joints on a body.

    Raises:
      UserError: shapes, row sums, statuses or NaN rows break these rules.
    """

    weights: np.ndarray
    source: Skeleton
    target: Skeleton
    status: tuple[str, ...]
    expected_error_mm: np.ndarray
    notes: tuple[str, ...] = field(default=())
    method: str = "names"
    statistical_error_mm: np.ndarray | None = None
    placement_error_mm: np.ndarray | None = None

    def __post_init__(self):
        count = len(self.target)
        weights = np.array(self.weights, dtype=np.float64)
        errors = {name: self._error(name) for name in ERRORS}
        if weights.shape != (count, len(self.source)):
            raise UserError(
                f"map weights must have shape ({count}, {len(self.source)}) for "
                f"{self.source.name} -> {self.target.name}. "
                f"Received shape {weights.shape}"
            )
        for name, value in (("status", self.status), *errors.items()):
            if len(value) != count:
                raise UserError(f"map {name} must have {count} entries. Received {len(value)}")
        if not self.notes:
            object.__setattr__(self, "notes", ("",) * count)
        for joint, row, status in zip(self.target.joints, weights, self.status, strict=True):
            _check_row(joint, row, status)
        for name, value in (("weights", weights), *errors.items()):
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    def _error(self, name: str) -> np.ndarray:
        value = getattr(self, name)
        return np.array(np.full(len(self.target), np.nan) if value is None else value, np.float64)

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {status}" for status, n in self.status_counts.items() if n)
        return f"AffineMap({self.source.name} -> {self.target.name}: {counts})"

    @property
    def status_counts(self) -> dict[str, int]:
        """Number of target joints per status."""
        return {status: self.status.count(status) for status in STATUSES}

    @property
    def unavailable(self) -> tuple[str, ...]:
        """The target joints that cannot be had."""
        pairs = zip(self.target.joints, self.status, strict=True)
        return tuple(joint for joint, status in pairs if status == "unavailable")

    @property
    def mean_error_mm(self) -> float | None:
        """The mean expected error over the available joints, None where one is not known."""
        error = self.expected_error_mm[[s != "unavailable" for s in self.status]]
        return float(error.mean()) if len(error) and not np.isnan(error).any() else None

    @classmethod
    def between(
        cls,
        source: str | Skeleton,
        target: str | Skeleton,
        *,
        method: str | os.PathLike = "auto",
        observed: Sequence[str] | None = None,
        **atlas_options: float,
    ) -> AffineMap:
        """Builds the map from one skeleton format to another.

        Args:
          source, target: format names, aliases or `Skeleton`s.
          method: `"auto"` (the same point where there is one, the atlas elsewhere), `"names"` (the
            same point, else the same or the nearest name), or the path of a saved map.
          observed: the source joints that the data has, where it lacks some.
          atlas_options: `noise_mm`, `sparse`, `max_error_mm`, see `skelbridge.atlas.AtlasOptions`;
            for `"auto"` only.

        >>> AffineMap.between("smpl", "h36m").weights.shape
        (17, 24)
        """
        from .methods import build_map

        return build_map(
            skeleton_defs.get(source),
            skeleton_defs.get(target),
            method=method,
            observed=observed,
            atlas_options=atlas_options,
        )

    def apply(self, poses: np.ndarray) -> np.ndarray:
        """Converts poses `(..., J_source, D)` to `(..., J_target, D)`; the dtype is kept.

        NaN in a source joint makes exactly those target joints NaN that use it. Integers are
        computed and returned as float64.
        """
        return apply_weights(self.weights, self.checked_poses(poses))

    def checked_poses(self, poses: np.ndarray) -> np.ndarray:
        """Returns poses as a floating array, or raises `UserError` where they are no poses."""
        poses = np.asarray(poses)
        if not np.issubdtype(poses.dtype, np.floating):
            if not np.issubdtype(poses.dtype, np.integer):
                raise UserError(f"poses must be numbers. Received dtype {poses.dtype}")
            poses = poses.astype(np.float64)
        if poses.ndim < 2 or poses.shape[-2] != len(self.source):
            raise UserError(_count_message(self.source, poses.shape))
        return poses

    def apply_confidence(self, confidence: np.ndarray) -> np.ndarray:
        """Carries `(..., J_source)` confidences to `(..., J_target)`: the least sure joint used."""
        return apply_to_confidence(self.weights, np.asarray(confidence))

    def compose(self, then: AffineMap) -> AffineMap:
        """Returns the map that applies this one, then `then`.

        The expected error is an upper bound (triangle inequality): that of `then` plus this map's
        errors by the weights' magnitudes.
        """
        if then.source != self.target:
            raise UserError(
                f"maps compose only where formats meet: this one ends in "
                f"'{self.target.name}', the next starts from '{then.source.name}'"
            )
        lost = np.isnan(self.weights).any(axis=1)
        used = np.nan_to_num(then.weights) != 0
        unavailable = (used & lost).any(axis=1) | np.isnan(then.weights).any(axis=1)
        weights = np.nan_to_num(then.weights) @ np.nan_to_num(self.weights)
        weights[unavailable] = np.nan
        magnitude = np.abs(np.nan_to_num(then.weights))
        # 0 x NaN: a joint of unknown error that is not used must not spoil the sum.
        carried = np.where(magnitude > 0, magnitude * self.expected_error_mm, 0).sum(axis=1)
        status = [
            "unavailable"
            if unavailable[row]
            else _joint_status(
                then.status[row], [self.status[i] for i in np.flatnonzero(used[row])]
            )
            for row in range(len(then.target))
        ]
        error = np.where(unavailable, np.nan, then.expected_error_mm + carried)
        return AffineMap(
            weights,
            self.source,
            then.target,
            tuple(status),
            error,
            then.notes,
            f"{self.method}, then {then.method}",
        )

    def restrict(self, observed: Sequence[str | int]) -> AffineMap:
        """Returns the map for data that has only some source joints.

        Target joints that use an unobserved joint become unavailable.
        """
        seen = np.zeros(len(self.source), dtype=bool)
        seen[
            [
                self.source.joints.index(j) if j in self.source.joints else self.source.index(j)
                for j in observed
            ]
        ] = True
        lost = (np.nan_to_num(self.weights) != 0)[:, ~seen].any(axis=1)
        weights = np.where(lost[:, None], np.nan, self.weights)
        gone = lost | np.isnan(weights).any(axis=1)
        status = tuple("unavailable" if g else s for g, s in zip(gone, self.status, strict=True))
        notes = tuple(
            "a source joint it needs is not observed" if g else n
            for g, n in zip(lost, self.notes, strict=True)
        )
        return replace(
            self,
            weights=weights,
            status=status,
            notes=notes,
            **{name: np.where(gone, np.nan, getattr(self, name)) for name in ERRORS},
        )

    def flip(self) -> AffineMap:
        """Returns the map of the mirrored body: it equals this one where the map is symmetric."""
        if self.source.flip is None or self.target.flip is None:
            raise UserError("a map of formats with one side of the body only cannot be mirrored")
        rows, columns = list(self.target.flip), list(self.source.flip)
        return replace(
            self,
            weights=self.weights[np.ix_(rows, columns)],
            status=tuple(self.status[i] for i in rows),
            notes=tuple(self.notes[i] for i in rows),
            **{name: getattr(self, name)[rows] for name in ERRORS},
        )

    def to_dict(self) -> dict:
        """Returns the map as plain JSON values: per target joint status, weights, error, note."""
        joints = []
        errors = zip(*(getattr(self, name).tolist() for name in ERRORS), strict=True)
        for joint, row, status, error, note in zip(
            self.target.joints, self.weights, self.status, errors, self.notes, strict=True
        ):
            used = () if status == "unavailable" else np.flatnonzero(row)
            joints.append(
                {
                    "joint": joint,
                    "status": status,
                    "weights": {self.source.joints[i]: float(row[i]) for i in used},
                    **{n: None if np.isnan(e) else e for n, e in zip(ERRORS, error, strict=True)},
                    "note": note,
                }
            )
        return {
            "from": self.source.name,
            "to": self.target.name,
            "method": self.method,
            "status_counts": self.status_counts,
            "joints": joints,
        }

    def save(self, path: str | os.PathLike) -> None:
        """Writes the map to a small versioned `.npz` file (atomically)."""
        from .map_file import save_map

        save_map(path, self)

    @staticmethod
    def load(path: str | os.PathLike) -> AffineMap:
        """Reads a map that `save` wrote."""
        from .map_file import load_map

        return load_map(path)


def _check_row(joint: str, row: np.ndarray, status: str) -> None:
    if status not in STATUSES:
        raise UserError(
            f"map status of joint '{joint}' must be one of {', '.join(STATUSES)}. "
            f"Received '{status}'"
        )
    missing = np.isnan(row)
    if missing.all() != (status == "unavailable") or missing.any() != missing.all():
        raise UserError(
            f"map row of joint '{joint}' ({status}) must be NaN altogether if and only "
            f"if it is unavailable. Found {int(missing.sum())} NaN of {len(row)}"
        )
    if not missing.any() and not abs(row.sum() - 1) <= _ROW_SUM_TOLERANCE:
        raise UserError(
            f"map row of joint '{joint}' must sum to 1 within {_ROW_SUM_TOLERANCE:g}. "
            f"It sums to {row.sum():.9g}"
        )


def _joint_status(outer: str, inner: Sequence[str]) -> str:
    """The weakest of the statuses on the way."""
    for status in ("combined", "named"):
        if status == outer or status in inner:
            return status
    return "copied"


def _count_message(skeleton: Skeleton, shape: tuple[int, ...]) -> str:
    count = shape[-2] if len(shape) >= 2 else None
    same = [n for n in skeleton_defs.list_formats() if len(skeleton_defs.get(n)) == count]
    hint = f"; formats with {count} joints: {', '.join(same)}" if same else ""
    return (
        f"joint count must match skeleton '{skeleton.name}' ({len(skeleton)} joints). "
        f"Received shape {tuple(shape)}{hint}"
    )
