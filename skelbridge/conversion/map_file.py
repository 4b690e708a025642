"""Saved maps: one `.npz` with the weights and a JSON header."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from dataset_adapters.containers import FileError
from dataset_adapters.containers.npz import open_npz
from skeleton_defs import Skeleton, UserError

from ..atomic import atomic_path
from .affine_map import ERRORS, AffineMap

FORMAT = "skelbridge-map"
VERSION = 1
_NO_MAP = "expected a saved map (AffineMap.save writes them), found another or a damaged file"


def save_map(path: str | os.PathLike, affine_map: AffineMap) -> None:
    """Writes a map; see `AffineMap.save`."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "method": affine_map.method,
        "status": affine_map.status,
        "notes": affine_map.notes,
        "source": affine_map.source.to_dict(),
        "target": affine_map.target.to_dict(),
    }
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(
            file,
            header=np.array(json.dumps(header)),
            weights=affine_map.weights,
            **{name: getattr(affine_map, name) for name in ERRORS},
        )


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
        if header["format"] != FORMAT:
            raise FileError(file, _NO_MAP)
        if header["version"] > VERSION:
            raise FileError(
                file,
                f"the map has version {header['version']}, this skelbridge reads up to "
                f"{VERSION}: update skelbridge",
            )
        return AffineMap(
            weights,
            Skeleton.from_dict(header["source"]),
            Skeleton.from_dict(header["target"]),
            tuple(header["status"]),
            errors.pop("expected_error_mm"),
            tuple(header["notes"]),
            header["method"],
            **errors,
        )
    except FileError:
        raise
    except UserError as error:
        raise FileError(file, str(error)) from None
    except OSError as error:
        raise FileError(file, f"cannot read the map ({error.strerror or error})") from None
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise FileError(file, f"{_NO_MAP} ({type(error).__name__})") from None
