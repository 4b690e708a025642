"""The user's own data: what the page promises, and mistakes in one line."""

import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error
from json_fuzzing import document_mutations
from miniature_copies import overwrite, read_damaged

import skeleton_defs
from dataset_adapters import get_adapter
from dataset_adapters.adapters.custom_template import write_template
from skelbridge.store import rle
from skeleton_defs import UserError


@pytest.fixture(autouse=True)
def own_formats(monkeypatch):
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(skeleton_defs.formats, "_registered", {})


@pytest.fixture
def root(tmp_path):
    write_template(tmp_path / "mine")
    return tmp_path / "mine"


def change(path, **values):
    document = json.loads(path.read_text())
    document.update(values)
    overwrite(path, json.dumps(document).encode())


def change_entry(root, kind, index, **values):
    """Changes one entry of train.json; None takes a field away."""
    entries = json.loads((root / "train.json").read_text())[kind]
    entries[index].update(values)
    entries[index] = {key: value for key, value in entries[index].items() if value is not None}
    change(root / "train.json", **{kind: entries})


def save_arrays(root, **arrays):
    (root / "train.json").unlink(missing_ok=True)
    (root / "valid.npz").unlink(missing_ok=True)
    np.savez(root / "train.npz", **{"joints2d": np.full((2, 17, 2), 7.0), **arrays})


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
            "keypoints of annotation number 1: expected 51 numbers, found 3",
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


def test_crowds_and_people_without_joints(root):
    document = json.loads((root / "train.json").read_text())
    crowd, nobody = (dict(document["annotations"][0]) for _ in range(2))
    crowd.update(iscrowd=1, id=8)
    nobody.update(id=9, keypoints=[0] * 51, keypoints_3d=[None] * 51)
    change(root / "train.json", annotations=[crowd, nobody, *document["annotations"]])
    assert [e.person for e in examples(root)[:2]] == ["0", "0"] and len(examples(root)) == 3
    change(root / "train.json", annotations=[nobody])
    with pytest.raises(UserError, match="expected joints with v > 0 or coordinates, found none"):
        examples(root)
    change(root / "train.json", annotations=[crowd])
    assert [e.split for e in examples(root)] == ["valid"]


def test_silhouettes(root):
    change_entry(root, "annotations", 0, segmentation=[[10, 20, 60, 20, 60, 90, 10, 90]])
    first, second = examples(root)[:2]
    assert rle.decode(first.mask)[20:90, 10:60].all() and second.mask is None


def test_frames_of_videos(root):
    for i in (0, 1):
        change_entry(root, "images", i, file_name="videos/a.mp4", video_frame=5 * i)
    first, second = examples(root)[:2]
    assert (first.image.path, first.image.video_frame) == ("videos/a.mp4", 0)
    assert second.image.video_frame == 5 and first.frame == 0
    change_entry(root, "images", 1, video_frame=-1)
    with pytest.raises(UserError, match="video_frame of entry 2: .*at least 0, found -1"):
        examples(root)
    change_entry(root, "images", 1, file_name="images/000001.jpg")
    with pytest.raises(UserError, match="expected video_frame for every image that is a video"):
        examples(root)


def test_ids_that_are_texts(root):
    for i, name in enumerate("ab"):
        change_entry(root, "images", i, id=name)
        change_entry(root, "annotations", i, image_id=name, id=f"p{i}", person=None)
    assert [(e.person, e.frame) for e in examples(root)[:2]] == [("p0", 0), ("p1", 1)]
    change_entry(root, "images", 1, frame=None)
    with pytest.raises(UserError, match="frame of entry 2: expected a whole number, found 'b'"):
        examples(root)


def test_arrays(root):
    joints = np.full((2, 17, 3), 1.0)
    joints[0, 3] = np.nan
    save_arrays(
        root, joints2d=np.ones((2, 17, 2)), joints3d=joints, images=np.array(["a.jpg", "b.jpg"]),
        frame=np.array([4, 9]), boxes=[[1, 2, 3, 4], [5, 6, 7, 8]], camera=np.array("cam0"),
        person=np.array([b"x", b"y"]), subject=np.array(3), note=np.array({"any": 1}, object),
    )  # fmt: skip
    first, second = examples(root)
    assert np.isnan(first.joints3d[3]).all() and second.joints3d[3].tolist() == [1000] * 3
    assert (first.frame, second.frame) == (4, 9) and second.image.path == "b.jpg"
    assert second.box.tolist() == [5, 6, 7, 8] and [first.person, second.subject] == ["x", "3"]
    assert first.camera.image_size == (640, 480)


