import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from paired_poses import SOURCE, TARGET, distance, noisy_pairs, random_poses, true_weights

import skelbridge
from skelbridge.conversion import AffineMap
from skelbridge.conversion.fitting import fit_affine_map
from skelbridge.conversion.gaps import SourceMoments
from skelbridge.conversion.map_with_gaps import MapWithGaps
from skeleton_defs import UserError

TRUE = true_weights()
NEW = random_poses(1500, seed=77)
WRIST, HAND = SOURCE.joints.index("left_wrist"), SOURCE.joints.index("left_hand")


@pytest.fixture(scope="module")
def fitted():
    return fit_affine_map(*noisy_pairs(TRUE, 800, 41), SOURCE, TARGET).affine_map


def gappy(rng, share=0.1, dtype=np.float64):
    poses = NEW.astype(dtype)
    poses[rng.random(NEW.shape[:2]) < share] = np.nan
    return poses


def others(*missing):
    return [name for name in SOURCE.joints if name not in missing]


def test_poses_without_gaps_are_as_ever(fitted):
    plain = AffineMap(fitted.weights, SOURCE, TARGET, fitted.status, fitted.expected_error_mm)
    np.testing.assert_allclose(fitted.apply(NEW), plain.apply(NEW), atol=1e-9)
    single = NEW.astype(np.float32)
    assert fitted.apply(single).dtype == np.float32
    np.testing.assert_allclose(fitted.apply(single), plain.apply(single), atol=1e-2)
    assert fitted.gap_notes == ()
    assert fitted.apply(NEW[0]).shape == (17, 3)
    assert fitted.apply(np.zeros((2, 0, 24, 3), int)).shape == (2, 0, 17, 3)
    with pytest.raises(UserError, match="joint count"):
        fitted.apply(NEW[:, :5])


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-9), (np.float32, 1e-2)])
def test_every_pose_is_as_by_the_map_restricted_to_its_joints(fitted, dtype, tolerance):
    poses = gappy(np.random.default_rng(0), dtype=dtype)[:60]
    result = fitted.apply(poses)
    assert result.dtype == dtype
    for pose, found in zip(poses, result, strict=True):
        seen = [n for n, there in zip(SOURCE.joints, np.isfinite(pose[:, 0]), strict=True) if there]
        one = fitted.restrict(seen)
        expected = AffineMap(one.weights, SOURCE, TARGET, one.status, one.expected_error_mm)
        np.testing.assert_allclose(found, expected.apply(pose), atol=tolerance)


def test_gaps_cost_what_is_stated_and_no_more_than_they_must(fitted):
    rng = np.random.default_rng(1)
    poses, truth = gappy(rng), TRUE @ NEW
    result = fitted.apply(poses)
    assert np.isfinite(result).mean() > 0.6
    real, stated = [], []
    for joint, name in enumerate(SOURCE.joints):
        one = fitted.restrict(others(name))
        lost = NEW.copy()
        lost[:, joint] = np.nan
        error = np.linalg.norm(fitted.apply(lost) - truth, axis=-1).mean(axis=0)
        assert (np.isnan(error) == [s == "unavailable" for s in one.status]).all()
        assert (one.expected_error_mm >= fitted.expected_error_mm)[~np.isnan(error)].all()
        changed = one.expected_error_mm > fitted.expected_error_mm + 10
        real += error[changed].tolist()
        stated += one.expected_error_mm[changed].tolist()
    assert len(real) > 5
    # What is stated is of targets with 10 mm of noise per axis, as in the pairs.
    exact = np.sqrt(np.square(stated) - np.square(16))
    np.testing.assert_allclose(np.mean(real), exact.mean(), rtol=0.15)
    assert (np.array(real) < 1.5 * exact).all() and (np.array(real) > exact / 1.5).all()


def test_joints_that_need_too_much_are_nan():
    weights = np.zeros((17, 24))
    weights[:, HAND] = 1
    weights[3, [WRIST, HAND]] = 0.5
    weights[4, [WRIST, HAND]] = 1, 0
    weights[5] = np.nan
    rows = (NEW - NEW.mean(axis=1, keepdims=True)).swapaxes(1, 2).reshape(-1, 24)
    moments = SourceMoments(np.arange(24), rows.T @ rows / len(rows), 4.0, 2.0, 3)
    status = ["combined"] * 17
    status[5] = "unavailable"
    error = np.full(17, 10.0)
    error[[5, 6, 7]] = np.nan, 300.0, np.nan
    of = MapWithGaps.of(AffineMap(weights, SOURCE, TARGET, tuple(status), error), moments)
    added = moments.missing_error_mm()[HAND]
    assert 60 < added < 200
    one = of.restrict(others("left_hand"))
    # 6 is bad enough without gaps; 4 needs no hand; 3 needs half of it.
    available = [3, 4, 6] if np.hypot(10, added / 2) < 60 else [4, 6]
    assert [i for i in range(17) if one.status[i] != "unavailable"] == available
    assert one.status[4] == "combined" and one.expected_error_mm[4] == 10
    assert one.expected_error_mm[6] == pytest.approx(np.hypot(300, added))
    poses = NEW.copy()
    poses[::2, HAND, 1] = np.nan
    result = of.apply(poses)
    assert np.isnan(result[::2][:, [0, 5, 7]]).all() and np.isfinite(result[::2][:, [4, 6]]).all()
    assert np.isfinite(result[1::2][:, [0, 7]]).all()
    (note,) = of.gap_notes
    assert note.startswith("750 of 1500 poses lack joints, in 1 pattern: each")
    assert note.endswith("; joints that would be too far off are NaN")
    nothing = of.restrict([])
    assert set(nothing.status) == {"unavailable"}
    assert np.isnan(of.apply(np.full((3, 24, 3), np.nan))).all()


