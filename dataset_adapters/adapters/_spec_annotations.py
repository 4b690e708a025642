"""SPEC's annotation files: npz archives with a row per person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..containers.errors import FileError
from ..containers.file_text import list_names
from ..containers.npz import NpzArchive, open_npz
from ..containers.safe_pickle import load_object_npz
from ._values import as_array

#: So many of the first rows of `S` are used: the limbs, whatever follows them.
N_EXTENT_ROWS = 12
_KEYS = ("imgname", "pose", "openpose_gt", "cam_rotmat", "cam_int")


@dataclass(frozen=True, eq=False)
class People:
    """Rows of an annotation file.

    Attributes:
      images: paths as stored.
      pose: (N, 24, 3) radians; betas: (N, n) or None; keypoints: (N, 25, 3) x, y, confidence.
      R: (N, 3, 3) world to camera; K: (N, 3, 3).
      extent: (N, 12, 3) the first rows of S in mm, NaN where not vouched for; None without S.
    """

    images: list[str]
    pose: np.ndarray
    betas: np.ndarray | None
    keypoints: np.ndarray
    R: np.ndarray
    K: np.ndarray
    extent: np.ndarray | None


def read_people(path: Path) -> People:
    """Reads an annotation file.

    Raises:
      FileError: an array is missing or holds something else.
    """
    with open_npz(path) as archive:
        missing = [key for key in _KEYS if key not in archive]
        if missing:
            raise FileError(
                path,
                f"expected the arrays {', '.join(missing)}, found {list_names(archive)}; files "
                "without measured cameras cannot be read (option part=syn leaves SPEC-MTP out)",
            )
        images = _texts(path, archive, "imgname")
        n = len(images)
        has_body = np.ones(n, bool)
        if "has_smpl" in archive:
            has_body = as_array(path, "has_smpl", np.ravel(archive["has_smpl"]), (n,)) > 0
        R, K = (as_array(path, key, archive[key], (n, 3, 3)) for key in ("cam_rotmat", "cam_int"))
        if (np.abs(np.linalg.det(K[:, :2, :2])) < 1).any():
            raise FileError(path, "cam_int: expected focal lengths in px, found smaller numbers")
        return People(
            [image for image, is_there in zip(images, has_body, strict=True) if is_there],
            as_array(path, "pose", archive["pose"], (n, 72))[has_body].reshape(-1, 24, 3),
            as_array(path, "shape", archive["shape"], (n, None))[has_body]
            if "shape" in archive
            else None,
            as_array(path, "openpose_gt", archive["openpose_gt"], (n, 25, 3))[has_body],
            R[has_body],
            K[has_body],
            _extent(path, archive["S"], n)[has_body] if "S" in archive else None,
        )


def _texts(path: Path, archive: NpzArchive, key: str) -> list[str]:
    """Returns paths that may be stored as text, bytes or Python objects."""
    try:
        values = archive[key]
    except FileError:
        values = load_object_npz(path, key)
    values = [v.decode("latin-1") if isinstance(v, bytes) else v for v in values.ravel().tolist()]
    for value in values:
        if (
            not isinstance(value, str)
            or not value
            or value.startswith("/")
            or ".." in value.split("/")
        ):
            raise FileError(path, f"{key}: expected paths of images, found {str(value)[:60]!r}")
    return values


def _extent(path: Path, values: np.ndarray, n: int) -> np.ndarray:
    rows = as_array(path, "S", values, (n, None, None))
    if rows.shape[1] < N_EXTENT_ROWS or rows.shape[2] not in (3, 4):
        raise FileError(path, f"S: expected shape ({n}, 12 or more, 4), found {rows.shape}")
    rows = rows[:, :N_EXTENT_ROWS]
    is_given = rows[..., 3:] > 0 if rows.shape[2] == 4 else np.ones((n, N_EXTENT_ROWS, 1), bool)
    return np.where(is_given, 1000 * rows[..., :3], np.nan)
