"""A fitted affine-combining autoencoder: its two matrices, applied with numpy alone.

Source: Sarandi, Hermans, Leibe, "Learning 3D Human Pose Estimation from Dozens of Datasets using a
Geometry-Aware Autoencoder to Bridge Between Skeleton Formats", WACV 2023, with its supplement.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skeleton_defs import UserError

from ..conversion.apply import apply_weights
from .chirality import SIDES, checked_flip

# Published matrices are float32: their sums are off by a few 1e-7 times the sum of magnitudes.
_SUM_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False, repr=False)
class Acae:
    """L latent points as affine combinations of J joints, and the joints as such of the latents.

    Attributes:
      w1: (J, L) encoder, float64; every column sums to 1.
      w2: (L, J) decoder, float64; every column sums to 1.
      joint_names: unique names in order, `family:key` of a `JointRegistry` where it was fitted to
        one; None for published files.
      flip: (J,) permutation that swaps left and right, or None.
      latent_sides: `"left"`, `"right"` or `"centre"` per latent, in the order
        [left | right | centre] with partners at equal places; None without chirality.
      facts: what is known of the fit: options, objective, errors.
      moments: (J, J) second moments of the training poses in mm^2 (`second_moments`), which the
        encoder is fitted again with where joints are missing; None for published files.
      validation_moments: the same of held-out poses, which errors are estimated with.
      example_pose: (J, 3) one held-out pose, for drawing latents on a body.

    Raises:
      UserError: shapes do not fit, numbers are not finite, or columns do not sum to 1.
    """

    w1: np.ndarray
    w2: np.ndarray
    joint_names: tuple[str, ...] | None = None
    flip: np.ndarray | None = None
    latent_sides: tuple[str, ...] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    moments: np.ndarray | None = None
    validation_moments: np.ndarray | None = None
    example_pose: np.ndarray | None = None

    def __post_init__(self):
        w1, w2 = _matrix("w1", self.w1), _matrix("w2", self.w2)
        joints, latents = w1.shape
        if w2.shape != (latents, joints):
            raise UserError(
                f"w2 must have the transposed shape of w1, {(latents, joints)}. "
                f"Received shape {w2.shape}"
            )
        for name, matrix in (("w1", w1), ("w2", w2)):
            _check_sums(name, matrix)
            matrix.setflags(write=False)
            object.__setattr__(self, name, matrix)
        if self.joint_names is not None:
            _check_names(self.joint_names, joints)
            object.__setattr__(self, "joint_names", tuple(self.joint_names))
        if self.flip is not None:
            object.__setattr__(self, "flip", checked_flip(self.flip, joints))
        if self.latent_sides is not None:
            _check_latent_sides(tuple(self.latent_sides), latents)
            object.__setattr__(self, "latent_sides", tuple(self.latent_sides))
        for name in ("moments", "validation_moments"):
            value = getattr(self, name)
            if value is None:
                continue
            value = _matrix(name, value)
            if value.shape != (joints, joints):
                raise UserError(
                    f"{name} must have shape {(joints, joints)}. Received shape {value.shape}"
                )
            object.__setattr__(self, name, value)
        if self.example_pose is not None:
            pose = _matrix("example_pose", self.example_pose)
            if pose.shape != (joints, 3):
                raise UserError(
                    f"example_pose must have shape {(joints, 3)}. Received shape {pose.shape}"
                )
            object.__setattr__(self, "example_pose", pose)

    def __repr__(self) -> str:
        return f"Acae({self.joints} joints, {self.latents} latents)"

    @property
    def joints(self) -> int:
        """J."""
        return self.w1.shape[0]

    @property
    def latents(self) -> int:
        """L."""
        return self.w1.shape[1]

    def encode(self, poses: np.ndarray) -> np.ndarray:
        """Returns the latent points (..., L, D) of poses (..., J, D), in their unit and frame.

        A latent is NaN exactly where a joint that it uses is missing. See `project` for poses with
        missing joints.
        """
        return apply_weights(self.w1.T, _floating(poses))

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Returns the joints (..., J, D) of latent points (..., L, D)."""
        return apply_weights(self.w2.T, _floating(latents))

    def project(self, poses: np.ndarray, *, fill: bool = False) -> np.ndarray:
        """Returns the nearest consistent body: `decode(encode(poses))`, (..., J, D).

        Args:
          poses: (..., J, D), NaN where a joint is missing.
          fill: missing joints are had from those that are there, by an encoder that is fitted
            again for each set of observed joints; it needs `moments`. Otherwise every joint whose
            latents use a missing one is NaN.
        """
        poses = _floating(poses)
        if not fill:
            return self.decode(self.encode(poses))
        from .refit import project_observed

        return project_observed(self, poses)

    def save(self, path: str | os.PathLike) -> None:
        """Writes an `.npz` with `w1`, `w2` as published models have them, and our metadata."""
        from .file import save_acae

        save_acae(path, self)

    @staticmethod
    def load(path: str | os.PathLike) -> Acae:
        """Reads what `save` wrote, or a published file that holds just `w1` and `w2`.

        Raises:
          FileError: no ACAE, of a newer version, or damaged.
        """
        from .file import load_acae

        return load_acae(path)


