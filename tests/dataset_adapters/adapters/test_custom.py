"""The user's own data: what the page promises, and mistakes in one line."""

import json

import numpy as np
import pytest

from dataset_adapters import get_adapter
from dataset_adapters.adapters.custom_template import write_template
from skeleton_defs import UserError


@pytest.fixture
def root(tmp_path):
    write_template(tmp_path / "mine")
    return tmp_path / "mine"


def change(path, **values):
    document = json.loads(path.read_text())
    document.update(values)
    path.write_text(json.dumps(document))


def examples(root):
    return list(get_adapter("custom").examples(root))


def test_template_projects_onto_itself(root):
    train, valid = examples(root)[:2], examples(root)[2:]
    for example in train:
        np.testing.assert_allclose(
            example.camera.project(example.joints3d), example.joints2d, atol=0.02
        )
        assert (root / example.image.path).is_file()
    assert [e.split for e in valid] == ["valid"] and valid[0].joints2d is None


def test_metres_and_millimetres(root):
    metres = examples(root)[0]
    change(root / "dataset.json", units="mm")
    np.testing.assert_allclose(examples(root)[0].joints3d * 1000, metres.joints3d)


def test_joints_in_the_cameras_frame(root):
    world = examples(root)[0]
    document = json.loads((root / "train.json").read_text())
    for annotation in document["annotations"]:
        points = np.reshape(annotation["keypoints_3d"], (-1, 3))
        annotation["keypoints_3d"] = (world.camera.to_camera(points * 1000) / 1000).ravel().tolist()
    change(root / "train.json", **document)
    change(root / "dataset.json", frame="camera")
    (root / "valid.npz").unlink()
    np.testing.assert_allclose(examples(root)[0].joints3d, world.joints3d, atol=1e-6)


def test_annotations_may_differ_in_what_they_hold(root):
    document = json.loads((root / "train.json").read_text())
    del document["annotations"][0]["keypoints"]
    document["annotations"][1]["keypoints_3d"][:3] = [None] * 3
    change(root / "train.json", **document)
    first, second = examples(root)[:2]
    assert np.isnan(first.joints2d).all() and first.validity.all()
    assert np.isnan(second.joints3d[0]).all() and not np.isnan(second.joints3d[1:]).any()


def test_pixels_counted_from_one(root):
    shifted = next(iter(get_adapter("custom", pixel_origin=1.0).examples(root)))
    plain = examples(root)[0]
    np.testing.assert_allclose(shifted.joints2d + 1, plain.joints2d)
    np.testing.assert_allclose(shifted.box[:2] + 1, plain.box[:2])


def test_a_skeleton_of_ones_own(root):
    (root / "three.json").write_text(
        json.dumps({"name": "three_points", "joints": ["a", "b", "c"], "edges": [[0, 1]]})
    )
    change(root / "dataset.json", skeleton="three.json")
    np.savez(
        root / "train.npz", joints3d=np.ones((2, 3, 3)), images=np.array(["images/000000.jpg"] * 2)
    )
    (root / "train.json").unlink()
    (root / "valid.npz").unlink()
    found = examples(root)
    assert [e.skeleton for e in found] == ["three_points"] * 2
    assert found[0].joints3d[0, 0] == 1000


@pytest.mark.parametrize(
    ("file", "change_to", "message"),
    [
        ("dataset.json", {"skeleton": "smbl"}, "skeleton: .*smpl"),
        ("dataset.json", {"units": "km"}, "units: expected mm, cm or m"),
        ("dataset.json", {"frame": "room"}, "frame: expected world or camera"),
        ("cameras.json", {"cam0": {"K": [[1, 0], [0, 1]]}}, r"cam0.K: expected .*\(3, 3\)"),
        ("cameras.json", {"cam0": {"K": [[0, 0, 1], [0, 1, 1], [0, 0, 1]]}}, "no usable camera"),
        ("train.json", {"annotations": [{"image_id": 7}]}, "no such image"),
        ("train.json", {"annotations": [{"image_id": 0}]}, "expected keypoints or keypoints_3d"),
        (
            "train.json",
            {"annotations": [{"image_id": 0, "keypoints": [1, 2, 2]}]},
            r"keypoints: expected .*\(1, 51\)",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(root, file, change_to, message):
    change(root / file, **change_to)
    with pytest.raises(UserError, match=message) as caught:
        examples(root)
    assert "\n" not in str(caught.value)


def test_unknown_camera(root):
    document = json.loads((root / "train.json").read_text())
    document["images"][0]["camera"] = "cam9"
    change(root / "train.json", **document)
    with pytest.raises(UserError, match="camera 'cam9' is not in cameras.json"):
        examples(root)


def test_nothing_there(tmp_path):
    (tmp_path / "dataset.json").write_text('{"skeleton": "coco_17"}')
    with pytest.raises(UserError, match="expected train.json or train.npz"):
        examples(tmp_path)
