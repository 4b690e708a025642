import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error
from json_fuzzing import document_mutations
from miniature_copies import copy_of, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

SCENE = "bytes-cafe-2019-02-07_0"
LABELS = f"labels/labels_2d_pose_coco/{SCENE}_image2.json"
BOXES = f"labels/labels_2d/{SCENE}_image2.json"
#: Looks 72 degrees to the right, as sensor 1 does.
TURNED = [0.309017, 0, -0.951057, 0, 1, 0, 0.951057, 0, 0.309017]


def person(label=0, track=6, *, flags=(2,) * 17, **changes):
    keypoints = [v for k in range(17) for v in (100.0 + k, 200.5 + label, flags[k])]
    return {"id": 100 * label + track, "track_id": track, "image_id": label + 1, "category_id": 1,
            "keypoints": keypoints, "num_keypoints": 17, **changes}  # fmt: skip


def write(root, people, *, base="train_dataset", n_labels=4, n_images=4):
    base = root / base
    images = [
        {"id": k + 1, "width": 752, "height": 480, "file_name": f"image_2/{SCENE}/{k:06d}.jpg"}
        for k in range(n_labels)
    ]
    put(base / LABELS, {"images": images, "annotations": people})
    folder = base / f"images/image_2/{SCENE}"
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(n_images):
        (folder / f"{k:06d}.jpg").write_bytes(b"not looked into")
    return root


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    overwrite(path, json.dumps(content).encode())


def write_boxes(root, shifts):
    """One list of boxes per frame; `shifts`: how much later their images are."""
    labels = {
        f"{frame:06d}.jpg": [{"box": [1, 2, 3, 4], "file_id": f"{frame + shift:06d}.jpg"}] * 2
        for frame, shift in enumerate(shifts)
    }
    put(root / "train_dataset" / BOXES, {"labels": labels})


def write_calibration(root, text=None):
    lines = ["cameras:"]
    for number in range(10):
        turn = TURNED if number % 5 == 1 else np.eye(3).ravel()
        K = [480 + number, 0, 370, 0, 481, 210, 0, 0, 1]
        lines += [f"  sensor_{number}:", "    width: 752", f"    K: {words(K)}",
                  f"    D: {words([-0.3, 0.1, 0, 0, 0.01 * number])}", f"    R: {words(turn)}",
                  f"    T: {words([number, 0, -55.5])}"]  # fmt: skip
    path = root / "train_dataset/calibration/cameras.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    overwrite(path, ("\n".join(lines) + "\n" if text is None else text).encode())


def words(numbers):
    return " ".join(f"{number:g}" for number in numbers)


def read(root, **options):
    return list(get_adapter("jrdb", **options).blocks(root))


def test_people_of_a_scene_in_one_camera(tmp_path):
    flags = (0, 1) + (2,) * 15
    (block,) = read(write(tmp_path, [person(0, 6), person(1, 8, flags=flags)]))
    assert block.sequence == SCENE and block.camera_name == "image_2" and block.split == "train"
    assert block.person == ["6", "8"] and block.frames.tolist() == [0, 1]
    assert block.images[1] == f"train_dataset/images/image_2/{SCENE}/000003.jpg"
    assert np.isnan(block.joints2d[1, 0]).all() and block.joints2d[1, 1].tolist() == [101, 201.5]
    assert block.extras["visibility"][1].tolist() == list(flags)
    assert block.cameras is None and block.image_sizes == (752, 480)
    (block,) = read(tmp_path, keep_invisible=True)
    assert block.joints2d[1, 0].tolist() == [100, 201.5]


def test_people_of_whom_nothing_is_visible(tmp_path):
    root = write(tmp_path, [person(0, flags=(0,) * 17), person(0, keypoints=[])])
    assert read(root) == []
    assert read(root, keep_invisible=True)[0].person == ["6"]


@pytest.mark.parametrize(
    "shifts, options, shift, why",
    [
        (None, {}, 2, "as published; no box labels tell"),
        ([2, 2, 2], {}, 2, "file_id of box labels"),
        ([0, 0], {}, 0, "file_id of box labels"),
        ([2, 3], {}, 2, "as published"),
        ([99, 99], {}, 2, "as published"),
        ([0, 0], {"frame_shift": "1"}, 1, "option frame_shift"),
        ([2, 2], {"frame_shift": 0}, 0, "option frame_shift"),
    ],
)
def test_how_late_labels_are(tmp_path, shifts, options, shift, why):
    root = write(tmp_path, [person(0)])
    if shifts:
        write_boxes(root, shifts)
    (block,) = read(root, **options)
    assert block.images == [f"train_dataset/images/image_2/{SCENE}/{shift:06d}.jpg"]
    assert block.notes[0].startswith(f"image = label + {shift} frames ({why}")


def test_labels_behind_the_end_of_a_scene(tmp_path):
    root = write(tmp_path, [person(label) for label in range(4)])
    assert read(root)[0].frames.tolist() == [0, 1]
    assert read(root, frame_shift="-1")[0].frames.tolist() == [1, 2, 3]
    folder = root / f"train_dataset/images/image_2/{SCENE}"
    (folder / "000002.jpg").unlink()
    assert read(root)[0].frames.tolist() == [0, 1], "missed where its pixels are needed"
    for path in folder.iterdir():
        path.unlink()
    assert read(root)[0].frames.tolist() == [0, 1, 2, 3]