def test_cameras_that_look_the_same_way_twice(root):
    document = json.loads((root / "cameras.json").read_text())
    document["cam1"] = {"K": document["cam0"]["K"]}
    overwrite(root / "cameras.json", json.dumps(document).encode())
    change(root / "dataset.json", frame="camera", units="mm")
    save_arrays(
        root, joints3d=np.ones((3, 17, 3)), joints2d=np.ones((3, 17, 2)),
        camera=np.array(["cam1", "cam0", "cam1"]),
    )  # fmt: skip
    first, second, third = examples(root)
    assert first.joints3d[0].tolist() == [1, 1, 1] == third.joints3d[0].tolist()
    np.testing.assert_allclose(second.camera.to_camera(second.joints3d), 1)


def test_a_definition_that_contradicts_a_known_format(root):
    (root / "own.json").write_text(json.dumps({"name": "coco_17", "joints": ["a"], "edges": []}))
    change(root / "dataset.json", skeleton="own.json")
    with pytest.raises(UserError, match="'coco_17' with other joints exists already"):
        examples(root)


@pytest.mark.parametrize(
    "kind, values, message",
    [
        ("annotations", {"bbox": None}, "annotation 0: expected the field 'bbox', found none"),
        ("annotations", {"bbox": [1, 2, 3, -4]}, "bbox of annotation 0: expected left, top"),
        ("annotations", {"keypoints": ["1"] * 51}, "keypoints of annotation 0: .*found '1' among"),
        ("annotations", {"keypoints": {"a": 1}}, "keypoints of annotation 0: .*found an object"),
        ("annotations", {"keypoints_3d": [1e12] * 51}, "keypoints_3d of annotation 0: .*1e\\+12"),
        ("annotations", {"keypoints_3d": [None, "x"]}, "expected 51 numbers, found 2"),
        ("annotations", {"person": [1]}, "person of entry 1: expected text or a whole number"),
        ("annotations", {"subject": 1.5}, "subject of entry 1: expected text or a whole number"),
        ("images", {"width": 0}, "width of image 0: expected a whole number of at least 1"),
        ("images", {"height": 10**12}, "height of image 0: expected at most 65536 px"),
        ("images", {"file_name": []}, "file_name of image 0: expected text"),
        ("images", {"frame": "first"}, "frame of entry 1: expected a whole number, found 'first'"),
        ("images", {"camera": None}, "camera: expected one for each row or for none, found both"),
        ("images", {"camera": {}}, "camera of entry 1: expected text or a whole number"),
        ("images", {"id": 1}, "images: id 1 stands for two images"),
    ],
)
def test_odd_entries(root, kind, values, message):
    change_entry(root, kind, 0, **values)
    with pytest.raises(UserError, match=message) as caught:
        examples(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"joints2d": np.ones((2, 17))}, "expected joints3d or joints2d"),
        ({"joints2d": np.ones((2, 16, 2))}, r"joints2d: expected numbers of shape \(2, 17, 2\)"),
        ({"joints3d": np.ones((3, 17, 3))}, r"joints2d: expected numbers of shape \(3, 17, 2\)"),
        ({"joints2d": np.full((2, 17, 2), np.inf)}, "joints2d: expected finite numbers"),
        (
            {"joints2d": np.ones((2, 17, 2), complex)},
            "joints2d: expected numbers .*, found .*complex",
        ),
        (
            {"joints2d": np.full((2, 17, 2), "1")},
            r"joints2d: expected numbers of shape \(2, 17, 2\), found an array of <U1",
        ),
        ({"images": np.array(["a"] * 3)}, "images: expected 2 texts or one for all"),
        ({"images": np.array([1, 2])}, "images: expected 2 texts or one for all"),
        ({"frame": np.array([1.5, 2])}, "frame: expected 2 whole numbers or one for all"),
        ({"boxes": np.ones((2, 3))}, r"boxes: expected numbers of shape \(2, 4\)"),
        ({"boxes": -np.ones((2, 4))}, "boxes: expected left, top, width, height"),
        ({"camera": np.array(["cam7", "cam0"])}, "camera 'cam7' is not in cameras.json"),
        ({"person": np.array({"a": 1}, object)}, "key 'person'"),
    ],
)
def test_odd_arrays(root, arrays, message):
    save_arrays(root, **arrays)
    with pytest.raises(UserError, match=message) as caught:
        examples(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "file, content, message",
    [
        ("dataset.json", [], "expected the key 'skeleton'"),
        ("dataset.json", {"skeleton": 17}, "skeleton: expected a name, found 17"),
        ("dataset.json", {"skeleton": "coco_17", "units": ["m"]}, "units: expected mm, cm or m"),
        ("dataset.json", {"skeleton": "coco_17", "frame": {}}, "frame: expected world or camera"),
        ("cameras.json", [1], "expected an object of cameras by name, found a list of 1"),
        ("cameras.json", {"cam0": 5}, "expected the key 'K'"),
        ("cameras.json", {"cam0": {"K": None}}, "cam0.K: expected"),
    ],
)
def test_odd_settings(root, file, content, message):
    overwrite(root / file, json.dumps(content).encode())
    with pytest.raises(UserError, match=message) as caught:
        examples(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "file, change_to, message",
    [
        ("dataset.json", {"unit": "m"}, "expected the keys skeleton, units, frame, found 'unit'"),
        (
            "cameras.json",
            {"cam0": {"K": np.eye(3).tolist(), "T": [0, 0, 1]}},
            "cam0: expected the keys K, R, t, .*, found 'T' as well",
        ),
        (
            "cameras.json",
            {"cam0": {"K": [["1", "0", "0"], ["0", "1", "0"], ["0", "0", "1"]]}},
            r"cam0.K: expected numbers of shape \(3, 3\), found text among them",
        ),
    ],
)
def test_misspelt_keys_and_texts_are_not_passed_over(root, file, change_to, message):
    change(root / file, **change_to)
    with pytest.raises(UserError, match=message):
        examples(root)


