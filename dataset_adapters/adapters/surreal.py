"""SURREAL: SMPL bodies with CMU motions, rendered into photographs of rooms.

Varol et al., CVPR 2017. Joints in metres, world y down. The renderings show the bodies in a mirror:
the camera of the files is left-handed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..body_models.rotations import matrix_from_axis_angle
from ..camera import Camera, intrinsics
from ..containers.errors import FileError
from ..containers.mat import read_mat
from ..examples import SPLITS, ExampleBlock
from ._label_masks import LabelMasks
from ._smpl_bodies import posed_joints
from ._values import as_array, camera_of, check_choice, natural_key

IMAGE_SIZE = (320, 240)
FOCAL_PX = 600.0
#: The renderer's principal point in the image as it is stored.
CENTER_PX = (160.0, 120.0)
#: Rows of the right-handed camera: the released one with its first row negated.
ROTATION = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0.0]])
#: Subjects and takes whose bodies are deformed.
MONSTERS = {"18", "19", "143_21"}

_PARTS = {"train": "train", "valid": "val", "test": "test"}
_SUFFIX = "_info.mat"

INFO = DatasetInfo(
    name="surreal",
    title="SURREAL",
    kind="3D, synthetic",
    homepage="https://www.di.ens.fr/willow/research/surreal/data/",
    licence="INRIA/MPG: non-commercial scientific research only, no redistribution",
    access="registration; user name and password are sent",
    paper="Varol, Romero, Martin, Mahmood, Black, Laptev, Schmid: SURREAL, CVPR 2017",
    skeletons=("surreal_24",),
    splits=SPLITS,
    tree="""\
cmu/{train,val,test}/run{0,1,2}/01_01/01_01_c0001.mp4
                                      01_01_c0001_info.mat
                                      01_01_c0001_segm.mat     (optional: boxes and masks)
