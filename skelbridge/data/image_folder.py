"""Folders of the user's images: backgrounds without people, cut-out objects."""

from __future__ import annotations

import os
from pathlib import Path

from skeleton_defs import UserError

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


def image_files(folder: str | os.PathLike, what: str) -> list[Path]:
    """Returns the images below a folder, sorted by their paths.

    Raises:
      UserError: the folder is not there, or has none.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"{root}: expected a folder of {what}; it is not there")
    found = sorted(p for p in root.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
    if not found:
        raise UserError(f"{root}: expected {what} (.jpg, .png, ...); there are none")
    return found
