"""`prepare`: what comes into a store, what does not and why; always the same bytes."""

import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest
from toy_dataset import ToyDataset, write_toy

from dataset_adapters.adapter import Source, Thinning
from dataset_adapters.camera import Camera, intrinsics
from dataset_adapters.containers.errors import FileError
from dataset_adapters.examples import ExampleBlock
from skelbridge.store import Group, check_checksums, open_store, prepare, rle
from skelbridge.store.columns import LARGEST_PLAIN_MM
from skeleton_defs import UserError

TRAIN = Group("toy", "train", "mpii_16")


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return write_toy(tmp_path_factory.mktemp("toy"), people=2)


@pytest.fixture(scope="module")
def stored(toy, tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "store"
    prepare(ToyDataset(), toy, path)
    return path


def contents(store):
    """File -> digest; nothing else may be in a finished store."""
    return {
        path.relative_to(store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file()
    }


def test_everything_comes_back(toy, stored):
    store = open_store(stored)
    assert store.groups == {
        TRAIN: range(24),
        Group("toy", "test", "mpii_16"): range(24, 30),
    }
    originals = {(e.split, e.sequence, e.person, e.frame): e for e in ToyDataset().examples(toy)}
    assert len(store) == len(originals) == 30
    for i, example in enumerate(store):
        original = originals.pop((example.split, example.sequence, example.person, example.frame))
        np.testing.assert_allclose(example.joints3d, original.joints3d, atol=1e-3)
        for name in ("dataset", "skeleton", "subject", "camera_name", "image", "extras"):
            assert getattr(example, name) == getattr(original, name), name
        np.testing.assert_allclose(example.camera.center, original.camera.center, atol=1e-6)
        assert not example.camera.is_distorted
        picture = store.image(i)
        assert picture.shape == (*example.image_size[::-1], 3)
        assert example.image_size == example.camera.image_size
        # The box around the joints, enlarged by 1.15.
        seen = example.projected
        size = 1.15 * np.ptp(seen, axis=0)
        np.testing.assert_allclose(example.box[2:], size, rtol=0.06, atol=2)
    assert not originals


def test_the_dots_are_where_the_joints_project(stored):
    store = open_store(stored)
    hits = n = 0
    for i, example in enumerate(store):
        if example.person == "0":
            light = store.image(i)[..., 0]
            for x, y in np.round(example.projected).astype(int):
                hits += light[y, x] > 200
                n += 1
    assert hits == n == 15 * 16


def test_a_finished_store_is_left_alone(toy, stored):
    before = {p: p.stat().st_mtime_ns for p in stored.rglob("*")}
    report = prepare(ToyDataset(), toy, stored)
    assert report.was_finished and report.n_examples == 30 and report.new_shards == 0
    assert before == {p: p.stat().st_mtime_ns for p in stored.rglob("*")}
    assert check_checksums(stored) == 7


def test_bytes_do_not_depend_on_place_time_or_workers(toy, stored, tmp_path):
    expected = contents(stored)
    prepare(ToyDataset(), toy, tmp_path / "two", workers=2)
    assert contents(tmp_path / "two") == expected
    # One split after the other.
    for name, splits in (("a", ("test", "train")), ("b", ("train", "test"))):
        for split in splits:
            prepare(ToyDataset(), toy, tmp_path / name, split=split)
        assert contents(tmp_path / name) == expected


def test_an_unfinished_store_says_so(toy, tmp_path):
    prepare(ToyDataset(), toy, tmp_path / "s")
    (tmp_path / "s" / "manifest.json").unlink()
    with pytest.raises(FileError, match="unfinished: run `skelbridge prepare` again"):
        open_store(tmp_path / "s")
    with pytest.raises(FileError, match="none is there"):
        open_store(tmp_path)


@pytest.mark.parametrize(
    "adapter, options, fragment",
    [
        (ToyDataset(scale=2.0), {}, "scale = 1.0, not 2.0"),
        (ToyDataset(), {"max_box_px": 200}, "max_box_px = 384, not 200"),
        (ToyDataset(), {"limit": 3}, "limit = nothing, not 3"),
        (ToyDataset(), {"thinning": False}, "thinning = True, not False"),
        (ToyDataset(), {"images": "reference"}, "images = crop, not reference"),
    ],
)
def test_other_options_are_named(adapter, options, fragment, toy, stored):
    before = contents(stored)
    with pytest.raises(UserError, match=f"toy was prepared with {fragment}; use the same"):
        prepare(adapter, toy, stored, **options)
    assert contents(stored) == before


@pytest.mark.parametrize(
    "options, fragment",
    [
        ({"split": "valid"}, "toy has the splits train, test"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"images": "all"}, "images must be crop or reference"),
        ({"max_box_px": 3}, "max_box_px must be from 16"),
        ({"limit": 0}, "limit must be from 1"),
        ({"jpeg_quality": 101}, "jpeg_quality must be from 1 to 100"),
        ({"boxes": "/nowhere/boxes.json"}, "cannot be read"),
        ({"unmatched": "x"}, "unmatched must be drop or keep"),
    ],
)
def test_wrong_options(options, fragment, toy, tmp_path):
    with pytest.raises(UserError, match=fragment):
        prepare(ToyDataset(), toy, tmp_path / "s", **options)
    assert not (tmp_path / "s" / "manifest.json").exists()


def test_a_missing_root(tmp_path):
    with pytest.raises(UserError, match="expected the folder of Toy dataset"):
        prepare(ToyDataset(), tmp_path / "none", tmp_path / "s")


def test_references_leave_images_in_place(toy, tmp_path):
    prepare(ToyDataset(), toy, tmp_path / "s", images="reference")
    store = open_store(tmp_path / "s")
    with_lens = (e for e in ToyDataset().examples(toy) if e.camera.is_distorted)
    original = next(with_lens)
    example = store[6]
    assert (example.sequence, example.frame) == (original.sequence, original.frame)
    np.testing.assert_array_equal(example.camera.K, original.camera.K)
    np.testing.assert_array_equal(example.camera.distortion, original.camera.distortion)
    assert store.image(6).shape == (240, 320, 3) and store.image_bytes(6) is None
    seen = np.round(example.projected).astype(int)
    assert (store.image(6)[seen[:, 1], seen[:, 0]] > 200).all()
    # A camera that many rows share is stored once.
    shards = {path.name: path.stat().st_size for path in (tmp_path / "s/toy").glob("train-0*.h5")}
    assert max(shards.values()) < 30_000
    moved = open_store(tmp_path / "s", roots={"toy": tmp_path / "elsewhere"})
    with pytest.raises(FileError, match="elsewhere"):
        moved.image(0)


def test_limit_takes_the_first_examples(toy, stored, tmp_path):
    whole = open_store(stored)
    results = []
    for name, workers in (("a", 1), ("b", 2)):
        report = prepare(ToyDataset(), toy, tmp_path / name, limit=8, workers=workers)
        assert {s: f["kept"] for s, f in report.splits.items()} == {
            "train": {"mpii_16": 8},
            "test": {"mpii_16": 6},
        }
        results.append(contents(tmp_path / name))
    assert results[0] == results[1]
    store = open_store(tmp_path / "a")
    assert len(list((tmp_path / "a/toy").glob("train-0*.h5"))) == 2
    for i in range(8):
        np.testing.assert_array_equal(store[i].joints3d, whole[i].joints3d)
        assert store.image_bytes(i) == whole.image_bytes(i)


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_limit_with_bad_files_on_any_number_of_workers(allowed, toy, tmp_path):
    """Workers run ahead: what they find beyond the limit must change and tell nothing."""
    root = tmp_path / "data"
    shutil.copytree(toy, root)
    if allowed:
        (root / "train/seq00/001.jpg").write_bytes(b"no picture")
    for name in ("train/seq02.json", "train/seq03.json"):
        (root / name).write_text("{")
    results = []
    for workers in (1, 2, 3):
        said, store = [], tmp_path / f"{workers}"
        report = prepare(
            ToyDataset(), root, store, limit=8, workers=workers, max_bad_files=allowed,
            warn=said.append,
        )  # fmt: skip
        assert report.splits["train"]["kept"] == {"mpii_16": 8}
        assert report.splits["test"]["kept"] == {"mpii_16": 6}
        results.append((contents(store), said, report.splits["train"]["bad_files"]))
    assert results[0] == results[1] == results[2]
    assert len(results[0][1]) == len(results[0][2]) == (1 if allowed else 0)


@pytest.mark.parametrize("allowed", [0, 1])
def test_the_same_error_on_any_number_of_workers(allowed, toy, tmp_path):
    root = damaged_copy(toy, tmp_path)
    (root / "train/seq03.json").write_text("{")
    errors = []
    for workers in (1, 2):
        said = []
        with pytest.raises(UserError, match="max-bad-files") as caught:
            prepare(
                ToyDataset(), root, tmp_path / f"{workers}", limit=20, workers=workers,
                max_bad_files=allowed, warn=said.append,
            )  # fmt: skip
        errors.append((str(caught.value), said))
    assert errors[0] == errors[1]
    assert ("seq02" if allowed else "seq01") in errors[0][0]


@dataclasses.dataclass(frozen=True)
class WithoutCalibration(ToyDataset):
    """Sequences of which all but the first need a file that is damaged."""

    def read(self, root, source):
        if source.key != "seq00":
            raise FileError(root / "calibration.json", f"no camera for {source.key}")
        yield from super().read(root, source)


@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"sources_per_shard": 2}])
def test_a_bad_file_of_many_sources_is_one_bad_file(options, toy, tmp_path):
    said = []
    report = prepare(
        WithoutCalibration(), toy, tmp_path / "s", max_bad_files=1, warn=said.append, **options
    )
    bad = [["calibration.json", "no camera for seq01"]]
    assert [list(item) for item in report.splits["train"]["bad_files"]] == bad
    assert report.splits["test"]["bad_files"] == []
    assert said == ["skipped calibration.json: no camera for seq01"]


