import gzip
import shutil

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from paired_poses import SOURCE, TARGET, distance, noisy_pairs, random_poses, true_weights

import skelbridge as sb
from skelbridge.fit_files import FitOptions, fit_files
from skelbridge.fit_reading import read_pairs
from skelbridge.posefiles import match_skeleton
from skeleton_defs import UserError

TRUE = true_weights()
NEW = random_poses(500, seed=97)
SOURCE_POSES, TARGET_POSES = noisy_pairs(TRUE, 200, 1)


def options(**changes):
    return FitOptions(**{"source": "smpl", "target": "h36m", "prior": "names", **changes})


def save(folder, name="pairs.npz", **arrays):
    np.savez(folder / name, **arrays)
    return [folder / name]


def off(path):
    """Mean distance from the truth of a saved map on new bodies."""
    return distance(sb.AffineMap.load(path).apply(NEW), TRUE @ NEW)


def test_one_file(tmp_path):
    paths = save(tmp_path, source=SOURCE_POSES, target=TARGET_POSES, units="mm")
    report = fit_files(paths, tmp_path / "map.npz", options())
    assert off(tmp_path / "map.npz") < 4
    loaded = sb.AffineMap.load(tmp_path / "map.npz")
    np.testing.assert_array_equal(loaded.weights, report.fitted.affine_map.weights)
    np.testing.assert_array_equal(loaded.expected_error_mm, report.fitted.held_out_mm)
    assert (loaded.method, loaded.source, loaded.target) == ("fit", SOURCE, TARGET)
    assert report.prior_method == "names"
    assert not any("unit" in note for note in report.notes)
    np.testing.assert_array_equal(
        sb.convert(NEW, "smpl", "h36m", method=tmp_path / "map.npz"), loaded.apply(NEW)
    )


@pytest.mark.parametrize(
    "keys",
    [
        ("smpl", "h36m"),
        ("SMPL", "h36m_17"),
        ("smpl_24", "human36m"),
        ("source", "h36m"),
        ("a", "b"),
    ],
)
def test_arrays_are_found_by_role_or_format(tmp_path, keys):
    arrays = {keys[0]: SOURCE_POSES, keys[1]: TARGET_POSES, "other": np.zeros((200, 24, 3))}
    named = {"source_key": "a", "target_key": "b"} if keys == ("a", "b") else {}
    report = fit_files(save(tmp_path, **arrays), tmp_path / "map.npz", options(**named))
    assert report.fitted.poses_used == 200 and off(tmp_path / "map.npz") < 4


@pytest.mark.parametrize("unit, per_mm", [("m", 0.001), ("cm", 0.1), ("mm", 1)])
@pytest.mark.parametrize("how", ["in the file", "stated", "guessed", "each its own"])
def test_units(tmp_path, unit, per_mm, how):
    said = {"units": unit} if how == "in the file" else {}
    stated = {"units": unit} if how == "stated" else {}
    scale = per_mm
    if how == "each its own":
        stated, scale = {"units": f"{unit}:m"}, 0.001
    paths = save(tmp_path, source=SOURCE_POSES * per_mm, target=TARGET_POSES * scale, **said)
    report = fit_files(paths, tmp_path / "map.npz", options(**stated))
    assert report.fitted.held_out_mm.mean() == pytest.approx(16.5, abs=0.5)
    assert any(f"was taken for {unit}" in n for n in report.notes) == (how == "guessed")


def test_a_unit_that_makes_no_body_is_told(tmp_path):
    paths = save(tmp_path, source=SOURCE_POSES, target=TARGET_POSES, units="mm")
    notes = fit_files(paths, tmp_path / "map.npz", options(units="m")).notes
    assert any("declares mm, --units says m" in n for n in notes)
    assert any("the source bodies measure 1.3" in n and "e+03 m" in n for n in notes)


def test_pixels_are_brought_to_life_size(tmp_path):
    rng = np.random.default_rng(2)
    size = np.exp(rng.normal(size=(200, 1, 1))) / 5  # people near and far
    paths = save(tmp_path, source=SOURCE_POSES[..., :2] * size, target=TARGET_POSES[..., :2] * size)
    report = fit_files(paths, tmp_path / "map.npz", options())
    assert off(tmp_path / "map.npz") < 7
    assert any("2D poses have no scale" in n for n in report.notes)
    assert 8 < report.fitted.held_out_mm.mean() < 20


