"""The layout for a user's own data in miniature: JSON and arrays, images, videos and none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera

from . import _mocap_scene as mocap
from . import scene
from ._photographs import photograph
from .truth import Truth, TruthRow

_SKELETON = "coco_17"
_SIZE = (1280, 720)
_LENSES = ((0.11, -0.24, 0.0008, -0.0013, 0.07), (-0.15, 0.05, -0.001, 0.0005, 0.01))
_MM_PER_UNIT = 1000.0
#: How much the file's digits leave out: pixels of two, metres of six places.
_PX_DECIMALS, _MM_DECIMALS = 2, 3


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes all three splits: `train` as JSON and arrays, `valid` as JSON, `test` as both."""
    # World z up; metres.
    cameras = {
        f"cam{i}": camera
        for i, camera in enumerate(
            mocap.cameras(2, _SIZE, distortion=np.array(_LENSES), distance_mm=4500, seed=seed)
        )
    }
    _write_json(root / "dataset.json", {"skeleton": _SKELETON, "units": "m", "frame": "world"})
    _write_json(root / "cameras.json", {name: _calibration(c) for name, c in cameras.items()})
    return Truth(
        (
            *_write_pairs(root, cameras, seed),
            *_write_video_arrays(root, cameras["cam1"], seed),
            *_write_flat_pictures(root, seed),
            *_write_video_json(root, cameras["cam0"], seed),
            *_write_picture_arrays(root, cameras, seed),
        )
    )


def _calibration(camera: Camera) -> dict:
    return {
        "K": camera.K.tolist(),
        "R": camera.R.tolist(),
        "t": (camera.t / _MM_PER_UNIT).tolist(),
        "distortion": camera.distortion[:5].tolist(),
        "image_size": list(_SIZE),
        "world_up": [0, 0, 1],
    }


def _person(n_frames: int, person: int, seed: int) -> np.ndarray:
    return mocap.tracks(_SKELETON, n_frames, person=person, seed=seed).round(_MM_DECIMALS)


def _row(camera: Camera, pose: np.ndarray, pixels: np.ndarray | None = None, **fields) -> TruthRow:
    """Returns the truth of a pose (17, 3) with missing joints, whose pixels may be annotated."""
    row = mocap.row(camera, pose, skeleton=_SKELETON, **fields)
    if pixels is None:
        return row
    return TruthRow(**(vars(row) | {"joints2d": pixels}))


def _write_pairs(root: Path, cameras: dict[str, Camera], seed: int) -> list[TruthRow]:
    """Writes train.json: two people before two cameras, in 2D and 3D."""
    people = np.stack([_person(2, k, seed) for k in range(2)], axis=1)
    images, annotations, rows = [], [], []
    for i, (name, camera) in enumerate(cameras.items()):
        file = f"images/train/{name}.jpg"
        scene.write_image(root / file, mocap.image(camera, list(people[i]), _SKELETON, seed=i))
        images.append(_image(10 + i, file, camera=name, sequence="walk", frame=i))
        for k, pose in enumerate(people[i]):
            pose, pixels = pose.copy(), camera.project(pose).round(_PX_DECIMALS)
            # One joint misses its depth, another its pixels, a third both.
            pose[[3, 10 + k]], pixels[[4 + k, 10 + k]] = np.nan, np.nan
            annotation = {
                "id": len(annotations),
                "image_id": 10 + i,
                "keypoints": _keypoints(pixels),
                "keypoints_3d": _flat(pose / _MM_PER_UNIT, 6),
                "bbox": scene.box_of(pixels).tolist(),
                "person": str(k),
                "subject": "ab"[k],
            }
            annotations.append(annotation)
            rows.append(
                _row(camera, pose, pixels, split="train", image=file, sequence="walk", frame=i)
            )
    _write_json(root / "train.json", {"images": images, "annotations": annotations})
    return rows


