"""Predictions as JSON and npz, and drawn over their pictures."""

import json

import cv2
import numpy as np
import pytest
from looking_run import LookingRun, picture_of_dots

import skeleton_defs
from skelbridge.convert_files import ConvertOptions, convert_file
from skelbridge.posefiles import Input, ReadOptions, read_poses
from skelbridge.predicting import (
    PredictOptions,
    overlay_paths,
    predict,
    write_overlays,
    write_predictions,
)
from skeleton_defs import UserError

SIZE = (160, 120)


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture_of_dots(SIZE, [[50, 40], [90.5, 70]]))
    (tmp_path / "boxes.json").write_text(
        '{"a.png": [[30, 20, 80, 70], [20, 20, 90, 70]], "b.png": [[30, 20, 80, 70]]}'
    )
    return tmp_path


@pytest.fixture
def predicted(folder):
    def run(*formats, images="ab"):
        options = PredictOptions(formats, boxes=folder / "boxes.json")
        return predict(LookingRun(), [folder / f"{name}.png" for name in images], options)

    return run


def test_json(folder, predicted):
    predictions = predicted("smpl", "coco_19")
    write_predictions(folder / "out.json", predictions)
    tree = json.loads((folder / "out.json").read_text())
    assert (tree["format"], tree["version"]) == ("skelbridge-predictions", 1)
    assert tree["model"] == {
        "run": "RUN", "step": 7, "formats": ["smpl_24", "h36m_17"], "trained_on": ["synth_a"],
        "is_synthetic_only": True,
    }  # fmt: skip
    assert "expect it to fail on photographs" in tree["notes"][0]
    assert tree["formats"]["smpl_24"]["is_predicted"]
    assert tree["formats"]["smpl_24"]["joint_names"] == list(skeleton_defs.get("smpl").joints)
    made = tree["formats"]["coco_19"]
    assert not made["is_predicted"] and made["made_from"] in ("smpl_24", "h36m_17")
    assert len(made["expected_error_mm"]) == 19 and made["mean_expected_error_mm"] > 0
    first, second = tree["images"]
    assert first["path"].endswith("a.png") and first["size"] == [160, 120]
    assert first["fov_degrees"] == 55 and len(first["people"]) == 2 and len(second["people"]) == 1
    person = first["people"][1]
    assert person["box"] == [20, 20, 90, 70]
    K = np.array(first["K"])
    for name in ("smpl_24", "coco_19"):
        joints3d = np.array(person["poses"][name]["joints3d"], float)
        joints2d = np.array(person["poses"][name]["joints2d"], float)
        known = np.isfinite(joints3d).all(1)
        assert known.sum() >= 15
        projected = joints3d @ K.T
        projected = projected[:, :2] / projected[:, 2:]
        np.testing.assert_allclose(projected[known], joints2d[known], atol=0.02)


def test_what_is_behind_the_camera_has_no_pixel(folder):
    class BehindRun(LookingRun):
        def poses(self, batch):
            poses = super().poses(batch)
            poses[:, 3] *= -1
            return poses

    predictions = predict(BehindRun(), [folder / "a.png"], PredictOptions(("smpl",)))
    write_predictions(folder / "out.json", predictions)
    tree = json.loads((folder / "out.json").read_text())
    pose = tree["images"][0]["people"][0]["poses"]["smpl_24"]
    assert pose["joints3d"][3][2] < 0 and pose["joints2d"][3] in (None, [None, None])
    write_overlays(folder / "over.png", predictions)  # and nothing to draw


def test_npz_of_one_format_is_a_pose_file(folder, predicted):
    predictions = predicted("smpl")
    write_predictions(folder / "out.npz", predictions)
    poses = read_poses(folder / "out.npz")
    assert poses.skeleton == "smpl_24" and poses.units == "mm" and poses.leading == ("instance",)
    expected = np.concatenate([image.joints3d["smpl_24"] for image in predictions.images])
    np.testing.assert_array_equal(poses.positions, expected)
    convert_file(folder / "out.npz", folder / "h36m.npz", ConvertOptions("h36m"))
    converted = read_poses(folder / "h36m.npz")
    assert converted.positions.shape == (3, 17, 3)
    np.testing.assert_array_equal(converted.extras["image"], [0, 0, 1])


