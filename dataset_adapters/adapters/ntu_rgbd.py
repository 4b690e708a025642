"""NTU RGB+D 60 and 120: Kinect v2 skeletons of 120 actions.

Shahroudy et al., CVPR 2016; Liu et al., TPAMI 2020. Metres in the Kinect's frame, y up.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, option
from ..camera import Camera, intrinsics
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..containers.file_text import decode_text, quote
from ..examples import ExampleBlock
from ._values import check_choice

N_JOINTS = 25
IMAGE_SIZE = (1920, 1080)
_BODY_FIELDS, _JOINT_FIELDS = 10, 12
_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})\.skeleton")
_MISSING = Path(__file__).parent / "data" / "ntu_missing_skeletons.json"
#: Performers of the cross-subject training split; those up to 40 are the one of NTU-60.
_TRAIN_PERFORMERS = {
    1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38, 45, 46, 47, 49, 50,
    52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89, 91, 92, 93, 94, 95,
    97, 98, 100, 103,
}  # fmt: skip
_MIN_PAIRS = 100
_MAX_FIT_ERROR_PX = 25.0

INFO = DatasetInfo(
    name="ntu_rgbd",
    title="NTU RGB+D 60 / 120 (skeletons)",
    kind="motion",
    homepage="https://rose1.ntu.edu.sg/dataset/actionRecognition/",
    licence="academic research only",
    access="request form",
    paper="Shahroudy, Liu, Ng, Wang: NTU RGB+D, CVPR 2016; Liu et al.: NTU RGB+D 120, TPAMI 2020",
    skeletons=("kinectv2_25",),
    splits=("train", "test"),
    tree="""\
nturgb+d_skeletons/S001C001P001R001A001.skeleton         setups 1 to 17
nturgb+d_skeletons120/S018C001P008R001A061.skeleton      setups 18 to 32
nturgb+d_rgb/S001C001P001R001A001_rgb.avi                (optional)""",
    items=(
        Item("**/S*.skeleton", "joints", "nturgbd_skeletons_s001_to_s017.zip (and s018_to_s032)"),
        Item("**/S*_rgb.avi", "videos", "nturgb+d_rgb", required=False),
    ),
    defects=(
        Defect(
            "302 (NTU-120: 535) samples have missing or incomplete skeletons",
            "left out by the published list of ids",
        ),
        Defect("frames without a body, more than two bodies, objects taken for bodies",
               "every body of every frame is an example; frames without one have none"),
        Defect("joints that were not tracked (state 0)", "NaN (option keep_untracked)"),
        Defect(
            "colour cameras are not calibrated",
            "a pinhole camera is fitted per file to the colour pixels that the file gives; the "
            "residual is noted",
        ),
        Defect("left and right may be exchanged against the released (mirrored?) videos",
               "the paper's names are kept"),
    ),
    has_images=True,
    facts=(
        "Estimates of a Kinect v2: for action recognition, no ground truth for poses.",
        "Splits: cross-subject; option protocol=xview or xset for cross-view (NTU-60) and "
        "cross-setup (NTU-120).",
        "The action's number is in the extras (label = number - 1).",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class NtuRgbd(Adapter):
    """Reads the .skeleton files of NTU RGB+D."""

    info = INFO

    protocol: str = option("xsub", "which split: xsub, xview (camera 1 tests), xset (odd setups)")
    keep_untracked: bool = option(False, "keep joints that the sensor did not track")

    def __post_init__(self):
        check_choice(self, "protocol", ("xsub", "xview", "xset"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per sample."""
        missing = _missing_ids()
        found = {}
        for path in root.rglob("S*.skeleton"):
            match = _NAME.fullmatch(path.name)
            if match and path.stem not in missing:
                setup, camera, performer = (int(n) for n in match.group(1, 2, 3))
                if self._is_train(setup, camera, performer) == (split == "train"):
                    found[path.stem] = path.relative_to(root).as_posix()
        return [Source(split, found[name]) for name in sorted(found)]

    def _is_train(self, setup: int, camera: int, performer: int) -> bool:
        if self.protocol == "xview":
            return camera != 1
        return setup % 2 == 0 if self.protocol == "xset" else performer in _TRAIN_PERFORMERS

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all bodies of a sample."""
        path = root / source.key
        frames, bodies, joints = read_skeleton_file(path)
        if not len(frames):
            return
        _, camera, performer, _, action = _NAME.fullmatch(path.name).groups()
        points = joints[..., :3] * (1000.0, -1000.0, 1000.0)
        pixels = joints[..., 5:7].copy()
        if not self.keep_untracked:
            points[joints[..., 11] == 0] = np.nan
        points[np.isnan(points).any(axis=-1)] = np.nan
        pixels[np.isnan(pixels).any(axis=-1) | np.isnan(points[..., 0])] = np.nan
        fitted, note = _fitted_camera(points, pixels)
        video = self._video(root, path.stem)
        yield ExampleBlock(
            dataset="ntu_rgbd",
            split=source.split,
            skeleton="kinectv2_25",
            sequence=path.stem,
            subject=f"P{performer}",
            camera_name=f"C{camera}",
            person=bodies,
            frames=frames,
            images=video,
            video_frames=None if video is None else frames,
            cameras=fitted,
            image_sizes=IMAGE_SIZE,
            joints3d=points,
            joints2d=pixels,
            extras={
                "action": np.full(len(frames), int(action)),
                "tracking": np.nan_to_num(joints[..., 11]).astype(np.int8),
            },
            notes=(note,),
        )

    def _video(self, root: Path, stem: str) -> str | None:
        for folder in ("nturgb+d_rgb", "nturgb+d_rgb_s017"):
            if (root / folder / f"{stem}_rgb.avi").is_file():
                return f"{folder}/{stem}_rgb.avi"
        return None


def read_skeleton_file(path: Path) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Reads a `.skeleton` file.

    Returns:
      frames (N,) of each body, from 0; body ids (N); fields (N, 25, 12) as they stand in the file.

    Raises:
      FileError: the file ends early, counts wrongly or holds something else than numbers.
    """
    words = read_bytes(path).split()
    if not words:
        raise FileError(path, "expected the number of frames, found an empty file")
    n_frames, at = _count(path, words, 0), 1
    frames, bodies, starts = [], [], []
    size = _BODY_FIELDS + 1 + N_JOINTS * _JOINT_FIELDS
    for frame in range(n_frames):
        n_bodies, at = _count(path, words, at), at + 1
        for _ in range(n_bodies):
            if at + size > len(words):
                raise FileError(
                    path,
                    f"expected {n_frames} frames, found the end of the file in frame {frame}; it "
                    "is cut off",
                )
            n_joints = _count(path, words, at + _BODY_FIELDS)
            if n_joints != N_JOINTS:
                raise FileError(path, f"frame {frame}: expected 25 joints, found {n_joints}")
            frames.append(frame)
            bodies.append(decode_text(words[at]))
            starts.append(at + _BODY_FIELDS + 1)
            at += size
    try:
        fields = [list(map(float, words[start : start + size - 11])) for start in starts]
    except ValueError as error:
        raise FileError(path, f"expected numbers ({error})") from None
    joints = np.array(fields, float).reshape(-1, N_JOINTS, _JOINT_FIELDS)
    if np.isinf(joints).any() or (np.abs(np.nan_to_num(joints[..., :3])) > 1e4).any():
        raise FileError(path, "expected joint positions in metres, found numbers beyond 10 km")
    return np.array(frames, int), bodies, joints


