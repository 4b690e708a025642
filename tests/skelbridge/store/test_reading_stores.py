"""Reading stores: batches equal single examples, few files are open, damage is told in a line."""

import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from miniatures import write_miniature

from dataset_adapters import get_adapter
from dataset_adapters.camera import Camera, intrinsics
from dataset_adapters.containers.errors import FileError
from dataset_adapters.examples import ExampleBlock
from skelbridge.store import Group, check_checksums, open_store, prepare, write_blocks
from skelbridge.store.mapped_shard import MappedShard

RNG = np.random.default_rng(0)


def cameras(n):
    return [
        Camera.at(
            RNG.uniform(-3000, 3000, 3), np.eye(3), intrinsics(500, 500, 9, 8), world_up=(0, 0, 1)
        )
        for _ in range(n)
    ]


def block3d(n=10, **changes):
    joints = RNG.uniform(-900, 900, (n, 16, 3))
    joints[RNG.random((n, 16)) < 0.1] = np.nan
    joints[:, 0] = 1
    own = cameras(2)
    values = {
        "dataset": "made",
        "split": "train",
        "skeleton": "mpii_16",
        "frames": np.arange(n) * 3,
        "sequence": [f"séq{i % 3}" for i in range(n)],
        "person": [str(i) for i in range(n)],
        "cameras": [own[i % 2] for i in range(n)],
        "boxes": RNG.uniform(1, 9, (n, 4)),
        "joints3d": joints,
        "image_sizes": (18, 16),
    }
    return ExampleBlock(**{**values, **changes})


def block2d(n=7):
    joints = RNG.uniform(0, 100, (n, 17, 2))
    joints[0, 1] = np.nan
    return ExampleBlock(
        "flat", "valid", "coco_17", np.arange(n), joints2d=joints,
        images=[f"{i}" for i in range(n)],
        extras={"crowd": np.arange(n) / 2, "words": [f"w{i % 2}" for i in range(n)],
                "pair": np.arange(2 * n).reshape(n, 2)},
        masks=[None, {"size": [2, 3], "counts": "132"}, *[None] * (n - 2)],
    )  # fmt: skip


def picture(value):
    return np.full((16, 18, 3), value, np.uint8)


@pytest.fixture(scope="module")
def blocks():
    return block3d(), block2d()


@pytest.fixture(scope="module")
def path(blocks, tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "store"
    pictures = [picture(10 * i) for i in range(9)] + [None]
    write_blocks(path, "made", [(blocks[0], pictures)], rows_per_shard=4)
    write_blocks(path, "flat", [(blocks[1], None)], rows_per_shard=3)
    return path


def test_groups_and_length(path):
    store = open_store(path)
    assert store.groups == {
        Group("flat", "valid", "coco_17"): range(7),
        Group("made", "train", "mpii_16"): range(7, 17),
    }
    assert len(store) == 17 == len(list(store))
    assert store[-1].frame == 27
    for wrong in (17, -18):
        with pytest.raises(IndexError):
            store[wrong]


def test_single_examples(path, blocks):
    store = open_store(path)
    for i in range(10):
        found, given = store[7 + i], blocks[0][i]
        np.testing.assert_allclose(found.joints3d, given.joints3d, atol=1e-3)
        np.testing.assert_array_equal(found.validity, given.validity)
        np.testing.assert_allclose(found.box, given.box, rtol=1e-6)
        np.testing.assert_array_equal(found.camera.t, given.camera.t)
        assert (found.sequence, found.person) == (given.sequence, given.person)
        assert found.image is None and found.image_size == (18, 16) and found.joints2d is None
        shown = store.image(7 + i)
        assert shown is None if i == 9 else abs(int(shown.mean()) - 10 * i) <= 1
    flat = store[1]
    assert flat.extras["crowd"] == 0.5 and flat.extras["words"] == "w1"
    assert flat.extras["pair"].tolist() == [2, 3]
    assert flat.mask == {"size": [2, 3], "counts": "132"} and store[2].mask is None
    assert flat.joints3d is None and flat.camera is None and flat.box is None
    np.testing.assert_allclose(flat.joints2d, blocks[1].joints2d[1], rtol=1e-6)


def test_a_batch_is_its_examples(path):
    store = open_store(path)
    indices = RNG.integers(-17, 17, 60)
    batch = store.batch(indices)
    assert batch.joints3d.shape == (60, 17, 3) and len(batch) == 60
    for row, index in enumerate(indices):
        one = store[index]
        group = batch.groups[batch.group[row]]
        assert group == (one.dataset, one.split, one.skeleton)
        n = len(one.validity)
        np.testing.assert_array_equal(batch.validity[row, :n], one.validity)
        assert not batch.validity[row, n:].any()
        for name in ("joints3d", "joints2d"):
            column = getattr(batch, name)[row]
            expected = getattr(one, name)
            expected = np.full_like(column[:n], np.nan) if expected is None else expected
            np.testing.assert_array_equal(column[:n], expected)
            assert np.isnan(column[n:]).all()
        assert batch.frame[row] == one.frame and batch.person[row] == one.person
        assert batch.sequence[row] == one.sequence
        assert batch.has_camera[row] == (one.camera is not None)
        if one.camera is not None:
            for name in ("R", "t", "K", "world_up"):
                np.testing.assert_array_equal(getattr(batch, name)[row], getattr(one.camera, name))
        if one.box is not None:
            np.testing.assert_array_equal(batch.box[row], one.box)
    with pytest.raises(IndexError, match="out of range of a store of 17"):
        store.batch([0, 17])


def test_few_files_are_open_and_none_is_parsed_twice(path, monkeypatch):
    opened, parsed = [], []
    import skelbridge.store.open_shards as opening

    class Counted(MappedShard):
        def __init__(self, path, layout):
            opened.append(path)
            super().__init__(path, layout)

    original = opening.read_layout
    monkeypatch.setattr(opening, "MappedShard", Counted)
    monkeypatch.setattr(opening, "read_layout", lambda p: parsed.append(p) or original(p))
    store = open_store(path, max_open=2)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        store.batch(np.arange(17))
        assert len(os.listdir("/proc/self/fd")) <= before + 2
    # Three shards and an index each.
    assert len(set(opened)) == len(parsed) == len(set(parsed)) == 8
    roomy = open_store(path)
    opened.clear()
    for _ in range(5):
        roomy.batch(np.arange(17))
    assert len(opened) == 8


def test_reading_takes_no_memory_that_grows(path):
    import tracemalloc

    store = open_store(path)
    indices = np.random.default_rng(0).integers(0, 17, (400, 64))
    for part in indices[:50]:
        store.batch(part)
    tracemalloc.start()
    try:
        for part in indices[50:]:
            store.batch(part)
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()


def read_some(store, queue):
    queue.put(float(np.nansum(store.batch(np.arange(17)).joints3d)))


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_other_processes_read_an_open_store(method, path):
    store = open_store(path)
    expected = float(np.nansum(store.batch(np.arange(17)).joints3d))
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=read_some, args=(store, queue))
    process.start()
    assert queue.get(timeout=60) == expected
    process.join()
    queue.close()


