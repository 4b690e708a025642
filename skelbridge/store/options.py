"""What decides the content of a prepared dataset, and what only decides how it is made."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skeleton_defs import UserError

from .crops import CropRule

IMAGE_MODES = ("crop", "reference")
UNMATCHED = ("drop", "keep")
#: Crops of these are cut tighter than others (PosePile: factor on the margin).
MARGIN_FACTORS = {"aist": 0.8}


@dataclass(frozen=True)
class PrepareOptions:
    """Everything that changes what comes into the store.

    Attributes:
      images: `crop` packs person-centred crops, `reference` leaves the images where they are.
      max_box_px: the larger side of the person's box in a crop.
      jpeg_quality: of the crops.
      margin: factor on the usual margin around the box.
      thinning: whether the dataset's rule for frames applies.
      plausibility: whether examples with impossible bones, or out of their boxes, go.
      boxes, masks: files of the user's detector and segmenter, see `detections`.
      min_overlap: of a detection with the person's box.
      unmatched: what happens to people whom no detection fits, where a boxes file is given.
      limit: at most so many examples of each split.
    """

    images: str = "crop"
    max_box_px: int = 384
    jpeg_quality: int = 95
    margin: float = 1.0
    thinning: bool = True
    plausibility: bool = True
    boxes: str | None = None
    masks: str | None = None
    min_overlap: float = 0.1
    unmatched: str = "drop"
    limit: int | None = None

    def __post_init__(self):
        _check_choice("images", self.images, IMAGE_MODES)
        _check_choice("unmatched", self.unmatched, UNMATCHED)
        for name, low, high in (
            ("max_box_px", 16, 4096), ("jpeg_quality", 1, 100), ("margin", 0.5, 4),
            ("min_overlap", 0, 1), ("limit", 1, 10**12),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UserError(f"{name} must be from {low} to {high}. Received {value}")

    @property
    def crop_rule(self) -> CropRule:
        """How large crops are."""
        return CropRule(max_box_px=self.max_box_px, margin=CropRule.margin * self.margin)

    def recorded(self) -> dict[str, Any]:
        """Returns the options as the manifest states them; files by name and content."""
        options = dataclasses.asdict(self)
        for name in ("boxes", "masks"):
            if options[name] is not None:
                options[name] = f"{Path(options[name]).name} sha256 {sha256_of(options[name])}"
        return options


def recorded_adapter_options(options: dict[str, Any]) -> dict[str, Any]:
    """Returns an adapter's options as JSON values."""
    return {name: _plain(value) for name, value in options.items()}


def sha256_of(path: str | os.PathLike) -> str:
    """Returns the hexadecimal digest of a file.

    Raises:
      UserError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() if _HAS_DIGEST else _digest(file)
    except OSError as error:
        raise UserError(f"{os.fspath(path)}: cannot be read: {error.strerror or error}") from None


_HAS_DIGEST = hasattr(hashlib, "file_digest")  # Python 3.11


def _digest(file) -> str:
    digest = hashlib.sha256()
    while part := file.read(1 << 20):
        digest.update(part)
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UserError(f"{name} must be {' or '.join(choices)}. Received {value!r}")
