"""The whole store: formats, truth, the same bytes however it is made."""

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

import skeleton_defs
from skelbridge.atlas.by_atlas import map_by_atlas
from skelbridge.atlas.low_poly import default_body
from skelbridge.cli.synth_command import synth
from skelbridge.store import open_store, rle
from skelbridge.store.validation import validate_store
from skelbridge.synth import SynthOptions, shards, synthesize, true_joints
from skeleton_defs import UserError

FORMATS = ("smpl_24", "h36m_17", "coco_17", "mpi_inf_3dhp_17")
SMALL = {"examples": 96, "two_d": 24, "test": 24, "size": 96, "seed": 3}


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth") / "store"
    synthesize(folder, SynthOptions(**SMALL))
    return folder


@pytest.fixture(scope="module")
def store(made):
    return open_store(made)


def rows_of(store, dataset, split):
    (indices,) = [r for g, r in store.groups.items() if g[:2] == (dataset, split)]
    return indices


def test_every_look_is_there_with_its_format(store):
    counts = {tuple(group): len(rows) for group, rows in store.groups.items()}
    expected = {}
    for letter, skeleton in zip("abcd", FORMATS, strict=True):
        expected[f"synth_{letter}", "train", skeleton] = 24
        expected[f"synth_{letter}", "test", skeleton] = 24
    expected["synth_2d", "train", "coco_17"] = 24
    expected["synth_unseen", "test", "smpl_24"] = 24
    assert counts == expected


def test_it_passes_the_store_s_own_checks(made):
    report = validate_store(made)
    assert report.is_clean, "\n".join(report.lines())


def test_the_two_d_set_knows_no_depth(store):
    batch = store.batch(rows_of(store, "synth_2d", "train"))
    assert np.isnan(batch.joints3d).all() and not batch.has_camera.any()
    known = ~np.isnan(batch.joints2d[..., 0])
    assert known.mean() > 0.8 and (batch.validity == known).all()
    assert ((batch.joints2d[known] >= -0.5) & (batch.joints2d[known] <= 95.5)).all()
    example = store[rows_of(store, "synth_2d", "train")[0]]
    assert example.camera is None and example.joints3d is None
    assert "points" not in example.extras
    assert "point_names" not in store.manifest["datasets"]["synth_2d"]


def test_training_pictures_are_labelled_in_one_format_and_know_the_others(store):
    formats = [store[rows_of(store, f"synth_{letter}", "train")[0]].skeleton for letter in "abcd"]
    assert len(set(formats)) == 4
    for letter, own in zip("abcd", formats, strict=True):
        example = store[rows_of(store, f"synth_{letter}", "train")[0]]
        for name in formats:
            joints = true_joints(example, name, store=store)
            assert np.isfinite(joints).all()
            if name == own:
                assert np.abs(joints - example.joints3d).max() < 0.01
        # What no format of the store has is not known.
        assert np.isnan(true_joints(example, "bmlmovi_87", store=store)).any()


def test_2d_pictures_have_no_true_joints(store):
    with pytest.raises(UserError, match="labels in .* only"):
        true_joints(store[rows_of(store, "synth_2d", "train")[0]], "smpl_24", store=store)


def test_labels_are_where_the_camera_sees_them(store):
    for group, rows in store.groups.items():
        if group.dataset == "synth_2d":
            continue
        example = store[rows[5]]
        seen = example.extras["seen"]
        pixels = np.round(example.camera.project(example.joints3d)[seen]).astype(int)
        mask = rle.decode(example.mask)
        assert mask[pixels[:, 1], pixels[:, 0]].all()
        assert store.image(rows[5]).shape == (96, 96, 3)


