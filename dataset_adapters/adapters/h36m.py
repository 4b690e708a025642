"""Human3.6M: 7 subjects, 15 actions, 4 cameras, marker-based poses at the video's 50 Hz.

Ionescu et al., TPAMI 2014. Raw joints: 32, some of which repeat others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..camera import Camera
from ..columns import CheckedJoints
from ..containers.cdf import read_cdf
from ..containers.errors import FileError
from ..containers.mat73 import Mat73File
from ..examples import ExampleBlock
from ..images import video_size
from ._h36m_cameras import METADATA, NAMES, published_cameras, published_size, read_metadata
from ._values import RecentFiles, as_array, check_choice, natural_key

SUBJECTS = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}
#: Rows of the 32 raw joints, in the order of each format.
RAW_JOINTS = {
    "h36m_25": (*range(1, 11), *range(12, 16), 17, 18, 19, 21, 22, 25, 26, 27, 29, 30, 0),
    "h36m_17": (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27),
    "h36m_32": tuple(range(32)),
}
#: Takes of S9 whose joints and boxes lie too far along the world's x axis.
SHIFTED_TAKES = {("S9", "Greeting"), ("S9", "SittingDown 1"), ("S9", "Waiting 1")}
SHIFT_MM = np.array([-200.0, 0, 0])
_SHIFT_NOTE = "moved by -200 mm along world x: this take of S9 is shifted"
_MASKS_AT_ONCE = 32

INFO = DatasetInfo(
    name="h36m",
    title="Human3.6M",
    kind="3D, marker-based",
    homepage="http://vision.imar.ro/human3.6m",
    licence="academic, non-commercial use only; no redistribution (eula.php of the site)",
    access="register on the site and wait for approval",
    paper="Ionescu, Papava, Olaru, Sminchisescu: Human3.6M, TPAMI 2014",
    skeletons=("h36m_25", "h36m_17", "h36m_32"),
    splits=("train", "test"),
    tree="""\
