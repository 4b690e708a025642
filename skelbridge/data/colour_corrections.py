"""Fixed changes of colours of datasets whose cameras show them too dark or tinted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType

import numpy as np

_STRENGTH = 1.1
_NEUTRAL = 128.0


@dataclass(frozen=True)
class ColourCorrection:
    """A change of an image's colours, the same for all images of a dataset.

    Attributes:
      gamma: exponent on values in [0, 1]; below 1 brightens.
      tint: mean a and b (8-bit Lab) of the tint that is taken out, or None.
      sequences: only sequences of these names (with wildcards); none: all.
    """

    gamma: float = 1.0
    tint: tuple[float, float] | None = None
    sequences: tuple[str, ...] = ()

    def applies_to(self, sequence: str) -> bool:
        """Whether images of a sequence are changed."""
        return not self.sequences or any(fnmatchcase(sequence, s) for s in self.sequences)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the changed image (height, width, 3) uint8 RGB."""
        import cv2

        if self.tint is not None:
            image = _without_tint(image, self.tint)
        if self.gamma != 1:
            table = np.round(255 * (np.arange(256) / 255) ** self.gamma).astype(np.uint8)
            image = cv2.LUT(image, table)
        return image


def _without_tint(image: np.ndarray, tint: tuple[float, float]) -> np.ndarray:
    """Moves a and b by what the tint is off neutral, dark pixels less than bright ones."""
    import cv2

    lab = cv2.cvtColor(image, cv2.COLOR_RGB2Lab).astype(np.float32)
    share = lab[..., 0] * np.float32(_STRENGTH / 255)
    for channel, mean in enumerate(tint, start=1):
        lab[..., channel] -= share * np.float32(mean - _NEUTRAL)
    return cv2.cvtColor(np.clip(np.rint(lab), 0, 255).astype(np.uint8), cv2.COLOR_Lab2RGB)


PUBLISHED_CORRECTIONS: Mapping[str, ColourCorrection] = MappingProxyType(
    {
        "mupots": ColourCorrection(gamma=0.67, sequences=("TS[1-5]",)),
        "mpi_inf_3dhp": ColourCorrection(gamma=0.67, tint=(110, 145), sequences=("TS[1-4]",)),
        "panoptic": ColourCorrection(tint=(120, 138)),
    }
)
"""Those of MeTRAbs' training code; pass them as `CropOptions.corrections`."""