class TestTruth:
    @pytest.mark.parametrize("letter", [*"abcd", "unseen"])
    def test_labels_are_the_truth_in_their_format(self, store, letter):
        rows = rows_of(store, f"synth_{letter}", "test")
        batch = store.batch(rows)
        skeleton = batch.groups[0].skeleton
        truth = true_joints(batch, skeleton, store=store)
        assert truth == pytest.approx(batch.joints3d, abs=1e-2)
        one = store[rows[0]]
        assert true_joints(one, skeleton) == pytest.approx(truth[0])
        assert true_joints([one, store[rows[1]]], skeleton) == pytest.approx(truth[:2])

    @pytest.mark.parametrize(
        "source, target", [("smpl_24", "h36m_17"), ("coco_17", "smpl_24"), ("h36m_17", "coco_17")]
    )
    @pytest.mark.parametrize("letter", [*"abcd", "unseen"])
    def test_formats_lie_to_each_other_as_the_atlas_says(self, store, letter, source, target):
        batch = store.batch(rows_of(store, f"synth_{letter}", "test"))
        given, truth = (true_joints(batch, name, store=store) for name in (source, target))
        found = map_by_atlas(skeleton_defs.get(source), skeleton_defs.get(target))
        error = np.linalg.norm(found.weights @ given - truth, axis=-1)
        assert np.nanmean(error) < 0.8 * np.nanmean(found.expected_error_mm)
        # The formats are not the same: names alone are far off.
        hips = [skeleton_defs.get(name).index("left_hip") for name in (source, target)]
        apart = np.linalg.norm(given[:, hips[0]] - truth[:, hips[1]], axis=-1)
        assert apart.mean() > 1.5 * np.nanmean(error)

    def test_joints_without_a_place_are_missing(self, store):
        example = store[rows_of(store, "synth_a", "test")[0]]
        lacking = next(
            skeleton_defs.get(name) for name in skeleton_defs.list_formats()
            if np.isnan(true_joints(example, name)).any()
        )  # fmt: skip
        joints = true_joints(example, lacking)
        assert joints.shape == (lacking.n_joints, 3)

    def test_a_batch_needs_its_store(self, store):
        with pytest.raises(UserError, match="need the store"):
            true_joints(store.batch([0]), "smpl_24")


class TestSameBytes:
    def test_for_any_number_of_workers(self, tmp_path, monkeypatch):
        monkeypatch.setattr("skelbridge.synth.generating.PER_SHARD", 16)
        options = SynthOptions(domains=1, examples=48, test=16, two_d=0, size=64)
        for workers in (1, 2):
            synthesize(tmp_path / str(workers), options, workers=workers)
        assert contents(tmp_path / "1") == contents(tmp_path / "2")
        assert len(list((tmp_path / "1" / "synth_a").glob("train-0*.h5"))) == 3

    def test_twice(self, made, tmp_path):
        synthesize(tmp_path / "again", SynthOptions(**SMALL))
        assert contents(tmp_path / "again") == contents(made)

    def test_after_an_interruption(self, tmp_path, monkeypatch):
        monkeypatch.setattr("skelbridge.synth.generating.PER_SHARD", 16)
        options = SynthOptions(domains=1, examples=64, test=0, two_d=0, size=48)
        synthesize(tmp_path / "whole", options)
        blocks, calls = shards.PeopleShard.blocks, []

        def stops_in_the_third(self):
            calls.append(self.key)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return blocks(self)

        monkeypatch.setattr(shards.PeopleShard, "blocks", stops_in_the_third)
        with pytest.raises(KeyboardInterrupt):
            synthesize(tmp_path / "halted", options)
        monkeypatch.setattr(shards.PeopleShard, "blocks", blocks)
        (report,) = synthesize(tmp_path / "halted", options)
        assert report.new_shards == 2
        assert contents(tmp_path / "halted") == contents(tmp_path / "whole")
        assert synthesize(tmp_path / "halted", options)[0].was_finished

    def test_another_seed_is_another_store(self, tmp_path, store):
        options = SynthOptions(**{**SMALL, "domains": 1, "examples": 24, "test": 0, "seed": 4})
        synthesize(tmp_path / "other", options)
        rows = rows_of(store, "synth_a", "train")
        assert open_store(tmp_path / "other").image_bytes(0) != store.image_bytes(rows[0])

    def test_other_options_are_refused(self, tmp_path):
        few = {"domains": 1, "examples": 8, "two_d": 0, "test": 0, "size": 32}
        synthesize(tmp_path / "s", SynthOptions(**few))
        with pytest.raises(UserError, match="was prepared with size = 32, not 48"):
            synthesize(tmp_path / "s", SynthOptions(**{**few, "size": 48}))


