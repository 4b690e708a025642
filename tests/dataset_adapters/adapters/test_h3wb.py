import io
import json
import zipfile

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from json_fuzzing import document_mutations
from miniature_copies import copy_of, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.adapters._h36m_cameras import published_cameras, published_size
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

NAMES = ("54138969", "60457274")
ACTION = "Directions 1"


def camera(subject, name):
    return published_cameras().camera(subject, name, published_size(name))


def joints_of(n, seed=0):
    """(n, 133, 3) mm in a camera's coordinates."""
    return np.random.default_rng(seed).uniform((-500, -900, 4000), (500, 900, 5000), (n, 133, 3))


def view(n, name, seed=0, **changes):
    points = joints_of(n, seed)
    pixels = camera("S5", name).image_from_camera(points)
    return {"camera_3d": points, "pose_2d": pixels, "sample_id": list(range(n)), **changes}


def recording(frames, names=NAMES, **changes):
    n = len(frames)
    views = {name: view(n, name, seed) for seed, name in enumerate(names)}
    return {"global_3d": np.zeros((n, 133, 3)), "frame_id": np.array(frames, np.int64), **views,
            **changes}  # fmt: skip


def numbers(subject, name, **changes):
    known = camera(subject, name)
    return {
        "K": (np.diag([0.001, 0.001, 1]) @ known.K).astype(np.float32)[None],
        "R": known.R.astype(np.float32)[None],
        "T": (known.t / 1000).astype(np.float32)[None, None],
        "Distortion": known.distortion[None, :5].astype(np.float32),
        **changes,
    }


def write(root, data, *, metadata=(), file="h3wb_train.npz", key="train_data", **others):
    if metadata == ():
        metadata = {s: {name: numbers(s, name) for name in NAMES} for s in data}
    arrays = {key: data, "metadata": metadata, **others}
    made = io.BytesIO()
    np.savez(made, **{k: np.array(v, object) for k, v in arrays.items() if v is not None})
    root.mkdir(parents=True, exist_ok=True)
    overwrite(root / file, made.getvalue())
    return root


def read(root, split=None, **options):
    return list(get_adapter("h3wb", **options).blocks(root, split=split))


def test_arrays(tmp_path):
    root = write(tmp_path, {"S5": {ACTION: recording([5, 12])}})
    first, second = read(root)
    assert (first.split, first.subject, first.sequence) == ("train", "S5", f"S5/{ACTION}")
    assert first.camera_name == NAMES[0] and second.camera_name == NAMES[1]
    assert first.frames.tolist() == [5, 12] and first.extras["sample"].tolist() == [0, 1]
    for block, seed in ((first, 0), (second, 1)):
        found = block.cameras.to_camera(block.joints3d)
        np.testing.assert_allclose(found, joints_of(2, seed), atol=1e-3)
        np.testing.assert_allclose(block.cameras.project(block.joints3d), block.joints2d, atol=0.02)
    # The published number: 1145.51 px, in the file 1.1455114.
    assert second.cameras.K[0, 0] == pytest.approx(1145.51, abs=0.01)
    assert first.images is None and "joints without images" in first.notes[0]
    assert first.boxes is None


def test_axes_of_length_one_and_cameras_in_px(tmp_path):
    content = recording([7])
    for name in NAMES:
        for key in ("camera_3d", "pose_2d"):
            content[name][key] = content[name][key][:, None]
    known = {"S5": {n: numbers("S5", n, K=camera("S5", n).K[None]) for n in NAMES}}
    block, _ = read(write(tmp_path, {"S5": {ACTION: content}}, metadata=known))
    np.testing.assert_allclose(block.cameras.K, camera("S5", NAMES[0]).K)
    np.testing.assert_allclose(block.cameras.to_camera(block.joints3d), joints_of(1), atol=1e-3)


def test_a_file_without_calibration_gets_the_published_one(tmp_path):
    block, _ = read(write(tmp_path, {"S5": {ACTION: recording([7])}}, metadata=None))
    np.testing.assert_allclose(block.cameras.K, camera("S5", NAMES[0]).K)


