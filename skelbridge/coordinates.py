"""Units, upward axis and scale: what the input is, and what the output should be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skeleton_defs import UserError

from .posefiles.data import UNITS_PER_METRE, PoseData

# A standing adult's joints span 1.3 to 1.9 m, a crouching child's 0.4 m: outside of these bounds
# the stated unit is more likely wrong than the body that odd.
_PLAUSIBLE_EXTENT_M = (0.25, 5.0)
#: From y up to z up: (x, y, z) -> (x, -z, y), a right-handed quarter turn about x.
_Y_UP_TO_Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


@dataclass(frozen=True)
class CoordinateChange:
    """A linear change of coordinates, and the frame that it leads to.

    Attributes:
      matrix: (D, D); new = matrix @ old. None where nothing changes.
      units, up: of the output, None where unknown.
      notes: remarks for the user.
    """

    matrix: np.ndarray | None
    units: str | None
    up: str | None
    notes: tuple[str, ...] = ()

    def apply(self, positions: np.ndarray) -> np.ndarray:
        """Changes `(..., D)` coordinates; the dtype is kept."""
        if self.matrix is None:
            return positions
        # Row by row, not as a product: NaN and infinity in one coordinate stay there.
        result = np.empty_like(positions)
        for axis, row in enumerate(self.matrix):
            (source,) = np.flatnonzero(row)
            np.multiply(
                positions[..., source], row[source], out=result[..., axis], casting="same_kind"
            )
        return result


def coordinate_change(
    poses: PoseData, *, units: str | None = None, up: str | None = None, scale: float = 1.0
) -> CoordinateChange:
    """Works out the change from what a file declares to what is asked for.

    Args:
      poses: the file's poses, for what it declares and how large the bodies are.
      units: `OUT` or `IN:OUT` of m, cm, mm. `IN` overrules the file; a single unit is the output's,
        and the input's where the file declares none.
      up: `OUT` or `IN:OUT` of y, z, in the same way.
      scale: factor on the input before all else, for files in units of their own.

    Raises:
      UserError: an unknown unit or axis, or 3D wanted of 2D poses.
    """
    unit_in, unit_out = _pair("--units", units, tuple(UNITS_PER_METRE), poses.units)
    up_in, up_out = _pair("--up", up, ("y", "z"), poses.up)
    if poses.n_dims == 2 and (units or up):
        raise UserError("--units and --up need 3D poses. The file holds 2D poses")
    if not (np.isfinite(scale) and scale > 0):
        raise UserError(f"--scale must be a positive number. Received {scale:g}")
    notes = []
    if unit_in and poses.units and unit_in != poses.units:
        notes.append(f"the file declares {poses.units}, --units says {unit_in}: --units is taken")
    factor = scale
    if unit_in in UNITS_PER_METRE and unit_out in UNITS_PER_METRE:
        factor *= UNITS_PER_METRE[unit_out] / UNITS_PER_METRE[unit_in]
    matrix = np.eye(poses.n_dims)
    if up_in and up_out and up_in != up_out:
        matrix = _Y_UP_TO_Z_UP if up_in == "y" else _Y_UP_TO_Z_UP.T
    matrix = matrix * factor
    if unit_in in UNITS_PER_METRE:
        notes += _implausible_size(poses, unit_in, scale)
    unchanged = np.array_equal(matrix, np.eye(poses.n_dims))
    # A scale without a stated unit leaves the unit of the result unknown.
    unit = unit_out if unit_out or scale == 1 else None
    return CoordinateChange(None if unchanged else matrix, unit, up_out, tuple(notes))


def _pair(
    option: str, text: str | None, allowed: tuple[str, ...], declared: str | None
) -> tuple[str | None, str | None]:
    """Splits `OUT` or `IN:OUT`; both are what the file declares where nothing is asked."""
    if text is None:
        return declared, declared
    first, colon, second = text.partition(":")
    pair = (first, second) if colon else (declared or first, first)
    for word in pair:
        if word not in allowed:
            raise UserError(
                f"{option} must be one of {', '.join(allowed)}, or IN:OUT of them. "
                f"Received '{text}'"
            )
    return pair


def _implausible_size(poses: PoseData, unit: str, scale: float) -> list[str]:
    """A note where the bodies are too small or too large for the stated unit."""
    sample = np.asarray(poses.positions[:256] if poses.leading else poses.positions)
    sample = sample.reshape(-1, *sample.shape[-2:])
    sample = sample[np.isfinite(sample).all(axis=(1, 2))]
    if len(sample) == 0 or sample.shape[1] < 8:
        return []
    extent = float(np.median(np.ptp(sample.astype(np.float64), axis=1).max(axis=1))) * scale
    metres = extent / UNITS_PER_METRE[unit]
    low, high = _PLAUSIBLE_EXTENT_M
    if low <= metres <= high:
        return []
    likely = [u for u, per in UNITS_PER_METRE.items() if low <= extent / per <= high]
    hint = f": are these {likely[0]}? Say --units {likely[0]}:{unit}" if likely else ""
    return [f"the body measures {extent:.4g} {unit}{hint}"]