S1/Videos/Directions 1.54138969.mp4
S1/MyPoseFeatures/D3_Positions/Directions 1.cdf
S1/MySegmentsMat/ground_truth_bb/Directions 1.54138969.mat   (optional)
S5/ S6/ S7/ S8/ S9/ S11/                                     likewise
Release-v1.2/metadata.xml                                    (optional)""",
    items=(
        Item(
            "S*/MyPoseFeatures/D3_Positions/*.cdf",
            "joints in world coordinates, one file per take",
            "Poses_D3_Positions_S<n>.tgz per subject",
        ),
        Item("S*/Videos/*.mp4", "videos of four cameras", "Videos_S<n>.tgz per subject"),
        Item(
            "S*/MySegmentsMat/ground_truth_bb/*.mat",
            "boxes as masks; without them boxes are made of the joints",
            "Segments_mat_gt_bb_S<n>.tgz per subject",
            required=False,
        ),
        Item(
            METADATA,
            "cameras; without it the published calibration of the seven subjects is used",
            "code-v1.2.zip",
            required=False,
        ),
    ),
    defects=(
        Defect(
            "S9 Greeting, SittingDown 1 and Waiting 1: joints and boxes are shifted",
            "moved by -200 mm along world x, boxes likewise (option correct_s9)",
        ),
        Defect(
            "videos are longer than the poses, in S9 up to twice as long",
            "frame i shows pose i; frames behind the last pose are left out",
        ),
        Defect(
            "S11 Directions, camera 54138969: the video was reported to be corrupt",
            "kept: others could read it; `prepare` reports it where it cannot be decoded",
        ),
        Defect(
            "metadata.xml gives all videos of S7 1002 rows",
            "the size is read from the video's own header for S7",
        ),
        Defect(
            "IMAR's own lens formula has a different tangential term than OpenCV's",
            "OpenCV's model with the same coefficients: at most 0.8 px apart",
        ),
    ),
    thinning=Thinning(every=5, distance_mm=100.0, memory=1, splits=("train",), every_elsewhere=64),
    facts=(
        "2.1 million annotated images; poses and video run at 50 Hz and start together.",
        "Takes whose name begins with _ are for calibration and are left out.",
        "7 of the 32 raw joints repeat others: h36m_25 has each once.",
    ),
)


class _Take:
    """The poses of a take, which its four cameras share.

    Args:
      raw: (T, 32, 3) mm.
    """

    def __init__(self, raw: np.ndarray):
        self.raw = raw
        self._made: dict[tuple[str, bool], CheckedJoints] = {}

    def joints(self, skeleton: str, *, is_shifted: bool) -> CheckedJoints:
        """Returns them in a format, moved back where the take is shifted."""
        key = skeleton, is_shifted
        if key not in self._made:
            joints = np.take(self.raw, RAW_JOINTS[skeleton], axis=1)
            self._made[key] = CheckedJoints(joints + SHIFT_MM if is_shifted else joints)
        return self._made[key]


def _read_take(path: str) -> _Take:
    values = read_cdf(path, "Pose")
    n_columns = values.shape[-1]
    if values.ndim not in (2, 3) or n_columns != 96 or (values.ndim == 3 and len(values) != 1):
        raise FileError(
            path,
            "variable 'Pose': expected the shape (1, frames, 96), found "
            f"{values.shape}; take D3_Positions, not D2_Positions or another feature",
        )
    return _Take(as_array(path, "variable 'Pose'", values.reshape(-1, 32, 3), (None, 32, 3)))


_recent_takes = RecentFiles(_read_take, keep=2)


@dataclass(frozen=True)
class H36M(Adapter):
    """Reads Human3.6M."""

    info = INFO

    skeleton: str = option("h36m_25", "h36m_25, h36m_17 (lifting benchmark) or h36m_32 (raw)")
    cameras: str = option("auto", "auto (metadata.xml if it is there), file or published")
    correct_s9: bool = option(True, "move the three shifted takes of S9 back by 200 mm")
    boxes: str = option("auto", "auto (ground_truth_bb where it is there), file or none")

    def __post_init__(self):
        check_choice(self, "skeleton", RAW_JOINTS)
        check_choice(self, "cameras", ("auto", "file", "published"))
        check_choice(self, "boxes", ("auto", "file", "none"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per take and camera."""
        return [
            Source(split, f"{subject}/{path.stem}.{camera}")
            for subject in SUBJECTS[split]
            for path in sorted(
                (root / subject / "MyPoseFeatures" / "D3_Positions").glob("*.cdf"),
                key=lambda path: natural_key(path.stem),
            )
            if not path.stem.startswith("_")
            for camera in NAMES
        ]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all poses of a take in one camera."""
        subject, _, name = source.key.partition("/")
        take, _, camera_name = name.rpartition(".")
        video, base = f"{subject}/Videos/{name}.mp4", os.fspath(root)
        if not os.path.isfile(f"{base}/{video}"):
            raise FileError(
                root / video, f"expected a video, found none; unpack Videos_{subject}.tgz"
            )
        poses = _recent_takes(f"{base}/{subject}/MyPoseFeatures/D3_Positions/{take}.cdf")
        camera = self._camera(base, subject, camera_name, video)
        boxes = self._boxes(base, subject, name)
        is_shifted = self.correct_s9 and (subject, take) in SHIFTED_TAKES
        if is_shifted and boxes is not None:
            boxes = _moved_boxes(boxes, camera, poses.raw[: len(boxes), 0])
        joints = poses.joints(self.skeleton, is_shifted=is_shifted)
        n = len(joints) if boxes is None else min(len(joints), len(boxes))
        yield ExampleBlock(
            dataset="h36m",
            split=source.split,
            skeleton=self.skeleton,
            frames=np.arange(n),
            sequence=f"{subject}/{take}",
            subject=subject,
            camera_name=camera_name,
            images=video,
            video_frames=np.arange(n),
            cameras=camera,
            boxes=None if boxes is None else boxes[:n],
            joints3d=joints[:n],
            notes=(_SHIFT_NOTE,) if is_shifted else (),
        )

    def _camera(self, base: str, subject: str, name: str, video: str) -> Camera:
        metadata = f"{base}/{METADATA}"
        use_file = self.cameras == "file" or (self.cameras == "auto" and os.path.isfile(metadata))
        table = read_metadata(metadata) if use_file else published_cameras()
        size = video_size(f"{base}/{video}")[:2] if subject == "S7" else published_size(name)
        return table.camera(subject, name, size)

    def _boxes(self, base: str, subject: str, name: str) -> np.ndarray | None:
        path = f"{base}/{subject}/MySegmentsMat/ground_truth_bb/{name}.mat"
        if self.boxes == "none" or (self.boxes == "auto" and not os.path.isfile(path)):
            return None
        return read_box_masks(path)


def read_box_masks(path: str | os.PathLike) -> np.ndarray:
    """Reads boxes that are stored as one mask per frame.

    Returns:
      (T, 4) left, top, width, height px; zeros where a mask is empty.

    Raises:
      FileError: the file is damaged or holds something else.
    """
    with Mat73File(path) as file:
        shape = file.shape("Masks")
        if len(shape) != 2 or min(shape) != 1:
            raise FileError(path, f"Masks: expected a row or column of masks, found {shape}")
        boxes = np.zeros((max(shape), 4))
        for start in range(0, len(boxes), _MASKS_AT_ONCE):
            part = slice(start, start + _MASKS_AT_ONCE)
            masks = file.read("Masks", (slice(None), part) if shape[0] == 1 else (part,))
            for i, mask in enumerate(masks.ravel(), start):
                boxes[i] = _box_of_mask(path, i, mask)
    return boxes


def _box_of_mask(path, index: int, mask) -> tuple[int, ...]:
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype.kind not in "biuf":
        raise FileError(path, f"Masks: expected an image of zeros and ones, frame {index} has none")
    columns, rows = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    if not len(columns):
        return 0, 0, 0, 0
    left, right, top, bottom = columns[0], columns[-1], rows[0], rows[-1]
    return left, top, right - left + 1, bottom - top + 1


def _moved_boxes(boxes: np.ndarray, camera: Camera, roots: np.ndarray) -> np.ndarray:
    """Moves boxes (T, 4) like the joints: their corners lie at the depth of the root (T, 3)."""
    boxes = boxes[: len(roots)]
    depths = camera.to_camera(roots)[:, 2]
    corners = [boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]
    low, high = (camera.project(camera.unproject(corner, depths) + SHIFT_MM) for corner in corners)
    moved = np.concatenate([np.minimum(low, high), np.abs(high - low)], axis=1)
    return np.where(np.isnan(moved).any(axis=1, keepdims=True), boxes, moved)
