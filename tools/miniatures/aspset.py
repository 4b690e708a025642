"""ASPset-510 in miniature: C3D joints in the left camera's axes, three views in 4K."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera

from . import scene
from ._room_views import WorldFrame, draw, level_camera, seen
from .truth import Truth, TruthRow

_SKELETON = "aspset_17"
#: As the C3D files label the points.
_LABELS = (
    "right_ankle right_knee right_hip right_wrist right_elbow right_shoulder left_ankle left_knee "
    "left_hip left_wrist left_elbow left_shoulder head_top head neck spine pelvis"
).split()
_SIZE, _FPS = (3840, 2160), 50
_VIEWS = ("left", "mid", "right")
_FOCALS = (3900.0, 3912.5, 3908.2)


@dataclass(frozen=True)
class _Clip:
    """A clip: its split as splits.csv says it, and its cameras (`all` or one view)."""

    subject: str
    clip: str
    split: str
    camera: str
    n_frames: int

    @property
    def folder(self) -> str:
        return "test" if self.split == "test" else "trainval"


_CLIPS = (
    _Clip("04ac", "0026", "train", "all", 2),
    _Clip("8a59", "0003", "val", "all", 1),
    _Clip("1e28", "0006", "test", "mid", 2),
)
_SPLITS = {"train": "train", "val": "valid", "test": "test"}


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes a clip per split, each of another subject."""
    rows = []
    for i, clip in enumerate(_CLIPS):
        rows += _write_clip(root, clip, seed + i)
    lines = [f"{c.subject},{c.clip},{c.split},{c.camera}\n" for c in _CLIPS]
    (root / "data/splits.csv").write_text("".join(lines))
    return Truth(tuple(rows))


def _write_clip(root: Path, clip: _Clip, seed: int) -> list[TruthRow]:
    data = root / "data" / clip.folder
    frame, cameras = _rig(int(clip.subject, 16) % 100)
    for view, camera in cameras.items():
        _write_camera(data / f"cameras/{clip.subject}/{clip.subject}-{view}.json", camera)
    joints = frame.points(scene.poses(_SKELETON, clip.n_frames, seed=seed))
    name = f"{clip.subject}/{clip.subject}-{clip.clip}"
    _write_c3d(data / f"joints_3d/{name}.c3d", joints)
    rows = []
    for view, camera in cameras.items():
        if clip.camera not in ("all", view):
            continue
        _write_boxes(data / f"boxes/{name}-{view}.csv", camera.project(joints))
        video = data / f"videos/{name}-{view}.mkv"
        frames = [draw(camera, [pose], _SKELETON, seed=seed) for pose in joints]
        scene.write_video(video, frames, fps=_FPS)
        rows += [
            seen(
                camera,
                pose,
                split=_SPLITS[clip.split],
                skeleton=_SKELETON,
                image=video.relative_to(root).as_posix(),
                video_frame=i,
                frame=i,
            )
            for i, pose in enumerate(joints)
        ]
    return rows


def _rig(seed: int) -> tuple[WorldFrame, dict[str, Camera]]:
    """Returns the world, which is that of the left camera, and the cameras in it."""
    made = [
        level_camera(
            _SIZE,
            focal=focal,
            angle=seed + 0.6 * i,
            distance_mm=9000,
            height_mm=1200 + 150 * i,
            shift_px=(-12.5 + i, 2.25),
        )
        for i, focal in enumerate(_FOCALS)
    ]
    frame = WorldFrame.of_camera(made[0])
    return frame, {v: frame.camera(c) for v, c in zip(_VIEWS, made, strict=True)}


def _write_camera(path: Path, camera: Camera) -> None:
    intrinsic = np.concatenate([camera.K, np.zeros((3, 1))], axis=1)
    extrinsic = np.eye(4)
    extrinsic[:3, :3], extrinsic[:3, 3] = camera.R, camera.t
    # Nested and flat lists are both in use.
    values = {"intrinsic_matrix": intrinsic.tolist(), "extrinsic_matrix": extrinsic.tolist()}
    if not path.stem.startswith("04ac"):
        values = {key: np.ravel(value).tolist() for key, value in values.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def _write_boxes(path: Path, pixels: np.ndarray) -> None:
    lines = ["left,top,right,bottom"]
    for joints in pixels:
        left, top, width, height = scene.box_of(joints)
        lines.append(f"{left:.3f},{top:.3f},{left + width:.3f},{top + height:.3f}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def _write_c3d(path: Path, joints: np.ndarray) -> None:
    import ezc3d

    path.parent.mkdir(parents=True, exist_ok=True)
    c3d = ezc3d.c3d()
    point = c3d["parameters"]["POINT"]
    point["RATE"]["value"] = [_FPS]
    point["LABELS"]["value"] = _LABELS
    point["UNITS"]["value"] = ["mm"]
    c3d.add_parameter("POINT", "SKEL", ["aspset_17j"])
    homogeneous = np.concatenate([joints, np.ones((*joints.shape[:-1], 1))], axis=-1)
    c3d["data"]["points"] = homogeneous.transpose(2, 1, 0)
    c3d.write(str(path))