def test_people_and_groups(tmp_path):
    shape = (100, 2)
    arrays = {
        "source": SOURCE_POSES.reshape(*shape, 24, 3),
        "target": TARGET_POSES.reshape(*shape, 17, 3),
    }
    ids = np.repeat([f"take {i}" for i in range(4)], 25)
    paths = save(tmp_path, **arrays, take=ids)
    report = fit_files(paths, tmp_path / "map.npz", options(groups="take"))
    assert report.fitted.folds == 4 and report.fitted.poses_used == 200
    read = read_pairs(paths, source="smpl", target="h36m", groups="take")
    np.testing.assert_array_equal(read.groups, np.repeat(ids, 2))
    np.testing.assert_array_equal(read.source, SOURCE_POSES)


def test_two_files_matched_by_frame_and_joint_name(tmp_path):
    order = np.random.default_rng(3).permutation(24)
    np.savez(
        tmp_path / "a.npz", positions=SOURCE_POSES[:, order] / 1000, units="m", skeleton="smpl_24",
        joint_names=np.array(SOURCE.joints)[order], take=np.arange(200) // 20,
    )  # fmt: skip
    poses = sb.PoseData(TARGET_POSES, joint_names=TARGET.joints, units="mm", skeleton="h36m_17")
    sb.write_poses(tmp_path / "b.json", poses)
    paths = [tmp_path / "a.npz", tmp_path / "b.json"]
    stated = FitOptions(prior="names", groups="take")
    report = fit_files(paths, tmp_path / "map.npz", stated)
    assert off(tmp_path / "map.npz") < 4 and report.fitted.folds == 10
    assert report.summary().startswith(f"{paths[0]} + {paths[1]} -> ")


def test_a_file_that_lacks_joints(tmp_path):
    seen = [i for i, j in enumerate(SOURCE.joints) if j not in ("left_hand", "right_hand")]
    np.savez(
        tmp_path / "a.npz", positions=SOURCE_POSES[:, seen], skeleton="smpl_24",
        joint_names=np.array(SOURCE.joints)[seen],
    )  # fmt: skip
    np.save(tmp_path / "b.npy", TARGET_POSES)
    stated = options(source=None)
    fit_files([tmp_path / "a.npz", tmp_path / "b.npy"], tmp_path / "map.npz", stated)
    weights = sb.AffineMap.load(tmp_path / "map.npz").weights
    assert (weights[:, [22, 23]] == 0).all() and np.isfinite(weights).all()


def test_upward_axes_that_files_declare_are_brought_together(tmp_path):
    turned = TARGET_POSES @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # y up to z up
    np.savez(tmp_path / "a.npz", positions=SOURCE_POSES, up="y")
    np.savez(tmp_path / "b.npz", positions=turned, up="z")
    report = fit_files([tmp_path / "a.npz", tmp_path / "b.npz"], tmp_path / "m.npz", options())
    assert off(tmp_path / "m.npz") < 4
    assert any("turned from z up to the source's y up" in n for n in report.notes)


def test_align_mean(tmp_path):
    paths = save(tmp_path, source=SOURCE_POSES, target=TARGET_POSES - TARGET_POSES[:, :1])
    with pytest.raises(UserError, match="--align mean"):
        fit_files(paths, tmp_path / "map.npz", options())
    report = fit_files(paths, tmp_path / "map.npz", options(align="mean"))
    # What is left is how far the prior's mean joint is off.
    names = sb.AffineMap.between(SOURCE, TARGET, method="names").apply(NEW)
    shift = np.nanmean(names - TRUE @ NEW, axis=1)
    assert off(tmp_path / "map.npz") < np.linalg.norm(shift, axis=-1).mean() + 4
    assert any("not of the place as a whole" in n for n in report.notes)