def _count(path: Path, words: list[bytes], at: int) -> int:
    word = words[at] if at < len(words) else b""
    if not (word.isdigit() and len(word) < 9):
        found = quote(decode_text(word)) if word else "the end of the file"
        raise FileError(path, f"word {at + 1}: expected a count, found {found}")
    return int(word)


def _fitted_camera(points: np.ndarray, pixels: np.ndarray) -> tuple[Camera | None, str]:
    """Fits focal lengths and principal point to (x/z, u) and (y/z, v) by least squares."""
    usable = ~np.isnan(points[..., 0]) & ~np.isnan(pixels[..., 0])
    usable &= np.nan_to_num(points[..., 2]) > 100
    if usable.sum() < _MIN_PAIRS:
        return None, "no camera: too few joints with colour pixels to fit one"
    ideal = points[usable][:, :2] / points[usable][:, 2:]
    lines, residuals = [], []
    for axis in range(2):
        design = np.stack([ideal[:, axis], np.ones(len(ideal))], axis=1)
        line = np.linalg.lstsq(design, pixels[usable][:, axis], rcond=None)[0]
        lines.append(line)
        residuals.append(design @ line - pixels[usable][:, axis])
    error = float(np.median(np.hypot(*residuals)))
    (fx, cx), (fy, cy) = lines
    if not (fx > 0 and fy > 0 and error < _MAX_FIT_ERROR_PX):
        return None, f"no camera: a pinhole camera fits the colour pixels to {error:.1f} px only"
    K = intrinsics(fx, fy, cx, cy)
    camera = Camera(np.eye(3), np.zeros(3), K, world_up=(0, -1, 0), image_size=IMAGE_SIZE)
    return camera, f"camera fitted to the file's colour pixels, median residual {error:.1f} px"


@functools.cache
def _missing_ids() -> frozenset[str]:
    return frozenset(json.loads(_MISSING.read_text())["ids"])