OWN = {"name": "own", "joints": ["a", "b", "c"], "edges": [[0, 1]]}


def with_own(root, definition, name="own.json"):
    text = definition if isinstance(definition, str) else json.dumps(definition)
    (root / name).write_text(text)
    change(root / "dataset.json", skeleton=name)
    save_arrays(root, joints2d=np.ones((2, 3, 2)))


@pytest.mark.parametrize(
    "definition, message",
    [
        ({**OWN, "name": "a/b"}, r"own.json: name: expected letters, digits and .*, found 'a/b'"),
        ({**OWN, "name": "own.json"}, "name: expected letters"),
        ({**OWN, "name": "x" * 101}, "name: expected letters"),
        ({**OWN, "name": "smpl"}, "'smpl' with other joints exists already"),
        ({**OWN, "flip": [1, 0, 2]}, "'flip': cannot tell which of 'a' and 'b' is left"),
        ({**OWN, "rest_pose": [1]}, "own.json: field 'rest_pose' must be"),
        (json.dumps(OWN)[:-1] + f', "oks_sigmas": [{10**400}, 1, 1]}}', "own.json: "),
        ({"name": "own"}, "field 'joints' is missing"),
        ("{", "not valid JSON"),
    ],
)
def test_definitions_that_do_not_do(root, definition, message):
    with_own(root, definition)
    adapter = get_adapter("custom")
    for failing in (lambda: adapter.sources(root, "train"), lambda: examples(root)):
        with pytest.raises(UserError, match=message) as caught:
            failing()
        assert "\n" not in str(caught.value)
    assert "own" not in skeleton_defs.list_formats()


def test_a_definition_that_was_changed_in_between(root):
    with_own(root, OWN)
    assert len(examples(root)) == 2 and len(examples(root)) == 2
    with_own(root, {**OWN, "edges": [[1, 2]]})
    with pytest.raises(UserError, match="'own' with other edges exists already; choose another"):
        examples(root)


@pytest.mark.parametrize("size", [["640", "x"], [640], [640.5, 480], [0, 1], [1e9, 1], "640"])
def test_odd_image_sizes(root, size):
    document = json.loads((root / "cameras.json").read_text())
    document["cam0"]["image_size"] = size
    overwrite(root / "cameras.json", json.dumps(document).encode())
    with pytest.raises(UserError, match="cam0.image_size: expected"):
        examples(root)


def test_any_damage_is_told_in_one_line(root):
    change_entry(root, "annotations", 0, segmentation=[[10, 20, 60, 20, 60, 90]])
    adapter = get_adapter("custom")
    (train,) = adapter.sources(root, "train")
    (valid,) = adapter.sources(root, "valid")
    for name, least in (("train.json", 1), ("dataset.json", 0), ("cameras.json", 0)):
        assert read_damaged(adapter, root, train, root / name, count=50) >= least
    assert read_damaged(adapter, root, valid, root / "valid.npz", count=50) >= 0

    def masks():
        for block in adapter.read(root, train):
            _ = block.masks and [block.masks[i] for i in range(len(block))]

    for name in ("train.json", "dataset.json", "cameras.json"):
        good = (root / name).read_bytes()
        for damaged in document_mutations(json.loads(good), 80):
            overwrite(root / name, json.dumps(damaged).encode())
            assert_result_or_user_error(masks)
        overwrite(root / name, good)


def test_template_overwrites_nothing(root, tmp_path):
    with pytest.raises(UserError, match="expected a new or empty folder, found something in it"):
        write_template(root)
    with pytest.raises(UserError, match="expected a new or empty folder"):
        write_template(root / "train.json")
    with pytest.raises(UserError, match="cannot be made: Not a directory"):
        write_template(root / "train.json" / "inside")
    (tmp_path / "empty").mkdir()
    write_template(tmp_path / "empty")
    assert len(examples(tmp_path / "empty")) == 3
