"""What every pose file is read into and written from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from skeleton_defs.errors import UserError

#: How many of each unit make a metre.
UNITS_PER_METRE = {"mm": 1000.0, "cm": 100.0, "m": 1.0}

#: How files spell these units, in lower case.
UNIT_SPELLINGS = {
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), "mm"),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), "cm"),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), "m"),
}


@runtime_checkable
class ArrayLike(Protocol):
    """An array on disk that is read slice by slice along its first axis."""

    shape: tuple[int, ...]
    dtype: np.dtype

    def __getitem__(self, frames: slice) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class PoseData:
    """Poses as one file holds them.

    Attributes:
      positions: `(..., J, D)` with D = 2 or 3, a floating dtype, NaN where a joint is missing
        (never zeros or -1: readers translate the file's own convention). A numpy array, or an
        `ArrayLike` that is read in slices of its first axis (large `.npy` and `.h5` files).
      leading: what the leading axes are, e.g. `("frame",)`, `("frame", "person")` or
        `("instance",)`; empty for a single pose.
      joint_names: names as the file spells them, in file order, or None where it has none.
      skeleton: the skeleton format, where the file itself states it (or its layout allows one
        only, as OpenPose's 25 keypoints), else None.
      confidence: `(..., J)` scores or visibilities as the file has them, or None.
      fps: frames per second, or None.
      units: `"mm"`, `"cm"`, `"m"`, `"px"`, or None where the file does not say.
      up: the upward world axis, `"y"` or `"z"`, or None where the file does not say.
      extras: everything else worth carrying to the output, by key: arrays (a first axis as long as
        that of `positions` means one value per frame or instance) and small JSON-like values.
      notes: one-line remarks for the user about how the file was read (a header that lies, a
        shape that was assumed, ...); the command line prints them as warnings.
    """

    positions: np.ndarray | ArrayLike
    leading: tuple[str, ...] = ("frame",)
    joint_names: tuple[str, ...] | None = None
    skeleton: str | None = None
    confidence: np.ndarray | None = None
    fps: float | None = None
    units: str | None = None
    up: str | None = None
    extras: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        shape = tuple(self.positions.shape)
        if len(shape) < 2 or shape[-1] not in (2, 3):
            raise UserError(f"poses must have shape (..., joints, 2 or 3). Received shape {shape}")
        if not np.issubdtype(self.positions.dtype, np.floating):
            raise UserError(
                f"poses must be of a floating dtype. Received dtype {self.positions.dtype}"
            )
        if len(self.leading) != len(shape) - 2:
            raise UserError(
                f"leading axes {self.leading} must name the {len(shape) - 2} axes "
                f"before joints. Received shape {shape}"
            )
        if self.joint_names is not None and len(self.joint_names) != shape[-2]:
            raise UserError(
                f"joint names must be as many as joints ({shape[-2]}). "
                f"Received {len(self.joint_names)}"
            )
        if self.confidence is not None and self.confidence.shape != shape[:-1]:
            raise UserError(
                f"confidence must have shape {shape[:-1]}. Received shape {self.confidence.shape}"
            )

    @property
    def n_joints(self) -> int:
        """The number of joints J."""
        return self.positions.shape[-2]

    @property
    def n_dims(self) -> int:
        """2 or 3."""
        return self.positions.shape[-1]

    @property
    def streams(self) -> bool:
        """Whether the positions are still on disk and are to be read in slices."""
        return not isinstance(self.positions, np.ndarray)
