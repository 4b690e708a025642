"""Detections: matched by the largest total overlap, read from checked JSON."""

import itertools
import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_adapters.containers.errors import FileError
from skelbridge.store import rle
from skelbridge.store.boxes import count_within, joint_boxes, overlaps
from skelbridge.store.detections import load_detections, matched_boxes, matched_masks, matches


def test_overlap_by_hand():
    # Shifted by half of its width: 1/2 of each is common, 1/3 of both together.
    a = np.array([[0, 0, 10, 10.0]])
    others = np.array([[5, 0, 10, 10.0], [0, 0, 10, 10], [20, 0, 5, 5], [0, 0, 0, 0]])
    np.testing.assert_allclose(overlaps(a, others), [[1 / 3, 1, 0, 0]])


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 4), m=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_the_pairs_have_the_largest_total_overlap(seed, n, m):
    rng = np.random.default_rng(seed)
    people = np.column_stack([rng.uniform(0, 20, (n, 2)), rng.uniform(5, 30, (n, 2))])
    found = np.column_stack([rng.uniform(0, 20, (m, 2)), rng.uniform(5, 30, (m, 2))])
    overlap = overlaps(people, found)
    padded = np.pad(overlap, ((0, max(0, m - n)), (0, max(0, n - m))))
    best = max(
        sum(padded[i, j] for i, j in enumerate(order))
        for order in itertools.permutations(range(len(padded)))
    )
    assigned = matches(people, found, 0.0)
    chosen = [(i, j) for i, j in enumerate(assigned) if j >= 0]
    assert sum(overlap[i, j] for i, j in chosen) == pytest.approx(best)
    assert len({j for _, j in chosen}) == len(chosen)
    strict = matches(people, found, 0.3)
    assert all(overlap[i, j] >= 0.3 for i, j in enumerate(strict) if j >= 0)


def test_people_of_one_image_compete():
    keys = ["a.jpg", "a.jpg", "b.mp4#3", None]
    boxes = np.array([[0, 0, 10, 20], [8, 0, 10, 20], [0, 0, 10, 10], [0, 0, 10, 10.0]])
    found = {"a.jpg": np.array([[7, 0, 10, 20.0]]), "b.mp4#3": np.array([[0, 0, 10, 9.0]])}
    result = matched_boxes(keys, boxes, found, 0.1)
    np.testing.assert_array_equal(np.isnan(result[:, 0]), [True, False, False, True])
    np.testing.assert_array_equal(result[1], [7, 0, 10, 20])
    silhouette = np.zeros((30, 30), bool)
    silhouette[1:19, 8:17] = True
    masks = matched_masks(keys, boxes, {"a.jpg": [rle.encode(silhouette)]}, 0.1)
    assert [m is not None for m in masks] == [False, True, False, False]


def test_boxes_around_joints():
    points = np.array([[[10, 20], [30, 60], [np.nan, np.nan]], np.full((3, 2), np.nan)])
    boxes = joint_boxes(points, 1.5)
    np.testing.assert_allclose(boxes[0], [5, 10, 30, 60])
    assert np.isnan(boxes[1]).all()
    assert count_within(points, boxes).tolist() == [2, 0]


def write(tmp_path, tree):
    path = tmp_path / "found.json"
    path.write_text(tree if isinstance(tree, str) else json.dumps(tree))
    return path


def test_files_are_read(tmp_path):
    path = write(tmp_path, {"a.jpg": [[1, 2, 3, 4, 0.9], [5, 6, 7, 8, 0.1]], "b.jpg": []})
    boxes = load_detections(path, "boxes")
    np.testing.assert_array_equal(boxes["a.jpg"], [[1, 2, 3, 4], [5, 6, 7, 8]])
    assert boxes["b.jpg"].shape == (0, 4)
    mask = {"size": [2, 3], "counts": "132"}
    assert load_detections(write(tmp_path, {"a.jpg": [mask]}), "masks") == {"a.jpg": [mask]}


@pytest.mark.parametrize(
    "what, tree, fragment",
    [
        ("boxes", "[1", "expected JSON"),
        ("boxes", [], "expected an object"),
        ("boxes", {"a": [[1, 2, 3]]}, "'a': expected boxes"),
        ("boxes", {"a": [[1, 2, 3, "x"]]}, "'a': expected boxes"),
        ("boxes", {"a": [[1, 2, -3, 4]]}, "'a': expected boxes"),
        ("boxes", '{"a": [[1, 2, 3, NaN]]}', "'a': expected boxes"),
        ("boxes", {"a": [5]}, "'a': expected boxes"),
        ("boxes", {"a": {"x": 1}}, "'a': expected boxes"),
        ("boxes", {"a": 5}, "'a': expected boxes"),
        ("masks", {"a": [5]}, "'a': expected a list of COCO RLE"),
        ("masks", {"a": [{"size": [2, 3], "counts": "13"}]}, "'a': a mask's runs must cover"),
    ],
)
def test_wrong_files(what, tree, fragment, tmp_path):
    with pytest.raises(FileError, match=fragment):
        load_detections(write(tmp_path, tree), what)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        load_detections(tmp_path / "none.json", "boxes")


@pytest.mark.parametrize("what", ["boxes", "masks"])
def test_damaged_files_end_in_one_line(what, tmp_path):
    item = [1, 2, 3, 4, 0.5] if what == "boxes" else {"size": [2, 3], "counts": "132"}
    good = json.dumps({f"{i}.jpg": [item, item] for i in range(5)}).encode()
    path = tmp_path / "found.json"
    for data in mutations(good, 120, seed=1):
        path.write_bytes(data)
        assert_result_or_user_error(load_detections, path, what)
