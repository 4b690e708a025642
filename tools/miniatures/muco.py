"""MuCo-3DHP in miniature: composites of four people from MPI-INF-3DHP (the generator's output).

`write_prepared` makes the other form in use, the COCO-like release.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera

from . import scene
from ._matlab73_file import write_mat73
from ._room_views import WorldFrame, draw, draw_mask, seen
from ._tdhp_files import IMAGE_SIZE, SKELETON, studio, write_annotations, write_calibration
from .truth import Truth

_N_FRAMES = 3
_PREPARED_SKELETON = "muco_21"
#: The sequences that people are taken from.
_SEQUENCES = ((1, 1), (3, 2), (5, 1), (7, 2))
#: Camera and each person's frame (0-based row of annot.mat) of the composites 1, 2, 3.
_COMPOSITES = ((0, (0, 1, 2, 1)), (2, (1, 1, 0, 2)), (4, (2, 0, 1, 1)))
#: The generator left this one out: a mask of it was missing.
_WITHOUT_IMAGE = 2


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes composites, their list, and the source frames, all below the one root.

    An odd `seed` leaves the composites flat, as generated; else they are in folders by number.
    """
    sources = {}
    for person, (subject, sequence) in enumerate(_SEQUENCES):
        cameras = studio(seed + 10 * subject + sequence)
        people = scene.poses(SKELETON, _N_FRAMES, person=person, seed=seed)
        joints = WorldFrame.upward("y").points(people)
        folder = root / f"S{subject}/Seq{sequence}"
        write_annotations(folder / "annot.mat", cameras, joints)
        write_calibration(folder / "camera.calibration", cameras)
        sources[subject, sequence] = (cameras, joints)
    cells = np.empty((len(_COMPOSITES), len(_SEQUENCES)), object)
    rows = []
    for i, (number, frames) in enumerate(_COMPOSITES):
        people = []
        for k, (source, frame) in enumerate(zip(_SEQUENCES, frames, strict=True)):
            cells[i, k] = _cell_of(np.array([[*source, number, frame]], float))
            cameras, joints = sources[source]
            people.append((cameras[number], joints[frame]))
        if i + 1 == _WITHOUT_IMAGE:
            continue
        image = _image_path(i + 1, is_flat=bool(seed % 2))
        _write_composite(root / image, people, seed)
        for (subject, sequence), frame, (camera, pose) in zip(
            _SEQUENCES, frames, people, strict=True
        ):
            folder = root / f"S{subject}/Seq{sequence}"
            _write_source_frame(folder, f"img_{number}_{frame:06d}.jpg", camera, pose, seed)
            rows.append(
                seen(camera, pose, split="train", skeleton=SKELETON, image=image, frame=i + 1)
            )
    write_mat73(root / "sampled_dataset_info.mat", {"composite_info": cells})
    return Truth(tuple(rows))


def write_prepared(root: Path, *, seed: int = 0) -> Truth:
    """Writes the prepared release: MuCo/data with MuCo-3DHP.json and two image sets."""
    skeleton = _PREPARED_SKELETON
    made = scene.cameras(3, IMAGE_SIZE, seed=seed, focal=1497.7)
    cameras = [WorldFrame.upward("y").camera(camera) for camera in made]
    people = np.stack([scene.poses(skeleton, 3, person=k, seed=seed) for k in range(4)])
    people = WorldFrame.upward("y").points(people)
    images, annotations, rows = [], [], []
    for i, camera in enumerate(cameras):
        name = f"{'augmented_set' if i == 2 else 'unaugmented_set'}/1/{i + 1:06d}.jpg"
        scene.write_image(root / "MuCo/data" / name, draw(camera, people[:, i], skeleton))
        images.append(
            {
                "id": i,
                "file_name": name,
                "width": IMAGE_SIZE[0],
                "height": IMAGE_SIZE[1],
                "f": [camera.K[0, 0], camera.K[1, 1]],
                "c": [camera.K[0, 2], camera.K[1, 2]],
                "R": camera.R.tolist(),
                "T": camera.t.tolist(),
            }
        )
        for pose in people[:, i]:
            annotations.append(_annotation(len(annotations), i, camera, pose))
            rows.append(
                seen(
                    camera,
                    pose,
                    split="train",
                    skeleton=skeleton,
                    image=f"MuCo/data/{name}",
                    frame=i,
                )
            )
    path = root / "MuCo/data/MuCo-3DHP.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return Truth(tuple(rows))


def _annotation(number: int, image: int, camera: Camera, pose: np.ndarray) -> dict:
    pixels = camera.project(pose)
    return {
        "id": number,
        "image_id": image,
        "bbox": scene.box_of(pixels).tolist(),
        "keypoints_img": pixels.tolist(),
        "keypoints_cam": camera.to_camera(pose).tolist(),
        "keypoints_vis": [1] * len(pose),
    }


def _cell_of(value: np.ndarray) -> np.ndarray:
    cell = np.empty((1, 1), object)
    cell[0, 0] = value
    return cell


def _image_path(number: int, *, is_flat: bool) -> str:
    digits = f"{number:06d}"
    folder = "" if is_flat else f"{digits[:2]}/{digits[:4]}/"
    return f"unaugmented_set_001/{folder}{digits}.jpg"


def _write_composite(path: Path, people: list[tuple[Camera, np.ndarray]], seed: int) -> None:
    """Writes the picture of people who each have their own camera."""
    shown = people[0][0]
    # Brought into the first person's world, they are seen by one camera; it draws with K of that.
    moved = [shown.to_world(camera.to_camera(pose)) for camera, pose in people]
    scene.write_image(path, draw(shown, moved, SKELETON, seed=seed))


def _write_source_frame(folder: Path, name: str, camera: Camera, pose, seed: int) -> None:
    if (folder / "imageSequence" / name).exists():
        return
    scene.write_image(folder / "imageSequence" / name, draw(camera, [pose], SKELETON, seed=seed))
    scene.write_image(folder / "FGmasks" / name, draw_mask(camera, pose, SKELETON))
    no_chair = np.full(IMAGE_SIZE[::-1], 255, np.uint8)
    scene.write_image(folder / "ChairMasks" / name, no_chair)