def test_copies_of_joints_that_the_moments_do_not_know():
    used = np.array([j for j in range(24) if j != HAND])
    rows = (NEW - NEW.mean(axis=1, keepdims=True)).swapaxes(1, 2).reshape(-1, 24)[:, used]
    moments = SourceMoments(used, rows.T @ rows / len(rows), 4.0, 1.0, 3)
    weights = np.zeros((17, 24))
    weights[:, WRIST] = 1
    weights[2, [WRIST, HAND]] = 0, 1
    of = MapWithGaps.of(AffineMap(weights, SOURCE, TARGET, ("copied",) * 17, np.zeros(17)), moments)
    poses = NEW[:3].copy()
    poses[0, HAND], poses[1, WRIST] = np.nan, np.nan
    result = of.apply(poses)
    assert np.isnan(result[0, 2]).all() and np.isfinite(result[[1, 2], 2]).all()
    np.testing.assert_array_equal(result[0, 3], poses[0, WRIST])
    np.testing.assert_array_equal(result[1, 2], poses[1, HAND])
    assert of.restrict(others("left_hand")).status[2] == "unavailable"


def test_restricting(fitted):
    one = fitted.restrict(others("left_hand", "right_hand"))
    assert isinstance(one, MapWithGaps) and one.complete is fitted
    assert (one.weights[:, [HAND, SOURCE.joints.index("right_hand")]] == 0).all()
    assert "adds" in one.notes[0] and one.notes[0].startswith(fitted.notes[0])
    # Poses may lack more, and the joints that are left out are not looked at.
    poses = gappy(np.random.default_rng(2), 0.05)[:50]
    hands = [HAND, SOURCE.joints.index("right_hand")]
    poses[:, hands] = 1e6
    hidden = poses.copy()
    hidden[:, hands] = np.nan
    np.testing.assert_allclose(one.apply(hidden), fitted.apply(hidden), atol=1e-9)
    again = one.restrict(others("left_wrist"))
    both = fitted.restrict(others("left_wrist", "left_hand", "right_hand"))
    np.testing.assert_array_equal(again.weights, both.weights)
    np.testing.assert_array_equal(fitted.restrict(SOURCE.joints).weights, fitted.weights)
    assert fitted.restrict(SOURCE.joints).notes == fitted.notes
    assert fitted.restrict([0, "left_hip"]).expected_error_mm.shape == (17,)
    with pytest.raises(UserError, match="unknown|no joint"):
        fitted.restrict(["no_such_joint"])


def test_mirroring_and_composing_are_of_poses_without_gaps(fitted):
    flipped = fitted.flip()
    assert type(flipped) is AffineMap
    np.testing.assert_allclose(flipped.weights, fitted.weights, atol=1e-9)
    both = fitted.compose(AffineMap.between("h36m", "coco", method="names"))
    assert type(both) is AffineMap and both.source is SOURCE


def test_confidence_is_that_of_the_joints_that_decide(fitted):
    confidence = np.full((4, 24), 0.9, np.float32)
    confidence[1, WRIST] = 0
    confidence[2] = 0
    carried = fitted.apply_confidence(confidence)
    assert carried.dtype == np.float32
    np.testing.assert_allclose(carried[[0, 3]], 0.9)
    np.testing.assert_allclose(carried[1][carried[1] > 0], 0.9)
    assert (carried[1] > 0).sum() >= 15 and (carried[2] == 0).all()
    with pytest.raises(UserError, match="confidence must have shape"):
        fitted.apply_confidence(confidence[:, :3])


def test_convert_uses_it(fitted, tmp_path):
    fitted.save(tmp_path / "map.npz")
    poses = gappy(np.random.default_rng(3))
    found = skelbridge.convert(poses, "smpl", "h36m", method=tmp_path / "map.npz")
    truth = TRUE @ NEW
    there = np.isfinite(found)
    assert there.mean() > 0.6 and (there == np.isfinite(fitted.apply(poses))).all()
    assert distance(np.where(there, found, np.nan), truth) < 25
    between = AffineMap.between(
        "smpl", "h36m", method=tmp_path / "map.npz", observed=others("left_hand")
    )
    expected = fitted.restrict(others("left_hand"))
    np.testing.assert_allclose(between.weights, expected.weights, atol=1e-12)
    np.testing.assert_allclose(between.expected_error_mm, expected.expected_error_mm)


