import json
import shutil

import cv2
import numpy as np
import pytest
from miniature_copies import copy_of, overwrite, read_damaged
from pycocotools import mask

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.adapters import threedoh50k
from dataset_adapters.containers.errors import FileError

ADAPTER = get_adapter("3doh50k")
TRAIN = Source("train", "000000")
ANNOTATION = "trainset/annots.json"


@pytest.fixture
def root(tmp_path):
    return copy_of("3doh50k", tmp_path)


def change(root, edit):
    """Applies an edit to the entry of the second image."""
    document = json.loads((root / ANNOTATION).read_text())
    edit(document["00001"])
    overwrite(root / ANNOTATION, json.dumps(document).encode())


def entry(root):
    return json.loads((root / ANNOTATION).read_text())["00001"]


def test_numbers_of_an_image(root):
    stated = entry(root)
    example = list(ADAPTER.examples(root, split="train"))[1]
    (left, top), (right, bottom) = stated["bbox"]
    np.testing.assert_allclose(example.box, (left, top, right - left, bottom - top))
    np.testing.assert_allclose(example.joints2d, stated["lsp_joints_2d"])
    np.testing.assert_allclose(
        example.camera.to_camera(example.joints3d),
        np.array(stated["lsp_joints_3d"]) * 1000 / 7,
        atol=1e-6,
    )
    assert example.image.path == "trainset/images/00001.jpg"


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # pycocotools
def test_silhouettes_are_read_when_they_are_asked_for(root):
    (root / "trainset/masks/00000.png").unlink()
    (root / "trainset/masks/00002.png").write_bytes(b"no image")
    (block,) = ADAPTER.read(root, TRAIN)
    assert block[0].mask is None
    silhouette = cv2.imread(str(root / "trainset/masks/00001.png"), 0) > 127
    assert silhouette.any()
    np.testing.assert_array_equal(mask.decode(block[1].mask), silhouette)
    assert block.select([1]).masks[0]["size"] == block[1].mask["size"] == [720, 1280]
    assert block[2].mask is not None
    with pytest.raises(FileError, match=r"00002\.png: expected an image"):
        dict(block[2].mask)
    shutil.rmtree(root / "trainset/masks")
    (block,) = ADAPTER.read(root, TRAIN)
    assert block.masks is None


def test_unit_of_each_image(root):
    change(root, lambda e: e.update(scale=[8.0]))
    (block,) = get_adapter("3doh50k", unit="fitted").read(root, TRAIN)
    found = block[1]
    np.testing.assert_allclose(
        found.camera.to_camera(found.joints3d),
        np.array(entry(root)["lsp_joints_3d"]) * 1000 / 8,
        atol=1e-6,
    )
    # The camera moves with the unit, so that the world is scaled as a whole.
    np.testing.assert_allclose(found.camera.t, 125 * np.array(entry(root)["extri"])[:3, 3])


def test_parts_are_read_alone(root, monkeypatch):
    whole = list(ADAPTER.examples(root, split="train"))
    monkeypatch.setattr(threedoh50k, "_CHUNK", 2)
    sources = ADAPTER.sources(root, "train")
    assert [source.key for source in sources] == ["000000", "000002"]
    parts = [e for source in reversed(sources) for b in ADAPTER.read(root, source) for e in b]
    assert [e.frame for e in parts] == [2, 0, 1]
    for part in parts:
        np.testing.assert_array_equal(part.joints3d, whole[part.frame].joints3d)
        np.testing.assert_array_equal(part.camera.K, whole[part.frame].camera.K)


def test_joints_that_do_not_project_are_noted(root):
    (block,) = ADAPTER.read(root, TRAIN)
    assert block.notes == ()
    document = json.loads((root / ANNOTATION).read_text())
    for values in document.values():
        values["lsp_joints_2d"] = (np.array(values["lsp_joints_2d"]) + 50).tolist()
    overwrite(root / ANNOTATION, json.dumps(document).encode())
    (block,) = ADAPTER.read(root, TRAIN)
    assert block.notes == ("lsp_joints_3d projects 70.7 px (median) off lsp_joints_2d",)


def test_a_split_may_be_absent(root):
    (root / "testset/annots.json").unlink()
    assert ADAPTER.sources(root, "test") == []


@pytest.mark.parametrize(
    "edit, message",
    [
        (lambda e: e.pop("lsp_joints_3d"), "expected the key '00001.lsp_joints_3d', found"),
        (
            lambda e: e.update(lsp_joints_2d=[[1, 2]] * 13),
            "lsp_joints_2d: expected numbers of shape",
        ),
        (lambda e: e.update(bbox=[[9, 9], [1, 1]]), "bbox of '00001': expected"),
        (lambda e: e.update(img_path="..\\..\\secret.jpg"), "img_path: expected a path such as"),
        (lambda e: e.update(img_path="images\\none.jpg"), "expected an image; it cannot be read"),
        (lambda e: e.update(intri=np.zeros((3, 3)).tolist()), "no usable camera: K must"),
        (lambda e: e.update(extri=np.zeros((4, 4)).tolist()), "00001.jpg: no usable camera: R"),
    ],
)
def test_errors(root, edit, message):
    change(root, lambda e: e.update(intri=[[999.0, 0, 9], [0, 999, 9], [0, 0, 1]]))
    change(root, edit)
    with pytest.raises(FileError, match=message):
        list(ADAPTER.read(root, TRAIN))


def test_scales_must_be_positive(root):
    change(root, lambda e: e.update(scale=[0]))
    with pytest.raises(FileError, match="scale: expected positive numbers"):
        list(get_adapter("3doh50k", unit="fitted").read(root, TRAIN))


def test_other_documents(root):
    for text, message in ((b"[]", "one entry per image"), (b"{}", "found none")):
        overwrite(root / ANNOTATION, text)
        with pytest.raises(FileError, match=message):
            ADAPTER.sources(root, "train")
    overwrite(root / ANNOTATION, b'{"00000": 3}')
    with pytest.raises(FileError, match="expected the key '00000.bbox', found '3'"):
        ADAPTER.sources(root, "train")


def test_damaged_files(root):
    read_damaged(ADAPTER, root, TRAIN, root / ANNOTATION, count=150)