def test_boxes_of_mmpose(tmp_path):
    corners = {"x_min": 346, "y_min": 180, "x_max": 523, "y_max": 581}
    boxes = {("S5", ACTION, NAMES[0], frame): corners for frame in (5, 12)}
    boxes["S5", ACTION, NAMES[1], 5] = corners
    first, second = read(write(tmp_path, {"S5": {ACTION: recording([5, 12])}}, bbox=boxes))
    assert first.boxes.tolist() == [[346, 180, 177, 401]] * 2
    assert second.boxes is None, "not every row has one"


def subjects_of(root, **options):
    return {
        split: sorted({block.subject for block in read(root, split, **options)})
        for split in ("train", "valid", "test")
    }


def test_splits(tmp_path):
    data = {s: {ACTION: recording([1], names=NAMES[:1])} for s in ("S1", "S7", "S8")}
    root = write(tmp_path, data)
    assert subjects_of(root) == {"train": ["S1", "S7"], "valid": [], "test": ["S8"]}
    expected = {"train": ["S1"], "valid": ["S7"], "test": ["S8"]}
    assert subjects_of(root, protocol="mmpose") == expected
    with pytest.raises(UserError, match="protocol must be one of official, mmpose, fold1, fold2"):
        get_adapter("h3wb", protocol="fold6")


def test_folds(tmp_path):
    data = {"S1": {ACTION: recording([1, 2, 3], names=NAMES[:1])}}
    data["S1"][ACTION][NAMES[0]]["sample_id"] = [15_999, 16_000, 79_999]
    root = write(tmp_path, data)

    def frames(split, protocol):
        return [f for block in read(root, split, protocol=protocol) for f in block.frames.tolist()]

    assert frames("train", "fold1") == [2, 3] and frames("valid", "fold1") == [1]
    assert frames("valid", "fold2") == [2] and frames("valid", "fold5") == [3]
    assert frames("valid", "fold3") == [] and frames("train", "fold3") == [1, 2, 3]
    del data["S1"][ACTION][NAMES[0]]["sample_id"]
    write(tmp_path, data)
    with pytest.raises(FileError, match="S1 Directions 1 54138969: expected sample ids, which"):
        frames("train", "fold1")


def test_the_test_file(tmp_path):
    write(tmp_path, {"S1": {ACTION: recording([1])}})
    write(tmp_path, {"S8": {ACTION: recording([2])}}, file="h3wb_test.npz", key="test_data")
    assert [b.subject for b in read(tmp_path)] == ["S1", "S1", "S8", "S8"]


@pytest.mark.parametrize("pattern, n_more", [("frame_{:04d}.jpg", 0), ("frame_{:d}.jpg", 1)])
def test_names_of_images(tmp_path, pattern, n_more):
    root = write(tmp_path, {"S5": {ACTION: recording([5, 1200, 30], names=NAMES[:1])}})
    folder = f"S5/Images/{ACTION}.{NAMES[0]}"
    (root / folder).mkdir(parents=True)
    for frame in (5, 1200)[: 2 - n_more] or (5,):
        (root / folder / pattern.format(frame)).write_bytes(b"not looked into")
    (block,) = read(root)
    # Images that are missing are missed where their pixels are needed.
    assert block.images == [f"{folder}/{pattern.format(f)}" for f in (5, 1200, 30)]
    assert block.notes == ()


def sample(number, *, seed=0, image=True, **changes):
    points = joints_of(1, seed)[0].round(4)
    content = {
        "keypoints_2d": {str(j): {"x": j + 0.5, "y": 2.0 * j} for j in range(133)},
        "keypoints_3d": {
            str(j): dict(zip("xyz", point, strict=True)) for j, point in enumerate(points.tolist())
        },
        "bbox": {"x_min": 346, "y_min": 180, "x_max": 523, "y_max": 581},
        **changes,
    }
    if image:
        path = f"S5/Images/{ACTION}.{NAMES[0]}/frame_{number:04d}.jpg"
        content.setdefault("image_path", path)
    return content


