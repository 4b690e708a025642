"""Saved maps: one `.npz` with the weights and a JSON header.

Version 2 adds what missing source joints are predicted by (`SourceMoments`): the arrays
`gap_joints` and `gap_moment` (the upper triangle, row by row), and numbers under `gaps` in the
header. Maps without that are written as version 1, which older programs read.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from dataset_adapters.containers import FileError
from dataset_adapters.containers.npz import open_npz
from skeleton_defs import Skeleton, UserError

from ..atomic import atomic_path
from .affine_map import ERRORS, AffineMap
from .gaps import SourceMoments
from .map_with_gaps import MapWithGaps

FORMAT = "skelbridge-map"
VERSION = 2
_GAP_NUMBERS = ("noise_mm", "calibration", "dims")
_OLD = "NaN where a source joint is missing (the map is of an older version: fit it again)"
_NO_MAP = "expected a saved map (AffineMap.save writes them), found another or a damaged file"


def save_map(path: str | os.PathLike, affine_map: AffineMap) -> None:
    """Writes a map; see `AffineMap.save`."""
    moments = None
    if isinstance(affine_map, MapWithGaps):
        moments, affine_map = affine_map.moments, affine_map.complete
    header = {
        "format": FORMAT,
        "version": 1 if moments is None else VERSION,
        "method": affine_map.method,
        "status": affine_map.status,
        "notes": affine_map.notes,
        "source": affine_map.source.to_dict(),
        "target": affine_map.target.to_dict(),
    }
    arrays = {"weights": affine_map.weights, **{n: getattr(affine_map, n) for n in ERRORS}}
    if moments is not None:
        header["gaps"] = {name: getattr(moments, name) for name in _GAP_NUMBERS}
        arrays["gap_joints"] = moments.used.astype(np.int32)
        arrays["gap_moment"] = moments.moment[np.triu_indices(len(moments.used))]
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, header=np.array(json.dumps(header)), **arrays)


def load_map(path: str | os.PathLike) -> AffineMap:
    """Reads a map; see `AffineMap.load`.

    Raises:
      UserError: the file is no saved map, of a newer version, or damaged.
    """
    file = Path(path)
    try:
        with open_npz(file) as arrays:
            if not {"header", "weights", "expected_error_mm"} <= set(arrays):
                raise FileError(file, _NO_MAP)
            header = json.loads(str(arrays["header"]))
            weights = arrays["weights"]
            errors = {name: arrays[name] for name in ERRORS if name in arrays}
            gaps = {name: arrays[name] for name in ("gap_joints", "gap_moment") if name in arrays}
        if header["format"] != FORMAT:
            raise FileError(file, _NO_MAP)
        if header["version"] > VERSION:
            raise FileError(
                file,
                f"the map has version {header['version']}, this skelbridge reads up to "
                f"{VERSION}: update skelbridge",
            )
        affine_map = AffineMap(
            weights,
            Skeleton.from_dict(header["source"]),
            Skeleton.from_dict(header["target"]),
            tuple(header["status"]),
            errors.pop("expected_error_mm"),
            tuple(header["notes"]),
            header["method"],
            **errors,
        )
        if header["version"] < 2:
            return _without_gaps(affine_map)
        return _with_gaps(affine_map, header["gaps"], gaps)
    except FileError:
        raise
    except UserError as error:
        raise FileError(file, str(error)) from None
    except OSError as error:
        raise FileError(file, f"cannot read the map ({error.strerror or error})") from None
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise FileError(file, f"{_NO_MAP} ({type(error).__name__})") from None


def _with_gaps(affine_map: AffineMap, numbers: dict, arrays: dict[str, np.ndarray]) -> MapWithGaps:
    used, triangle = arrays["gap_joints"], arrays["gap_moment"]
    count = used.size
    if count > len(affine_map.source) or triangle.shape != (count * (count + 1) // 2,):
        raise UserError(
            f"the map's source moments must be of at most {len(affine_map.source)} joints, and a "
            f"triangle of them. Found {count} joints and an array of shape {triangle.shape}"
        )
    moment = np.zeros((count, count), triangle.dtype)
    moment[np.triu_indices(count)] = triangle
    moment.T[np.triu_indices(count)] = triangle
    moments = SourceMoments(used, moment, **{name: numbers[name] for name in _GAP_NUMBERS})
    first, last = int(moments.used[0]), int(moments.used[-1])
    if first < 0 or last >= len(affine_map.source):
        raise UserError(
            f"the map's source moments must be of joints 0 to {len(affine_map.source) - 1}. "
            f"Found joints {first} to {last}"
        )
    return MapWithGaps.of(affine_map, moments)


def _without_gaps(affine_map: AffineMap) -> AffineMap:
    """Says of a fitted map of version 1 what it does not do."""
    if affine_map.method != "fit":
        return affine_map
    return replace(
        affine_map,
        notes=tuple(
            note if status == "unavailable" or _OLD in note else f"{note}; {_OLD}" if note else _OLD
            for note, status in zip(affine_map.notes, affine_map.status, strict=True)
        ),
    )
