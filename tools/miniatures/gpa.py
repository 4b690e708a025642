"""GPA in miniature: one JSON with camera coordinates, images by number, masks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.body_models.rotations import axis_angle_from_matrix
from dataset_adapters.camera import Camera, intrinsics

from . import _mocap_scene as mocap
from . import scene
from .truth import Truth, TruthRow

SKELETON = "gpa_34"
IMAGE_SIZE = (1920, 1080)
CROP_PX = 256
#: The camera's y axis is taken for the vertical: the files with all joints say no better.
UP = np.array([0, -1.0, 0])


@dataclass(frozen=True)
class Image:
    """An image by its number, the camera that took it, and the flags of its split."""

    number: int
    camera: int
    is_train: bool
    is_test: bool
    ending: str = "png"

    @property
    def name(self) -> str:
        """The 10 digits that all its files are named by."""
        return f"{self.number:010}"


#: In the order of the file, which is not that of the numbers.
IMAGES = (
    Image(12345, 0, True, False),
    Image(12346, 1, True, False),
    Image(77, 2, False, True, "jpg"),
    Image(12351, 0, True, False),
    Image(12352, 2, False, True),
    Image(400, 1, False, False),
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes GPA in miniature: six images of three cameras.

    The last one belongs to neither split by its flags; what is not for training counts as test.
    """
    cameras = mocap.cameras(3, IMAGE_SIZE, seed=seed, focal=1158, distance_mm=3900)
    rows, images, crops, worlds = [], [], [], []
    for person, image in enumerate(IMAGES):
        camera = cameras[image.camera]
        points = mocap.tracks(SKELETON, 1, person=person, seed=seed)[0]
        _write_pictures(root, image, camera, points, seed=seed + person)
        images.append({"file_name": f"img_jpg/{image.name}.{image.ending}"})
        common = {"istrains": image.is_train, "istests": image.is_test}
        crops.append(_crop_annotation(camera, points) | common)
        worlds.append(_world_annotation(camera, points) | common)
        rows.append(_row(image, camera, points))
    _write_json(root / "xyz_gpa12_mdp_cntind_crop_cam_c2g.json", images, crops)
    _write_json(root / "xyz_gpa12_cntind_world_cams.json", images, worlds)
    numbers = np.array([image.number for image in IMAGES])
    np.save(root / "c2gimgid.npy", numbers)
    camera_ids = np.zeros(numbers.max() + 10, np.int64)
    camera_ids[numbers] = [image.camera for image in IMAGES]
    (root / "Sequence_ids").mkdir()
    np.save(root / "Sequence_ids" / "cam_ids_750k.npy", camera_ids)
    (root / "scene_meshes").mkdir()
    np.save(root / "scene_meshes" / "img_scene_id.npy", np.arange(len(IMAGES)) % 6)
    return Truth(tuple(rows))


def _row(image: Image, camera: Camera, points: np.ndarray) -> TruthRow:
    return TruthRow(
        split="train" if image.is_train else "test",
        skeleton=SKELETON,
        image=f"Gaussian_img_jpg_new/{image.name}.jpg",
        joints3d=camera.to_camera(points),
        joints2d=camera.project(points),
        up=UP,
        frame=image.number,
    )


def _crop_annotation(camera: Camera, points: np.ndarray) -> dict:
    """Returns the annotation of the main file: everything in the camera's coordinates."""
    pixels = camera.project(points)
    left, top, width, height = scene.box_of(pixels, factor=1.3)
    side = max(width, height)
    left, top = left + (width - side) / 2, top + (height - side) / 2
    scale = CROP_PX / side
    focal = camera.K[[0, 1], [0, 1]]
    center = camera.K[:2, 2]
    corner = np.array([left, top])
    return {
        # Coordinates first: (3, 34).
        "joint_cams": camera.to_camera(points).T.tolist(),
        "joint_imgs_uncrop": pixels.tolist(),
        "joint_imgs": ((pixels - corner) * scale).tolist(),
        "f": focal.tolist(),
        "c": center.tolist(),
        "c_f": (focal * scale).tolist(),
        "c_c": ((center - corner) * scale).tolist(),
        "bboxes": [left, top, left + side, top + side],
    }


def _world_annotation(camera: Camera, points: np.ndarray) -> dict:
    """Returns the annotation of the file with world joints; translations are in cm there."""
    focal, center = camera.K[[0, 1], [0, 1]], camera.K[:2, 2]
    return {
        "joint_world_mm": points.tolist(),
        "joint_cams": camera.to_camera(points).T.tolist(),
        "joint_imgs_uncrop": camera.project(points).tolist(),
        "f": focal.tolist(),
        "c": center.tolist(),
        "src_cam0": intrinsics(*focal, *center).tolist(),
        "src_cam1": [0.0] * 5,
        "src_cam2": axis_angle_from_matrix(camera.R).tolist(),
        "src_cam3": (camera.t / 10).tolist(),
    }


def _write_pictures(
    root: Path, image: Image, camera: Camera, points: np.ndarray, *, seed: int
) -> None:
    picture = mocap.image(camera, [points], SKELETON, seed=seed)
    scene.write_image(root / "Gaussian_img_jpg_new" / f"{image.name}.jpg", picture)
    mask = mocap.silhouette(camera, points, SKELETON).astype(np.uint8) * 255
    folder = root / "img_jpg_new_resnet101deeplabv3humanmask"
    scene.write_image(folder / f"{image.name}_mask.jpg", np.stack([mask] * 3, axis=-1))


def _write_json(path: Path, images: list[dict], annotations: list[dict]) -> None:
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
