"""A filled-in example of the layout that the `custom` adapter reads."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

import skeleton_defs
from skeleton_defs import UserError

from ..camera import Camera, intrinsics

SKELETON = "coco_17"
_SIZE = (640, 480)
#: A standing person, m: x to the person's left, y up, z to the front.
_BODY = {
    "nose": (0, 1.62, 0.12), "left_eye": (0.03, 1.66, 0.1), "right_eye": (-0.03, 1.66, 0.1),
    "left_ear": (0.07, 1.64, 0.02), "right_ear": (-0.07, 1.64, 0.02),
    "left_shoulder": (0.18, 1.42, 0), "right_shoulder": (-0.18, 1.42, 0),
    "left_elbow": (0.28, 1.15, -0.03), "right_elbow": (-0.28, 1.15, -0.03),
    "left_wrist": (0.32, 0.92, 0.08), "right_wrist": (-0.32, 0.92, 0.08),
    "left_hip": (0.1, 0.95, 0), "right_hip": (-0.1, 0.95, 0),
    "left_knee": (0.11, 0.52, 0.05), "right_knee": (-0.11, 0.52, 0.05),
    "left_ankle": (0.11, 0.09, 0), "right_ankle": (-0.11, 0.09, 0),
}  # fmt: skip


def write_template(out: str | os.PathLike) -> None:
    """Writes two images of one person with 3D and 2D joints, and a second split as arrays.

    Raises:
      UserError: the folder exists and is not empty, or cannot be made.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: expected a new or empty folder, found something in it")
    try:
        (out / "images").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: cannot be made: {error.strerror}") from None
    joints = np.array([_BODY[name] for name in skeleton_defs.get(SKELETON).joints], float)
    poses = np.stack([joints, joints + np.array([0.15, 0, 0.1])])
    camera = Camera.at(
        (0, 1.2, 3.5),
        [[1, 0, 0], [0, -1, 0], [0, 0, -1]],  # Looks along -z, towards the person's front.
        intrinsics(600, 600, 319.5, 239.5), world_up=(0, 1, 0), image_size=_SIZE,
    )  # fmt: skip
    _write(out, poses, camera)


def _write(out: Path, poses: np.ndarray, camera: Camera) -> None:
    pixels = camera.project(poses).round(2)
    for i, points in enumerate(pixels):
        _write_image(out / "images" / f"{i:06d}.jpg", points)
    _write_json(out / "dataset.json", {"skeleton": SKELETON, "units": "m", "frame": "world"})
    _write_json(
        out / "cameras.json",
        {
            "cam0": {
                "K": camera.K.tolist(),
                "R": camera.R.tolist(),
                "t": camera.t.tolist(),
                "distortion": [0, 0, 0, 0, 0],
                "image_size": list(_SIZE),
                "world_up": [0, 1, 0],
            }
        },
    )
    images = [
        {
            "id": i,
            "file_name": f"images/{i:06d}.jpg",
            "width": _SIZE[0],
            "height": _SIZE[1],
            "camera": "cam0",
            "sequence": "standing",
            "frame": i,
        }
        for i in range(len(poses))
    ]
    annotations = [
        {
            "id": i,
            "image_id": i,
            "subject": "me",
            "person": "0",
            "bbox": [*(p.min(axis=0) - 15).tolist(), *(np.ptp(p, axis=0) + 30).tolist()],
            "keypoints": np.column_stack([p, np.full(len(p), 2)]).ravel().tolist(),
            "keypoints_3d": pose.round(4).ravel().tolist(),
        }
        for i, (p, pose) in enumerate(zip(pixels, poses, strict=True))
    ]
    _write_json(out / "train.json", {"images": images, "annotations": annotations})
    np.savez(
        out / "valid.npz",
        joints3d=poses[:1],
        images=np.array(["images/000000.jpg"]),
        camera=np.array("cam0"),
        sequence=np.array("standing"),
        frame=np.array([0]),
    )


def _write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _write_image(path: Path, points: np.ndarray) -> None:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", _SIZE, (90, 110, 130))
    draw = ImageDraw.Draw(image)
    for a, b in skeleton_defs.get(SKELETON).edges:
        draw.line([tuple(points[a]), tuple(points[b])], fill=(240, 200, 120), width=9)
    image.save(path, quality=90)
