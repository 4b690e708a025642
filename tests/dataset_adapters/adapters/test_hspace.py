import io

import cv2
import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from miniature_copies import overwrite
from PIL import Image
from tfrecord_bytes import example, record

import skeleton_defs
from dataset_adapters import get_adapter
from dataset_adapters.adapters._hspace_images import read_frames
from dataset_adapters.adapters.hspace import KEPT_ROWS
from dataset_adapters.containers.errors import FileError

NAME = "2021_01/train/a.tfrecord"
#: Names of the 63 joints as the dataset's reader has them.
FINGERS = [
    f"{{}}{finger}{i}" for finger in ("index", "middle", "ring", "pinkie") for i in (1, 2, 3)
]
SIDE = ["{}cla", "{}sho", "{}elb", "{}wri", *FINGERS, "{}thu1", "{}thu2", "{}thu"]
LEG = ["{}hip", "{}kne", "{}ank", "{}hee", "{}foo", "{}toe"]
NAMES = [
    *["pelv", "spin1", "spin2", "spin3", "neck", "head", "head2"],
    *["lbrow1", "lbrow2", "rbrow1", "rbrow2", "lbrow3", "rbrow3"],
    *[name.format("l") for name in SIDE], *[name.format("r") for name in SIDE],
    *[name.format("l") for name in LEG], *[name.format("r") for name in LEG],
]  # fmt: skip


def image():
    """Red above blue, RGB."""
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[:240, :, 0] = 200
    pixels[240:, :, 2] = 200
    return pixels


def features(joints, *, lens=(800.0, 800.0, 320.0, 240.0), **more):
    """joints: (P, 63, 3) metres."""
    # Stored so that a decoder which returns RGB returns BGR.
    stored = cv2.imencode(".png", image())[1].tobytes()
    values = {
        "image/rgb": stored,
        "camera_intrinsics": np.array(lens),
        "number_of_rigged_characters": [len(joints)],
        "character_masks": b"not looked into",
    }
    for i, person in enumerate(joints):
        values[f"RIGGED_{i}/joints_3d"] = person.ravel()
        values[f"RIGGED_{i}/mask_id"] = [2 * i + 2]
    return {**values, **more}


def people(n, seed=0):
    joints = np.random.default_rng(seed).uniform(-0.5, 0.5, (n, 63, 3))
    joints[..., 2] += 4
    return joints.astype(np.float32)


def write(root, *records, name=NAME):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(record(example(values)) for values in records))
    return root


def read(root, **options):
    return list(get_adapter("hspace", **options).blocks(root))


def test_kept_rows_are_those_of_the_format():
    assert len(NAMES) == 63
    assert [NAMES[i] for i in KEPT_ROWS] == list(skeleton_defs.get("hspace_ghum_35").joints)


def test_records_are_frames(tmp_path):
    first, second = people(2), people(1, seed=1)
    root = write(tmp_path, features(first), features(second, lens=(900.0, 900.0, 320.0, 240.0)))
    (block,) = read(root)
    assert block.frames.tolist() == block.video_frames.tolist() == [0, 0, 1]
    assert block.person == ["0", "1", "0"] and block.extras["mask_id"].tolist() == [2, 4, 2]
    assert block[2].image.path == NAME and block.sequence == "a"
    np.testing.assert_allclose(block.joints3d[1], 1000 * first[1][list(KEPT_ROWS)], rtol=1e-6)
    assert [camera.K[0, 0] for camera in block.cameras] == [800, 800, 900]
    assert block.cameras[0].image_size == (640, 480)
    np.testing.assert_array_equal(block.cameras[0].up, [0, -1, 0])


def test_images_come_out_with_their_colours(tmp_path):
    root = write(tmp_path, features(people(1)), features(people(1)))
    ((index, pixels),) = read_frames(root / NAME, [1])
    assert index == 1
    np.testing.assert_array_equal(pixels, image())
    # What PIL decodes is the other way round, as the dataset's reader found.
    stored = np.array(Image.open(io.BytesIO(features(people(1))["image/rgb"])))
    np.testing.assert_array_equal(pixels, stored[..., ::-1])
    with pytest.raises(FileError, match="expected record 3, found only 2"):
        list(read_frames(root / NAME, [2]))


def test_other_folders_and_empty_files(tmp_path):
    write(tmp_path, name="hspace/2021_01/train/b.tfrecord")
    write(tmp_path, features(people(1)), name="hspace/2021_01/test/c.tfrecord")
    assert [s.key for s in get_adapter("hspace").sources(tmp_path, "train")] == [
        "hspace/2021_01/train/b.tfrecord"
    ]
    assert read(tmp_path) == []
    write(tmp_path, features(people(0)))
    assert [len(block) for block in read(tmp_path)] == [0]


def test_small_people_by_option(tmp_path):
    far = people(1)
    far[..., 2] += 40
    root = write(tmp_path, features(np.concatenate([people(1), far])))
    assert [b.person for b in read(root, min_side_px=0)] == [["0", "1"]]
    assert [b.person for b in read(root)] == [["0"]]
    # To the left of the image.
    aside = people(1) - np.array([30, 0, 0])
    root = write(tmp_path, features(np.concatenate([aside, people(1)])))
    assert [b.person for b in read(root)] == [["1"]]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"camera_intrinsics": [1.0, 1.0]}, "record 1, camera_intrinsics: expected 4 numbers"),
        ({"camera_intrinsics": b"x"}, "record 1: expected the feature 'camera_intrinsics'"),
        ({"number_of_rigged_characters": [2]}, "expected the feature 'RIGGED_1/joints_3d'"),
        ({"number_of_rigged_characters": [-1]}, "number_of_rigged_characters is -1"),
        ({"RIGGED_0/joints_3d": np.full(189, np.nan)}, "expected finite numbers, found nan"),
        ({"image/rgb": b"abc"}, "record 1, image/rgb: expected a JPEG or PNG, found no image"),
        ({"image/rgb": [1]}, "record 1: expected one image under 'image/rgb'"),
        ({"camera_intrinsics": [0.0] * 4}, "camera_intrinsics: no usable camera"),
    ],
)
def test_odd_records(tmp_path, change, message):
    with pytest.raises(FileError, match=message):
        read(write(tmp_path, features(people(1), **change)))


def test_any_damage_is_told_in_one_line(tmp_path):
    root = write(tmp_path, features(people(1)), features(people(1)))
    path = root / NAME
    for damaged in mutations(path.read_bytes(), 80):
        overwrite(path, damaged)
        assert_result_or_user_error(read, root)
    for damaged in mutations(example(features(people(1))), 80):
        overwrite(path, record(damaged))
        assert_result_or_user_error(read, root)
