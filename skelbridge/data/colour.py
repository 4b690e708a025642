"""Random changes of colours as one affine map of (red, green, blue) per example.

Brightness adds, contrast scales about middle grey, hue turns colours about the grey axis, and
saturation scales the distance to a colour's own grey, in random order. All four are affine, so that
they cost one pass over the pixels together. (MeTRAbs' code turns hue and scales saturation in the
HSV hexcone, by the same amounts; values leave [0, 1] and are cut at the end only, as there.)
"""

from __future__ import annotations

import numpy as np

from .options import Augmentation

#: How many random numbers one example takes.
N_DRAWS = 8
#: Shares of the primary colours in what is seen as brightness (ITU-R BT.601).
_LUMA = np.array([0.299, 0.587, 0.114])


def colour_maps(draws: np.ndarray, augmentation: Augmentation) -> np.ndarray:
    """Returns affine maps of colours in 0 ... 255.

    Args:
      draws: (N, N_DRAWS) uniform random numbers.

    Returns:
      (N, 3, 4) for `cv2.transform`: the last column is added.
    """
    n = len(draws)
    steps = np.zeros((n, 4, 4, 4))
    steps[:] = np.eye(4)
    brightness, contrast, hue, saturation = (steps[:, i] for i in range(4))
    brightness[:, :3, 3] = (augmentation.brightness * (2 * draws[:, 0] - 1))[:, None]
    factor = _within(augmentation.contrast, draws[:, 1])
    contrast[:, :3, :3] = factor[:, None, None] * np.eye(3)
    contrast[:, :3, 3] = ((1 - factor) / 2)[:, None]
    hue[:, :3, :3] = _hue_turns(np.deg2rad(augmentation.hue_degrees) * (2 * draws[:, 2] - 1))
    factor = _within(augmentation.saturation, draws[:, 3])[:, None, None]
    saturation[:, :3, :3] = factor * np.eye(3) + (1 - factor) * _LUMA
    order = np.argsort(draws[:, 4:8], axis=1)
    steps = np.take_along_axis(steps, order[:, :, None, None], axis=1)
    whole = steps[:, 3] @ steps[:, 2] @ steps[:, 1] @ steps[:, 0]
    return whole[:, :3] * (1, 1, 1, 255)


def recoloured(rgba: np.ndarray, colour_map: np.ndarray | None) -> np.ndarray:
    """Returns (height, width, 3) uint8 RGB of a picture with alpha, its colours changed."""
    import cv2

    # OpenCV maps three channels to three twenty times as fast as four to three.
    rgb = cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB)
    return rgb if colour_map is None else cv2.transform(rgb, colour_map, rgb)


def _within(span: tuple[float, float], draws: np.ndarray) -> np.ndarray:
    return span[0] + (span[1] - span[0]) * draws


def _hue_turns(angles: np.ndarray) -> np.ndarray:
    """Returns (N, 3, 3) rotations about the axis (1, 1, 1)."""
    axis = np.ones(3) / np.sqrt(3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    c, s = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    return c * np.eye(3) + s * cross + (1 - c) * np.outer(axis, axis)
