"""Cameras for SAIL-VOS's images: stored by a script, or found from the bones that are seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..camera import intrinsics
from ..containers.errors import FileError
from ..containers.file_text import list_names
from ..containers.npz import open_npz
from ._resection import Resection, find_cameras
from ._values import as_array

IMAGE_SIZE = (1280, 800)
CENTER_PX = np.array([640.0, 400.0])
#: Horizontal fields of view between which the focal length is sought, and where from.
FIELD_DEGREES = (30.0, 100.0)
_START_DEGREES = 60.0
#: An image whose people do not fit one camera better than this gets one per person.
SHARED_RMS_PX = 3.0
#: So many bones, evenly chosen, determine an image's camera.
_MAX_POINTS = 400


@dataclass(frozen=True, eq=False)
class Views:
    """Cameras of N people; centres in metres, NaN where unknown."""

    R: np.ndarray
    centers: np.ndarray
    K: np.ndarray

    @classmethod
    def unknown(cls, n: int) -> Views:
        """Returns N cameras that are still to be set."""
        return cls(*(np.full((n, *shape), np.nan) for shape in ((3, 3), (3,), (3, 3))))

    @property
    def is_known(self) -> np.ndarray:
        """(N,) whether the camera has been set."""
        return ~np.isnan(self.centers[:, 0])

    def set(self, row: int, view: tuple[np.ndarray, np.ndarray, np.ndarray] | None) -> None:
        """Sets R, centre and K of a row; None leaves it unknown."""
        if view is not None:
            self.R[row], self.centers[row], self.K[row] = view


def read_view(path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Reads R, centre (metres) and K that PosePile's script has stored; None if it found none.

    Raises:
      FileError: the file is missing or holds something else.
    """
    with open_npz(path) as archive:
        values = {}
        for key, shape in (("intrinsics", (3, 3)), ("extrinsics", (3, 4))):
            if key not in archive:
                raise FileError(path, f"expected the key {key!r}, found {list_names(archive)}")
            value = archive[key]
            if value.size == 1:
                return None
            values[key] = as_array(path, key, value, shape)
    R, t = values["extrinsics"][:, :3], values["extrinsics"][:, 3]
    return R, -R.T @ t, values["intrinsics"]


def found_views(
    views: Views, rows: np.ndarray, frames: np.ndarray, pixels: np.ndarray, points: np.ndarray
) -> tuple[Views, tuple[str, ...]]:
    """Finds the cameras of some people: one per image, or one per person where they disagree.

    Args:
      views: where the cameras of `rows` are set.
      rows: indices of people.
      frames: (N,) number of each person's image.
      pixels: (N, P, 2), NaN for invalid bones.
      points: (N, P, 3) metres.

    Returns:
      `views`, and a note.
    """
    numbers, image_of = np.unique(frames[rows], return_inverse=True)
    by_image = _find([rows[image_of == i] for i in range(len(numbers))], pixels, points)
    focal = _focal_px(_START_DEGREES)
    rms = focal * by_image.rms
    for row, image in zip(rows.tolist(), image_of.tolist(), strict=True):
        views.set(row, _view(by_image, image))
    at_odds = rms > SHARED_RMS_PX
    alone = rows[at_odds[image_of]]
    if len(alone):
        by_person = _find([np.array([row]) for row in alone], pixels, points)
        for i, row in enumerate(alone.tolist()):
            views.set(row, _view(by_person, i))
        rms = np.concatenate([rms[~at_odds], focal * by_person.rms])
    is_found = ~np.isnan(rms)
    if not is_found.any():
        return views, ("no camera could be found: too few bones with both 2D and 3D",)
    return views, (
        f"cameras found from bones: median {np.median(rms[is_found]):.2f} px off, at most "
        f"{rms[is_found].max():.2f} px; one per person in {int(at_odds.sum())} of {len(numbers)} "
        "images",
    )


def _find(groups: list[np.ndarray], pixels: np.ndarray, points: np.ndarray) -> Resection:
    """Finds a camera for each group of people."""
    world = np.full((len(groups), _MAX_POINTS, 3), np.nan)
    image = np.full((len(groups), _MAX_POINTS, 2), np.nan)
    for i, group in enumerate(groups):
        seen, given = pixels[group].reshape(-1, 2), points[group].reshape(-1, 3)
        both = np.flatnonzero(~np.isnan(seen[:, 0]) & ~np.isnan(given[:, 0]))
        if len(both) > _MAX_POINTS:
            both = both[np.linspace(0, len(both) - 1, _MAX_POINTS).astype(int)]
        world[i, : len(both)], image[i, : len(both)] = given[both], seen[both]
    focal = _focal_px(_START_DEGREES)
    widest, narrowest = (_focal_px(degrees) / focal for degrees in FIELD_DEGREES[::-1])
    return find_cameras(world, (image - CENTER_PX) / focal, focal_bounds=(widest, narrowest))


def _view(found: Resection, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    focal = _focal_px(_START_DEGREES) * found.focal_factor[i]
    return found.R[i], -found.R[i].T @ found.t[i], intrinsics(focal, focal, *CENTER_PX)


def _focal_px(field_degrees: float) -> float:
    return IMAGE_SIZE[0] / (2 * np.tan(np.radians(field_degrees) / 2))
