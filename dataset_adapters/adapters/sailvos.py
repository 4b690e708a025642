"""SAIL-VOS: cut scenes of a video game, people as hundreds of bones; cameras have to be found.

Hu et al., CVPR 2019. Bones as text, one pair of files per person and image: pixels and metres.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..containers.errors import FileError
from ..examples import ExampleBlock
from ._joint_rows import read_joint_rows
from ._sailvos_bones import MIN_ROWS, bone_points, joints_of_bones
from ._sailvos_cameras import IMAGE_SIZE, Views, found_views, read_view
from ._sailvos_silhouettes import silhouettes
from ._values import camera_of, check_choice, natural_key

#: Root mean square distance of the joints from their mean that a whole body may have.
SPREAD_MM = (100.0, 3000.0)
_IMAGES = (".bmp", ".jpg", ".jpeg", ".png")
_MM_PER_M = 1000.0

INFO = DatasetInfo(
    name="sailvos",
    title="SAIL-VOS",
    kind="3D, synthetic",
    homepage="https://sailvos.web.illinois.edu",
    licence="non-commercial research and education; no redistribution; one must own GTA V",
    access="registration; the files with human poses only on request to the maintainers",
    paper="Hu, Chen, Hui, Huang, Schwing: SAIL-VOS, CVPR 2019",
    skeletons=("sailvos_26",),
    splits=("train",),
    tree="""\
