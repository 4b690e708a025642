"""Damaged silhouettes cost no more than themselves."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
from toy_dataset import SIZE, ToyDataset, write_toy

from dataset_adapters.adapters._coco_masks import SegmentationMasks
from dataset_adapters.adapters._label_masks import MaskImages
from skelbridge.store import open_store, prepare, rle
from skelbridge.store.silhouettes import UNREADABLE, Supplemented, silhouette_of
from skelbridge.store.tally import Tally
from skeleton_defs import UserError

WIDTH, HEIGHT = SIZE


@dataclasses.dataclass(frozen=True)
class WithMasks(ToyDataset):
    """Two people per picture, whose silhouettes are one image below masks/."""

    def read(self, root, source):
        for block in super().read(root, source):
            paths = [f"masks/{image.replace('/', '_')}.png" for image in block.images]
            yield dataclasses.replace(block, masks=MaskImages(root, paths))


@pytest.fixture
def root(tmp_path):
    """Six examples in three pictures; the mask of the second is damaged."""
    root = write_toy(tmp_path / "data", sequences=1, people=2, test_sequences=0)
    (root / "masks").mkdir()
    for i in range(3):
        shape = np.zeros((HEIGHT, WIDTH), np.uint8)
        shape[40:200, 60:260] = 255
        cv2.imwrite(str(root / f"masks/train_seq00_{i:03d}.jpg.png"), shape)
    (root / "masks/train_seq00_001.jpg.png").write_bytes(b"no picture")
    return root


@pytest.mark.parametrize("options", [{}, {"images": "reference"}, {"limit": 6}])
def test_a_damaged_mask_costs_only_the_mask(options, root, tmp_path):
    said = []
    report = prepare(
        WithMasks(), root, tmp_path / "s", max_bad_files=1, warn=said.append, **options
    )
    facts = report.splits["train"]
    assert facts["kept"] == {"mpii_16": 6} and facts["dropped"] == {}
    assert facts["bad_files"] == [
        ["masks/train_seq00_001.jpg.png", "expected an image, found 10 bytes that do not decode"]
    ]
    assert facts["notes"][UNREADABLE] == 2 and len(said) == 1
    store = open_store(tmp_path / "s")
    assert [(e.frame, e.mask is None) for e in store] == 2 * [(0, False), (1, True), (2, False)]
    assert rle.decode(store[0].mask).mean() > 0.2


@pytest.mark.parametrize("images", ["crop", "reference"])
def test_a_damaged_mask_is_a_bad_file(images, root, tmp_path):
    with pytest.raises(UserError, match=r"train_seq00_001\.jpg\.png: .*allow more by"):
        prepare(WithMasks(), root, tmp_path / "s", images=images)
    assert not (tmp_path / "s").exists()


def test_masks_of_a_segmenter_supplement_those_of_the_dataset(root, tmp_path):
    silhouette = np.zeros((HEIGHT, WIDTH), bool)
    silhouette[:, :160] = True
    found = {f"train/seq00/{i:03d}.jpg": [rle.encode(silhouette)] for i in range(3)}
    (tmp_path / "found.json").write_text(json.dumps(found))
    options = {"masks": tmp_path / "found.json", "min_overlap": 0, "images": "reference"}
    report = prepare(WithMasks(), root, tmp_path / "own", max_bad_files=1, **options)
    assert report.splits["train"]["kept"] == {"mpii_16": 6}
    assert [e.mask is None for e in open_store(tmp_path / "own")] == 2 * [False, True, False]
    assert rle.decode(open_store(tmp_path / "own")[0].mask).sum() == 160 * 200
    prepare(ToyDataset(), root, tmp_path / "none", **options)
    masks = [e.mask for e in open_store(tmp_path / "none")]
    given = [rle.decode(mask).sum() for mask in masks if mask is not None]
    # Each picture has one silhouette for its two people.
    assert given == [160 * HEIGHT] * 3


@pytest.mark.parametrize(
    "mask, note",
    [
        ({"size": [2, 3]}, "a mask must have 'counts'"),
        ({"size": [2, 3], "counts": "1"}, "runs must cover 2 x 3 px, found 1"),
        ({"size": [2], "counts": "132"}, "size must be"),
        ({"size": [2, 3], "counts": "é32"}, "no run lengths"),
        ({"size": [2, 3], "counts": [1, "a"]}, "whole numbers"),
    ],
)
def test_masks_that_are_none(mask, note):
    tally = Tally()
    assert silhouette_of([None, mask], 1, tally) is None
    ((said, count),) = tally.notes.items()
    assert note in said and count == 1 and tally.bad_files == []


def test_good_masks_and_none_are_told_nothing_of():
    tally = Tally()
    assert silhouette_of(None, 3, tally) is None and silhouette_of([None], 0, tally) is None
    mask = {"size": [2, 3], "counts": "132", "area": 3}
    assert silhouette_of([mask], 0, tally) == {"size": [2, 3], "counts": "132"}
    assert tally == Tally()


def test_supplements_are_made_when_asked_for():
    own = SegmentationMasks("a.json", [None, [[1, 2, 3]], {"size": [2, 3], "counts": "6"}],
                            [(3, 2)] * 3)  # fmt: skip
    both = Supplemented(own, ["x", "y", "z"])
    assert both[0] == "x" and both[2]["counts"] == "6"
    assert len(both.select(np.array([2, 0]))) == 2 and both.select(np.array([2, 0]))[1] == "x"
    with pytest.raises(UserError, match="expected polygons"):
        both[1]
    assert list(Supplemented(None, [None, "y"])) == [None, "y"]