def _write_video_arrays(root: Path, camera: Camera, seed: int) -> list[TruthRow]:
    """Writes train.npz: 3D joints of some frames of a video."""
    frames, joints = np.array([0, 2, 3]), _person(5, 3, seed)
    video = "videos/turn.mp4"
    mocap.video(root / video, camera, [joints], _SKELETON, n_frames=5, fps=scene.FPS)
    shown = joints[frames].copy()
    shown[1, [9, 15]] = np.nan
    np.savez(
        root / "train.npz",
        joints3d=shown / _MM_PER_UNIT,
        images=np.array([video] * len(frames)),
        video_frame=frames,
        frame=frames,
        camera=np.array("cam1"),
        sequence=np.array("turn"),
        person=np.array("0"),
    )
    return [
        _row(
            camera, pose, split="train", image=video, video_frame=int(i), sequence="turn",
            frame=int(i),
        )
        for i, pose in zip(frames, shown, strict=True)
    ]  # fmt: skip


def _write_flat_pictures(root: Path, seed: int) -> list[TruthRow]:
    """Writes valid.json: 2D only, no camera, one picture without people."""
    images, annotations, rows = [], [], []
    for number, n_people in ((1, 2), (2, 1), (3, 0)):
        file = f"images/valid/{number:04d}.png"
        shown = photograph(_SKELETON, (640, 480), max(1, n_people), seed=seed + number)
        scene.write_image(root / file, shown.picture(seed=number))
        images.append({"id": number, "file_name": file, "width": 640, "height": 480})
        for k in range(n_people):
            pixels = shown.pixels[0, k].copy()
            pixels[[k, 7]] = np.nan
            annotations.append(
                {"id": 5 * number + k, "image_id": number, "keypoints": _keypoints(pixels)}
            )
            rows.append(TruthRow("valid", _SKELETON, file, joints2d=pixels))
    _write_json(root / "valid.json", {"images": images, "annotations": annotations[::-1]})
    return rows


def _write_video_json(root: Path, camera: Camera, seed: int) -> list[TruthRow]:
    """Writes test.json: two frames of a video, 3D only."""
    joints, video = _person(4, 4, seed), "videos/stroll.avi"
    mocap.video(root / video, camera, [joints], _SKELETON, n_frames=4, fps=scene.FPS)
    images, annotations, rows = [], [], []
    for i in (1, 3):
        pose = joints[i].copy()
        pose[2 * i] = np.nan
        images.append(_image(i, video, camera="cam0", sequence="stroll", frame=i, video_frame=i))
        annotations.append({"id": i, "image_id": i, "keypoints_3d": _flat(pose / _MM_PER_UNIT, 6)})
        rows.append(
            _row(
                camera, pose, split="test", image=video, video_frame=i,
                sequence="stroll", frame=i,
            )
        )  # fmt: skip
    _write_json(root / "test.json", {"images": images, "annotations": annotations})
    return rows


def _write_picture_arrays(root: Path, cameras: dict[str, Camera], seed: int) -> list[TruthRow]:
    """Writes test.npz: pictures in 2D and 3D, the camera given per row."""
    poses = _person(2, 5, seed)
    files = [f"images/test/{name}.jpg" for name in cameras]
    pixels = np.stack([c.project(p) for c, p in zip(cameras.values(), poses, strict=True)])
    pixels[0, 16] = np.nan
    rows = []
    for i, (camera, file) in enumerate(zip(cameras.values(), files, strict=True)):
        scene.write_image(root / file, mocap.image(camera, [poses[i]], _SKELETON, seed=i))
        rows.append(_row(camera, poses[i], pixels[i], split="test", image=file, frame=i))
    np.savez(
        root / "test.npz",
        joints3d=poses / _MM_PER_UNIT,
        joints2d=pixels,
        images=np.array(files),
        camera=np.array(list(cameras)),
        boxes=np.stack([scene.box_of(p) for p in pixels]),
        frame=np.arange(len(poses)),
    )
    return rows


def _image(number: int, file: str, **others) -> dict:
    return {"id": number, "file_name": file, "width": _SIZE[0], "height": _SIZE[1], **others}


def _keypoints(pixels: np.ndarray) -> list[float]:
    """Returns x, y, v per joint; zeros where a joint is missing."""
    present = ~np.isnan(pixels[:, 0])
    return np.column_stack([np.nan_to_num(pixels), 2 * present]).ravel().tolist()


def _flat(points: np.ndarray, decimals: int) -> list[float | None]:
    """Returns x, y, z per joint; null where a joint is missing."""
    return [None if np.isnan(v) else round(v, decimals) for v in points.ravel().tolist()]


def _write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value))