def test_long_files_are_thinned(tmp_path, monkeypatch):
    monkeypatch.setattr("skelbridge.fit_reading._MAX_NUMBERS", 200 * 41 * 3 // 3)
    paths = save(tmp_path, source=SOURCE_POSES, target=TARGET_POSES, g=np.arange(200) // 50)
    read = read_pairs(paths, source="smpl", target="h36m", groups="g")
    np.testing.assert_array_equal(read.source, SOURCE_POSES[::3])
    np.testing.assert_array_equal(read.target, TARGET_POSES[::3])
    np.testing.assert_array_equal(read.groups, (np.arange(200) // 50)[::3])
    assert any("one frame in 3 was used" in n for n in read.notes)


def test_large_files_are_read_in_slices(tmp_path):
    # Above 64 MB positions stay on disk; three slices of 16 MB and a bit are read here.
    frames = 64_000_000 // (24 * 3 * 4) + 12_345
    source = np.zeros((frames, 24, 3), np.float32)
    source[:] = SOURCE_POSES[np.arange(frames) % 200]
    np.save(tmp_path / "a.npy", source)
    np.save(tmp_path / "b.npy", np.zeros((frames, 17, 3), np.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skelbridge.fit_reading._MAX_NUMBERS", frames * 41 * 3 // 700)
        read = read_pairs([tmp_path / "a.npy", tmp_path / "b.npy"], source="smpl", target="h36m")
    np.testing.assert_array_equal(read.source, source[:: 701 if frames * 123 % 700 else 700])


def test_report(tmp_path):
    target = TARGET_POSES.copy()
    target[5] += 700 * np.random.default_rng(4).normal(size=(17, 3))
    target[:, TARGET.joints.index("head_top")] = np.nan
    paths = save(tmp_path, source=SOURCE_POSES, target=target)
    report = fit_files(paths, tmp_path / "map.npz", options())
    assert "199 of 200 poses (1 outliers dropped), held-out error 16." in report.summary()
    assert (
        "(prior 58.0 mm)" in report.summary() and "16 combined, 1 unavailable" in report.summary()
    )
    lines = report.table().splitlines()
    assert len(lines) == 18 and len({len(line) for line in lines}) == 1
    knee = next(line for line in lines if line.startswith("left_knee")).split()
    row = TARGET.joints.index("left_knee")
    assert knee == [
        "left_knee", "combined", f"{report.fitted.held_out_mm[row]:.1f}",
        f"{report.fitted.held_out_p95_mm[row]:.1f}", f"{report.fitted.prior_mm[row]:.1f}", "199",
    ]  # fmt: skip
    shown = report.to_dict()
    assert (shown["poses_given"], shown["poses_used"], shown["poses_dropped"]) == (200, 199, 1)
    assert shown["from"] == "smpl_24" and shown["method"] == "fit" and shown["prior"] == "names"
    joints = {joint["joint"]: joint for joint in shown["joints"]}
    assert joints["left_knee"]["held_out_mm"] == pytest.approx(report.fitted.held_out_mm[row])
    assert joints["head_top"]["held_out_mm"] is None and joints["head_top"]["poses"] == 0
    assert shown["held_out_mm"] < shown["prior_mm"]


def wrong(**changes):
    return {"source": SOURCE_POSES, "target": TARGET_POSES, **changes}


@pytest.mark.parametrize(
    "arrays, stated, fragment",
    [
        (wrong(source=SOURCE_POSES[:5], target=TARGET_POSES[:5]), {}, "at least 10.*found 5"),
        (wrong(target=TARGET_POSES[:-1]), {}, r"same frames.*\(200, 24, 3\) and \(199, 17, 3\)"),
        (wrong(target=TARGET_POSES[..., :2]), {}, "both be 2D or both be 3D"),
        (wrong(source=SOURCE_POSES * np.nan), {}, "source poses, found none: every coordinate"),
        (wrong(target=TARGET_POSES * np.nan), {}, "target poses, found none: every coordinate"),
        (wrong(source=SOURCE_POSES[:, :23]), {}, "'source': joint count must match skeleton"),
        (wrong(target=np.array(["a", "b"])), {}, "key 'target': expected real numbers"),
        (wrong(target=np.zeros(3)), {}, r"key 'target': .*found shape \(3,\)"),
        ({"a": SOURCE_POSES}, {}, "source poses under key 'source' or 'smpl_24', found 'a'"),
        ({"source": SOURCE_POSES}, {}, "target poses under key 'target' or 'h36m_17'"),
        (wrong(), {"source_key": "nope"}, "there is no key 'nope'; it holds 'source'"),
        (wrong(), {"source_key": "target"}, "both key 'target'"),
        (wrong(), {"groups": "nope"}, "there is no key 'nope'"),
        (wrong(g=np.arange(7)), {"groups": "g"}, r"one number or text per frame \(200\)"),
        (wrong(), {"units": "ft"}, "--units must be one of"),
        (wrong(), {"units": "m:m:m"}, "--units must be one of"),
        (wrong(), {"noise_mm": -1}, "--noise-mm must be"),
        (wrong(), {"l1": np.nan}, "--l1 must be"),
        (wrong(), {"align": "root"}, "--align must be"),
        (wrong(), {"prior": "nope"}, "--prior must be .*'nope'"),
        (wrong(), {"source": None}, "need --from and --to"),
        (wrong(), {"source": "smple"}, "smple"),
        (wrong(target=TARGET_POSES / 1000), {}, "pairs.npz: source and target .* in the same unit"),
    ],
)
def test_errors(tmp_path, arrays, stated, fragment):
    paths = save(tmp_path, **arrays)
    (tmp_path / "map.npz").write_bytes(b"as it was")
    with pytest.raises(UserError, match=fragment) as caught:
        fit_files(paths, tmp_path / "map.npz", options(**stated))
    assert "\n" not in str(caught.value)
    assert (tmp_path / "map.npz").read_bytes() == b"as it was"
    assert {p.name for p in tmp_path.iterdir()} == {"pairs.npz", "map.npz"}


@pytest.mark.parametrize(
    "output, fragment",
    [
        ("map.json", "must end in .npz"),
        ("no/folder/map.npz", "no such folder"),
        ("pairs.npz", "must not be the input"),
        ("folder.npz", "a folder of that name"),
    ],
)
def test_outputs_that_cannot_be(tmp_path, output, fragment):
    (tmp_path / "folder.npz").mkdir()
    paths = save(tmp_path, source=SOURCE_POSES, target=TARGET_POSES)
    before = paths[0].read_bytes()
    with pytest.raises(UserError, match=fragment):
        fit_files(paths, tmp_path / output, options())
    assert paths[0].read_bytes() == before


@pytest.mark.parametrize(
    "names, fragment",
    [
        (["missing.npz"], "missing.npz: no such file"),
        (["poses.npy"], "one file must be an .npz file"),
        (["text.npz"], "expected an .npz file"),
        (["poses.npy", "missing.npy"], "missing.npy: no such file"),
        (["poses.npy"] * 3, "one file of pairs or two files. Received 3"),
        ([], "one file of pairs or two files. Received 0"),
    ],
)
def test_inputs_that_cannot_be(tmp_path, names, fragment):
    np.save(tmp_path / "poses.npy", SOURCE_POSES)
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(UserError, match=fragment):
        fit_files([tmp_path / n for n in names], tmp_path / "map.npz", options())


def test_damaged_pairs_end_in_one_line(tmp_path):
    (path,) = save(tmp_path, source=SOURCE_POSES[:12], target=TARGET_POSES[:12], take=np.arange(12))
    good = path.read_bytes()
    stated = options(groups="take", noise_mm=2.0)
    assert fit_files([path], tmp_path / "map.npz", stated).fitted.poses_used == 12
    for damaged in mutations(good, 120, seed=5):
        path.write_bytes(damaged)
        assert_result_or_user_error(fit_files, [path], tmp_path / "map.npz", stated)


def test_strange_numbers_end_in_a_map_or_one_line(tmp_path):
    rng = np.random.default_rng(6)
    strange = np.array([np.nan, np.inf, -np.inf, 1e308, -1e200, 1e13, 0.0, 1e-300])
    for trial in range(40):
        arrays = [p[:30].copy() for p in (SOURCE_POSES, TARGET_POSES)]
        for array in arrays:
            hit = rng.random(array.shape) < rng.choice([0, 0.001, 0.05, 0.7])
            array[hit] = rng.choice(strange, hit.sum())
            if trial % 7 == 3:
                array[:] = array[0]
            if trial % 11 == 5:
                array[:, 1:] = array[:, :1]
        paths = save(tmp_path, source=arrays[0], target=arrays[1])
        stated = options(align=["none", "mean"][trial % 2], l1=60.0 * (trial % 3 == 0))
        assert_result_or_user_error(fit_files, paths, tmp_path / "map.npz", stated)


def test_four_real_frames_are_too_few(samples, tmp_path):
    folder = samples / "mmpose_tests" / "h36m"
    paths = [folder / "test_h36m.npz", folder / "test_h36m_body3d.npz"]
    with pytest.raises(UserError, match="at least 10 paired poses to learn from, found 4"):
        fit_files(paths, tmp_path / "map.npz", options())
    assert not (tmp_path / "map.npz").exists()


def test_the_same_take_as_amc_and_bvh(samples, tmp_path):
    # Both hold the take exactly, but the BVH skeleton lacks the bone between `Spine1` and `Neck`:
    # what the formats define as the same points is 117 mm lower there. The fit finds out.
    folder = samples / "cmu_bvh_amc_pair"
    amc = sb.read_poses(folder / "01_01.amc.gz", asf=folder / "01.asf")
    bvh = sb.read_poses(folder / "01_01.bvh.gz")
    source = match_skeleton(amc, "cmu_asf_31").arrange(amc.positions)
    target = match_skeleton(bvh, "cmu_bvh_38").arrange(bvh.positions) * (25.4 / 0.45)
    stated = options(source="cmu_asf_31", target="cmu_bvh_38", noise_mm=0.0)
    with pytest.raises(UserError, match="same frames"):
        fit_files(save(tmp_path, source=source, target=target), tmp_path / "m.npz", stated)
    with gzip.open(folder / "01_01.bvh.gz") as packed, open(tmp_path / "a.bvh", "wb") as plain:
        shutil.copyfileobj(packed, plain)
    with pytest.raises(UserError, match="2751.*and.*2752"):
        fit_files([folder / "01_01.amc.gz", tmp_path / "a.bvh"], tmp_path / "m.npz", stated)
    report = fit_files(
        save(tmp_path, source=source, target=target[1:], units="mm"), tmp_path / "m.npz", stated
    )
    statuses = report.fitted.affine_map.status_counts
    assert statuses == {"copied": 16, "named": 0, "combined": 22, "unavailable": 0}
    assert report.fitted.held_out_mm.max() < 0.01
    assert any("Neck (117 mm)" in note for note in report.notes)
    assert report.fitted.poses_dropped == 0


def test_the_atlas_is_a_prior_for_joints_that_it_hardly_knows(tmp_path):
    assert "left_foot" in sb.AffineMap.between("coco", "smpl").unavailable
    seen = sb.AffineMap.between("smpl", "coco", max_error_mm=1000).apply(SOURCE_POSES[:30])
    paths = save(tmp_path, source=seen, target=SOURCE_POSES[:30], units="mm")
    fitted = fit_files(
        paths, tmp_path / "map.npz", options(source="coco", target="smpl", prior="auto")
    ).fitted
    assert np.isfinite(fitted.prior_mm).all()
    # Its noise is that of the fit, if the atlas can have it.
    for noise_mm in (0.0, 1e5):
        changed = options(source="coco", target="smpl", prior="auto", noise_mm=noise_mm)
        again = fit_files(paths, tmp_path / "map.npz", changed).fitted
        assert np.nanmax(np.abs(again.prior_mm - fitted.prior_mm)) > 1


def test_a_map_of_few_pairs_knows_missing_joints_from_the_atlas(tmp_path):
    paths = save(tmp_path, source=SOURCE_POSES[:12], target=TARGET_POSES[:12], units="mm")
    errors = {}
    for prior in ("auto", "names"):
        report = fit_files(paths, tmp_path / f"{prior}.npz", options(prior=prior))
        errors[prior] = report.to_dict()["missing_source_joint_mm"]
        assert list(errors[prior]) == list(SOURCE.joints) and min(errors[prior].values()) > 1
    assert errors["auto"] != errors["names"]


def test_a_saved_map_converts_poses_with_gaps(tmp_path):
    paths = save(tmp_path, source=SOURCE_POSES, target=TARGET_POSES, units="mm")
    fit_files(paths, tmp_path / "map.npz", options())
    poses = NEW.copy()
    poses[np.random.default_rng(5).random(NEW.shape[:2]) < 0.05] = np.nan
    assert np.isnan(poses).any(axis=(1, 2)).mean() > 0.5
    found = sb.convert(poses, "smpl", "h36m", method=tmp_path / "map.npz")
    assert np.isfinite(found).mean() > 0.8
    assert distance(found, TRUE @ NEW) < 15
