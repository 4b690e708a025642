"""Pixels of crops: each resampled once, bilinearly, from the picture in the store."""

from __future__ import annotations

import numpy as np

from ..store.crops import GRID_STEP, OUTSIDE, lens_limit, refined_map
from .views import CropViews


def resampled(
    picture: np.ndarray, views: CropViews, row: int, *, side: int, shrinks_first: bool
) -> np.ndarray:
    """Returns what a crop shows of a picture, zeros where that ends.

    Args:
      picture: (height, width, channels) uint8.
      row: which view.

    Returns:
      (side, side, channels) uint8.
    """
    import cv2

    factor = _shrinking(picture, views.zoom[row]) if shrinks_first else 1
    if factor > 1:
        height, width = (n // factor for n in picture.shape[:2])
        whole = picture[: height * factor, : width * factor]
        picture = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    # The edge of the picture, not the centre of its first pixel, stays when it is shrunk.
    shift = (1 / factor - 1) / 2
    if not views.distortion[row].any():
        shrink = np.array([[1 / factor, 0, shift], [0, 1 / factor, shift], [0, 0, 1]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        homography = shrink @ views.homography[row]
        return cv2.warpPerspective(picture, homography, (side, side), None, flags)
    coarse = _coarse_map(views, row, side) / factor + shift
    maps = [refined_map(plane, (side, side)) for plane in coarse]
    return cv2.remap(picture, *maps, cv2.INTER_LINEAR)


def _shrinking(picture: np.ndarray, zoom: float) -> int:
    """Returns how many pixels of the picture (of one axis) a pixel of the crop covers, at least."""
    return int(np.clip(1 / zoom, 1, min(picture.shape[:2])))


def _coarse_map(views: CropViews, row: int, side: int) -> np.ndarray:
    """Returns (2, n, n) the pixel of the image behind the middle of every 8 x 8 of the crop.

    One more on each side; `refined_map` interpolates.
    """
    along = (np.arange(-(-side // GRID_STEP) + 2) - 1) * GRID_STEP + (GRID_STEP - 1) / 2
    grid = np.stack(np.meshgrid(along, along), axis=-1)
    found = views.to_image(row, grid)
    rays = np.concatenate([grid, np.ones((*grid.shape[:2], 1))], axis=-1)
    rays = rays @ (views.to_source[row] @ np.linalg.inv(views.K[row])).T
    limit = lens_limit(views.distortion[row].tobytes())
    found[np.hypot(rays[..., 0], rays[..., 1]) > limit * rays[..., 2]] = np.nan
    found[np.isnan(found)] = OUTSIDE
    return np.ascontiguousarray(np.moveaxis(found, -1, 0))
