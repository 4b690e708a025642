"""Writes C3D files as capture systems do: floats, the first frame is number 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_RESIDUAL = 3


def write_c3d(
    path: Path, points: np.ndarray, *, labels: list[str], rate: float, vicon_gaps: bool = False
) -> None:
    """Writes points (T, P, 3) mm, NaN where missing.

    Args:
      vicon_gaps: missing points are zeros with the residual -1 on disk, as Vicon stores them;
        else NaN, as ezc3d does.
    """
    import ezc3d

    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [float(rate)]
    file["parameters"]["POINT"]["LABELS"]["value"] = labels
    file["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    file["data"]["points"] = points.transpose(2, 1, 0).astype(float)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.write(str(path))
    if vicon_gaps:
        _mark_gaps(path, points)


def _mark_gaps(path: Path, points: np.ndarray) -> None:
    """Rewrites the data section: x, y, z, residual as 32-bit floats for every point."""
    data = bytearray(path.read_bytes())
    start = 512 * (int.from_bytes(data[16:18], "little") - 1)
    values = np.zeros((*points.shape[:2], 4), "<f4")
    values[..., :_RESIDUAL] = np.nan_to_num(points, nan=0.0)
    values[..., _RESIDUAL] = np.where(np.isnan(points[..., 0]), -1, 0)
    stored = np.frombuffer(bytes(data[start : start + values.nbytes]), "<f4").reshape(values.shape)
    present = ~np.isnan(points[..., 0])
    assert np.array_equal(stored[present][:, :3], values[present][:, :3]), "unexpected C3D layout"
    data[start : start + values.nbytes] = values.tobytes()
    path.write_bytes(data)
