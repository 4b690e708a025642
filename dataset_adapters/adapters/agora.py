"""AGORA: scanned people placed in rendered and photographed scenes, 4K stills.

Patel et al., CVPR 2021. Pickled pandas frames, one row per image, with SMPL or SMPL-X joints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, option
from ..camera import Camera
from ..containers.errors import FileError
from ..containers.file_text import list_names
from ..containers.pandas_frame import frame_columns
from ..containers.safe_pickle import load_pickle
from ..examples import ExampleBlock
from ._agora_cameras import camera_of_mount, fixed_mount, free_mount
from ._values import as_array, check_choice, natural_key

#: Format -> folder of its data frames.
FOLDERS = {"agora_smpl_24": "SMPL", "smplx_127": "SMPLX"}
_N_JOINTS = {"agora_smpl_24": 24, "smplx_127": 127}
_PARTS = {"train": "train", "valid": "validation"}
_RESOLUTIONS = {"3840x2160": 1.0, "1280x720": 1 / 3}
_FRAME_FILE = re.compile(r"(train|validation)_(\d+)_withjv\.pkl")
_IMAGE_NAME = re.compile(r"(.*?)(?:_(cam\d\d))?_(\d+)")
_LISTS = ("gt_joints_3d", "gt_joints_2d", "isValid", "occlusion")
_EXTRAS = ("gender", "kid", "age", "ethnicity", "occlusion")
_MAX_PEOPLE = 1000

INFO = DatasetInfo(
    name="agora",
    title="AGORA",
    kind="3D, synthetic",
    homepage="https://agora.is.tue.mpg.de",
    licence="MPG: non-commercial scientific research",
    access="registration",
    paper="Patel, Huang, Tesch, Hoffmann, Tripathi, Black: AGORA, CVPR 2021",
    skeletons=tuple(FOLDERS),
    splits=("train", "valid"),
    tree="""\