def write_json(root, document, name="RGBto3D_train.json"):
    overwrite(root / name, json.dumps(document).encode())
    return root


def test_json_edition(tmp_path):
    document = {"4": sample(12, seed=1), "0": sample(5), "1": sample(5, seed=2)}
    document["1"]["image_path"] = f"x/S8/Images/Greeting 2.{NAMES[1]}/frame_0040.jpg"
    first, other = read(write_json(tmp_path, document))
    assert first.frames.tolist() == [5, 12] and first.extras["sample"].tolist() == [0, 4]
    known = camera("S5", NAMES[0])
    np.testing.assert_allclose(
        known.to_camera(first.joints3d), [joints_of(1)[0].round(4), joints_of(1, 1)[0].round(4)]
    )
    assert first.joints2d[0, 132].tolist() == [132.5, 264]
    assert first.boxes[0].tolist() == [346, 180, 177, 401]
    assert (other.split, other.subject) == ("test", "S8") and other.frames.tolist() == [40]


def test_json_without_image_paths_and_in_parts(tmp_path):
    one = sample(0, image=False)
    one["keypont_3d"] = one.pop("keypoints_3d")
    del one["bbox"]
    write_json(tmp_path, {"7": one, "8": one}, "2Dto3D_train_part2.json")
    write_json(tmp_path, {"3": one}, "2Dto3D_train_part1.json")
    first, second = read(tmp_path)
    assert first.extras["sample"].tolist() == [3] and second.extras["sample"].tolist() == [7, 8]
    assert second.cameras is None and second.subject == "" and second.frames.tolist() == [0, 1]
    np.testing.assert_allclose(second.joints3d[1], joints_of(1)[0].round(4))
    assert second.images is None and second.boxes is None
    write_json(tmp_path, {"1": one}, "2Dto3D_train.json")
    (block,) = read(tmp_path)
    assert block.extras["sample"].tolist() == [1]
    write(tmp_path, {"S5": {ACTION: recording([5])}})
    assert read(tmp_path)[0].subject == "S5"


def test_a_real_slice(samples, tmp_path):
    source = samples / "mmpose_tests/h3wb/h3wb_train_bbox_subset.npz"
    (tmp_path / "h3wb_train.npz").symlink_to(source)
    (block,) = read(tmp_path)
    assert (block.subject, block.sequence, block.camera_name) == ("S5", f"S5/{ACTION}", NAMES[1])
    assert block.frames.tolist() == [2190] and block.boxes.tolist() == [[346, 180, 177, 401]]
    known = camera("S5", NAMES[1])
    np.testing.assert_allclose(block.cameras.K, known.K, atol=0.01)
    np.testing.assert_allclose(block.cameras.center, known.center, atol=0.1)
    np.testing.assert_allclose(block.cameras.R, known.R, atol=1e-6)
    # Where Human3.6M's and VideoPose3D's lists differ: the order of the tangential numbers.
    np.testing.assert_allclose(block.cameras.distortion, known.distortion, atol=1e-6)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"frame_id": np.array([1.5])}, "54138969 frame_id: expected integers, found float64"),
        ({"frame_id": np.array([1, 2])}, "54138969 sample_id: expected 2 integers, found 1"),
        ({NAMES[0]: {}}, "expected the key 'camera_3d', found none"),
        (
            {NAMES[0]: view(2, NAMES[0], sample_id=[1])},
            r"numbers of shape \(1, 133, 3\), found shape",
        ),
        ({NAMES[0]: 7}, "S5 Directions 1 54138969: expected a dictionary, found 7"),
        (
            {NAMES[0]: view(1, NAMES[0], camera_3d=np.zeros((1, 0, 3)))},
            r"camera_3d: expected numbers of shape \(1, 133, 3\), found shape \(1, 0, 3\)",
        ),
        ({NAMES[0]: view(1, NAMES[0], camera_3d=np.full((1, 133, 3), np.nan))}, "found nan"),
        (
            {NAMES[0]: view(1, NAMES[0], pose_2d="x")},
            "pose_2d: expected an array of numbers, found 'x'",
        ),
        ({NAMES[0]: view(1, NAMES[0], sample_id=["a"])}, "sample_id: expected 1 integers, found 1"),
    ],
)
def test_odd_recordings(tmp_path, change, message):
    root = write(tmp_path, {"S5": {ACTION: recording([1], **change)}})
    with pytest.raises(FileError, match=message) as caught:
        read(root)
    assert "\n" not in str(caught.value)


