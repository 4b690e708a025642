"""Other backgrounds for people whose silhouettes are known."""

from __future__ import annotations

import os

import numpy as np

from dataset_adapters.images import read_image

from .image_folder import image_files

#: How much larger than the crop a background is drawn, and how far it is shifted.
_ZOOM = (1.2, 1.5)
_SHIFT = 0.1


class Backgrounds:
    """The user's pictures without people (MeTRAbs: INRIA Holidays), or procedural ones.

    Args:
      folder: of images; None: colours that change smoothly, with some shapes and noise.
    """

    def __init__(self, folder: str | os.PathLike | None = None):
        self._files = None if folder is None else image_files(folder, "background images")

    def draw(self, side: int, random: np.random.Generator) -> np.ndarray:
        """Returns a background (side, side, 4) uint8 RGBA, opaque.

        Raises:
          FileError: the chosen file is no image.
        """
        if self._files is None:
            return _procedural(side, random)
        return _piece(read_image(self._files[random.integers(len(self._files))]), side, random)

    def behind(
        self, crop: np.ndarray, silhouette: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """Returns a crop (S, S, 4) with another background.

        Args:
          silhouette: (S, S) uint8, 255 where the person is.
        """
        import cv2

        share = silhouette.astype(np.float32) * np.float32(1 / 255)
        return cv2.blendLinear(crop, self.draw(len(crop), random), share, 1 - share)


def _piece(image: np.ndarray, side: int, random: np.random.Generator) -> np.ndarray:
    import cv2

    height, width = image.shape[:2]
    zoom = random.uniform(*_ZOOM) * side / min(height, width)
    if zoom < 0.5:
        zoom *= (factor := int(1 / zoom))
        image = cv2.resize(image, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
        height, width = image.shape[:2]
    radius, angle = np.sqrt(random.uniform()) * _SHIFT * side, random.uniform(0, 2 * np.pi)
    shift = radius * np.array([np.cos(angle), np.sin(angle)])
    center = np.array([width - 1, height - 1]) / 2
    move = np.zeros((2, 3))
    move[:, :2] = zoom * np.eye(2)
    move[:, 2] = (side - 1) / 2 - zoom * center + shift
    rgba = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
    return cv2.warpAffine(rgba, move, (side, side), borderMode=cv2.BORDER_REFLECT)


def _procedural(side: int, random: np.random.Generator) -> np.ndarray:
    import cv2

    n = int(random.integers(2, 10))
    colours = random.integers(0, 256, (n, n, 4), np.uint8)
    image = cv2.resize(colours, (side, side), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(random.integers(0, 12))):
        n_corners = int(random.integers(3, 7))
        corners = random.uniform(-0.1, 1.1, 2) + random.uniform(-0.3, 0.3, (n_corners, 2))
        color = tuple(int(c) for c in random.integers(0, 256, 3))
        fixed_point = np.round(16 * side * corners).astype(np.int32)
        cv2.fillPoly(image, [fixed_point], (*color, 255), cv2.LINE_AA, 4)
    strength = random.uniform(0, 24)
    noise = random.integers(0, 256, (side, side, 4), np.uint8)
    image = cv2.addWeighted(image, 1 - strength / 255, noise, strength / 255, 0)
    image[..., 3] = 255
    return image
