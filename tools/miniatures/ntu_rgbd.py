"""NTU RGB+D in miniature: skeleton files of the Kinect, metres, y up, colour pixels beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera, intrinsics

from . import scene
from ._mocap_scene import tracks
from ._room_views import draw, level_camera
from .truth import Truth, TruthRow

_SKELETON = "kinectv2_25"
_COLOUR, _DEPTH = (1920, 1080), (512, 424)
_DEPTH_LENS = intrinsics(365.5, 365.5, 257.3, 210.1)
_DECIMALS = 6
_INFERRED, _TRACKED = 1, 2
#: A sample whose skeleton file is known to be incomplete.
_INCOMPLETE = "S001C002P005R002A008"


@dataclass(frozen=True)
class _Sample:
    """One skeleton file.

    Attributes:
      bodies: per frame the people who are in the file.
      untracked: (person, frame) -> joints of state 0.
      has_video: whether the colour video was downloaded.
      newline: how lines end.
    """

    name: str
    split: str
    bodies: tuple[tuple[int, ...], ...]
    untracked: dict[tuple[int, int], tuple[int, ...]]
    has_video: bool = False
    newline: str = "\n"


_SAMPLES = (
    _Sample(
        "S001C001P001R001A001", "train", ((0,), (0,), (), (0,)), {(0, 1): (7, 21, 22)},
        newline="\r\n",
    ),
    _Sample("S001C002P003R002A050", "test", ((0, 1), (1,), (1, 0, 2)), {(1, 2): (15, 19)}),
    _Sample("S018C001P008R001A061", "train", ((0,), (0,), (0,)), {(0, 0): (23, 24)}, True),
)  # fmt: skip
_SETUPS_60 = 17


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes samples of both parts of the dataset, one of them with its video."""
    rows = []
    for i, sample in enumerate(_SAMPLES):
        rows += _write_sample(root, sample, seed + i)
    incomplete = _Sample(_INCOMPLETE, "train", ((0,), (0,)), {})
    _write_sample(root, incomplete, seed + len(_SAMPLES))
    return Truth(tuple(rows))


def _kinect(sample: _Sample, seed: int) -> Camera:
    """Returns the colour camera, whose place is the sensor's: each setup has its own."""
    number = int(sample.name[1:4]) + 0.3 * int(sample.name[5:8])
    camera = level_camera(
        _COLOUR,
        focal=1060.0 + number,
        angle=seed + number,
        distance_mm=3600,
        height_mm=1200,
        shift_px=(-3.0 + number, 4.0 - number),
    )
    return replace(camera, K=camera.K.round(3))


def _write_sample(root: Path, sample: _Sample, seed: int) -> list[TruthRow]:
    camera = _kinect(sample, seed)
    n_frames = len(sample.bodies)
    n_people = 1 + max(max(bodies, default=0) for bodies in sample.bodies)
    people = [tracks(_SKELETON, n_frames, person=k, seed=seed) for k in range(n_people)]
    # What the file holds: metres, rounded, y up; and what that means to the camera.
    stored = camera.to_camera(np.stack(people, axis=1)) * [1, -1, 1] / 1000
    stored = stored.round(_DECIMALS)
    in_camera = stored * [1000, -1000, 1000]
    pixels = camera.image_from_camera(in_camera)
    lines, rows = [str(n_frames)], []
    rng = np.random.default_rng([seed, 37])
    for frame, bodies in enumerate(sample.bodies):
        lines.append(str(len(bodies)))
        for person in bodies:
            states = rng.choice([_INFERRED, _TRACKED], 25, p=[0.2, 0.8])
            untracked = list(sample.untracked.get((person, frame), ()))
            states[untracked] = 0
            lines += _body_lines(stored[frame, person], pixels[frame, person], states, person, rng)
            joints3d, joints2d = in_camera[frame, person].copy(), pixels[frame, person].copy()
            joints3d[untracked], joints2d[untracked] = np.nan, np.nan
            row = TruthRow(
                sample.split, _SKELETON, joints3d=joints3d, joints2d=joints2d,
                sequence=sample.name, frame=frame,
            )  # fmt: skip
            rows.append(row)
    path = root / _folder(sample) / f"{sample.name}.skeleton"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", newline=sample.newline)
    if sample.has_video:
        video = f"nturgb+d_rgb/{sample.name}_rgb.avi"
        shown = [draw(camera, list(poses), _SKELETON) for poses in np.stack(people, axis=1)]
        scene.write_video(root / video, shown, fps=30)
        rows = [replace(row, image=video, video_frame=row.frame) for row in rows]
    return rows


def _folder(sample: _Sample) -> str:
    is_first = int(sample.name[1:4]) <= _SETUPS_60
    return "nturgb+d_skeletons" if is_first else "nturgb+d_skeletons120"


def _body_lines(joints, pixels, states, person: int, rng) -> list[str]:
    """Returns the lines of one body; an untracked joint has no place in the images."""
    lean = rng.uniform(-0.3, 0.3, 2)
    lines = [f"{72057594037900001 + person} 0 1 0 1 0 0 {lean[0]:.6f} {lean[1]:.6f} 2", "25"]
    depth = joints * [1, -1, 1] @ _DEPTH_LENS.T
    depth = depth[:, :2] / depth[:, 2:]
    turns = rng.normal(size=(25, 4))
    turns /= np.linalg.norm(turns, axis=-1, keepdims=True)
    for place, in_depth, in_colour, turn, state in zip(
        joints, depth, pixels, turns, states, strict=True
    ):
        images = [*in_depth, *in_colour] if state else [np.nan] * 4
        numbers = [*place, *images, *turn]
        lines.append(" ".join(_text(number) for number in numbers) + f" {state}")
    return lines


def _text(number: float) -> str:
    return "NaN" if np.isnan(number) else f"{number:.{_DECIMALS}f}"