def test_odd_files(tmp_path):
    with pytest.raises(FileError, match="expected h3wb_train.npz or RGBto3D_train.json, found"):
        read(tmp_path)
    good = {"S5": {ACTION: recording([1])}}
    no_rotation = {"S5": {name: numbers("S5", name, R=np.zeros((3, 3))) for name in NAMES}}
    for data, metadata, message in [
        ([1, 2], {}, "train_data: expected a dictionary, found an array of shape"),
        ({"S5": [1]}, (), "S5: expected a dictionary, found a list of 1"),
        ({"S5": {ACTION: 3}}, (), "S5 Directions 1: expected a dictionary, found 3"),
        (good, {"S1": {}}, "expected the key 'S5', found S1"),
        (good, {"S5": {n: {"K": 1} for n in NAMES}}, "S5 54138969 K: expected 9 numbers"),
        (good, no_rotation, "camera 54138969 of S5: no usable camera: R must be a rotation"),
    ]:
        with pytest.raises(FileError, match=message):
            read(write(tmp_path, data, metadata=metadata))
    overwrite(tmp_path / "h3wb_train.npz", b"PK\x03\x04")
    with pytest.raises(FileError, match="expected an .npz file"):
        read(tmp_path)


@pytest.mark.parametrize(
    "document, message",
    [
        ([], "the file: expected a dictionary, found a list of 0"),
        ({"0": 5}, "sample 0: expected a dictionary, found 5"),
        ({"0": {}}, "sample 0: expected keypoints_3d with x, y, z of joints 0 to 132"),
        ({"0": sample(1, keypoints_2d=[1])}, "sample 0: expected keypoints_2d with x, y of"),
        ({"0": sample(1, keypoints_2d={"0": {"x": 1}})}, "sample 0: expected keypoints_2d"),
        (
            {"0": sample(1, keypoints_2d={str(j): {"x": 1, "y": "2"} for j in range(133)})},
            "keypoints_2d of sample 0: expected 266 numbers, found '2' among them",
        ),
        ({"0": sample(1, bbox={"x_min": 1})}, "bbox of entry 1: .*found null among them"),
        (
            {"0": sample(1, bbox={"x_min": 9, "x_max": 1, "y_min": 0, "y_max": 0})},
            "bbox: expected x_min, y_min, x_max, y_max",
        ),
    ],
)
def test_odd_json(tmp_path, document, message):
    with pytest.raises(FileError, match=message):
        read(write_json(tmp_path, document))


def test_any_damage_is_told_in_one_line(tmp_path):
    root = copy_of("h3wb", tmp_path)
    adapter = get_adapter("h3wb")
    (source,) = adapter.sources(root, "train")
    path = root / source.key
    assert read_damaged(adapter, root, source, path, count=30) == 0, "zip archives have checksums"
    n_read = 0
    for key in ("train_data", "metadata"):
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        for damaged in mutations(members[f"{key}.npy"], 50):
            made = io.BytesIO()
            with zipfile.ZipFile(made, "w") as archive:
                for name, data in (members | {f"{key}.npy": damaged}).items():
                    archive.writestr(name, data)
            overwrite(path, made.getvalue())
            found = assert_result_or_user_error(lambda: list(adapter.read(root, source)))
            n_read += found is not None
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    assert n_read > 0
    write_json(tmp_path, {"0": sample(5), "x": sample(6)})
    (source,) = adapter.sources(tmp_path, "train")
    path = tmp_path / source.key
    assert read_damaged(adapter, tmp_path, source, path, count=50) > 0
    for damaged in document_mutations(json.loads(path.read_text()), 100):
        write_json(tmp_path, damaged)
        assert_result_or_user_error(lambda: list(adapter.read(tmp_path, source)))
