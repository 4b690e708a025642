"""Saved maps: one `.npz` with the weights and a JSON header."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np

from skeleton_defs import Skeleton, UserError

from ..atomic import atomic_path
from .affine_map import AffineMap

FORMAT = "skelbridge-map"
VERSION = 1
# A map between two 555-joint unions has 308,025 weights.
_MAX_BYTES = 100_000_000


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
            expected_error_mm=affine_map.expected_error_mm,
        )


def load_map(path: str | os.PathLike) -> AffineMap:
    """Reads a map; see `AffineMap.load`.

    Raises:
      UserError: the file is no saved map, of a newer version, or damaged.
    """
    file = Path(path)
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MAX_BYTES:
            raise UserError(
                f"{file}: a saved map unpacks to at most {_MAX_BYTES} bytes. This one claims {size}"
            )
        with np.load(file, allow_pickle=False) as arrays:
            header = json.loads(str(arrays["header"]))
            weights, error = arrays["weights"], arrays["expected_error_mm"]
        if header["format"] != FORMAT:
            raise KeyError("format")
        if header["version"] > VERSION:
            raise UserError(
                f"{file}: the map has version {header['version']}, this skelbridge "
                f"reads up to {VERSION}: update skelbridge"
            )
        return AffineMap(
            weights,
            Skeleton.from_dict(header["source"]),
            Skeleton.from_dict(header["target"]),
            tuple(header["status"]),
            error,
            tuple(header["notes"]),
            header["method"],
        )
    except UserError as error:
        message = str(error)
        raise UserError(
            message if message.startswith(str(file)) else f"{file}: {message}"
        ) from None
    except OSError as error:
        raise UserError(f"{file}: cannot read the map ({error.strerror or error})") from None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError) as error:
        raise UserError(
            f"{file}: not a saved map, or damaged ({type(error).__name__}): make it "
            "with AffineMap.save"
        ) from None