tonya_mcs_1/images/000012.bmp                       (or .jpg)
tonya_mcs_1/37_Ped_5/000012_2d.txt  000012_3d.txt   pose archives
tonya_mcs_1/visible/000012.npy                      (or .npz; optional: ids of what is seen)
tonya_mcs_1/37_Ped_5/000012.png                     (optional: whole silhouettes)
tonya_mcs_1/37_Ped_5/000012_camera.npz              (optional: a camera found before)
or the folder above: sailvos/tonya_mcs_1/...""",
    items=(
        Item("**/images/*", "images, 1280 x 800 px", "the site's archives of images"),
        Item("**/*_Ped_*/*_2d.txt", "bones, px", "sailvos_pose_training.tar, sailvos_pose_val.tar"),
        Item("**/*_Ped_*/*_3d.txt", "bones, metres", "the same, a zip file per sequence in them"),
        Item(
            "**/visible/*", "who is seen: boxes, occlusion", "the site's archives", required=False
        ),
        Item("**/*_Ped_*/*.png", "whole silhouettes", "the site's archives", required=False),
        Item(
            "**/*_Ped_*/*_camera.npz",
            "cameras that PosePile's calibrate_cameras.py has found",
            "calibrate_cameras.py of isarandi/posepile",
            required=False,
        ),
    ),
    defects=(
        Defect(
            "no cameras are given",
            "place, direction and focal length are found per image from all its bones with both "
            "2D and 3D, with the principal point in the centre; *_camera.npz is used where it is",
        ),
        Defect("invalid bones are 0 0 0 and -1280 -800", "NaN"),
        Defect(
            "some poses are broken",
            "people whose joints spread by less than 0.1 m or more than 3 m are left out",
        ),
        Defect("bones that stand for one joint are several", "the mean of those that are valid"),
        Defect(
            "positions in the game's world are kilometres from its origin",
            "per sequence, the mean camera is the origin",
        ),
    ),
    thinning=Thinning(distance_mm=100.0, memory=1, ignore_missing=True, carry_missing=False),
    facts=(
        "201 sequences with 111 654 frames in the 2D release; training and validation archive "
        "are both read as train, as MeTRAbs was trained.",
        "The published selection wants a box of the visible silhouette with a shorter side of more "
        "than 50 px, and at most 75 percent of the silhouette to be hidden. So does this where "
        "visible/ and the person's .png are there; without visible/ the box is that of the joints "
        "in the image, expanded, and without either file people count as not hidden (the number "
        "is noted). Extra hidden: the hidden share, NaN where unknown.",
        "Published thinning runs on from one person's folder to the next, and comes before the "
        "selection; here each person is thinned alone, after it.",
        "The world's z axis points up, as in the game.",
        "Frame numbers are not contiguous.",
    ),
)


@dataclass(frozen=True)
class SailVos(Adapter):
    """Reads SAIL-VOS."""

    info = INFO

    cameras: str = option("auto", "auto (*_camera.npz where it is there), file or estimate")
    min_joints: int = option(6, "fewest joints with a position")
    min_side_px: float = option(50.0, "a person's box has a larger shorter side than this")
    max_occlusion: float = option(0.75, "largest share of a person's silhouette that is hidden")

    def __post_init__(self):
        check_choice(self, "cameras", ("auto", "file", "estimate"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per sequence."""
        found = {
            path.parent.relative_to(root).as_posix()
            for base in (root, root / "sailvos")
            for path in base.glob("*/*_Ped_*")
            if path.is_dir()
        }
        return [Source(split, key) for key in sorted(found, key=natural_key)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all people, image after image."""
        folder = root / source.key
        files = _pose_files(folder)
        if not files:
            return
        bones = [_read_bones(f"{path}_2d.txt", f"{path}_3d.txt") for _, _, path, _ in files]
        pixels, points = bone_points(bones)
        frames = np.array([frame for frame, *_ in files])
        views, notes = self._views(files, frames, pixels, points)
        joints, joints2d = joints_of_bones(points), joints_of_bones(pixels)
        rows = np.flatnonzero(self._is_whole(joints) & views.is_known)
        seen = silhouettes(str(folder), [files[row][:3] for row in rows])
        boxes = np.where(np.isnan(seen.boxes), _boxes_of(joints2d[rows]), seen.boxes)
        # Comparisons with an unknown share are false.
        good = (boxes[:, 2:].min(axis=1) > self.min_side_px) & ~(seen.hidden > self.max_occlusion)
        notes += _notes(len(files), len(rows), good, seen.hidden[good])
        if not good.any():
            return
        rows, boxes, hidden = rows[good], boxes[good], seen.hidden[good]
        origin = views.centers[rows].mean(0).round(3)
        cameras = [
            camera_of(
                f"{files[row][2]}_2d.txt",
                "the camera of this image",
                R=views.R[row],
                center=_MM_PER_M * (views.centers[row] - origin),
                K=views.K[row],
                world_up=(0, 0, 1),
                image_size=IMAGE_SIZE,
            )
            for row in rows
        ]
        yield ExampleBlock(
            dataset="sailvos",
            split=source.split,
            skeleton="sailvos_26",
            frames=frames[rows],
            sequence=folder.name,
            person=[files[row][1] for row in rows],
            images=[f"{source.key}/images/{files[row][3]}" for row in rows],
            cameras=cameras,
            joints3d=_MM_PER_M * (joints[rows] - origin),
            joints2d=joints2d[rows],
            boxes=boxes,
            masks=seen.masks.select(good),
            extras={"hidden": hidden},
            notes=notes,
        )

    def _views(
        self, files: list[tuple], frames: np.ndarray, pixels: np.ndarray, points: np.ndarray
    ) -> tuple[Views, tuple[str, ...]]:
        views = Views.unknown(len(files))
        is_open = np.ones(len(files), bool)
        if self.cameras != "estimate":
            for row, (_, _, path, _) in enumerate(files):
                stored = f"{path}_camera.npz"
                if self.cameras == "file" or os.path.isfile(stored):
                    views.set(row, read_view(stored))
                    is_open[row] = False
        rows = np.flatnonzero(is_open)
        if not len(rows):
            return views, ()
        return found_views(views, rows, frames, pixels, points)

    def _is_whole(self, joints: np.ndarray) -> np.ndarray:
        """Returns which people (N,) have enough joints, spread like those of a body."""
        is_given = ~np.isnan(joints[..., :1])
        count = np.maximum(is_given.sum(axis=(1, 2)), 1)
        mean = np.where(is_given, joints, 0).sum(1) / count[:, None]
        off = np.where(is_given, joints - mean[:, None], 0)
        spread = _MM_PER_M * np.sqrt((off**2).sum(axis=(1, 2)) / count)
        enough = is_given.sum(axis=(1, 2)) >= max(self.min_joints, 1)
        return enough & (spread >= SPREAD_MM[0]) & (spread <= SPREAD_MM[1])


def _notes(n_files: int, n_whole: int, good: np.ndarray, hidden: np.ndarray) -> tuple[str, ...]:
    """Returns what is to be said of the people left out, and of those whose occlusion is unknown.

    Args:
      n_files: poses; `n_whole` of them are whole and have a camera.
      good: (n_whole,) whether they are seen well enough; `hidden` is the share of those that are.
    """
    notes = []
    if n_whole < n_files:
        notes.append(f"{n_files - n_whole} of {n_files} poses left out: broken, or without camera")
    if not good.all():
        notes.append(f"{(~good).sum()} of {n_whole} people left out: small in the image, or hidden")
    if np.isnan(hidden).any():
        notes.append(f"{np.isnan(hidden).sum()} of {len(hidden)} people: occlusion unknown")
    return tuple(notes)


def _boxes_of(joints2d: np.ndarray) -> np.ndarray:
    """Returns (N, 4) the expanded boxes of the joints' parts in the image, px."""
    limit = np.array(IMAGE_SIZE) - 0.5
    is_given = ~np.isnan(joints2d)
    clipped = np.clip(joints2d, -0.5, limit)
    low = np.where(is_given, clipped, np.inf).min(1)
    high = np.where(is_given, clipped, -np.inf).max(1)
    size = INFO.box_expansion * (high - low)
    return np.concatenate([(low + high - size) / 2, size], axis=1)


def _pose_files(folder: Path) -> list[tuple[int, str, str, str]]:
    """Returns frame, person, path without ending, and image of the poses that have an image."""
    images = _images_by_frame(folder / "images")
    found = []
    for place in folder.glob("*_Ped_*"):
        if not place.is_dir():
            continue
        person = place.name.partition("_")[0]
        for name in os.listdir(place):
            stem = name.removesuffix("_2d.txt")
            if stem != name and stem.isdecimal() and int(stem) in images:
                found.append((int(stem), person, f"{place}/{stem}", images[int(stem)]))
    return sorted(found, key=lambda entry: (entry[0], natural_key(entry[1]), entry[2]))


def _images_by_frame(folder: Path) -> dict[int, str]:
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise FileError.unreadable(folder, error) from None
    found: dict[int, str] = {}
    for ending in reversed(_IMAGES):
        for name in names:
            stem, extension = os.path.splitext(name)
            if extension.lower() == ending and stem.isdecimal():
                found[int(stem)] = name
    return found


def _read_bones(path2d: str, path3d: str) -> tuple[np.ndarray, np.ndarray]:
    pixels = read_joint_rows(path2d, min_rows=MIN_ROWS, min_columns=2)
    points = read_joint_rows(path3d, min_rows=MIN_ROWS, min_columns=3)
    if len(pixels) != len(points):
        raise FileError(
            path3d, f"expected {len(pixels)} bones as in its _2d.txt, found {len(points)}"
        )
    return pixels[:, :2], points[:, :3]
