"""GPA (Geometric Pose Affordance): 13 subjects among boxes, 304 892 annotated images.

Wang et al., arXiv 1905.07718. Joints in camera coordinates, mm; pinhole cameras.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..camera import Camera, intrinsics
from ..containers.errors import FileError
from ..containers.npy import NpyFile
from ..examples import ExampleBlock
from ..images import read_image
from ._gpa_annotations import Annotations, read_annotations, world_cameras
from ._label_masks import MaskImages
from ._values import RecentFiles, camera_of, check_choice

IMAGE_SIZE = (1920, 1080)
IMAGES = "Gaussian_img_jpg_new"
MASKS = "img_jpg_new_resnet101deeplabv3humanmask"
MAIN_FILE = "xyz_gpa12_mdp_cntind_crop_cam_c2g.json"
WORLD_FILE = "xyz_gpa12_cntind_world_cams.json"
CAMERA_IDS = "Sequence_ids/cam_ids_750k.npy"
_ROWS_PER_BLOCK = 2000
#: JPEG leaves noise where masks are black.
_BRIGHTEST_NOISE = 10

INFO = DatasetInfo(
    name="gpa",
    title="Geometric Pose Affordance (GPA)",
    kind="3D, marker-based",
    homepage="https://wangzheallen.github.io/GPA",
    licence="research use (no explicit terms known)",
    access="Google Drive links on the page",
    paper="Wang, Chen, Rathore, Shin, Fowlkes: Geometric Pose Affordance, arXiv 1905.07718",
    skeletons=("gpa_34",),
    splits=("train", "test"),
    tree=f"""\
{MAIN_FILE}
{WORLD_FILE}                (only for the option frame=world)
{CAMERA_IDS}            (optional)
{IMAGES}/0000000001.jpg             (or {IMAGES}/000000/00/0000000001.jpg)
{MASKS}/0000000001_mask.jpg         (optional; nested or not)""",
    items=(
        Item(MAIN_FILE, "joints, cameras and splits", "annotation download"),
        Item(f"{IMAGES}/**/*.jpg", "full images", "gaussian_fullimg.tar.gz"),
        Item(f"{MASKS}/**/*_mask.jpg", "silhouettes", "person masks", required=False),
        Item(CAMERA_IDS, "which camera took an image", "Sequence_ids", required=False),
        Item(WORLD_FILE, "joints and cameras in the world", "annotation download", required=False),
    ),
    defects=(
        Defect(
            "public code disagrees on the sense of the world cameras' rotation",
            "joints and camera are taken in camera coordinates; with frame=world the sense that "
            "reproduces joint_cams is chosen, and the residuals of both are noted",
        ),
        Defect(
            "marker positions are blurred in the images", "kept: the only full images there are"
        ),
        Defect(
            "masks are what a segmenter (DeepLab-v3) found, and JPEG files",
            f"kept: the person is where their first channel is brighter than {_BRIGHTEST_NOISE}",
        ),
        Defect(
            "the format of `bboxes` is not documented", "not read; boxes are made of the joints"
        ),
    ),
    thinning=Thinning(distance_mm=100.0, memory=1),
    box_expansion=1.15,
    facts=(
        "What istrains does not mark is test. Images are 1920x1080.",
        "Masks are decoded by `prepare` alone. Where there are some, one that is missing counts as "
        "a bad file, and the example stays.",
        "PosePile keeps images with a detected person whose box fits (IoU at least 0.3).",
        "Without world coordinates up is taken to be the image's up.",
        "Thinning runs through the file in its order, one track per camera number, as published; "
        f"but over the train images alone. Without {CAMERA_IDS} all cameras are one track, which "
        "keeps nearly everything.",
    ),
)


@dataclass(frozen=True)
class Gpa(Adapter):
    """Reads GPA."""

    info = INFO

    frame: str = option("camera", "camera (as published), or world (from the second file)")

    def __post_init__(self):
        check_choice(self, "frame", ("camera", "world"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns the annotation file: it is parsed once for both splits."""
        return [Source(split, WORLD_FILE if self.frame == "world" else MAIN_FILE)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields blocks in the order of the file."""
        annotations = _recent_annotations(root / source.key)
        chosen = np.flatnonzero(annotations.is_train == (source.split == "train"))
        image_ids = annotations.image_ids
        name_of = _naming(root, IMAGES, image_ids, ".jpg")
        mask_of = _naming(root, MASKS, image_ids, "_mask.jpg")
        has_masks = (root / MASKS).is_dir()
        camera_ids = _camera_ids(root, image_ids)
        for start in range(0, len(chosen), _ROWS_PER_BLOCK):
            rows = chosen[start : start + _ROWS_PER_BLOCK]
            joints, cameras, notes = self._poses(root / source.key, annotations, rows)
            if camera_ids is None:
                notes += (f"no {CAMERA_IDS}: thinning takes all cameras for one",)
            yield ExampleBlock(
                dataset="gpa",
                split=source.split,
                skeleton="gpa_34",
                frames=image_ids[rows],
                camera_name=[camera_ids[row] for row in rows] if camera_ids else "",
                images=[name_of(number) for number in image_ids[rows].tolist()],
                cameras=cameras,
                masks=MaskImages(root, [mask_of(i) for i in image_ids[rows].tolist()], read=_person)
                if has_masks
                else None,
                joints3d=joints,
                joints2d=None if annotations.image is None else annotations.image[rows],
                notes=notes,
            )

    def _poses(self, path: Path, annotations: Annotations, rows: np.ndarray):
        if self.frame == "world":
            return world_cameras(path, annotations, rows, IMAGE_SIZE)
        if annotations.camera is None or annotations.lenses is None:
            raise FileError(path, "expected joint_cams, f and c, found none; use frame=world")
        lenses = annotations.lenses[rows]
        made = {key: _camera(path, key) for key in set(map(tuple, lenses.tolist()))}
        return annotations.camera[rows], [made[key] for key in map(tuple, lenses.tolist())], ()


def _camera(path: Path, lens: tuple[float, ...]) -> Camera:
    return camera_of(
        path,
        "f and c",
        R=np.eye(3),
        t=np.zeros(3),
        K=intrinsics(*lens),
        world_up=(0, -1, 0),
        image_size=IMAGE_SIZE,
    )


def _naming(root: Path, folder: str, image_ids: np.ndarray, ending: str) -> Callable[[int], str]:
    """Returns the function from an image's number to its path: one folder, or nested ones."""
    first = f"{int(image_ids[0]):010d}" if len(image_ids) else ""
    nested = bool(first) and (root / folder / first[:6] / first[6:8]).is_dir()

    def name(number: int) -> str:
        text = f"{number:010d}"
        return (
            f"{folder}/{text[:6]}/{text[6:8]}/{text}{ending}"
            if nested
            else f"{folder}/{text}{ending}"
        )

    return name


def _person(path: Path) -> np.ndarray:
    """Returns where a mask (height, width) shows the person."""
    return read_image(path)[..., 0] > _BRIGHTEST_NOISE


def _camera_ids(root: Path, image_ids: np.ndarray) -> list[str] | None:
    path = root / CAMERA_IDS
    if not path.is_file():
        return None
    with NpyFile(path) as file:
        ids = file.read().ravel()
    if ids.dtype.kind not in "biuf" or (image_ids.size and image_ids.max() >= len(ids)):
        raise FileError(
            path, f"expected a camera number for image {image_ids.max()}, found {len(ids)} entries"
        )
    return [f"{number:g}" for number in ids[image_ids].tolist()]


_recent_annotations = RecentFiles(read_annotations)
