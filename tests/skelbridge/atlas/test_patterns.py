import numpy as np
import pytest

import skelbridge
import skeleton_defs
from skelbridge import UserError
from skelbridge.atlas import patterns as module
from skelbridge.atlas.by_atlas import AtlasPair
from skelbridge.atlas.converting import AtlasConverter
from skelbridge.atlas.patterns import PatternMaps, convert_with_patterns

WEIGHTS = np.random.default_rng(0).normal(size=(17, 24))


def each(function):
    """Builds the weights of all patterns by a function that builds those of one."""
    return lambda trusts: np.stack([function(trust) for trust in trusts])


def alone(trust):
    """Weights that tell the pattern: rows in proportion to the trust; the third needs joint 0."""
    weights = WEIGHTS * trust
    weights = weights / weights.sum(axis=1, keepdims=True)
    weights[2] = np.nan if trust[0] == 0 else weights[2]
    weights[3] = np.nan
    return weights


build = each(alone)


def poses_with_gaps(shape, *, dtype=np.float64, n_patterns=7, seed=0):
    rng = np.random.default_rng(seed)
    poses = rng.normal(size=(*shape, 24, 3)).astype(dtype)
    masks = rng.random((n_patterns, 24)) < 0.2
    masks[0] = False
    poses[masks[rng.integers(n_patterns, size=shape)]] = np.nan
    return poses


