"""3DOH50K in miniature: one JSON per split, a world of which seven units are about a metre."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from skelbridge.conversion import convert

from . import scene
from ._room_views import WorldFrame, draw, draw_mask, level_camera, seen
from ._smpl_walkers import walker
from .truth import Truth, TruthRow

_SKELETON = "3doh_14"
_UNITS_PER_M = 7.0
#: Folder -> its images' sizes.
_IMAGES = {
    "trainset": ((2048, 1536), (1280, 720), (2048, 1536)),
    "testset": ((1024, 768), (1920, 1080)),
}


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes both splits; every image has its own person and camera."""
    rows = []
    for k, (folder, sizes) in enumerate(_IMAGES.items()):
        annotations = {}
        for i, size in enumerate(sizes):
            annotations[f"{i:05d}"], row = _write_image(root, folder, i, size, seed + 10 * k)
            rows.append(row)
        (root / folder / "annots.json").write_text(json.dumps(annotations))
    return Truth(tuple(rows))


def _write_image(root: Path, folder: str, i: int, size, seed: int) -> tuple[dict, TruthRow]:
    made = level_camera(
        size, focal=0.8 * max(size), angle=seed + 1.3 * i, shift_px=(3.5, -6.0), height_mm=1100
    )
    # The first image has the camera itself as its world; in the others the world is tilted.
    tilt = scene.cameras(1, size, seed=seed + i)[0]
    frame = WorldFrame.of_camera(made if i == 0 else tilt)
    camera = frame.camera(made)
    person = walker(1, frame, seed=seed + i)
    smpl = person.joints[0]
    lsp = convert(person.joints, "smpl_24", _SKELETON, max_error_mm=1e6)[0]
    image = f"{folder}/images/{i:05d}.jpg"
    scene.write_image(root / image, draw(camera, [smpl], "smpl_24", seed=seed + i))
    if folder == "trainset":
        mask = draw_mask(camera, smpl, "smpl_24")
        scene.write_image(root / folder / f"masks/{i:05d}.png", np.stack([mask] * 3, axis=-1))
    left, top, width, height = scene.box_of(camera.project(lsp))
    units = _UNITS_PER_M / 1000
    extrinsic = np.eye(4)
    extrinsic[:3, :3], extrinsic[:3, 3] = camera.R, camera.t * units
    values = {
        "img_path": f"images\\{i:05d}.jpg",
        "mask_path": f"masks\\{i:05d}.png",
        "bbox": [[left, top], [left + width, top + height]],
        "betas": np.zeros((1, 10)).tolist(),
        "pose": person.rotations[:1].reshape(1, 72).tolist(),
        # Added after scaling the body.
        "trans": (_UNITS_PER_M * person.translation[:1]).tolist(),
        "scale": [_UNITS_PER_M],
        "smpl_joints_2d": camera.project(smpl).tolist(),
        "smpl_joints_3d": (smpl * units).tolist(),
        "lsp_joints_2d": camera.project(lsp).tolist(),
        "lsp_joints_3d": (camera.to_camera(lsp) * units).tolist(),
        "extri": extrinsic.tolist(),
        "intri": camera.K.tolist(),
    }
    split = folder.removesuffix("set")
    # The dataset knows no gravity and takes the image's upward direction for it: here they agree.
    return values, seen(camera, lsp, split=split, skeleton=_SKELETON, image=image, frame=i)
