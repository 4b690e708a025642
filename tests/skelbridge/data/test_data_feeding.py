import hashlib
import threading

import cv2
import numpy as np
import pytest

from skelbridge.data import BatchFeed, Composition, CropOptions, evaluation_batches, training_feed
from skeleton_defs import UserError

MIX = Composition({"pinhole": 5, "lens": 4, "masked": 5}, {"flat": 7})
CROP = CropOptions(side=96)


def feed_of(store, registry, *, workers=1, seed=2, **options):
    return training_feed(store, registry, MIX, seed=seed, workers=workers, crop=CROP, **options)


def digest(arrays):
    sha = hashlib.sha256()
    for name in sorted(arrays):
        sha.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return sha.hexdigest()


@pytest.fixture(scope="module")
def expected(dot_store, registry):
    return [digest(b) for b in feed_of(dot_store, registry).batches(0, 6)]


@pytest.mark.parametrize("workers", [2, 4])
def test_batches_are_bitwise_the_same_for_any_number_of_workers(
    dot_store, registry, expected, workers
):
    feed = feed_of(dot_store, registry, workers=workers, ahead=3)
    assert [digest(b) for b in feed.batches(0, 6)] == expected
    assert len(set(expected)) == 6


def test_any_step_may_be_the_first(dot_store, registry, expected):
    feed = feed_of(dot_store, registry, workers=2)
    assert [digest(b) for b in feed.batches(4, 6)] == expected[4:]
    assert digest(feed.batch(3)) == expected[3]


def test_another_seed_gives_other_batches(dot_store, registry, expected):
    assert digest(feed_of(dot_store, registry, seed=3).batch(0)) != expected[0]


def test_the_way_work_is_cut_changes_nothing(dot_store, registry, expected, monkeypatch):
    from skelbridge.data import feeding

    for size in (1, 5, 21):
        monkeypatch.setattr(feeding, "_PART", size)
        assert digest(feed_of(dot_store, registry).batch(1)) == expected[1]


def test_replicas_make_up_the_whole(dot_store, registry):
    even = Composition({"pinhole": 4, "masked": 2}, {"flat": 4})
    whole = training_feed(dot_store, registry, even, seed=2, workers=1, crop=CROP)
    plan, batch = whole.plan, whole.batch(5)
    for number in range(2):
        slots = plan.composition.share(number, 2)
        part = BatchFeed(plan, whole.loader, workers=1, slots=slots).batch(5)
        for name in batch:
            assert np.array_equal(part[name], batch[name][slots])


def test_at_most_a_few_batches_are_ahead(dot_store, registry, monkeypatch):
    feed = feed_of(dot_store, registry, ahead=2)
    begun = []
    original = feed.plan.at
    monkeypatch.setattr(feed.plan, "at", lambda step, slots: begun.append(step) or original(step))
    batches = feed.batches(10)
    next(batches)
    assert begun == [10, 11]
    next(batches)
    assert begun == [10, 11, 12]
    batches.close()


def test_it_ends_without_threads_left(dot_store, registry):
    threads, before = threading.active_count(), cv2.getNumThreads()
    batches = feed_of(dot_store, registry, workers=3).batches()
    next(batches)
    assert threading.active_count() > threads
    assert cv2.getNumThreads() == 1
    batches.close()
    assert threading.active_count() == threads
    assert cv2.getNumThreads() == before


def test_errors_reach_the_user(dot_store, registry, monkeypatch):
    feed = feed_of(dot_store, registry, workers=2)

    def broken(*_):
        raise UserError("example 3 is broken")

    monkeypatch.setattr(feed.loader, "fill", broken)
    with pytest.raises(UserError, match="example 3 is broken"):
        next(feed.batches())


@pytest.mark.parametrize("options", [{"workers": 0}, {"ahead": 0}])
def test_bad_options_are_refused(dot_store, registry, options):
    with pytest.raises(UserError, match="workers and ahead must be 1 or more"):
        feed_of(dot_store, registry, **options)


def test_a_miniature_goes_all_the_way(tmp_path, registry):
    """prepare, then train: MPI-INF-3DHP's cameras and silhouettes, COCO without cameras."""
    from miniatures import write_miniature

    from dataset_adapters import get_adapter
    from skelbridge.store import open_store, prepare
    from skeleton_defs import JointRegistry

    for name in ("muco", "coco"):
        root = tmp_path / name
        root.mkdir()
        write_miniature(name, root)
        prepare(get_adapter(name), root, tmp_path / "store")
    store = open_store(tmp_path / "store")
    formats = JointRegistry(["mpi_inf_3dhp_28", "coco_17"])
    asked = Composition({"muco": 6}, {"coco": 4})
    batch = training_feed(store, formats, asked, seed=0, workers=2, crop=CROP).batch(2)
    assert batch["mask3d"][:6].any(1).all()
    assert batch["mask2d"].any(1).all()
    assert np.isfinite(batch["joints3d"]).all()
    plain = next(evaluation_batches(store, formats, batch["example"], crop=CROP, workers=1))
    # The person fills the crop.
    inside = plain["in_crop"].sum(1) / np.maximum(plain["mask2d"].sum(1), 1)
    assert np.median(inside) > 0.9


@pytest.mark.slow
def test_tensorflow_gets_the_same(dot_store, registry, expected):
    pytest.importorskip("tensorflow")
    dataset = feed_of(dot_store, registry, workers=2).as_tf_dataset(0, 6)
    assert int(dataset.cardinality()) == 6
    assert dataset.element_spec["image"].shape == (21, 96, 96, 3)
    found = [digest({k: v.numpy() for k, v in b.items()}) for b in dataset]
    assert found == expected
