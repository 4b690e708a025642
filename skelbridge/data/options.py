"""What decides the content of training crops. Defaults are those of MeTRAbs' training.

Sources: supplement of arXiv 2212.14474 and its published code (isarandi/metrabs).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from skeleton_defs import UserError

from .colour_corrections import ColourCorrection

Span = tuple[float, float]


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training crops.

    Attributes:
      shift: the crop's centre moves by up to this share of the box's larger side.
      zoom: factors on the crop's scale.
      rotation_degrees: the crop turns by up to this angle to either side.
      flip: probability of a mirrored crop.
      partial_visibility: probability that only a part of the person's box counts.
      background: probability that the background is replaced, where a silhouette is known.
      background_of: dataset -> its own such probability.
      occlusion: probability that something is in front of the person.
      colour: whether colours change; by the four spans below.
      brightness: the largest change, of the range of values.
      contrast: factors on the distance to middle grey.
      hue_degrees: the largest turn of colours about the grey axis.
      saturation: factors on the distance to a colour's own grey.
    """

    shift: float = 0.1
    zoom: Span = (0.75, 1.25)
    rotation_degrees: float = 20.0
    flip: float = 0.5
    partial_visibility: float = 0.0
    background: float = 0.7
    background_of: Mapping[str, float] = field(
        default_factory=lambda: {"sailvos": 0.2, "agora": 0.2, "spec": 0.2, "hspace": 0.2}
    )
    occlusion: float = 0.5
    colour: bool = True
    brightness: float = 0.125
    contrast: Span = (0.5, 1.5)
    hue_degrees: float = 72.0
    saturation: Span = (0.5, 1.5)

    def __post_init__(self):
        for name in ("flip", "partial_visibility", "background", "occlusion"):
            _check_range(name, getattr(self, name), 0, 1)
        for dataset, probability in self.background_of.items():
            _check_range(f"background_of[{dataset!r}]", probability, 0, 1)
        _check_range("shift", self.shift, 0, 1)
        _check_range("rotation_degrees", self.rotation_degrees, 0, 180)
        _check_range("brightness", self.brightness, 0, 1)
        _check_range("hue_degrees", self.hue_degrees, 0, 180)
        for name, low, high in (("zoom", 0.1, 10), ("contrast", 0, 10), ("saturation", 0, 10)):
            first, last = getattr(self, name)
            _check_range(name, first, low, high)
            _check_range(name, last, first, high)
            object.__setattr__(self, name, (float(first), float(last)))

    @classmethod
    def none(cls, *, flip: bool = False) -> Augmentation:
        """Returns what changes nothing, for validation; `flip` mirrors every crop."""
        return cls(
            shift=0.0,
            zoom=(1.0, 1.0),
            rotation_degrees=0.0,
            flip=float(flip),
            background=0.0,
            background_of={},
            occlusion=0.0,
            colour=False,
        )


@dataclass(frozen=True)
class CropOptions:
    """What crops are like.

    Attributes:
      side: S px.
      fov_2d_degrees: assumed for the larger side of images without a camera.
      border_2d: in examples drawn for 2D labels, joints lower than this share of the image's height
        are missing: annotators put joints at the border that are beyond it.
      shrinks_first: where a pixel of the crop covers 2 x 2 pixels or more, means over whole pixels
        are taken before the crop is resampled, so that nothing flickers (not in the published code,
        whose images are of a size where this does not occur).
      image_dtype: `float32` in [0, 1], or `uint8`, a quarter of the memory.
      corrections: dataset -> fixed change of its colours.
    """

    side: int = 256
    fov_2d_degrees: float = 8.0
    border_2d: float = 0.95
    shrinks_first: bool = True
    image_dtype: str = "float32"
    corrections: Mapping[str, ColourCorrection] = field(default_factory=dict)

    def __post_init__(self):
        _check_range("side", self.side, 8, 4096)
        _check_range("fov_2d_degrees", self.fov_2d_degrees, 0.1, 170)
        _check_range("border_2d", self.border_2d, 0, 1)
        if self.image_dtype not in ("float32", "uint8"):
            raise UserError(f"image_dtype must be float32 or uint8. Received {self.image_dtype!r}")

    def with_side(self, side: int) -> CropOptions:
        """Returns the options for crops of another size."""
        return dataclasses.replace(self, side=side)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(f"{name} must be from {low} to {high}. Received {value}")
