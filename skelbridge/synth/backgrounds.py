"""What is behind people: drawn by rule, or cut out of the user's images.

Each function draws one (size, size, 3) uint8 RGB picture from a random generator.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dataset_adapters.images import read_image
from skeleton_defs import UserError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_LARGEST_SIDE = 1024


def blurred_colours(rng: np.random.Generator, size: int) -> np.ndarray:
    """Soft patches of colour, as behind a person in a park."""
    import cv2

    n = int(rng.integers(3, 7))
    patches = rng.integers(20, 235, (n, n, 3)).astype(np.uint8)
    return cv2.resize(patches, (size, size), interpolation=cv2.INTER_CUBIC)


def studio(rng: np.random.Generator, size: int) -> np.ndarray:
    """A brownish wall and floor, lit from one side."""
    import cv2

    wall = np.array([120, 98, 76]) * rng.uniform(0.55, 1.45) + rng.uniform(-14, 14, 3)
    floor = wall * rng.uniform(0.45, 0.9)
    horizon = int(size * rng.uniform(0.62, 0.9))
    light = np.linspace(1, rng.uniform(0.6, 1.0), 8)[:: rng.choice([-1, 1])]
    coarse = np.clip(wall * light[:, None], 0, 255)[None].astype(np.uint8)
    picture = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_LINEAR)
    depth = np.linspace(0.8, 1.15, size - horizon)[:, None, None]
    picture[horizon:] = np.clip(floor * depth, 0, 255)
    return cv2.GaussianBlur(picture, (5, 5), 0)


def polygons_and_noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Clutter: many-cornered patches on rough ground."""
    import cv2

    coarse = rng.integers(0, 255, (20, 20, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_LINEAR)
    for color in rng.integers(0, 255, (int(rng.integers(5, 12)), 3)).tolist():
        corners = rng.uniform(0, size, 2) + rng.uniform(-0.35, 0.35, (4, 2)) * size
        cv2.fillPoly(picture, [np.round(corners * 16).astype(np.int32)], color, cv2.LINE_AA, 4)
    return picture


def dark_stripes(rng: np.random.Generator, size: int) -> np.ndarray:
    """Dark stripes in one direction, as of planks or blinds."""
    import cv2

    base = rng.uniform(15, 60, 3)
    other = np.clip(base + rng.uniform(12, 60, 3), 0, 255)
    picture = np.full((size, size, 3), base, np.uint8)
    angle, period = rng.uniform(0, np.pi), size * rng.uniform(0.06, 0.2)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    thickness = max(1, int(period * rng.uniform(0.3, 0.6)))
    start = rng.uniform(0, period)
    for k in range(-int(size / period), int(size / period) + 1):
        middle = size / 2 + across * (start + k * period)
        ends = [np.round(middle + sign * size * along).astype(int).tolist() for sign in (-1, 1)]
        cv2.line(picture, *ends, other.tolist(), thickness, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (3, 3), 0)


def gradients_and_discs(rng: np.random.Generator, size: int) -> np.ndarray:
    """A slope of colour with round spots."""
    import cv2

    corners = rng.integers(70, 250, (2, 2, 3)).astype(np.uint8)
    picture = cv2.resize(corners, (size, size), interpolation=cv2.INTER_LINEAR)
    for _ in range(int(rng.integers(3, 9))):
        center = (rng.uniform(0, size, 2) * 16).astype(int).tolist()
        radius = int(16 * size * rng.uniform(0.03, 0.2))
        color = rng.integers(40, 255, 3).tolist()
        cv2.circle(picture, center, radius, color, -1, cv2.LINE_AA, 4)
    return picture


def rooms(rng: np.random.Generator, size: int) -> np.ndarray:
    """Walls, floor and rectangles as of furniture, out of focus."""
    import cv2

    picture = np.full((size, size, 3), rng.integers(90, 230, 3), np.uint8)
    horizon = int(size * rng.uniform(0.45, 0.85))
    picture[horizon:] = rng.integers(40, 190, 3)
    for color in rng.integers(10, 245, (int(rng.integers(4, 10)), 3)).tolist():
        left, top = rng.uniform(-0.2, 0.95, 2) * size
        width, height = rng.uniform(0.06, 0.5, 2) * size
        corners = np.round([left, top, left + width, top + height]).astype(int).tolist()
        cv2.rectangle(picture, corners[:2], corners[2:], color, -1)
    sigma = float(rng.uniform(0.6, 3.0))
    return cv2.GaussianBlur(picture, (0, 0), sigma)


DRAWN: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    function.__name__: function
    for function in (blurred_colours, studio, polygons_and_noise, dark_stripes,
                     gradients_and_discs, rooms)
}  # fmt: skip


def list_images(folder: str | os.PathLike) -> list[str]:
    """Returns the images below a folder, in alphabetical order, relative to it.

    Raises:
      UserError: there is no such folder, or no image in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"{folder}: expected a folder of background images, found none")
    found = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )
    if not found:
        wanted = ", ".join(sorted(IMAGE_SUFFIXES))
        raise UserError(f"{folder}: expected background images ({wanted}), found none")
    return found


def digest_of(folder: str | os.PathLike, names: list[str]) -> str:
    """Returns a checksum of the images' names and bytes."""
    digest = hashlib.sha256()
    for name in names:
        data = (Path(folder) / name).read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()[:16]


def cut_out(rng: np.random.Generator, size: int, folder: str, names: tuple[str, ...]) -> np.ndarray:
    """Returns a random square of one of the user's images."""
    import cv2

    image = _reduced(os.path.join(folder, names[int(rng.integers(len(names)))]))
    height, width = image.shape[:2]
    side = max(2, int(rng.uniform(0.5, 1.0) * min(height, width)))
    left, top = (int(rng.integers(n - side + 1)) for n in (width, height))
    square = image[top : top + side, left : left + side]
    if rng.random() < 0.5:
        square = square[:, ::-1]
    how = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(square), (size, size), interpolation=how)


@functools.lru_cache(maxsize=256)
def _reduced(path: str) -> np.ndarray:
    import cv2

    image = read_image(path)
    scale = _LARGEST_SIDE / max(image.shape[:2])
    if scale < 1:
        size = [max(2, round(n * scale)) for n in image.shape[1::-1]]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return image