def one_by_one(poses, function=alone):
    """The definition: every pose with a map of its own."""
    flat = poses.reshape(-1, *poses.shape[-2:]).astype(np.float64)
    result = []
    for pose in flat:
        seen = np.isfinite(pose).all(axis=1)
        weights = function(seen.astype(float))
        result.append(weights @ np.where(seen[:, None], pose, 0))
    return np.array(result).reshape(*poses.shape[:-2], -1, poses.shape[-1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("shape", [(), (1,), (400,), (20, 3), (2, 0, 3)])
@pytest.mark.parametrize("dims", [2, 3])
def test_every_pose_has_its_own_map(dtype, shape, dims):
    poses = poses_with_gaps(shape, dtype=dtype)[..., :dims]
    result = convert_with_patterns(poses, build)
    assert result.dtype == dtype
    assert result.shape == (*shape, 17, dims)
    tolerance = {np.float16: 3e-2, np.float32: 2e-5}.get(dtype, 1e-11)
    expected = one_by_one(poses) if result.size else result
    np.testing.assert_allclose(
        result.astype(np.float64), expected.astype(np.float64), atol=tolerance, rtol=tolerance
    )


# Most poses complete, and all incomplete: two ways through.
@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_pieces_and_threads_do_not_matter(monkeypatch, share):
    poses = poses_with_gaps((3000,), n_patterns=40)
    rng = np.random.default_rng(1)
    complete = rng.normal(size=poses.shape)
    poses = np.where((rng.random(3000) < share)[:, None, None], poses, complete)
    maps = PatternMaps(build, 24)
    monkeypatch.setattr(module, "_PIECE_BYTES", 30_000)
    result = maps.apply(poses)
    np.testing.assert_allclose(result, one_by_one(poses), atol=1e-10)
    lacking = ~np.isfinite(poses).all(axis=(1, 2))
    assert (maps.frames, maps.incomplete_frames) == (3000, lacking.sum())
    patterns = np.unique(np.isfinite(poses[lacking][..., 0]), axis=0)
    np.testing.assert_array_equal(maps.incomplete_patterns, patterns)
    assert maps.patterns == len(patterns)
    assert PatternMaps(build, 24).incomplete_patterns.shape == (0, 24)


ODD_VALUES = [np.nan, -np.nan, np.inf, -np.inf, np.copysign(np.nan, -1)]


@pytest.mark.parametrize("value", ODD_VALUES)
@pytest.mark.parametrize("coordinate", [0, 1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_coordinate_that_is_not_finite_makes_the_joint_missing(dtype, coordinate, value):
    poses = poses_with_gaps((300,), dtype=dtype)
    poses[17, 5, coordinate] = value
    poses[18] = np.random.default_rng(0).normal(size=(24, 3))
    poses[18, 0, coordinate] = value
    result = convert_with_patterns(poses, build)
    np.testing.assert_allclose(result, one_by_one(poses), atol=2e-5)
    assert np.isnan(result[18, 2]).all() and not np.isnan(result[18, 4]).any()


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_what_complete_poses_lack_others_may_have(share):
    def odd(trust):
        weights = alone(trust)
        weights[6] = np.nan if trust.all() else weights[6]
        return weights

    rng = np.random.default_rng(9)
    poses = rng.normal(size=(500, 24, 3))
    poses[rng.random(500) < share, 7] = np.nan
    np.testing.assert_allclose(
        convert_with_patterns(poses, each(odd)), one_by_one(poses, odd), atol=1e-10
    )


@pytest.mark.parametrize("value", ODD_VALUES)
def test_no_joint_that_all_patterns_have_shows_what_is_not_finite(value):
    def halves(trust):
        weights = np.stack([trust, trust * np.arange(1, 25)])
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1)
        weights[int(trust[0])] = np.nan
        return weights if trust.any() else np.full((2, 24), np.nan)

    poses = np.random.default_rng(3).normal(size=(400, 24, 3))
    poses[::2, 0], poses[::3, 7, 1], poses[5] = value, value, np.nan
    np.testing.assert_allclose(
        convert_with_patterns(poses, each(halves)), one_by_one(poses, halves), atol=1e-10
    )


@pytest.mark.parametrize("value", ODD_VALUES)
@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_joints_that_the_data_never_has(share, value):
    usual = np.ones(24, bool)
    usual[[4, 5]] = False
    rng = np.random.default_rng(8)
    poses = rng.normal(size=(2000, 24, 3))
    poses[rng.random((2000, 24)) < share * 0.1] = np.nan
    poses[:, ~usual] = value
    poses[3, 4] = 1.0  # once it has one
    maps = PatternMaps(build, 24, usual=usual)
    np.testing.assert_allclose(maps.apply(poses), one_by_one(poses), atol=1e-10)
    complete = (np.isfinite(poses).all(axis=2) == usual).all(axis=1)
    assert maps.incomplete_frames == 2000 - complete.sum() > 0


def test_unused_joints_may_hold_anything():
    def only_first(trust):
        weights = np.zeros((1, 24))
        weights[0, 0] = 1
        return weights if trust[0] else np.full((1, 24), np.nan)

    poses = poses_with_gaps((100,))
    poses[:, 5] = np.random.default_rng(0).choice([np.inf, np.nan, 1e300], (100, 3))
    seen = np.isfinite(poses[:, 0]).all(axis=1)
    result = convert_with_patterns(poses, each(only_first))
    np.testing.assert_array_equal(result[seen, 0], poses[seen, 0])
    assert np.isnan(result[~seen]).all()


def test_huge_coordinates_are_coordinates():
    poses = poses_with_gaps((50,)) * 1e200
    expected = one_by_one(poses / 1e200) * 1e200
    np.testing.assert_allclose(convert_with_patterns(poses, build), expected, rtol=1e-9, atol=1e190)


@pytest.mark.parametrize("count", [63, 64, 65, 133])
def test_more_joints_than_fit_in_one_key(count):
    rng = np.random.default_rng(2)
    poses = rng.normal(size=(200, count, 3))
    poses[rng.random((200, count)) < 0.01] = np.nan

    def uniform(trust):
        return np.stack(
            [trust / trust.sum(), np.arange(count) * trust / (np.arange(count) @ trust)]
        )

    np.testing.assert_allclose(
        convert_with_patterns(poses, each(uniform)), one_by_one(poses, uniform), atol=1e-10
    )


def test_maps_are_built_once_per_pattern_and_kept_as_memory_allows(monkeypatch):
    built = []

    def counting(trust):
        built.append(trust.tobytes())
        return alone(trust)

    poses = poses_with_gaps((500,), n_patterns=30)
    maps = PatternMaps(each(counting), 24)
    first, second = maps.apply(poses), maps.apply(poses[::-1])
    assert len(built) == len(set(built))
    np.testing.assert_allclose(first, second[::-1], atol=1e-12)
    monkeypatch.setattr(module, "_CACHE_BYTES", 100_000)
    small = PatternMaps(each(counting), 24)
    np.testing.assert_allclose(small.apply(poses), first, atol=1e-12)
    assert 1 <= len(small._cache) < 5


def test_confidence_becomes_trust_in_few_levels():
    poses = np.random.default_rng(3).normal(size=(6, 24, 3))
    confidence = np.ones((6, 24))
    confidence[1, 4], confidence[2, 4], confidence[3, 4], confidence[4, 4] = 0.9, 0.5, 0.01, 0
    poses[5, 4] = np.nan
    result = convert_with_patterns(poses, build, confidence=confidence)
    for pose, trust in enumerate([1, 0.5, 0.5, 0.25, 0, 0]):
        levels = np.ones(24)
        levels[4] = trust
        expected = alone(levels) @ np.nan_to_num(poses[pose])
        np.testing.assert_allclose(result[pose], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("confidence", "message"),
    [
        (np.full((2, 24), 1.5), "0..1.*1.5"),
        (np.full((2, 24), -0.5), "0..1"),
        (np.ones((2, 17)), r"shape \(2, 24\)"),
    ],
)
def test_confidences_that_are_none(confidence, message):
    with pytest.raises(UserError, match=message):
        convert_with_patterns(np.zeros((2, 24, 3)), build, confidence=confidence)


def test_wrong_joint_count():
    with pytest.raises(UserError, match=r"\(..., 24, D\)"):
        PatternMaps(build, 24).apply(np.zeros((5, 17, 3)))


def test_carried_confidence_is_that_of_the_joints_that_decide():
    def copies(trust):
        weights = np.full((2, 3), 0.001)
        weights[0] = [0.6, 0.399, 0.001] if trust[0] else np.nan
        weights[1] = [0, 0.05, 0.95] if trust[2] else [0, 1, 0]
        return weights

    confidence = np.array([[0.9, 0.8, 0.1], [0, 0.8, 0.7], [0.9, 0.8, 0]], np.float32)
    result = PatternMaps(each(copies), 3).apply_confidence(confidence)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, [[0.8, 0.1], [0, 0.7], [0.8, 0.8]])
    seen = PatternMaps(each(copies), 3).apply_confidence(np.array([[True, True, False]]))
    np.testing.assert_array_equal(seen, [[True, True]])


def gappy(body, name, rng, count=200):
    poses = body.of(name)[:count].astype(np.float32)
    missing = np.zeros(poses.shape[:2], bool)
    missing[:, 1:4] = rng.random((count, 3)) < 0.3
    poses[missing] = np.nan
    return poses, missing


def test_convert_solves_each_pose_from_what_it_has(atlas_file, shipped, body):
    source, target = skeleton_defs.get("smpl"), skeleton_defs.get("h36m")
    poses, missing = gappy(body, "smpl", np.random.default_rng(4))
    result = skelbridge.convert(poses, "smpl", "h36m")
    assert result.dtype == np.float32
    pair = AtlasPair(source, target, moments=shipped)
    expected = one_by_one(poses, pair.weights)
    np.testing.assert_allclose(result, expected, atol=0.01)
    # By names a missing hip is a missing hip.
    named = skelbridge.convert(poses, "smpl", "h36m", method="names")
    assert np.isnan(named[missing[:, 1], target.index("left_hip")]).all()
    one_missing = missing.sum(axis=1) == 1
    assert one_missing.any() and np.isfinite(result[one_missing]).all()


def test_two_dimensions_use_the_same_weights(atlas_file, body):
    poses, _ = gappy(body, "coco", np.random.default_rng(5))
    both = skelbridge.convert(poses, "coco", "h36m")
    flat = skelbridge.convert(poses[..., :2], "coco", "h36m")
    np.testing.assert_allclose(flat, both[..., :2], atol=1e-3)


def test_weighing_by_confidence_helps_where_it_is_right(atlas_file, body):
    rng = np.random.default_rng(6)
    clean = body.of("coco")
    confidence = np.where(rng.random(clean.shape[:2]) < 0.15, 0.3, 1.0)
    noise = rng.normal(scale=np.where(confidence < 1, 40.0, 5.0)[..., None], size=clean.shape)
    truth = body.of("h36m")

    def error(**options):
        result = skelbridge.convert(clean + noise, "coco", "h36m", **options)
        return np.nanmean(np.linalg.norm(result - truth, axis=-1))

    assert error(confidence=confidence) < 0.95 * error()
    with pytest.raises(UserError, match="with the atlas only"):
        error(confidence=confidence, method="names")


def test_the_data_may_lack_joints_altogether(shipped, body):
    smpl, h36m = skeleton_defs.get("smpl"), skeleton_defs.get("h36m")
    seen = [j for j in smpl.joints if j != "left_hand"]
    pair = AtlasPair(smpl, h36m, moments=shipped)
    converter = AtlasConverter(pair, observed=seen)
    poses = body.of("smpl")[:50].copy()
    poses[:, smpl.joints.index("left_hand")] = np.nan
    expected = converter.affine_map.weights @ np.nan_to_num(poses)
    np.testing.assert_allclose(converter.apply(poses), expected, atol=1e-6)
    assert converter.notes == ()
    poses[:10, 4] = np.nan
    converter.apply(poses)
    assert converter.notes == (
        "10 of 100 poses lack joints, in 1 pattern: each was solved from the joints that it has",
    )
