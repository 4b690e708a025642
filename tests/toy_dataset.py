"""A small dataset of dots on grey pictures, and its adapter: what the store's tests prepare."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from dataset_adapters.adapter import Adapter, DatasetInfo, Item, Source, Thinning, option
from dataset_adapters.camera import Camera, intrinsics
from dataset_adapters.containers.errors import FileError
from dataset_adapters.examples import ExampleBlock

SKELETON = "mpii_16"
N_JOINTS = 16
SIZE = (320, 240)
#: One bright colour per joint, far from each other and from the grey background.
COLOURS = np.array(
    [[255 * (i >> 2 & 1), 255 * (i >> 1 & 1), 255 * (i & 1)] for i in range(8)], np.uint8
)
LENS = (-0.25, 0.08, 0.002, -0.001, 0.01)


@dataclass(frozen=True)
class ToyDataset(Adapter):
    """Sequences of one or two people, seen by one camera each."""

    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="toy",
        title="Toy dataset",
        kind="3D, synthetic",
        homepage="",
        licence="CC0",
        access="made by the tests",
        paper="",
        skeletons=(SKELETON,),
        splits=("train", "test"),
        tree="",
        items=(Item("*/*.json", "annotations"),),
        thinning=Thinning(),
    )

    scale: float = option(1.0, "factor on all positions")
    with_boxes: bool = option(False, "yield boxes")
    origin_mm: float = option(0.0, "where the world's origin is moved to")

    def sources(self, root: Path, split: str):
        return [Source(split, path.stem) for path in sorted((root / split).glob("*.json"))]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        path = root / source.split / f"{source.key}.json"
        try:
            tree = json.loads(path.read_text())
        except ValueError:
            raise FileError(path, "expected JSON, found something else") from None
        camera = camera_of(tree["camera"], np.array(tree["lens"]), self.origin_mm)
        joints = np.array(tree["joints"], float) * self.scale + self.origin_mm
        for person in range(joints.shape[1]):
            n = len(joints)
            yield ExampleBlock(
                dataset="toy",
                split=source.split,
                skeleton=SKELETON,
                frames=np.arange(n),
                sequence=source.key,
                subject=f"S{tree['camera']}",
                camera_name=f"camera {tree['camera']}",
                person=str(person),
                images=[f"{source.split}/{source.key}/{i:03d}.jpg" for i in range(n)],
                cameras=camera,
                joints3d=joints[:, person],
                boxes=np.tile([60.0, 40, 120, 160], (n, 1)) if self.with_boxes else None,
                extras={"action": ["walk"] * n, "speed": np.arange(n) * 0.5},
                notes=("toys only",),
            )


def camera_of(number: int, lens=None, origin_mm: float = 0.0) -> Camera:
    """Returns a camera 4 m from the people, a little to the side and rolled by its number."""
    angle = 0.4 * number - 0.3
    forward = np.array([np.sin(angle), np.cos(angle), -0.1])
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0.05 * number, 1.0])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    center = np.array([0, 0, 1000.0]) - 4000 * forward
    return Camera.at(
        center + origin_mm,
        R,
        intrinsics(300, 306, 161, 118),
        distortion=lens,
        world_up=(0, 0, 1),
        image_size=SIZE,
    )


def write_toy(
    root: Path, *, sequences: int = 4, frames: int = 3, people: int = 1, test_sequences: int = 1
) -> Path:
    """Writes the dataset: joints are dots spread over a body's room; returns its folder."""
    import cv2

    for split, count in (("train", sequences), ("test", test_sequences)):
        for number in range(count):
            rng = np.random.default_rng([number, len(split)])
            key = f"seq{number:02d}"
            folder = root / split / key
            folder.mkdir(parents=True)
            lens = LENS if number % 2 else [0.0] * 5
            camera = camera_of(number % 3, np.array(lens))
            spread = rng.uniform([-500, -300, 200], [500, 300, 1800], (people, N_JOINTS, 3))
            steps = np.arange(frames)[:, None, None, None] * np.array([120.0, 0, 0])
            joints = np.round(spread + steps, 3)
            tree = {"camera": number % 3, "lens": list(lens), "joints": joints.tolist()}
            (root / split / f"{key}.json").write_text(json.dumps(tree))
            for i in range(frames):
                picture = np.full((SIZE[1], SIZE[0], 3), 110, np.uint8)
                for x, y in camera.project(joints[i, 0]):
                    cv2.circle(picture, (round(x), round(y)), 3, (255, 255, 255), -1)
                cv2.imwrite(str(folder / f"{i:03d}.jpg"), picture)
    return root


if __name__ == "__main__":
    # The kill test runs this and ends it: python toy_dataset.py ROOT STORE WORKERS
    import sys

    from skelbridge.store import prepare

    prepare(ToyDataset(), sys.argv[1], sys.argv[2], workers=int(sys.argv[3]))