def test_pickled(path):
    again = pickle.loads(pickle.dumps(open_store(path, max_open=3)))
    assert len(again) == 17 and again._max_open == 3


def test_another_process_reads_pictures_left_in_files_of_their_own_kind(tmp_path):
    write_miniature("hspace", tmp_path / "data")
    prepare(get_adapter("hspace"), tmp_path / "data", tmp_path / "s", images="reference")
    code = "import sys; from skelbridge.store import open_store as o; s = o(sys.argv[1]); "
    code += "print(s[0].image.path, *s.image(0).shape)"
    said = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "s"], capture_output=True, text=True, check=True
    ).stdout.split()
    store = open_store(tmp_path / "s")
    assert said[0].endswith(".tfrecord") and said[0] == store[0].image.path
    assert said[1:] == [str(n) for n in (*store[0].image_size[::-1], 3)]


@pytest.fixture
def copy(path, tmp_path):
    shutil.copytree(path, tmp_path / "copy")
    return tmp_path / "copy"


def test_truncated_and_missing_shards(copy):
    shard = copy / "made" / "train-00001.h5"
    data = shard.read_bytes()
    shard.write_bytes(data[:-50])
    store = open_store(copy)
    assert store[7].frame == 0
    with pytest.raises(FileError, match=rf"train-00001\.h5: expected {len(data)} bytes .* found"):
        store[12]
    with pytest.raises(FileError, match="checksum"):
        check_checksums(copy)
    shard.unlink()
    with pytest.raises(FileError, match=r"train-00001\.h5: cannot be read"):
        open_store(copy).batch(np.arange(17))
    with pytest.raises(FileError, match="expected a file of the store"):
        check_checksums(copy)


def test_changed_bytes_are_found_by_the_checksums(copy):
    shard = copy / "made" / "train-00000.h5"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    with pytest.raises(FileError, match="does not have the checksum"):
        check_checksums(copy)


def test_damaged_shards_end_in_one_line(path, tmp_path):
    from skelbridge.store.mapped_shard import read_layout

    good = (path / "flat" / "valid-00000.h5").read_bytes()
    shard = tmp_path / "a.h5"

    def read():
        mapped = MappedShard(shard, read_layout(shard))
        for name in mapped.columns("coco_17"):
            mapped.column("coco_17", name)

    for data in mutations(good, 120, seed=2):
        shard.write_bytes(data)
        assert_result_or_user_error(read)


@pytest.mark.parametrize(
    "change, fragment",
    [
        (lambda m: m.update(format="x"), "expected the manifest of a skelbridge example store"),
        (lambda m: m.update(schema=99), "expected schema 1, found 99"),
        (lambda m: m.pop("datasets"), "expected 'datasets'"),
        (lambda m: m["datasets"]["made"].pop("splits"), "expected a manifest of this version"),
        (
            lambda m: m["datasets"]["made"]["skeletons"]["mpii_16"].reverse(),
            "mpii_16 was stored with other joints",
        ),
    ],
)
def test_wrong_manifests(change, fragment, copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    change(manifest)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(FileError, match=fragment):
        open_store(copy)


def test_damaged_manifests_end_in_one_line(copy):
    good = (copy / "manifest.json").read_bytes()

    def read():
        store = open_store(copy)
        if len(store):
            store.batch([0, len(store) - 1])

    for data in mutations(good, 120, seed=4):
        (copy / "manifest.json").write_bytes(data)
        assert_result_or_user_error(read)


@pytest.mark.parametrize(
    "name", ["made/train-00000.h5", "flat/valid-00000.h5", "flat/valid-index.h5"]
)
def test_damage_that_keeps_the_size_ends_in_one_line(name, copy):
    good = (copy / name).read_bytes()
    rng = np.random.default_rng(6)

    def read():
        store = open_store(copy)
        store.batch(np.arange(len(store)))
        for i in range(len(store)):
            store[i]
            store.image(i)

    for _ in range(60):
        data = bytearray(good)
        for at in rng.integers(0, len(data), 30):
            data[at] = rng.integers(0, 256)
        (copy / name).write_bytes(data)
        assert_result_or_user_error(read)