def test_saving_and_loading(fitted, tmp_path):
    fitted.restrict(others("left_hand")).save(tmp_path / "map.npz")
    loaded = AffineMap.load(tmp_path / "map.npz")
    assert (tmp_path / "map.npz").stat().st_size < 12_000
    # A file holds the map for all joints.
    np.testing.assert_array_equal(loaded.weights, fitted.weights)
    assert (loaded.status, loaded.notes, loaded.method) == (fitted.status, fitted.notes, "fit")
    assert loaded.observed is None and loaded.complete is loaded
    assert loaded.moments.noise_mm == fitted.moments.noise_mm and loaded.moments.dims == 3
    poses = gappy(np.random.default_rng(4))[:100]
    np.testing.assert_allclose(loaded.apply(poses), fitted.apply(poses), atol=1e-9)


def test_maps_of_version_1_are_as_they_were(fitted, tmp_path):
    plain = AffineMap(
        fitted.weights, SOURCE, TARGET, fitted.status, fitted.expected_error_mm, method="fit"
    )
    plain.save(tmp_path / "old.npz")
    with np.load(tmp_path / "old.npz") as arrays:
        assert '"version": 1' in str(arrays["header"]) and "gap_moment" not in arrays
    old = AffineMap.load(tmp_path / "old.npz")
    assert type(old) is AffineMap
    assert all("fit it again" in note for note in old.notes)
    old.save(tmp_path / "old.npz")
    assert AffineMap.load(tmp_path / "old.npz").notes == old.notes
    poses = NEW[:2].copy()
    poses[0, HAND] = np.nan
    assert np.isnan(old.apply(poses)[0]).all() and np.isfinite(old.apply(poses)[1]).all()
    AffineMap.between("smpl", "h36m", method="names").save(tmp_path / "names.npz")
    assert not any("fit it again" in n for n in AffineMap.load(tmp_path / "names.npz").notes)


def rewritten(path, new, **changes):
    """The archive with other arrays; None leaves one out."""
    with np.load(path) as archive:
        arrays = {**archive, **changes}
    np.savez(new, **{key: value for key, value in arrays.items() if value is not None})
    return new


@pytest.mark.parametrize(
    "changes, fragment",
    [
        ({"gap_moment": None}, "damaged"),
        ({"gap_joints": None}, "damaged"),
        ({"gap_moment": np.ones((3, 3))}, r"24 joints.*a triangle.*shape \(3, 3\)"),
        ({"gap_moment": np.ones(299)}, r"a triangle.*shape \(299,\)"),
        ({"gap_moment": np.full(300, np.nan)}, "numbers up to"),
        ({"gap_moment": -np.ones(300)}, "positive"),
        ({"gap_moment": np.array(["x"] * 300)}, "real numbers"),
        ({"gap_moment": np.float64(3)}, "a triangle"),
        ({"gap_joints": np.arange(1, 25)}, "joints 0 to 23. Found joints 1 to 24"),
        ({"gap_joints": np.arange(-1, 23)}, "joints 0 to 23. Found joints -1 to 22"),
        ({"gap_joints": np.arange(24)[::-1]}, "ascending"),
        ({"gap_joints": np.array(["a"] * 24)}, "ascending"),
        ({"gap_joints": np.arange(100_000)}, "at most 24 joints"),
    ],
)
def test_files_that_hold_no_such_moments(fitted, tmp_path, changes, fragment):
    fitted.save(tmp_path / "map.npz")
    path = rewritten(tmp_path / "map.npz", tmp_path / "bad.npz", **changes)
    with pytest.raises(UserError, match=fragment) as caught:
        AffineMap.load(path)
    assert "bad.npz" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "old, new, fragment",
    [
        ('"noise_mm": 4.0', '"noise_mm": -4.0', "noise"),
        ('"noise_mm": 4.0', '"noise_mm": NaN', "noise"),
        ('"noise_mm": 4.0', '"noise_mm": [4]', "noise"),
        (', "dims": 3}}', ', "dims": 7}}', "dimensions"),
        ('"gaps": {', '"gap": {', "damaged"),
        ('"gaps": {', '"gaps": 3, "x": {', "damaged"),
        ('"version": 2', '"version": 3', "version 3.*up to 2: update"),
    ],
)
def test_headers_that_say_otherwise(fitted, tmp_path, old, new, fragment):
    fitted.save(tmp_path / "map.npz")
    with np.load(tmp_path / "map.npz") as archive:
        header = str(archive["header"])
    assert old in header
    changed = np.array(header.replace(old, new))
    path = rewritten(tmp_path / "map.npz", tmp_path / "bad.npz", header=changed)
    with pytest.raises(UserError, match=fragment):
        AffineMap.load(path)


def test_damaged_files(fitted, tmp_path):
    fitted.save(tmp_path / "map.npz")
    data, path = (tmp_path / "map.npz").read_bytes(), tmp_path / "bad.npz"
    for changed in mutations(data, count=150, seed=5):
        path.write_bytes(changed)
        assert_result_or_user_error(lambda p: AffineMap.load(p).apply(NEW[:2]), path)
