"""Crops for prediction are those of evaluation."""

import numpy as np
import pytest

from dataset_adapters.camera import Camera
from skelbridge.data import CropOptions, evaluation_batches
from skelbridge.predicting import camera_from_fov, person_crops
from skelbridge.store import open_store
from skelbridge.synth import SynthOptions, synthesize
from skeleton_defs import JointRegistry, UserError

CROP = CropOptions(side=64)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people") / "store"
    synthesize(folder, SynthOptions(examples=8, two_d=2, test=2, size=96, domains=1, seed=5))
    return open_store(folder)


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_same_pixels_and_cameras_as_in_evaluation(store, is_mirrored):
    (rows,) = [r for g, r in store.groups.items() if g[:2] == ("synth_a", "train")]
    registry = JointRegistry(["smpl_24"])
    options = {"crop": CROP, "workers": 1, "flip": is_mirrored}
    (expected,) = evaluation_batches(store, registry, rows, **options)
    for place, index in enumerate(rows):
        example = store[index]
        (crop,) = person_crops(
            store.image(index), example.camera, example.box[None], crop=CROP,
            is_mirrored=is_mirrored,
        )  # fmt: skip
        np.testing.assert_array_equal(crop.image, expected["image"][place])
        np.testing.assert_array_equal(crop.K, expected["K"][place])
        np.testing.assert_allclose(crop.R @ example.camera.R, expected["R_world"][place], atol=1e-6)
        # So the labels of the crop, turned back, are those of the image's camera.
        known = expected["mask3d"][place]
        labels = expected["joints3d"][place]
        labels = labels[registry.flip] if is_mirrored else labels
        known = known[registry.flip] if is_mirrored else known
        np.testing.assert_allclose(
            (labels @ crop.R)[known], example.camera.to_camera(example.joints3d)[known], atol=0.01
        )


def test_a_lens_s_distortion_is_taken_out():
    lens = (-0.2, 0.24, -0.001, -0.002, -0.02)
    camera = Camera(np.eye(3), np.zeros(3), camera_from_fov((200, 160), 70).K, distortion=lens)
    picture = np.zeros((160, 200, 3), np.uint8)
    picture[28:33, 148:153] = 255  # around (150, 30)
    (crop,) = person_crops(picture, camera, np.array([[120, 10, 70, 50]]), crop=CROP)
    rows, columns = np.mgrid[:64, :64]
    light = crop.image[..., 0]
    found = [(light * axis).sum() / light.sum() for axis in (columns, rows)]
    seen = crop.K @ crop.R @ camera.camera_from_image(np.array([150.0, 30.0]))
    np.testing.assert_allclose(found, seen[:2] / seen[2], atol=0.15)


@pytest.mark.parametrize("size", [(640, 480), (480, 640)])
def test_the_field_of_view_is_that_of_the_larger_side(size):
    camera = camera_from_fov(size, 90.0)
    assert camera.K[0, 0] == camera.K[1, 1] == pytest.approx(320)
    np.testing.assert_allclose(camera.K[:2, 2], (np.array(size) - 1) / 2)
    assert camera.image_size == size


@pytest.mark.parametrize("fov", [0, -5, 180, 200, float("nan"), float("inf")])
def test_impossible_fields_of_view(fov):
    with pytest.raises(UserError, match="from 1 to 179 degrees"):
        camera_from_fov((10, 10), fov)


def test_the_whole_picture_is_seen_straight_on():
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    box = np.array([[-0.5, -0.5, 64, 64]])
    (crop,) = person_crops(picture, camera_from_fov((64, 64), 55), box, crop=CROP)
    np.testing.assert_allclose(crop.R, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(crop.image, picture * np.float32(1 / 255), atol=1.1 / 255)
