import json

import cv2
import numpy as np
import pytest
from miniature_copies import copy_of, master, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.adapters.gpa import CAMERA_IDS, IMAGES, MAIN_FILE, MASKS, WORLD_FILE
from dataset_adapters.body_models.rotations import axis_angle_from_matrix
from dataset_adapters.containers.errors import FileError
from skelbridge.store import open_store, prepare, rle

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


def draw_mask(root, name, color=(90, 90, 90)):
    """Draws a person of (B, G, R) `color` on noise of up to 8; returns where it is."""
    picture = np.zeros((1080, 1920, 3), np.uint8)
    picture[::16, ::16] = 8
    picture[208:816, 640:960] = color
    cv2.imwrite(str(root / MASKS / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 98])
    return picture[..., 2] > 10


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
@pytest.mark.parametrize("color, is_person", [((90, 90, 90), True), ((0, 90, 20), True),
                                              ((90, 90, 0), False)])  # fmt: skip
def test_masks_are_bright_in_their_first_channel(tmp_path, color, is_person):
    root = copy_of("gpa", tmp_path)
    block = read_one(root)
    row = block.frames.tolist().index(12345)
    drawn = draw_mask(root, "0000012345_mask.jpg", color)
    assert drawn.any() == is_person
    found = rle.decode(block.masks[row])
    # The edges of a coloured patch are blurred by JPEG.
    assert found.shape == (1080, 1920) and (found != drawn).sum() <= 4 * (608 + 320)
    (root / MASKS / "0000012345_mask.jpg").unlink()
    with pytest.raises(FileError, match="0000012345_mask.jpg"):
        read_one(root).masks[row]["counts"]


def test_masks_in_nested_folders(tmp_path):
    root = copy_of("gpa", tmp_path)
    for path in (root / MASKS).glob("*.jpg"):
        (root / MASKS / path.name[:6] / path.name[6:8]).mkdir(parents=True, exist_ok=True)
        path.rename(root / MASKS / path.name[:6] / path.name[6:8] / path.name)
    assert read_one(root)[0].mask["size"] == [1080, 1920]


def test_without_masks(tmp_path):
    root = copy_of("gpa", tmp_path)
    (root / MASKS).rename(root / "elsewhere")
    assert read_one(root).masks is None


def test_reading_opens_no_image(monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", None)
    assert all(len(example.mask) == 2 for example in read_one(master("gpa")))


def test_a_bad_mask_costs_no_more_than_itself(tmp_path):
    root = copy_of("gpa", tmp_path)
    drawn = draw_mask(root, "0000012345_mask.jpg")
    (root / MASKS / "0000012346_mask.jpg").unlink()
    cut = root / MASKS / "0000012351_mask.jpg"
    overwrite(cut, cut.read_bytes()[:-100])
    options = {"split": "train", "thinning": False, "images": "reference"}
    report = prepare(ADAPTER, root, tmp_path / "store", max_bad_files=2, **options)
    facts = report.splits["train"]
    assert facts["kept"] == {"gpa_34": 3} and not facts["dropped"]
    assert sorted(name for name, _ in facts["bad_files"]) == [
        f"{MASKS}/{number:010d}_mask.jpg" for number in (12346, 12351)
    ]
    masks = {e.frame: e.mask for e in open_store(tmp_path / "store")}
    assert masks[12346] is None and masks[12351] is None
    np.testing.assert_array_equal(rle.decode(masks[12345]), drawn)


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