def test_a_failed_run_leaves_what_is_finished_and_nothing_else(toy, tmp_path):
    root, store = damaged_copy(toy, tmp_path), tmp_path / "s"
    (root / "train/seq00.json").write_text("{")
    for workers in (1, 2):
        with pytest.raises(UserError, match="seq00"):
            prepare(ToyDataset(), root, store, workers=workers, split="train", limit=1)
        if workers == 1:
            assert not store.exists()
    leftovers = [p.name for p in store.rglob("*") if p.name.startswith(".")]
    assert leftovers == []


@pytest.mark.parametrize("target", ["file", "file/below", "/proc/none"])
def test_a_store_that_cannot_be_written(target, toy, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be (written|read).*") as caught:
        prepare(ToyDataset(), toy, tmp_path / target)
    assert "\n" not in str(caught.value)


def test_a_dataset_whose_folder_was_deleted_is_made_again(toy, stored, tmp_path):
    store = tmp_path / "s"
    shutil.copytree(stored, store)
    shutil.rmtree(store / "toy")
    # With other options, as the message about them says.
    assert prepare(ToyDataset(), toy, store, limit=3).n_examples == 6
    shutil.rmtree(store / "toy")
    prepare(ToyDataset(), toy, store)
    assert contents(store) == contents(stored)


def test_sources_can_share_shards(toy, stored, tmp_path):
    prepare(ToyDataset(), toy, tmp_path / "s", sources_per_shard=3)
    assert len(list((tmp_path / "s/toy").glob("train-0*.h5"))) == 2
    one, other = open_store(stored), open_store(tmp_path / "s")
    for i in range(30):
        np.testing.assert_array_equal(one[i].joints3d, other[i].joints3d)
        assert one.image_bytes(i) == other.image_bytes(i)


def damaged_copy(toy, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(toy, root)
    (root / "train/seq01/001.jpg").write_bytes(b"no picture")
    (root / "train/seq02.json").write_text("{")
    return root


def test_bad_files_are_skipped_up_to_a_limit(toy, tmp_path):
    root = damaged_copy(toy, tmp_path)
    with pytest.raises(UserError, match=r"seq01/001\.jpg: .*\(allow more by --max-bad-files\)"):
        prepare(ToyDataset(), root, tmp_path / "s")
    with pytest.raises(UserError, match=r"seq02\.json: expected JSON.*"):
        prepare(ToyDataset(), root, tmp_path / "s", max_bad_files=1)
    said = []
    report = prepare(ToyDataset(), root, tmp_path / "s", max_bad_files=2, warn=said.append)
    facts = report.splits["train"]
    assert [file for file, _ in facts["bad_files"]] == ["train/seq01/001.jpg", "train/seq02.json"]
    assert [line.split(":")[0] for line in said] == [
        "skipped train/seq01/001.jpg",
        "skipped train/seq02.json",
    ]
    # Two people in the picture, six examples in the file.
    assert facts["dropped"] == {"image cannot be read": 2} and facts["kept"]["mpii_16"] == 16
    others = tmp_path / "two"
    prepare(ToyDataset(), root, others, max_bad_files=5, workers=2)
    assert contents(others) == contents(tmp_path / "s")


def test_mended_files_are_read_when_an_unfinished_run_goes_on(toy, stored, tmp_path):
    root = damaged_copy(toy, tmp_path)
    with pytest.raises(UserError):
        prepare(ToyDataset(), root, tmp_path / "s", max_bad_files=1)
    for name in ("train/seq01/001.jpg", "train/seq02.json"):
        (root / name).write_bytes((toy / name).read_bytes())
    prepare(ToyDataset(), root, tmp_path / "s")
    assert contents(tmp_path / "s") == contents(stored)


def test_other_source_files_than_at_the_start(toy, tmp_path):
    root = damaged_copy(toy, tmp_path)
    with pytest.raises(UserError):
        prepare(ToyDataset(), root, tmp_path / "s")
    (root / "train/seq03.json").unlink()
    with pytest.raises(UserError, match="begun with other source files of split train"):
        prepare(ToyDataset(), root, tmp_path / "s")


ALL = Thinning(distance_mm=None)


@dataclasses.dataclass(frozen=True)
class InMemory(ToyDataset):
    """Yields the blocks that a test gives it."""

    given: tuple = ()
    rule: Thinning = ALL

    @property
    def info(self):
        return dataclasses.replace(ToyDataset.info, thinning=self.rule)

    def sources(self, root, split):
        parts = [b for b in self.given if b.split == split]
        return [Source(split, str(i)) for i in range(len(parts))]

    def read(self, root, source):
        yield [b for b in self.given if b.split == source.split][int(source.key)]

    def options(self):
        return {}


CAMERA = Camera(np.eye(3), (0, 0, 4000), intrinsics(300, 300, 160, 120), image_size=(320, 240))


def body(n, seed=0):
    return np.random.default_rng(seed).uniform([-400, -700, -300], [400, 700, 300], (n, 16, 3))


def block(n=4, **changes):
    values = {"frames": np.arange(n), "joints3d": body(n), "cameras": CAMERA}
    return ExampleBlock("toy", changes.pop("split", "train"), "mpii_16", **{**values, **changes})


def kept_and_dropped(tmp_path, *blocks, store="s", **options):
    adapter = InMemory(given=blocks, rule=options.pop("rule", ALL))
    report = prepare(adapter, tmp_path, tmp_path / store, images="reference", **options)
    facts = report.splits["train"]
    return facts["kept"].get("mpii_16", 0), facts["dropped"]


def test_examples_without_joints_or_box_go(tmp_path):
    joints = body(5)
    joints[0] = np.nan
    joints[1, :, 2] = -5000  # Behind the camera.
    joints[2, :, 0] += 9000  # Beside the image.
    joints[3, 3:, :] = np.nan  # Three joints only.
    assert kept_and_dropped(tmp_path, block(5, joints3d=joints, images="a.jpg")) == (
        1,
        {
            "box outside the image": 1,
            "fewer than 4 joints in the box": 1,
            "no box: no joint is seen by the camera": 1,
            "no valid joint": 1,
        },
    )
    # Without pictures there is nothing to be out of.
    kept, dropped = kept_and_dropped(tmp_path, block(5, joints3d=joints), store="t")
    assert (kept, dropped) == (4, {"no valid joint": 1})


def test_impossible_bones_go_from_training_only(tmp_path):
    still = np.repeat(body(1), 40, axis=0)
    odd = still.copy()
    odd[7, 0] += 9000  # The ankle runs away.
    blocks = [
        block(40, joints3d=odd),
        block(40, joints3d=still),
        block(40, joints3d=odd, split="test"),
    ]
    kept, dropped = kept_and_dropped(tmp_path, *blocks)
    assert (kept, dropped) == (79, {"impossible bone": 1})
    store = open_store(tmp_path / "s")
    assert len(store.groups[Group("toy", "test", "mpii_16")]) == 40
    frames = [store[i].frame for i in store.groups[TRAIN]]
    assert frames == [f for f in range(40) if f != 7] + list(range(40))
    manifest = json.loads((tmp_path / "s/manifest.json").read_text())
    bone = manifest["datasets"]["toy"]["mean_bones_mm"]["mpii_16"]["right_ankle - right_knee"]
    lengths = np.linalg.norm(np.concatenate([odd, still])[:, 0] - still[0, 1], axis=-1)
    assert bone == pytest.approx(lengths.mean(), abs=0.1)
    kept, _ = kept_and_dropped(tmp_path, *blocks, store="t", plausibility=False)
    assert kept == 80


def test_thinning_is_counted(tmp_path):
    joints = np.repeat(body(1), 10, axis=0)
    joints[:, 0, 0] += 30 * np.arange(10)
    given = block(10, joints3d=joints)
    kept, dropped = kept_and_dropped(tmp_path, given, rule=Thinning())
    assert (kept, dropped) == (3, {"moved less than 100 mm": 7})
    kept, dropped = kept_and_dropped(tmp_path, given, rule=Thinning(), store="t", thinning=False)
    assert (kept, dropped) == (10, {})


def test_users_boxes_and_masks(tmp_path):
    given = block(3, images=["a.jpg", "a.jpg", "b.jpg"], frames=[0, 0, 1], person=["x", "y", "x"])
    own = open_boxes(tmp_path, given)
    shifted = (own + np.array([3, 0, 0, 0])).tolist()
    silhouette = np.zeros((240, 320), bool)
    left, top, width, height = own[1].astype(int)
    silhouette[top : top + height, left : left + width] = True
    boxes, masks = tmp_path / "boxes.json", tmp_path / "masks.json"
    boxes.write_text(json.dumps({"a.jpg": [[0, 0, 5, 5], shifted[0]], "b.jpg": []}))
    masks.write_text(json.dumps({"a.jpg": [rle.encode(silhouette)]}))
    files = {"boxes": boxes, "masks": masks, "min_overlap": 0.5}
    assert kept_and_dropped(tmp_path, given, **files) == (1, {"no detection fits": 2})
    store = open_store(tmp_path / "s")
    np.testing.assert_allclose(store[0].box, shifted[0], atol=1e-4)
    assert kept_and_dropped(tmp_path, given, store="t", unmatched="keep", **files)[0] == 3
    store = open_store(tmp_path / "t")
    np.testing.assert_allclose(store[2].box, own[2], atol=1e-4)
    with_mask = [i for i in range(3) if store[i].mask is not None]
    assert len(with_mask) == 1
    np.testing.assert_array_equal(rle.decode(store[with_mask[0]].mask), silhouette)
    boxes.write_text(json.dumps({}))
    adapter = InMemory(given=(given,), rule=ALL)
    with pytest.raises(UserError, match=r"boxes = boxes\.json sha256 .*, not boxes\.json sha256"):
        prepare(adapter, tmp_path, tmp_path / "t", images="reference", unmatched="keep", **files)


def open_boxes(tmp_path, given):
    kept_and_dropped(tmp_path, given, store="own")
    return np.array([example.box for example in open_store(tmp_path / "own")])


def test_far_from_the_origin_nothing_is_lost(tmp_path):
    # 7 km away, as in the world of a game: float32 alone would be 0.25 mm off.
    far = np.array([7_000_000.0, -3_000_000, 50_000])
    camera = Camera.at(far - [0, 0, 4000], np.eye(3), CAMERA.K, image_size=(320, 240))
    joints = body(4) + far
    assert np.abs(joints).max() > LARGEST_PLAIN_MM
    joints[1, 4] = np.nan
    kept_and_dropped(tmp_path, block(joints3d=joints, cameras=camera, images="a.jpg"))
    store = open_store(tmp_path / "s")
    for i in range(4):
        np.testing.assert_allclose(store[i].joints3d, joints[i], rtol=0, atol=1e-3)
    batch = store.batch([2, 1])
    np.testing.assert_allclose(batch.joints3d, joints[[2, 1]], rtol=0, atol=1e-3)
    seen = np.einsum("nij,nkj->nki", batch.R, batch.joints3d) + batch.t[:, None]
    np.testing.assert_allclose(seen[0], camera.to_camera(joints[2]), atol=1e-2)


def test_the_largest_plain_coordinate_keeps_its_digits():
    x = np.float64(LARGEST_PLAIN_MM) - np.arange(1000) * 0.37
    assert np.abs(x - x.astype(np.float32)).max() < 0.005


def test_nothing_to_read(tmp_path):
    # The dataset's files are there, but hold nothing for these splits.
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "empty.json").touch()
    report = prepare(InMemory(), tmp_path, tmp_path / "s")
    assert report.n_examples == 0
    store = open_store(tmp_path / "s")
    assert len(store) == 0 and store.groups == {} and len(store.batch([])) == 0


@pytest.mark.parametrize("kept", [0, 1])
def test_a_block_may_lose_all_rows(kept, tmp_path):
    joints = body(3)
    joints[kept:] = np.nan
    found, dropped = kept_and_dropped(tmp_path, block(3, joints3d=joints))
    assert (found, dropped) == (kept, {"no valid joint": 3 - kept})


def test_another_process_at_work_is_named(toy, tmp_path):
    from skelbridge.store.manifest import locked

    (tmp_path / "s/toy").mkdir(parents=True)
    with (
        locked(tmp_path / "s/toy", "x"),
        pytest.raises(UserError, match="is being prepared by another process"),
    ):
        prepare(ToyDataset(), toy, tmp_path / "s")
