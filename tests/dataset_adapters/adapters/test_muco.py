import json
import shutil

import h5py
import numpy as np
import pytest
from miniature_copies import copy_of, read_damaged

import skeleton_defs
from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

GENERATED = Source("train", "generated/000000")
PREPARED = Source("train", "prepared/000000")


@pytest.fixture
def root(tmp_path):
    return copy_of("muco", tmp_path)


def test_the_folder_of_mpi_inf_3dhp_can_be_named(root, tmp_path):
    expected = next(get_adapter("muco").read(root, GENERATED))
    for folder in root.glob("S[0-9]"):
        shutil.move(folder, tmp_path / "elsewhere" / folder.name)
    with pytest.raises(UserError, match="option mpi_inf_3dhp"):
        list(get_adapter("muco").read(root, GENERATED))
    named = get_adapter("muco", mpi_inf_3dhp=str(tmp_path / "elsewhere"))
    found = next(named.read(root, GENERATED))
    np.testing.assert_array_equal(found.joints3d, expected.joints3d)


def test_limit_and_frame_base(root):
    n = len(next(get_adapter("muco").read(root, GENERATED)))
    assert len(next(get_adapter("muco", limit=1).read(root, GENERATED))) < n
    with pytest.raises(FileError, match="see the option frame_base"):
        list(get_adapter("muco", frame_base=10**6).read(root, GENERATED))


def test_every_person_is_in_the_world_of_its_own_sequence(root):
    block = next(get_adapter("muco").read(root, GENERATED))
    assert {origin[:2] for origin in block.extras["origin"]} == set(block.subject)
    heights = block.joints3d[..., 1]
    names = skeleton_defs.get(block.skeleton).joints
    assert (heights[:, names.index("head_top")] > heights[:, names.index("left_toe")] + 500).all()


def test_a_composite_that_names_a_missing_camera(root):
    with h5py.File(root / "sampled_dataset_info.mat", "r+") as file:
        inner = file[file["composite_info"][0, 0]]
        file[inner[0, 0]][2] = 55
    with pytest.raises(FileError, match="composite_info: names camera 55"):
        list(get_adapter("muco").read(root, GENERATED))


def prepared(root):
    """Writes a prepared set of two images; joints 10 cm apart along a diagonal."""
    joints = np.arange(21)[:, None] * [30.0, 100, 10] + [0, -900, 3700]
    pixels = joints[:, :2] / joints[:, 2:] * 1500 + 1024
    image = {
        "width": 2048, "height": 2048, "f": [1500, 1500], "c": [1024, 1024],
        "R": [[1, 0, 0], [0, -1, 0], [0, 0, -1]], "T": [0, 1400, 3800],
    }  # fmt: skip
    row = {
        "bbox": [900, 400, 300, 1200],
        "keypoints_img": pixels.tolist(),
        "keypoints_cam": joints.tolist(),
        "keypoints_vis": [1] * 21,
    }
    document = {
        "images": [
            image | {"id": 0, "file_name": "unaugmented_set/1/000001.jpg"},
            image | {"id": 1, "file_name": "augmented_set/1/000002.jpg"},
        ],
        "annotations": [row | {"id": i, "image_id": k} for i, k in enumerate([0, 1, 1])],
    }
    (root / "data").mkdir(parents=True)
    (root / "data" / "MuCo-3DHP.json").write_text(json.dumps(document))
    return joints, pixels, document


def test_prepared_form(tmp_path):
    joints, pixels, _ = prepared(tmp_path)
    examples = list(get_adapter("muco").examples(tmp_path))
    assert [e.image.path for e in examples] == [
        "data/unaugmented_set/1/000001.jpg",
        "data/augmented_set/1/000002.jpg",
        "data/augmented_set/1/000002.jpg",
    ]
    for example in examples:
        assert example.skeleton == "muco_21" and example.image_size == (2048, 2048)
        np.testing.assert_allclose(example.camera.to_camera(example.joints3d), joints, atol=1e-9)
        np.testing.assert_allclose(example.camera.project(example.joints3d), pixels, atol=1e-9)
        assert example.box.tolist() == [900, 400, 300, 1200]
        np.testing.assert_allclose(example.camera.center, [0, 1400, 3800])


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d: d["images"][0].pop("f"), "expected the key 'f'"),
        (lambda d: d["images"][0].update(id="x"), "no such image"),
        (lambda d: d["annotations"][0].update(image_id=7), "annotation of image '7'"),
        (lambda d: d["annotations"][1].pop("keypoints_cam"), "field 'keypoints_cam'"),
        (lambda d: d["annotations"][1].update(bbox=[1, 2, -3, 4]), "left, top, width, height"),
        (lambda d: d["images"][1].update(R=[[1, 0, 0]] * 3), "image 1: no usable camera"),
    ],
)
def test_prepared_errors(tmp_path, change, message):
    document = prepared(tmp_path)[2]
    change(document)
    (tmp_path / "data" / "MuCo-3DHP.json").write_text(json.dumps(document))
    with pytest.raises(FileError, match=message):
        list(get_adapter("muco").examples(tmp_path))


def test_damaged_files(root, tmp_path):
    adapter = get_adapter("muco")
    read_damaged(adapter, root, GENERATED, root / "sampled_dataset_info.mat", count=60)
    path = next(root.glob("S*/Seq*/annot.mat"))
    read_damaged(adapter, root, GENERATED, path, count=20)
    other = tmp_path / "prepared"
    prepared(other)
    read_damaged(adapter, other, PREPARED, other / "data" / "MuCo-3DHP.json", count=60)