def test_the_user_s_backgrounds_are_used(tmp_path):
    (tmp_path / "images").mkdir()
    green = np.zeros((50, 50, 3), np.uint8)
    green[..., 1] = 255
    cv2.imwrite(str(tmp_path / "images" / "green.png"), green)
    options = SynthOptions(domains=1, examples=16, two_d=0, test=0, size=64,
                           backgrounds=str(tmp_path / "images"))  # fmt: skip
    synthesize(tmp_path / "s", options)
    store = open_store(tmp_path / "s")
    corners = np.stack([store.image(k)[2, 2] for k in range(16)]).astype(int)
    is_green = (corners[:, 1] > 150) & (corners[:, 0] < 90) & (corners[:, 2] < 90)
    assert is_green.mean() > 0.6


def test_other_formats_may_be_asked_for(tmp_path):
    options = SynthOptions(domains=2, examples=8, two_d=0, test=0, size=32,
                           formats=("berkeley_mhad_43", "coco"))  # fmt: skip
    synthesize(tmp_path / "s", options)
    found = {group.dataset: group.skeleton for group in open_store(tmp_path / "s").groups}
    assert found == {"synth_a": "berkeley_mhad_43", "synth_b": "coco_17"}


@pytest.mark.parametrize(
    "bad, message",
    [
        ({"domains": 0}, "domains must be from 1 to 4. Received 0"),
        ({"domains": 5}, "domains must be from 1 to 4. Received 5"),
        ({"examples": 3}, "examples must be from 4 to"),
        ({"seed": -1}, "seed must be from 0"),
        ({"size": 16}, "size must be from 32 to 1024. Received 16"),
        ({"test": -1}, "test must be from 0"),
        ({"two_d": -5}, "two-d must be from 0"),
        ({"facing": 200.0}, "facing must be from 0 to 180 degrees"),
        ({"facing": float("nan")}, "facing must be from 0 to 180 degrees"),
        ({"formats": ["smpl_24"]}, "formats must name one format per domain (4). Received 1"),
        ({"formats": ["smplx_144"] * 3 + ["smlp_24"]}, "smlp_24"),
    ],
)
def test_bad_options_are_told_in_one_line(bad, message):
    with pytest.raises(UserError) as error:
        SynthOptions(**bad)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_format_that_is_not_on_the_body():
    points = set(default_body().points)
    lacking = next(
        skeleton for skeleton in map(skeleton_defs.get, skeleton_defs.list_formats())
        if not {":".join(skeleton.point_of(joint)) for joint in skeleton.joints} <= points
    )  # fmt: skip
    with pytest.raises(UserError, match=f"{lacking.name} cannot label synthetic people: nobody"):
        SynthOptions(domains=1, formats=[lacking.name])


def test_the_command(tmp_path):
    arguments = [str(tmp_path / "s"), "--domains", "2", "--examples", "16", "--two-d", "8",
                 "--test", "4", "--size", "48", "--formats", "smpl, h36m"]  # fmt: skip
    done = CliRunner().invoke(synth, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert "synth_b       train  h36m_17          8" in done.output
    assert f"36 pictures in {tmp_path / 's'}" in done.output
    again = CliRunner().invoke(synth, arguments, catch_exceptions=False)
    assert "all 36 pictures were there; nothing to do" in again.output
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: cannot be a store's folder"):
        CliRunner().invoke(synth, [str(tmp_path / "file")], catch_exceptions=False)
    with pytest.raises(UserError, match="workers must be at least 1. Received 0"):
        CliRunner().invoke(synth, [*arguments, "--workers", "0"], catch_exceptions=False)
    with pytest.raises(UserError, match="size must be from 32"):
        CliRunner().invoke(synth, [*arguments, "--size", "7"], catch_exceptions=False)