or the same without cmu/""",
    items=(
        Item("**/run[012]/*/*_info.mat", "joints and cameras, one file per clip", "SURREAL_v1"),
        Item("**/run[012]/*/*.mp4", "clips", "SURREAL_v1.tar.gz (86 GB)"),
        Item("**/run[012]/*/*_segm.mat", "body parts", "SURREAL_v1.tar.gz", required=False),
    ),
    defects=(
        Defect(
            "the images are mirrored: what is called left appears on the person's right",
            "examples are marked as mirrored: images are reversed after decoding, with u' = 319 - "
            "u and the right-handed camera that belongs to it; joints keep their names",
        ),
        Defect(
            "joints3D come from the female joint regressor for both genders",
            "read as they are; with option body_models they are SMPL's own joints, with the pelvis "
            "where the file has it",
        ),
        Defect(
            "the person may have left the image",
            "with *_segm.mat frames without any pixel of the person are left out",
        ),
        Defect("subjects 18 and 19 and take 143_21 are deformed", "left out (option monsters)"),
        Defect("frames whose joints are all zero", "left out"),
        Defect("joints2D are rounded to whole pixels", "joints3D are projected instead"),
        Defect("a clip of one frame has lost its time axis", "it is put back"),
    ),
    thinning=Thinning(distance_mm=100.0, memory=1, splits=SPLITS),
    box_expansion=1.0,
    facts=(
        "About 68 000 clips of mostly 100 frames at 30 Hz (a few at 15 Hz), 320 x 240 px.",
        "run0, run1 and run2 hold clips that overlap by 50, 30 and 70 percent.",
        "One camera direction for all clips: along the world's -x axis.",
        "The validation split is a part of the test split.",
    ),
)


@dataclass(frozen=True)
class Surreal(Adapter):
    """Reads SURREAL."""

    info = INFO

    masks: str = option("auto", "auto (*_segm.mat where it is there), file or none")
    body_models: str = option("", "folder with SMPL_FEMALE.pkl and SMPL_MALE.pkl: SMPL's joints")
    monsters: str = option("drop", "deformed bodies: drop or keep")
    mirrored: str = option("auto", "images show a mirrored world: auto (by joints2D), yes or no")

    def __post_init__(self):
        check_choice(self, "masks", ("auto", "file", "none"))
        check_choice(self, "monsters", ("drop", "keep"))
        check_choice(self, "mirrored", ("auto", "yes", "no"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per run and sequence."""
        part = _PARTS[split]
        found = [
            path.relative_to(root).as_posix()
            for base in (root / "cmu" / part, root / part)
            for path in base.glob("run*/*")
            if path.is_dir() and (self.monsters == "keep" or not is_monster(path.name))
        ]
        return [Source(split, key) for key in sorted(found, key=natural_key)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per clip."""
        paths = (root / source.key).glob(f"*{_SUFFIX}")
        for path in sorted(paths, key=lambda path: natural_key(path.name)):
            yield self._clip(root, source, path)

    def _clip(self, root: Path, source: Source, path: Path) -> ExampleBlock:
        name = path.name.removesuffix(_SUFFIX)
        video = path.with_name(f"{name}.mp4")
        if not video.is_file():
            raise FileError(video, "expected the clip, found none; unpack SURREAL_v1.tar.gz")
        model_keys = ("pose", "shape", "zrot", "gender") if self.body_models else ()
        values = read_mat(path, keys=("joints3D", "joints2D", "camLoc", *model_keys))
        joints = _frames_first(path, "joints3D", values["joints3D"], (3, 24))
        is_shown = (joints != 0).any(axis=(1, 2))
        is_mirrored, camera, notes = self._view(path, values, joints, is_shown)
        if self.body_models:
            joints, more = self._model_joints(path, values, joints)
            notes += more
        masks = boxes = None
        segmentation = path.with_name(f"{name}_segm.mat")
        if self.masks == "file" or (self.masks == "auto" and segmentation.is_file()):
            silhouettes = _read_silhouettes(segmentation, len(joints), is_mirrored)
            is_shown &= silhouettes.any(axis=(1, 2))
            masks = LabelMasks(silhouettes[is_shown])
            boxes = masks.boxes()
        frames = np.flatnonzero(is_shown)
        return ExampleBlock(
            dataset="surreal",
            split=source.split,
            skeleton="surreal_24",
            frames=frames,
            sequence=f"{source.key.split('/')[-2]}/{name}",
            subject=path.parent.name.rpartition("_")[0],
            images=video.relative_to(root).as_posix(),
            video_frames=frames,
            cameras=camera,
            boxes=boxes,
            masks=masks,
            joints3d=1000 * joints[frames],
            mirrored=is_mirrored,
            notes=notes,
        )

    def _view(self, path: Path, values, joints: np.ndarray, is_shown: np.ndarray):
        """Returns whether the images are to be reversed, the camera for that, and notes."""
        cameras = {choice: _camera(path, values["camLoc"], choice) for choice in (True, False)}
        if self.mirrored != "auto" or not is_shown.any():
            is_mirrored = self.mirrored != "no"
            return is_mirrored, cameras[is_mirrored], ()
        stored = _frames_first(path, "joints2D", values["joints2D"], (2, 24))
        if len(stored) != len(joints):
            raise FileError(path, f"joints2D: expected {len(joints)} frames, found {len(stored)}")
        off = {}
        for choice, camera in cameras.items():
            columns = camera.project(1000 * joints[is_shown])[..., 0]
            columns = IMAGE_SIZE[0] - 1 - columns if choice else columns
            apart = np.abs(columns - stored[is_shown][..., 0])
            is_seen = ~np.isnan(apart)
            off[choice] = float(np.median(apart[is_seen])) if is_seen.any() else np.inf
        is_mirrored = not off[False] < off[True]
        return is_mirrored, cameras[is_mirrored], (
            f"images show a {'mirrored' if is_mirrored else 'proper'} world: joints3D lie "
            f"{off[True]:.1f} px beside joints2D in a mirror, {off[False]:.1f} px without",
        )  # fmt: skip

    def _model_joints(self, path: Path, values, stored: np.ndarray):
        """Returns SMPL's joints (T, 24, 3) in metres around the stored pelvis, and a note."""
        n = len(stored)
        pose = _frames_first(path, "pose", values["pose"], (72,)).reshape(n, 24, 3)
        betas = _frames_first(path, "shape", values["shape"], (10,))
        zrot = as_array(path, "zrot", np.ravel(values["zrot"]), (n,))
        gender = as_array(path, "gender", np.ravel(values["gender"]), (n,))
        upright = matrix_from_axis_angle(np.array([np.pi / 2, 0, 0]))
        turn = matrix_from_axis_angle(zrot[:, None] * np.array([0, 0, 1.0]))
        rotations = matrix_from_axis_angle(pose)
        rotations[:, 0] = upright @ turn @ rotations[:, 0]
        joints, _ = posed_joints(
            rotations,
            models=self.body_models,
            gender="male" if gender[0] else "female",
            betas=betas,
        )
        joints = stored[:, :1] + (joints - joints[:, :1]) / 1000
        apart = 1000 * np.linalg.norm(joints - stored, axis=-1).mean()
        return joints, (f"joints of the SMPL model, on average {apart:.0f} mm from joints3D",)


def is_monster(sequence: str) -> bool:
    """Returns whether a sequence (`18_03`, `ung_143_21`) is one with deformed bodies."""
    match = re.search(r"(\d+)_(\d+)$", sequence)
    return bool(match) and (match[1] in MONSTERS or match[0] in MONSTERS)


def _camera(path: Path, location, is_mirrored: bool) -> Camera:
    center = as_array(path, "camLoc", np.ravel(location), (3,))
    # Column u of the stored image is column 319 - u of the reversed one.
    center_x = IMAGE_SIZE[0] - 1 - CENTER_PX[0] if is_mirrored else CENTER_PX[0]
    return camera_of(
        path,
        "camLoc",
        center=1000 * center,
        R=ROTATION,
        K=intrinsics(FOCAL_PX, FOCAL_PX, center_x, CENTER_PX[1]),
        world_up=(0, -1, 0),
        image_size=IMAGE_SIZE,
    )


def _frames_first(path: Path, key: str, values, shape: tuple[int, ...]) -> np.ndarray:
    """Returns (a, b, T) as (T, b, a); with one frame MATLAB leaves the last axis out."""
    values = np.asarray(values)
    if values.ndim == len(shape) or (len(shape) == 1 and values.shape == (1, *shape)):
        values = values.reshape(*values.shape[-len(shape) :], 1)
    return as_array(path, key, values, (*shape, None)).T.copy()


def _read_silhouettes(path: Path, n_frames: int, is_mirrored: bool) -> np.ndarray:
    """Returns (T, height, width) bool; columns are reversed if the images are to be."""
    width, height = IMAGE_SIZE
    values = read_mat(path, keys=[f"segm_{i + 1}" for i in range(n_frames)])
    for key, value in values.items():
        if not isinstance(value, np.ndarray) or value.shape != (height, width):
            found = getattr(value, "shape", type(value).__name__)
            raise FileError(path, f"{key}: expected shape ({height}, {width}), found {found}")
        if value.dtype.kind not in "biuf":
            raise FileError(path, f"{key}: expected numbers of body parts, found {value.dtype}")
    # MATLAB stores columns: the transposed images are contiguous in memory.
    step = -1 if is_mirrored else 1
    columns = np.array([value.T[::step] for value in values.values()])
    return (columns > 0).reshape(n_frames, width, height).transpose(0, 2, 1)