SMPL/train_0_withjv.pkl ... train_9_withjv.pkl, validation_0_withjv.pkl ...
SMPLX/train_0_withjv.pkl ...                     (for skeleton=smplx_127)
train_0/*.png ... train_9/*.png, validation/*.png
or the folder above: agora/SMPL/...""",
    items=(
        Item("**/SMPL/*_withjv.pkl", "joints of SMPL, one row per image", "train_SMPL.zip, ..."),
        Item("**/SMPLX/*_withjv.pkl", "joints of SMPL-X", "train_SMPLX.zip, ...", required=False),
        Item("**/train_*/*.png", "images", "train_images_3840x2160_<k>.zip (or 1280x720)"),
        Item("**/validation*/*.png", "images", "validation_images_3840x2160.zip"),
    ),
    defects=(
        Defect("people with isValid false are hidden or outside of the image", "left out"),
        Defect("the test split has no joints", "not read"),
        Defect(
            "cameras are not in the files of most scenes",
            "they follow from the image's name; other scenes have theirs in the data frame",
        ),
        Defect(
            "1280 x 720 images are named differently and their 2D joints are those of 4K",
            "told by the files that are there; 2D joints and camera are divided by 3",
        ),
    ),
    facts=(
        "14 529 training and 1 225 validation images, 5 to 15 people in each.",
        "Joints are stored in camera axes; world coordinates follow from the camera.",
        "The published selection takes the box of the visible silhouette (here: of the joints, "
        "expanded) with a shorter side of at least 100 px, and at most 75 percent hidden.",
        "There is no motion: every image is kept.",
    ),
)


@dataclass(frozen=True)
class Agora(Adapter):
    """Reads AGORA."""

    info = INFO

    skeleton: str = option("agora_smpl_24", "agora_smpl_24 or smplx_127")
    max_occlusion: float = option(75.0, "largest hidden part of a person, percent")
    min_side_px: float = option(100.0, "smallest shorter side of a person's box in the 4K image")
    resolution: str = option("auto", "images: auto (4K where it is there), 3840x2160, 1280x720")

    def __post_init__(self):
        check_choice(self, "skeleton", FOLDERS)
        check_choice(self, "resolution", ("auto", *_RESOLUTIONS))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per data frame."""
        keys = [
            path.relative_to(root).as_posix()
            for base in (root, root / "agora")
            for path in (base / FOLDERS[self.skeleton]).glob("*.pkl")
            if (match := _FRAME_FILE.fullmatch(path.name)) and match[1] == _PARTS[split]
        ]
        return [Source(split, key) for key in sorted(keys, key=natural_key)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all people of a data frame, image after image."""
        path = root / source.key
        columns = frame_columns(path, load_pickle(path))
        rows = self._chosen_people(path, columns)
        if not len(rows.image_of):
            return
        names = [str(columns["imgPath"][i]) for i in rows.image_of.tolist()]
        base = PurePosixPath(source.key).parents[1]
        folder, resolution = self._place(root, base, path.name, names[0])
        scale = _RESOLUTIONS[resolution]
        parts = {name: _parts_of(path, name) for name in dict.fromkeys(names)}
        cameras = self._cameras(path, columns, rows.image_of, names, scale)
        joints = np.empty(rows.joints.shape)
        for camera, place in _runs(cameras):
            joints[place] = camera.to_world(1000 * rows.joints[place])
        suffix = "" if resolution == "3840x2160" else f"_{resolution}"
        yield ExampleBlock(
            dataset="agora",
            split=source.split,
            skeleton=self.skeleton,
            frames=np.array([int(parts[name][3]) for name in names]),
            sequence=[parts[name][1] for name in names],
            camera_name=[parts[name][2] or "" for name in names],
            person=[str(person) for person in rows.person.tolist()],
            images=[f"{folder}/{parts[name][0]}{suffix}.png" for name in names],
            cameras=cameras,
            joints3d=joints,
            joints2d=scale * rows.pixels,
            extras={name: rows.column(path, columns, name) for name in _EXTRAS if name in columns},
        )

    def _chosen_people(self, path: Path, columns: dict[str, np.ndarray]) -> _Rows:
        missing = [name for name in ("imgPath", *_LISTS) if name not in columns]
        if missing:
            raise FileError(
                path,
                f"expected the columns {', '.join(missing)}, found {list_names(columns)}; take the "
                "data frames *_withjv.pkl of the training or validation split",
            )
        n_joints = _N_JOINTS[self.skeleton]
        image_of, person, joints, pixels = [], [], [], []
        lists = zip(*(columns[name] for name in _LISTS), strict=True)
        for i, (in_camera, in_image, is_valid, occlusion) in enumerate(lists):
            where = f"row {i}, "
            n = len(is_valid) if isinstance(is_valid, (list, tuple, np.ndarray)) else -1
            if not 0 <= n <= _MAX_PEOPLE:
                raise FileError(path, f"{where}isValid: expected a list with an entry per person")
            hidden = as_array(path, f"{where}occlusion", occlusion, (n,), may_miss=True)
            with np.errstate(invalid="ignore"):
                wanted = np.flatnonzero(
                    np.array([bool(v) for v in is_valid], bool) & (hidden <= self.max_occlusion)
                )
            if not len(wanted):
                continue
            in_camera = _joints_of(path, f"{where}gt_joints_3d", in_camera, wanted, n, n_joints, 3)
            in_image = _joints_of(path, f"{where}gt_joints_2d", in_image, wanted, n, n_joints, 2)
            size = INFO.box_expansion * (in_image.max(1) - in_image.min(1)).min(1)
            is_large = size >= self.min_side_px
            wanted = wanted[is_large]
            image_of += [i] * len(wanted)
            person += wanted.tolist()
            joints.append(in_camera[is_large])
            pixels.append(in_image[is_large])
        return _Rows(
            np.array(image_of, int),
            np.array(person, int),
            np.concatenate(joints) if joints else np.empty((0, n_joints, 3)),
            np.concatenate(pixels) if pixels else np.empty((0, n_joints, 2)),
        )

    def _place(self, root: Path, base: PurePosixPath, file: str, image: str) -> tuple[str, str]:
        """Returns the folder of a data frame's images, and their resolution."""
        part, number = _FRAME_FILE.fullmatch(file).groups()
        stem = PurePosixPath(image).stem
        choices = []
        for resolution in _RESOLUTIONS if self.resolution == "auto" else (self.resolution,):
            suffix = "" if resolution == "3840x2160" else f"_{resolution}"
            whole = (part, f"{part}_images_{resolution}")
            numbered = (f"{part}_{number}", f"{part}_images_{resolution}_{number}")
            for name in numbered + whole if part == "train" else whole + numbered:
                folder = (base / name).as_posix()
                if (root / folder / f"{stem}{suffix}.png").is_file():
                    return folder, resolution
                choices.append((folder, resolution))
        return choices[0]

    def _cameras(
        self, path: Path, columns, image_of: np.ndarray, names: list[str], scale: float
    ) -> list[Camera]:
        """Returns the camera of each person; those of one mount are one object."""
        made, found = {}, []
        for i, name in zip(image_of.tolist(), names, strict=True):
            mount = fixed_mount(name)
            if mount is None:
                keys = ("camX", "camY", "camZ", "camYaw")
                absent = [key for key in keys if key not in columns]
                if absent:
                    raise FileError(path, f"expected the columns {', '.join(absent)} for {name}")
                numbers = [columns[key][i] for key in keys]
                mount = free_mount(*as_array(path, f"row {i}, camX ... camYaw", numbers, (4,)))
            if mount not in made:
                made[mount] = camera_of_mount(path, f"row {i}", mount, scale)
            found.append(made[mount])
        return found


@dataclass(frozen=True, eq=False)
class _Rows:
    """The chosen people: index of the image, index in its lists, joints in metres and pixels."""

    image_of: np.ndarray
    person: np.ndarray
    joints: np.ndarray
    pixels: np.ndarray

    def column(self, path: Path, columns: dict[str, np.ndarray], name: str) -> list:
        """Returns what a column of lists says of each person."""
        values = columns[name]
        try:
            return [
                values[i][k]
                for i, k in zip(self.image_of.tolist(), self.person.tolist(), strict=True)
            ]
        except (TypeError, IndexError, KeyError):
            raise FileError(path, f"{name}: expected a list with an entry per person") from None


def _joints_of(path, key: str, value, wanted: np.ndarray, n: int, n_joints: int, n_dims: int):
    """Returns the first joints of the wanted people (n, n_joints, n_dims)."""
    if not isinstance(value, (list, tuple, np.ndarray)) or len(value) != n:
        raise FileError(path, f"{key}: expected a list of {n} arrays")
    chosen = [value[k] for k in wanted.tolist()]
    array = as_array(path, key, chosen, (len(wanted), None, n_dims))
    if array.shape[1] < n_joints:
        raise FileError(path, f"{key}: expected {n_joints} joints, found {array.shape[1]}")
    return array[:, :n_joints]


def _parts_of(path: Path, image: str) -> tuple[str, str, str | None, str]:
    """Returns the stem of an image's name, its scene, camera and number."""
    stem = PurePosixPath(image).name.removesuffix(".png")
    match = _IMAGE_NAME.fullmatch(stem)
    if match is None:
        raise FileError(
            path, f"imgPath: expected names like ag_trainset_..._00001.png, found {image[:60]!r}"
        )
    return stem, *match.groups()


def _runs(cameras: list[Camera]) -> Iterator[tuple[Camera, slice]]:
    """Yields each camera with the rows, one after another, that have it."""
    start = 0
    for i in range(1, len(cameras) + 1):
        if i == len(cameras) or cameras[i] is not cameras[start]:
            yield cameras[start], slice(start, i)
            start = i