def test_npz_of_several_formats(folder, predicted):
    predictions = predicted("smpl", "h36m", "coco_19")
    write_predictions(folder / "out.npz", predictions)
    for name in ("smpl_24", "h36m_17", "coco_19"):
        options = ConvertOptions("mpii", Input(name))
        report = convert_file(folder / "out.npz", folder / f"{name}.npz", options)
        assert report.frames == 3
        flat = read_poses(folder / "out.npz", ReadOptions(key=f"{name}/joints2d"))
        expected = np.concatenate([image.joints2d[name] for image in predictions.images])
        np.testing.assert_array_equal(flat.positions, expected)
    with np.load(folder / "out.npz", allow_pickle=False) as file:
        assert file["intrinsics"].shape == (3, 3, 3) and file["boxes"].shape == (3, 4)
        assert [path[-5:] for path in file["image_paths"]] == ["a.png", "b.png"]
        assert json.loads(str(file["about"]))["model"]["is_synthetic_only"] is True


def test_npz_without_people(folder):
    (folder / "none.json").write_text('{"a.png": []}')
    predictions = predict(
        LookingRun(), [folder / "a.png"], PredictOptions(boxes=folder / "none.json")
    )
    write_predictions(folder / "out.npz", predictions)
    write_predictions(folder / "out.json", predictions)
    with np.load(folder / "out.npz", allow_pickle=False) as file:
        assert file["smpl_24/joints3d"].shape == (0, 24, 3)
        assert file["intrinsics"].shape == (0, 3, 3)
    assert json.loads((folder / "out.json").read_text())["images"][0]["people"] == []


@pytest.mark.parametrize(
    ("name", "message"),
    [("out.csv", "must end in .json or .npz"), ("none/out.json", "there is no folder")],
)
def test_unfit_outputs(folder, predicted, name, message):
    with pytest.raises(UserError, match=message):
        write_predictions(folder / name, predicted("smpl"))


def test_a_failed_write_leaves_the_old_file(folder, predicted, monkeypatch):
    (folder / "out.json").write_text("old")
    before = sorted(folder.iterdir())
    predictions = predicted("smpl")

    def fill_the_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("skelbridge.predicting.writing._image_dict", fill_the_disk)
    with pytest.raises(UserError, match="out.json: cannot be written"):
        write_predictions(folder / "out.json", predictions)
    assert (folder / "out.json").read_text() == "old"
    assert sorted(folder.iterdir()) == before


def test_overlays(folder, predicted):
    one = write_overlays(folder / "over.png", predicted("smpl", "h36m", images="b"))
    assert one == [folder / "over.png"]
    drawn = cv2.imread(str(one[0]))
    # The larger side is enlarged to 900 px, and there is a legend below.
    assert drawn.shape[1] == 900 and drawn.shape[0] > 675 + 40
    several = write_overlays(folder / "all.png", predicted("smpl"))
    assert [path.name for path in several] == ["all_1_a.png", "all_2_b.png"]
    assert all(path.is_file() for path in several)


def test_overlays_replace_no_input(folder, predicted):
    before = (folder / "b.png").read_bytes()
    with pytest.raises(UserError, match="is an input, and would be replaced"):
        write_overlays(folder / "b.png", predicted("smpl", images="b"))
    assert (folder / "b.png").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "message"),
    [("o.jpg", "must end in .png"), ("none/o.png", "no folder"), ("d.png", "it is a folder")],
)
def test_unfit_overlays(tmp_path, name, message):
    (tmp_path / "d.png").mkdir()
    with pytest.raises(UserError, match=message):
        overlay_paths(tmp_path / name, ["x.jpg"])
