"""MuPoTS-3D in miniature: two test sequences with people who are not annotated in every frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import savemat

from dataset_adapters.camera import Camera

from . import scene
from ._room_views import draw, level_camera, seen
from .truth import Truth, TruthRow

_SKELETON = "mupots_17"
_PELVIS = 14
_INDOOR, _OUTDOOR = (2048, 2048), (1920, 1080)
#: Sequence -> image size and, per frame, which people are annotated.
_SEQUENCES = {
    1: (_INDOOR, ((1, 1), (1, 0), (1, 1))),
    6: (_OUTDOOR, ((1, 1, 1), (0, 0, 0), (0, 1, 1))),
}


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes TS1 (indoors, two people) and TS6 (outdoors, three people)."""
    rows = []
    for number, (size, valid) in _SEQUENCES.items():
        camera = level_camera(
            size, focal=0.75 * max(size), angle=seed + number, shift_px=(11.5, -7.25)
        )
        rows += _write_sequence(root, f"TS{number}", camera, np.array(valid), seed + number)
    return Truth(tuple(rows))


def _write_sequence(root, name, camera: Camera, valid, seed) -> list[TruthRow]:
    n_frames, n_people = valid.shape
    people = np.stack(
        [scene.poses(_SKELETON, n_frames, person=k, seed=seed) for k in range(n_people)], axis=1
    )
    rng = np.random.default_rng([seed, 3])
    annotations = np.empty(valid.shape, object)
    occlusion = np.empty(valid.shape, object)
    rows = []
    for i in range(n_frames):
        image = f"{name}/img_{i:06d}.jpg"
        scene.write_image(root / image, draw(camera, list(people[i]), _SKELETON, seed=seed))
        for k in range(n_people):
            annotations[i, k] = _annotation(camera, people[i, k], bool(valid[i, k]), rng)
            occlusion[i, k] = rng.integers(0, 2, (1, 17)).astype(float)
            if valid[i, k]:
                rows.append(
                    seen(
                        camera,
                        people[i, k],
                        split="test",
                        skeleton=_SKELETON,
                        image=image,
                        sequence=name,
                        frame=i,
                    )
                )
    savemat(root / name / "annot.mat", {"annotations": annotations})
    savemat(root / name / "occlusion.mat", {"occlusion_labels": occlusion})
    return rows


def _annotation(camera: Camera, joints: np.ndarray, is_valid: bool, rng) -> dict:
    """Returns one struct; the coordinates of a person who is not annotated mean nothing."""
    pixels, in_camera = camera.project(joints), camera.to_camera(joints)
    if not is_valid:
        pixels, in_camera = rng.uniform(0, 900, (17, 2)), rng.uniform(100, 900, (17, 3))
    pelvis = in_camera[_PELVIS]
    return {
        "annot2": pixels.T,
        "annot3": in_camera.T,
        "univ_annot3": (pelvis + 1.05 * (in_camera - pelvis)).T,
        "isValidFrame": np.array([[float(is_valid)]]),
    }
