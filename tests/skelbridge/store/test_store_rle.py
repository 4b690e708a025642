"""Run lengths against pycocotools, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelbridge.store import rle


@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    share=st.sampled_from([0, 0.01, 0.5, 0.99, 1]),
)
@settings(max_examples=150, deadline=None)
def test_equals_pycocotools(seed, height, width, share):
    from pycocotools import mask as coco

    silhouette = np.random.default_rng(seed).random((height, width)) < share
    reference = coco.encode(np.asfortranarray(silhouette.astype(np.uint8)))
    encoded = rle.encode(silhouette)
    assert encoded == {"size": [height, width], "counts": reference["counts"].decode()}
    np.testing.assert_array_equal(rle.decode(encoded), silhouette)
    np.testing.assert_array_equal(rle.decode(reference), silhouette)
    plain = {"size": [height, width], "counts": rle.runs(encoded).tolist()}
    np.testing.assert_array_equal(rle.decode(plain), silhouette)
    if silhouette.any():
        # Theirs counts pixels from the edge, ours from the centre of the first.
        left, top, *size = coco.toBbox(reference)
        np.testing.assert_array_equal(rle.box_of(encoded), [left - 0.5, top - 0.5, *size])


def test_by_hand():
    # Columns of a 2 x 3 picture: (0, 1), (1, 1), (0, 0): one zero, three ones, two zeros.
    silhouette = np.array([[0, 1, 0], [1, 1, 0]], bool)
    assert rle.runs(rle.encode(silhouette)).tolist() == [1, 3, 2]
    assert rle.encode(silhouette)["counts"] == "132"
    assert rle.box_of(rle.encode(silhouette)).tolist() == [-0.5, -0.5, 2, 2]
    assert rle.box_of(rle.encode(np.zeros((4, 4), bool))).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "mask, fragment",
    [
        ({"size": [2, 3], "counts": [1, 2]}, "must cover 2 x 3 px"),
        ({"size": [2, 3], "counts": "13"}, "must cover"),
        ({"size": [2, 3], "counts": [-1, 7]}, "must cover"),
        ({"size": [2, 3], "counts": [1.5, 4.5]}, "text or a list"),
        ({"size": [2, 3], "counts": None}, "must cover"),
        ({"size": [2, 3], "counts": "1 2"}, "no run lengths"),
        ({"size": [2, 3], "counts": "1o"}, "end within"),
        ({"size": [2, 3], "counts": "oooooo0"}, "beyond 30 bits"),
        ({"size": [2, 3], "counts": ""}, "end within"),
        ({"size": [2], "counts": "132"}, "must be \\[height, width\\]"),
        ({"size": [10**9, 10**9], "counts": "132"}, "1 to 65536"),
        ({"counts": "132"}, "must be \\[height, width\\]"),
    ],
)
def test_what_is_no_mask(mask, fragment):
    with pytest.raises(ValueError, match=fragment):
        rle.decode(mask)
