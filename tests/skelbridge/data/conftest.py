"""A store whose pictures show nothing but dots where the joints are."""

from types import SimpleNamespace

import numpy as np
import pytest

import skeleton_defs
from dataset_adapters.camera import Camera, intrinsics
from dataset_adapters.examples import ExampleBlock
from skelbridge.store import open_store, rle, write_blocks

WIDTH, HEIGHT = 640, 480
LENS = (-0.2, 0.24, -0.001, -0.002, -0.02)
#: Left joints are red, right ones blue, those in the middle green.
COLOURS = {"left": (255, 0, 0), "right": (0, 0, 255), "centre": (0, 255, 0)}


def turned_by(angles):
    """Returns the rotation about z, then x, then y."""
    x, y, z = angles
    about = [
        np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]),
        np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]),
        np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]),
    ]
    return about[1] @ about[0] @ about[2]


def dots(pixels, skeleton):
    """Draws dots at sub-pixel places (J, 2), NaN for none; returns (height, width, 3) uint8."""
    picture = np.zeros((HEIGHT, WIDTH, 3))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for (x, y), side in zip(pixels, skeleton_defs.get(skeleton).sides, strict=True):
        if np.isfinite(x):
            near = np.s_[int(y) - 20 : int(y) + 21, int(x) - 20 : int(x) + 21]
            squared = (columns[near] - x) ** 2 + (rows[near] - y) ** 2
            picture[near] += np.exp(-squared / (2 * 4.0**2))[..., None] * np.array(COLOURS[side])
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def places(rng, n_joints, n_dots):
    """Returns (J, 2) pixels apart from each other within the middle of the picture."""
    grid = np.stack(np.meshgrid([200, 280, 360, 440], [80, 160, 240, 320, 400]), -1).reshape(-1, 2)
    pixels = np.full((n_joints, 2), np.nan)
    joints = rng.choice(n_joints, n_dots, replace=False)
    pixels[joints] = rng.permutation(grid)[:n_dots] + rng.uniform(-15, 15, (n_dots, 2))
    return pixels


def box_around(pixels):
    low, high = np.nanmin(pixels, axis=0) - 30, np.nanmax(pixels, axis=0) + 30
    return np.concatenate([low, high - low])


def camera_rows(rng, n, *, distortion, skeleton, n_dots=9):
    """Returns the block of n calibrated examples, and the pictures."""
    n_joints = skeleton_defs.get(skeleton).n_joints
    joints, boxes, cameras, pictures = [], [], [], []
    for _ in range(n):
        camera = Camera.at(
            rng.uniform(-2000, 2000, 3),
            turned_by(rng.uniform(-0.5, 0.5, 3)),
            intrinsics(700, 715, 325, 235),
            distortion=distortion,
            world_up=(0, -1, 0),
            image_size=(WIDTH, HEIGHT),
        )
        pixels = places(rng, n_joints, n_dots)
        joints.append(camera.unproject(pixels, rng.uniform(3000, 5000, n_joints)))
        boxes.append(box_around(pixels))
        cameras.append(camera)
        pictures.append(dots(pixels, skeleton))
    return {"cameras": cameras, "boxes": np.array(boxes), "joints3d": np.array(joints)}, pictures


def flat_rows(rng, n, *, skeleton, n_dots=9):
    """Returns the columns of n examples without camera, and the pictures."""
    n_joints = skeleton_defs.get(skeleton).n_joints
    pixels = np.array([places(rng, n_joints, n_dots) for _ in range(n)])
    boxes = np.array([box_around(p) for p in pixels])
    pictures = [dots(p, skeleton) for p in pixels]
    return {"boxes": boxes, "joints2d": pixels, "image_sizes": (WIDTH, HEIGHT)}, pictures


def write(path, dataset, skeleton, columns, pictures, **options):
    n = len(columns["boxes"])
    block = ExampleBlock(
        dataset=dataset,
        split=options.pop("split", "train"),
        skeleton=skeleton,
        frames=np.arange(n),
        **columns,
    )
    write_blocks(path, dataset, [(block, pictures)], jpeg_quality=100, **options)


@pytest.fixture(scope="session")
def dot_store(tmp_path_factory):
    """`pinhole` (h36m_17) and `lens` (coco_17, distorted) with cameras, `flat` (mpii_16) without,
    `masked` (h36m_17) with silhouettes and 3 examples of a test split."""
    path = tmp_path_factory.mktemp("dots") / "store"
    rng = np.random.default_rng(0)
    columns, pictures = camera_rows(rng, 12, distortion=None, skeleton="h36m_17")
    write(path, "pinhole", "h36m_17", columns, pictures)
    columns, pictures = camera_rows(rng, 10, distortion=LENS, skeleton="coco_17")
    write(path, "lens", "coco_17", columns, pictures)
    columns, pictures = flat_rows(rng, 11, skeleton="mpii_16")
    write(path, "flat", "mpii_16", columns, pictures)
    columns, pictures = camera_rows(rng, 6, distortion=None, skeleton="h36m_17")
    silhouettes = []
    for left, top, width, height in columns["boxes"]:
        shape = np.zeros((HEIGHT, WIDTH), bool)
        shape[int(top) : int(top + height), int(left) : int(left + width)] = True
        silhouettes.append(rle.encode(shape))
    write(path, "masked", "h36m_17", columns | {"masks": silhouettes}, pictures)
    columns, pictures = camera_rows(rng, 3, distortion=None, skeleton="h36m_17")
    write(path, "tested", "h36m_17", columns, pictures, split="test")
    return open_store(path)


@pytest.fixture(scope="session")
def dot_maker():
    """The functions that make stores of dots."""
    return SimpleNamespace(camera_rows=camera_rows, write=write)


@pytest.fixture(scope="session")
def registry():
    return skeleton_defs.JointRegistry(["h36m_17", "coco_17", "mpii_16"])
