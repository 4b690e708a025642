import json

import numpy as np
import pytest
from miniature_copies import copy_of, master, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.adapters.gpa import CAMERA_IDS, IMAGES, MAIN_FILE, WORLD_FILE
from dataset_adapters.body_models.rotations import axis_angle_from_matrix
from dataset_adapters.containers.errors import FileError

ADAPTER = get_adapter("gpa")
WORLD = get_adapter("gpa", frame="world")
TRAIN = Source("train", MAIN_FILE)


def read_one(root, source=TRAIN, adapter=ADAPTER):
    (block,) = adapter.read(root, source)
    return block


def test_joints_hit_the_annotated_pixels():
    block = read_one(master("gpa"))
    projected = block.cameras[0].project(block.joints3d[0])
    np.testing.assert_allclose(projected, block.joints2d[0], rtol=0, atol=0.1)


def test_what_is_not_train_is_test():
    root = master("gpa")
    rows = json.loads((root / MAIN_FILE).read_text())["annotations"]
    counts = [len(read_one(root, Source(split, MAIN_FILE))) for split in ("train", "test")]
    n_train = sum(row["istrains"] for row in rows)
    assert counts == [n_train, len(rows) - n_train]


def test_sorted_images_are_found(tmp_path):
    root = copy_of("gpa", tmp_path)
    for path in (root / IMAGES).glob("*.jpg"):
        folder = root / IMAGES / path.stem[:6] / path.stem[6:8]
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / path.name)
    block = read_one(root)
    assert all((root / name).is_file() for name in block.images)


def world_file(root, *, is_transposed, keys=("joint_cams", "joint_imgs_uncrop")):
    """Writes world joints and cameras whose rotation vector has one of the two senses."""
    stored = json.loads((root / MAIN_FILE).read_text())
    rng = np.random.default_rng(3)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    t = np.array([100.0, -200, 300])
    for row in stored["annotations"]:
        camera = np.array(row["joint_cams"]).T
        row["joint_world_mm"] = ((camera - t) @ turn).tolist()
        row["src_cam0"] = [[row["f"][0], 0, row["c"][0]], [0, row["f"][1], row["c"][1]], [0, 0, 1]]
        row["src_cam1"] = [[0.0]] * 5
        row["src_cam2"] = axis_angle_from_matrix(turn.T if is_transposed else turn).tolist()
        row["src_cam3"] = (t / 10).tolist()
        for key in {"joint_cams", "joint_imgs_uncrop"} - set(keys):
            del row[key]
    overwrite(root / WORLD_FILE, json.dumps(stored).encode())


@pytest.mark.parametrize("is_transposed, sense", [(True, "transposed"), (False, "as stored")])
@pytest.mark.parametrize("keys", [("joint_cams",), ("joint_imgs_uncrop",)])
def test_sense_of_the_rotation_is_found_in_the_data(tmp_path, is_transposed, sense, keys):
    root = copy_of("gpa", tmp_path)
    world_file(root, is_transposed=is_transposed, keys=keys)
    expected, found = read_one(root), read_one(root, Source("train", WORLD_FILE), WORLD)
    assert f"taken {sense}" in found.notes[0]
    np.testing.assert_allclose(
        found.cameras[0].to_camera(found.joints3d[0]), expected.joints3d[0], rtol=0, atol=1e-6
    )


def edited(path, edit):
    stored = json.loads(path.read_text())
    edit(stored)
    overwrite(path, json.dumps(stored).encode())


@pytest.mark.parametrize(
    "edit, message",
    [
        (lambda j: j["images"].pop(), "lists 'images' and 'annotations' of one length"),
        (lambda j: j.pop("images"), "expected the key 'images', found annotations"),
        (lambda j: j["images"][1].update(file_name="a.png"), r"images\[1\].file_name: .*'a.png'"),
        (lambda j: j["annotations"][2].pop("f"), r"annotations\[2\]: expected the key 'f'"),
        (lambda j: j["annotations"][2].update(f=[1]), "annotations.f: expected"),
        (lambda j: j["annotations"][1].pop("istrains"), "expected the key 'istrains'"),
        (
            lambda j: j["annotations"][0].update(joint_cams=[[0] * 3] * 34),
            r"annotations.joint_cams: expected numbers of shape \(n, 3, 34\)",
        ),
        (lambda j: j["annotations"][0].update(f=[-1, 1]), "f and c: no usable camera"),
        (lambda j: [a.pop("c") for a in j["annotations"]], "expected the keys joint_cams, f, c"),
        (lambda j: j.update(images=[], annotations=[]), "found no rows"),
    ],
)
def test_damage_is_named(tmp_path, edit, message):
    root = copy_of("gpa", tmp_path)
    edited(root / MAIN_FILE, edit)
    with pytest.raises(FileError, match=message):
        for split in ("train", "test"):
            list(ADAPTER.read(root, Source(split, MAIN_FILE)))


def test_camera_numbers_must_reach_the_last_image(tmp_path):
    root = copy_of("gpa", tmp_path)
    np.save(root / CAMERA_IDS, np.zeros(5, np.int64))
    with pytest.raises(FileError, match="expected a camera number for image .* found 5 entries"):
        read_one(root)
    (root / CAMERA_IDS).unlink()
    block = read_one(root)
    assert block.camera_name == ""
    assert block.notes == (f"no {CAMERA_IDS}: thinning takes all cameras for one",)


def test_main_file_has_no_world(tmp_path):
    root = copy_of("gpa", tmp_path)
    overwrite(root / WORLD_FILE, (root / MAIN_FILE).read_bytes())
    with pytest.raises(FileError, match="expected joint_world_mm and src_cam0"):
        read_one(root, Source("train", WORLD_FILE), WORLD)


def test_damaged_files(tmp_path):
    root = copy_of("gpa", tmp_path)
    read_damaged(ADAPTER, root, TRAIN, root / MAIN_FILE, count=60)
    read_damaged(ADAPTER, root, TRAIN, root / CAMERA_IDS, count=40)
