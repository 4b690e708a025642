"""`prepare` on the miniature of every dataset: crops show the people where the joints say."""

import numpy as np
import pytest
from miniatures import NAMES, write_miniature

from dataset_adapters import get_adapter
from skelbridge.store import open_store, prepare


@pytest.fixture(scope="module", params=NAMES)
def prepared(request, tmp_path_factory):
    name = request.param
    base = tmp_path_factory.mktemp("miniature")
    (base / name).mkdir()
    write_miniature(name, base / name)
    adapter = get_adapter(name)
    report = prepare(adapter, base / name, base / "store", thinning=False)
    return name, base, report, open_store(base / "store")


def test_every_example_is_stored_or_accounted_for(prepared):
    name, base, report, store = prepared
    n_read = sum(1 for _ in get_adapter(name).examples(base / name))
    kept = sum(sum(facts["kept"].values()) for facts in report.splits.values())
    dropped = sum(sum(facts["dropped"].values()) for facts in report.splits.values())
    assert kept == len(store) > 0 and kept + dropped == n_read
    assert not any(facts["bad_files"] for facts in report.splits.values())


def test_crops_have_cameras_and_boxes_that_fit(prepared):
    name, _, _, store = prepared
    has_images = get_adapter(name).info.has_images
    for i in range(0, len(store), max(1, len(store) // 12)):
        example, picture = store[i], store.image(i)
        if example.image is None:
            assert picture is None
            continue
        assert has_images and picture.shape[1::-1] == example.image_size
        assert max(example.box[2:]) <= 384 + 1e-3
        if example.camera is not None:
            assert example.camera.image_size == example.image_size
            assert not example.camera.is_distorted
        seen = example.projected
        middle = example.box[:2] + example.box[2:] / 2
        # The people are about in the middle of their boxes.
        assert (np.abs(np.nanmedian(seen, axis=0) - middle) < 0.6 * max(example.box[2:])).all()


def test_turned_coordinates_are_the_original_ones(prepared):
    """World coordinates stay; seen from the crop's camera, depth hardly changes."""
    name, base, _, store = prepared
    originals = {}
    for e in get_adapter(name).examples(base / name):
        originals.setdefault(key_of(e), []).append(e)
    for i in range(0, len(store), max(1, len(store) // 12)):
        example = store[i]
        if example.joints3d is None:
            continue
        near = min(
            (np.nanmax(np.abs(o.joints3d - example.joints3d)) for o in originals[key_of(example)]),
        )
        assert near < 0.01


def key_of(example):
    return (example.split, example.skeleton, example.sequence, example.camera_name,
            example.person, example.frame, example.image)  # fmt: skip
