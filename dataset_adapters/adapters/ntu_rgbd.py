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
from ..examples import ExampleBlock
from ._folders import folders_in
from ._skeleton_files import read_skeleton_file
from ._values import check_choice

IMAGE_SIZE = (1920, 1080)
_N_SETUPS_60 = 17
_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})\.skeleton")
_MISSING = Path(__file__).parent / "data" / "ntu_missing_skeletons.json"
#: Performers of the cross-subject training split; those up to 40 are the one of NTU-60.
_TRAIN_PERFORMERS = {
    1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38, 45, 46, 47, 49, 50,
    52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89, 91, 92, 93, 94, 95,
    97, 98, 100, 103,
}  # fmt: skip
_PROTOCOLS = ("xsub", "xsub60", "xview", "xset", "oneshot")
#: A colour pixel further away is no place in the image: the sensor's software could not map it.
_MAX_PIXEL = 1e5
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
        Defect("colour pixels that are no numbers, or infinite", "NaN; the 3D joint stays"),
        Defect(
            "colour cameras are not calibrated",
            "a pinhole camera is fitted to the colour pixels that a file gives, for each file (as "
            "published: for each setup and camera, to 150 bodies); the residual is noted",
        ),
        Defect("left and right may be exchanged against the released (mirrored?) videos",
               "the paper's names are kept; check before mixing them with poses from images"),
    ),
    facts=(
        "Estimates of a Kinect v2: for action recognition, no ground truth for poses.",
        "Splits by option protocol: xsub (cross-subject, of whatever is there), xsub60 (of NTU-60 "
        "alone), xview (NTU-60: camera 1 tests), xset (NTU-120: odd setups test), oneshot "
        "(NTU-120: every sixth action from A1 on tests, the other 100 are auxiliary).",
        "One-shot exemplars are S001C003P008R001 up to A60 and S018C003P008R001 above.",
        "The action's number is in the extras (label = number - 1); two people act in A50 to A60 "
        "and A106 to A120.",
        "Joint positions are mm in the sensor's frame, turned to x right, y down, z forward.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class NtuRgbd(Adapter):
    """Reads the .skeleton files of NTU RGB+D."""

    info = INFO

    protocol: str = option("xsub", f"which split: {', '.join(_PROTOCOLS)}")
    keep_untracked: bool = option(False, "keep joints that the sensor did not track")

    def __post_init__(self):
        check_choice(self, "protocol", _PROTOCOLS)

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per sample."""
        missing = _missing_ids()
        found = {}
        for path in root.rglob("S*.skeleton"):
            match = _NAME.fullmatch(path.name)
            if match and path.stem not in missing and self._split(match) == split:
                found[path.stem] = path.relative_to(root).as_posix()
        return [Source(split, found[name]) for name in sorted(found)]

    def _split(self, name: re.Match) -> str:
        """Returns the split of a sample; "" where the protocol does not use it."""
        setup, camera, performer, _, action = map(int, name.groups())
        if self.protocol in ("xsub60", "xview") and setup > _N_SETUPS_60:
            return ""
        is_train = {
            "xview": camera != 1,
            "xset": setup % 2 == 0,
            "oneshot": action % 6 != 1,
        }.get(self.protocol, performer in _TRAIN_PERFORMERS)
        return "train" if is_train else "test"

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all bodies of a sample."""
        path = root / source.key
        frames, bodies, joints = read_skeleton_file(path)
        if not len(frames):
            return
        _, camera, performer, _, action = _NAME.fullmatch(path.name).groups()
        states = joints[..., 11]
        points = joints[..., :3] * (1000.0, -1000.0, 1000.0)
        if not self.keep_untracked:
            points[states == 0] = np.nan
        points[np.isnan(points).any(axis=-1)] = np.nan
        pixels = joints[..., 5:7].copy()
        is_seen = (np.abs(pixels) <= _MAX_PIXEL).all(axis=-1) & ~np.isnan(points[..., 0])
        pixels[~is_seen] = np.nan
        fitted, note = _fitted_camera(points, pixels)
        video = _video(root, path.stem)
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
                "tracking": states.astype(np.int8),
            },
            notes=(note,),
        )


def _video(root: Path, stem: str) -> str | None:
    for folder in folders_in(root):
        name = f"{folder}/{stem}_rgb.avi"
        if folder.startswith("nturgb") and (root / name).is_file():
            return name
    return None


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