def normalized(w1: np.ndarray, w2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns both matrices in float64 with columns divided by their sums.

    Raises:
      UserError: a column sum is zero, or a number is not finite.
    """
    w1, w2 = _matrix("w1", w1), _matrix("w2", w2)
    for name, matrix in (("w1", w1), ("w2", w2)):
        sums = matrix.sum(axis=0)
        weak = np.abs(sums) < 1e-6 * np.maximum(np.abs(matrix).sum(axis=0), 1e-300)
        if weak.any():
            raise UserError(
                f"{name} column {int(np.flatnonzero(weak)[0])} sums to zero: it cannot be scaled "
                "to sum 1"
            )
        matrix /= sums
    return w1, w2


def _matrix(name: str, value: np.ndarray) -> np.ndarray:
    array = np.asarray(value)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or 0 in array.shape:
        raise UserError(
            f"{name} must be a matrix of numbers. Received {array.dtype} of shape {array.shape}"
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise UserError(f"{name} holds numbers that are not finite")
    return array


def _check_sums(name: str, matrix: np.ndarray) -> None:
    sums = matrix.sum(axis=0)
    limit = _SUM_TOLERANCE * np.maximum(np.abs(matrix).sum(axis=0), 1)
    wrong = np.flatnonzero(np.abs(sums - 1) > limit)
    if len(wrong):
        raise UserError(
            f"{name} must have columns that sum to 1. Column {wrong[0]} of {matrix.shape[1]} sums "
            f"to {sums[wrong[0]]:.6g}"
        )


def _check_names(names: tuple[str, ...], joints: int) -> None:
    if len(names) != joints or len(set(names)) != joints:
        raise UserError(
            f"joint names must be {joints} different names. Received {len(names)}, "
            f"{len(set(names))} of them different"
        )


def _check_latent_sides(sides: tuple[str, ...], latents: int) -> None:
    counts = [sides.count(side) for side in SIDES]
    ordered = tuple(side for side, n in zip(SIDES, counts, strict=True) for _ in range(n))
    if len(sides) != latents or sides != ordered or counts[0] != counts[1]:
        raise UserError(
            f"latent sides must be as many left as right, then centre, {latents} altogether. "
            f"Received {counts[0]} left, {counts[1]} right, {len(sides)} altogether"
        )


def _floating(poses: np.ndarray) -> np.ndarray:
    poses = np.asarray(poses)
    if np.issubdtype(poses.dtype, np.integer):
        return poses.astype(np.float64)
    if not np.issubdtype(poses.dtype, np.floating):
        raise UserError(f"poses must be numbers. Received dtype {poses.dtype}")
    return poses