def test_cameras(tmp_path):
    root = write(tmp_path, [person()])
    write_calibration(root)
    camera = read(root)[0].cameras
    assert camera.K[0, 0] == 481 and camera.distortion[4] == 0.01 and camera.t[0] == 1
    # image_2 looks to the right of the robot.
    np.testing.assert_allclose(camera.R[2], [0.951057, 0, 0.309017])
    assert camera.up.tolist() == [0, -1, 0]
    other = read(root, sensors="name")[0].cameras
    assert other.K[0, 0] == 482 and other.distortion[4] == 0.02
    np.testing.assert_array_equal(other.R, camera.R)


def test_calibration_as_lists_and_without_a_head(tmp_path):
    root = write(tmp_path, [person()])
    write_calibration(root)
    path = root / "train_dataset/calibration/cameras.yaml"
    text = path.read_text().replace("cameras:\n", "").replace("\n  ", "\n")[2:]
    text = text.replace(
        "K: 481 0 370 0 481 210 0 0 1", "K: [[481, 0, 370], [0, 481, 210], [0, 0, 1]]"
    )
    write_calibration(root, text)
    assert read(root)[0].cameras.K[0, 0] == 481


@pytest.mark.parametrize("base", ["train_dataset_with_activity", "."])
def test_names_of_the_archive(tmp_path, base):
    (block,) = read(write(tmp_path, [person()], base=base))
    folder = f"images/image_2/{SCENE}"
    assert block.images == [f"{folder if base == '.' else f'{base}/{folder}'}/000002.jpg"]


def test_panoramas_are_not_read(tmp_path):
    root = write(tmp_path, [person()])
    put(root / f"train_dataset/labels/labels_2d_pose_stitched_coco/{SCENE}.json", {})
    put(root / f"train_dataset/labels/labels_2d_pose_coco/{SCENE}.json", {})
    assert len(read(root)) == 1


@pytest.mark.parametrize("shift", ["late", 1.5, "--1", True, ""])
def test_odd_options(shift):
    with pytest.raises(UserError, match="frame_shift must be auto or a whole number"):
        get_adapter("jrdb", frame_shift=shift)
    with pytest.raises(UserError, match="sensors must be one of position, name"):
        get_adapter("jrdb", sensors="best")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"keypoints": [1.0] * 34}, "keypoints of annotation 6: expected 51 numbers, found 34"),
        ({"keypoints": ["a"] * 51}, "found 'a' among them"),
        ({"keypoints": [1, 1, -1] * 17}, "a flag of 0, 1 or 2 behind x and y, found -1"),
        ({"image_id": 9}, "annotation 6 with image_id 9: no such image listed"),
        ({"track_id": 1.5}, "track_id of annotation 6: expected text or a whole number"),
    ],
)
def test_odd_annotations(tmp_path, change, message):
    with pytest.raises(FileError, match=message):
        read(write(tmp_path, [person(**change)]))


@pytest.mark.parametrize("name", ["000000.jpg", "image_stitched/a/000000.jpg", None, "image_2/a/x"])
def test_odd_images(tmp_path, name):
    root = write(tmp_path, [person()])
    content = {"images": [{"id": 1, "file_name": name}], "annotations": [person()]}
    put(root / "train_dataset" / LABELS, content)
    with pytest.raises(FileError, match="images.file_name: expected image_0/<scene>/000000.jpg"):
        read(root)


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: [", "expected YAML: "),
        ("- 1", "expected sensors with K, D, R and T, found a list of 1"),
        ("cameras:\n  sensor_7: {}\n", "expected sensor_1, found sensor_7"),
        ("sensor_1: {K: 1}", "expected the key 'sensor_1.R', found K"),
        ("sensor_1: {R: 1 0 0}", "sensor_1.R: expected 9 numbers, found shape"),
        ("sensor_1: {R: 1 0 0 0 one 0 0 0 1}", "sensor_1.R: expected numbers"),
        ("a: &a [1]", "expected a short plain YAML file"),
        ("#" * 70000, "expected a short plain YAML file"),
        ("a: " + "[" * 500, "expected YAML: "),
    ],
)
def test_odd_calibration(tmp_path, text, message):
    root = write(tmp_path, [person()])
    write_calibration(root, text)
    with pytest.raises(FileError, match=message) as caught:
        read(root)
    assert "\n" not in str(caught.value)


def test_missing_labels(tmp_path):
    with pytest.raises(FileError, match="labels_2d_pose_coco: expected <scene>_image<N>.json"):
        read(tmp_path)


def test_any_damage_is_told_in_one_line(tmp_path):
    root = copy_of("jrdb", tmp_path)
    adapter = get_adapter("jrdb")
    source = adapter.sources(root, "train")[0]
    base = root / "train_dataset"
    labels, boxes = root / source.key, base / "labels/labels_2d" / source.key.rpartition("/")[2]
    for path in (labels, boxes, base / "calibration/cameras.yaml"):
        assert read_damaged(adapter, root, source, path, count=60) > 0
    for damaged in document_mutations(json.loads(labels.read_text()), 100):
        put(labels, damaged)
        assert_result_or_user_error(lambda: list(adapter.read(root, source)))
