"""AIST++ in miniature: dancers in centimetres, nine cameras per setting, videos of some of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dataset_adapters.body_models.rotations import axis_angle_from_matrix
from dataset_adapters.camera import Camera
from skelbridge.conversion import convert

from . import scene
from ._old_pickle import write_pickle
from ._room_views import WorldFrame, draw, seen
from ._smpl_walkers import walker
from .truth import Truth, TruthRow

_SKELETON = "aist_coco_17"
_SIZE, _FPS, _N_FRAMES = (1920, 1080), 60, 6
_DISTORTION = (0.05, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class _Sequence:
    """One dance.

    Attributes:
      videos: view -> number of frames in its video.
      unusable: views with known defects (not in step with the rest, another size).
    """

    name: str
    split: str
    setting: int
    videos: dict[int, int] = field(default_factory=dict)
    unusable: tuple[int, ...] = ()
    is_ignored: bool = False


_SEQUENCES = (
    _Sequence("gBR_sBM_cAll_d04_mBR0_ch01", "train", 1, {1: _N_FRAMES, 5: _N_FRAMES}, (5,)),
    # A video that ends one frame early; and one that is known to be of 640x480.
    _Sequence("gJB_sBM_cAll_d07_mJB3_ch05", "valid", 1, {2: _N_FRAMES - 1, 7: _N_FRAMES}, (7,)),
    # A video of one frame more than there are poses.
    _Sequence("gLO_sFM_cAll_d14_mLO4_ch20", "test", 2, {1: _N_FRAMES, 9: _N_FRAMES + 1}),
    _Sequence("gWA_sBM_cAll_d25_mWA2_ch03", "train", 2, {3: _N_FRAMES}, is_ignored=True),
    _Sequence("gPO_sBM_cAll_d11_mPO1_ch02", "train", 1),
)
_SPLIT_FILES = {"train": "train", "valid": "val", "test": "test"}


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes annotations and videos."""
    annotations = root / "annotations"
    frame = WorldFrame.upward("y")
    settings = {
        number: [
            frame.camera(camera)
            for camera in scene.cameras(
                9, _SIZE, seed=seed + number, focal=1500.0, distance_mm=4500.0,
                distortion=_DISTORTION,
            )
        ]
        for number in (1, 2)
    }  # fmt: skip
    for number, cameras in settings.items():
        _write_text(
            annotations / f"cameras/setting{number}.json",
            json.dumps([_camera_entry(i + 1, camera) for i, camera in enumerate(cameras)]),
        )
    rows = []
    for i, sequence in enumerate(_SEQUENCES):
        rows += _write_sequence(root, sequence, settings[sequence.setting], seed + 10 * i)
    _write_lists(annotations)
    return Truth(tuple(rows))


def _write_sequence(root: Path, sequence: _Sequence, cameras, seed: int) -> list[TruthRow]:
    person = walker(_N_FRAMES + 1, WorldFrame.upward("y"), seed=seed, scale=0.93)
    joints = convert(person.joints, "smpl_24", _SKELETON, max_error_mm=1e6)
    annotations = root / "annotations"
    annotated = joints[:_N_FRAMES]
    write_pickle(annotations / f"keypoints3d/{sequence.name}.pkl", _keypoints3d(annotated, seed))
    write_pickle(annotations / f"keypoints2d/{sequence.name}.pkl", _keypoints2d(annotated, cameras))
    write_pickle(
        annotations / f"motions/{sequence.name}.pkl",
        {
            "smpl_loss": 1.87,
            "smpl_poses": person.rotations[:_N_FRAMES].reshape(-1, 72),
            # Centimetres per metre of the body model.
            "smpl_scaling": np.array([100 * person.scale]),
            "smpl_trans": 100 * person.translation[:_N_FRAMES],
        },
    )
    rows = []
    for view, n_frames in sequence.videos.items():
        camera = cameras[view - 1]
        video = f"videos/{sequence.name.replace('cAll', f'c{view:02d}')}.mp4"
        frames = [draw(camera, [pose], _SKELETON, seed=seed) for pose in joints[:n_frames]]
        if sequence.name.startswith("gJB") and view in sequence.unusable:
            frames = [frame[::2, ::3][:480, :640] for frame in frames]
        scene.write_video(root / video, frames, fps=_FPS)
        if sequence.is_ignored or view in sequence.unusable:
            continue
        rows += [
            seen(
                camera,
                pose,
                split=sequence.split,
                skeleton=_SKELETON,
                image=video,
                video_frame=i,
                sequence=sequence.name,
                frame=i,
            )
            for i, pose in enumerate(annotated[:n_frames])
        ]
    return rows


def _keypoints3d(joints: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Returns the smoothed joints, and the noisy ones with gaps that are not to be used."""
    noise = np.random.default_rng([seed, 5]).normal(0, 2.0, joints.shape)
    raw = joints / 10 + noise
    raw[1, 4] = np.nan
    return {"keypoints3d": raw, "keypoints3d_optim": joints / 10}


def _keypoints2d(joints: np.ndarray, cameras: list[Camera]) -> dict[str, np.ndarray]:
    """Returns what a detector found in every view: nobody in one frame of the second."""
    pixels = np.stack([camera.project(joints) for camera in cameras])
    found = np.concatenate([pixels, np.full((*pixels.shape[:-1], 1), 0.9)], -1).astype(np.float32)
    found[1, 2] = np.nan
    scores = np.where(np.isnan(found[..., 0, 0]), 0, 0.95).astype(np.float32)
    times = (np.arange(len(joints)) * 1_000_000 // _FPS).astype(np.int64)
    return {"keypoints2d": found, "det_scores": scores, "timestamps": times}


def _camera_entry(number: int, camera: Camera) -> dict:
    return {
        "name": f"c{number:02d}",
        "size": list(camera.image_size),
        "matrix": camera.K.tolist(),
        "rotation": axis_angle_from_matrix(camera.R).tolist(),
        "translation": (camera.t / 10).tolist(),
        "distortions": list(_DISTORTION),
    }


def _write_lists(annotations: Path) -> None:
    mapping = [f"{s.name} setting{s.setting}\n" for s in _SEQUENCES]
    _write_text(annotations / "cameras/mapping.txt", "".join(mapping))
    ignored = [f"{s.name}\n" for s in _SEQUENCES if s.is_ignored]
    _write_text(annotations / "ignore_list.txt", "".join(ignored))
    for split, name in _SPLIT_FILES.items():
        listed = "".join(f"{s.name}\n" for s in _SEQUENCES if s.split == split)
        for kind in ("pose", "crossmodal"):
            _write_text(annotations / f"splits/{kind}_{name}.txt", listed)


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
