"""Every adapter against its miniature: what comes out equals the ground truth that went in.

The comparison is in camera coordinates, so that it does not depend on where reader and writer put
the world's origin.
"""

from collections import defaultdict

import numpy as np
import pytest
from miniatures import NAMES, write_miniature

from dataset_adapters import get_adapter, list_adapters

UP_TOLERANCE = 1e-3


@pytest.fixture(scope="module", params=NAMES)
def miniature(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("miniature") / request.param
    root.mkdir()
    return request.param, root, write_miniature(request.param, root)


def test_every_adapter_has_a_miniature():
    assert sorted(NAMES) == sorted(list_adapters())


def test_round_trip(miniature):
    name, root, truth = miniature
    examples = list(get_adapter(name).examples(root))
    assert {e.dataset for e in examples} == {name}
    found, expected = defaultdict(list), defaultdict(list)
    for example in examples:
        image = example.image
        key = (image.path, image.video_frame) if image else (example.sequence, example.frame)
        found[(example.split, example.skeleton, *key)].append(example)
    for row in truth.rows:
        key = (row.image, row.video_frame) if row.image else (row.sequence, row.frame)
        expected[(row.split, row.skeleton, *key)].append(row)
    assert sorted(map(str, found)) == sorted(map(str, expected))
    for key, rows in expected.items():
        assert len(found[key]) == len(rows), key
        for row in rows:
            example = min(found[key], key=lambda e, row=row: distance(e, row))
            compare(example, row, truth, key)


def in_camera(example):
    if example.joints3d is None or example.camera is None:
        return example.joints3d
    return example.camera.to_camera(example.joints3d)


def distance(example, row):
    if row.joints3d is not None:
        return np.nanmax(np.abs(in_camera(example) - row.joints3d))
    return np.nanmax(np.abs(example.projected - row.joints2d))


def compare(example, row, truth, key):
    if row.joints3d is None:
        assert example.joints3d is None, key
    else:
        np.testing.assert_allclose(
            in_camera(example), row.joints3d, rtol=0, atol=truth.tolerance_mm, err_msg=str(key)
        )
    if row.joints2d is not None:
        np.testing.assert_allclose(
            example.projected, row.joints2d, rtol=0, atol=truth.tolerance_px, err_msg=str(key)
        )
    if row.up is not None:
        assert example.camera.world_up is not None, key
        np.testing.assert_allclose(example.camera.up, row.up, rtol=0, atol=UP_TOLERANCE)
    if row.sequence:
        assert example.sequence == row.sequence


def test_check_finds_everything_that_is_required(miniature):
    name, root, _ = miniature
    adapter = get_adapter(name)
    assert not [f.item.pattern for f in adapter.check(root) if f.is_missing]


def test_images_exist(miniature):
    name, root, _ = miniature
    for example in get_adapter(name).examples(root):
        if example.image is not None:
            assert (root / example.image.path).is_file(), example.image
