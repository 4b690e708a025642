"""HUMAN4D in miniature: sideways RGB-D cameras, one pose file per moment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from dataset_adapters.camera import Camera

from . import _mocap_scene as mocap
from . import scene
from .truth import Truth, TruthRow

SKELETON = "human4d_32"
IMAGE_SIZE = (1280, 720)
DEPTH_SIZE = (320, 180)
CAMERAS = ("M72e", "M72h", "M72i", "M72j")
#: The stored point that the registry's format leaves out.
N_STORED, LEFT_OUT = 33, 15


@dataclass(frozen=True)
class Take:
    """A take: the numbers of its colour images and of its pose files, and their distance.

    Image g shows pose g - (offset - 1). Images before the first pose and after the last one have
    none.
    """

    subject: str
    name: str
    offset: int
    n_people: int
    images: tuple[int, ...]
    n_poses: int
    cameras: tuple[str, ...] = CAMERAS


TAKES = (
    # 1 is before pose 0, and there is no pose for 5.
    Take("S1", "19-07-12-07-32-22", 3, 1, (1, 2, 4, 5), 3, ("M72e", "M72h")),
    Take("S2", "19-07-12-09-09-06", 3, 2, (9, 10), 10, ("M72h", "M72i", "M72j")),
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes HUMAN4D in miniature: a take of one person and one of two."""
    rows = []
    for number, take in enumerate(TAKES):
        rig = _Rig(seed=seed + number)
        folder = root / take.subject
        rig.write_extrinsics(folder / "pose")
        # The file with the devices lies beside the takes, or one level higher.
        rig.write_devices((folder if number == 0 else root) / "device_repository.json")
        line = f"{take.name}\t{take.offset}\t0\n"
        (folder / "offsets.txt").write_text(f"19-07-12-00-00-00\t1\t0\n{line}")
        rows += _write_take(root, take, rig, number=number, seed=seed)
    return Truth(tuple(rows))


class _Rig:
    """Four cameras with a colour and a depth sensor each; `colour` are the colour cameras."""

    def __init__(self, *, seed: int):
        rng = np.random.default_rng([seed, 29])
        # The sensor lies on its side: what is up for people is left in the stored image.
        sideways = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1.0]])
        upright = mocap.cameras(len(CAMERAS), IMAGE_SIZE, seed=seed, focal=924, distance_mm=3300)
        self.colour = {}
        self.depth_to_colour = {}
        for name, camera in zip(CAMERAS, upright, strict=True):
            self.colour[name] = Camera(
                sideways @ camera.R,
                sideways @ camera.t,
                camera.K,
                world_up=(0, 0, 1),
                image_size=IMAGE_SIZE,
            )
            rotation = matrix_from_axis_angle(rng.normal(0, 0.01, 3))
            self.depth_to_colour[name] = rotation, np.array([0.015, 2e-4, 3e-4]) * rng.uniform(1, 2)

    def write_extrinsics(self, folder: Path) -> None:
        """Writes the depth sensors' pose: three rows to the world, and the centre."""
        folder.mkdir(parents=True)
        for name, camera in self.colour.items():
            # x_colour = rotation^-1 x_depth - rotation^-1 (1000 translation)
            rotation, metres = self.depth_to_colour[name]
            R = rotation @ camera.R
            t = rotation @ camera.t + 1000 * metres
            rows = [*R.T, -R.T @ t]
            text = "\n".join(" ".join(f"{x:.9f}" for x in row) for row in rows)
            (folder / f"{name}.extrinsics").write_text(text + "\n")

    def write_devices(self, path: Path) -> None:
        """Writes the intrinsics, and where the depth sensor is relative to the colour sensor."""
        devices = []
        for name, camera in self.colour.items():
            rotation, metres = self.depth_to_colour[name]
            depth = camera.K * [[0.98, 1, 0.999], [1, 0.97, 1.002], [1, 1, 1]]
            devices.append(
                {
                    "Device": name,
                    "Color Intrinsics": [{"1280x720": camera.K.reshape(-1).tolist()}],
                    "Depth Intrinsics": [{"1280x720": depth.reshape(-1).tolist()}],
                    "Color Depth Rotation": rotation.reshape(-1).tolist(),
                    "Color Depth Translation": metres.tolist(),
                }
            )
        path.write_text(json.dumps(devices))


def _write_take(root: Path, take: Take, rig: _Rig, *, number: int, seed: int) -> list[TruthRow]:
    people = [
        mocap.tracks(SKELETON, take.n_poses, person=10 * number + i, seed=seed)
        for i in range(take.n_people)
    ]
    stored = np.array(people).transpose(1, 0, 2, 3)
    # The 33rd point is the left collar's start, a few mm from its right counterpart.
    stored = np.insert(stored, LEFT_OUT, stored[:, :, 9] + [4.0, 3.0, 2.0], axis=2)
    folder = root / take.subject / take.name
    dump = folder / "Dump"
    (dump / "gposes3d").mkdir(parents=True)
    for k, pose in enumerate(stored):
        np.save(dump / "gposes3d" / f"{k}.npy", pose)
    _write_projections(folder, take, rig, stored)
    rows = []
    for camera_name in take.cameras:
        camera = rig.colour[camera_name]
        for g in take.images:
            k = g - (take.offset - 1)
            has_pose = 0 <= k < take.n_poses
            shown = [points[min(max(k, 0), take.n_poses - 1)] for points in people]
            # The camera's own counter says nothing of the moment.
            counter = 46000 + 7 * g + 100 * CAMERAS.index(camera_name)
            name = f"{g}_{camera_name}_color_{counter}.png"
            picture = mocap.image(camera, shown, SKELETON, seed=seed + number, reduce=8)
            scene.write_image(dump / "color" / name, picture)
            if has_pose:
                image = f"{take.subject}/{take.name}/Dump/color/{name}"
                rows += [_row(camera, pose, image, g) for pose in shown]
    _write_depth(dump / "depth" / f"{take.images[0]}_M72h_depth_46613.pgm")
    return rows


def _row(camera: Camera, pose: np.ndarray, image: str, frame: int) -> TruthRow:
    return mocap.row(camera, pose, split="train", skeleton=SKELETON, image=image, frame=frame)


def _write_projections(folder: Path, take: Take, rig: _Rig, stored: np.ndarray) -> None:
    """Writes joints and boxes in colour pixels, by pose number and person, for each view."""
    for name in take.cameras:
        pixels = rig.colour[name].project(stored)
        np.save(folder / f"gposes2d_{name}.npy", pixels)
        boxes = np.concatenate([pixels.min(axis=2), pixels.max(axis=2)], axis=-1)
        np.save(folder / f"bbox_{name}.npy", boxes)


def _write_depth(path: Path) -> None:
    """Writes a depth image in text, 0.1 mm; everything is 2.5 m away."""
    width, height = DEPTH_SIZE
    line = " ".join(["25000"] * width)
    path.parent.mkdir(parents=True)
    path.write_text(f"P2\n{width} {height}\n65535\n" + f"{line}\n" * height)
