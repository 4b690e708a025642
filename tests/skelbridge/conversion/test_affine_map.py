import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import skeleton_defs
from skelbridge import AffineMap, UserError, convert
from skelbridge.conversion.apply import apply_weights

SMPL, H36M = skeleton_defs.get("smpl"), skeleton_defs.get("h36m")


def random_map(seed, source=SMPL, target=H36M, unavailable=()):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(len(target), len(source)))
    weights[rng.random(weights.shape) < 0.5] = 0
    weights[:, 0] += 1 - weights.sum(axis=1)
    weights[list(unavailable)] = np.nan
    status = ["unavailable" if i in unavailable else "combined" for i in range(len(target))]
    return AffineMap(weights, source, target, tuple(status), np.full(len(target), 5.0))


def by_einsum(weights, poses):
    """The definition, written down: an independent path to the result."""
    return np.einsum("ts,...sd->...td", weights, poses)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("leading", [(), (1,), (5,), (3, 2), (2, 0, 3)])
@pytest.mark.parametrize("dims", [2, 3])
def test_apply_keeps_dtype_and_leading_axes(dtype, leading, dims):
    affine_map = random_map(0)
    poses = np.random.default_rng(1).normal(size=(*leading, 24, dims)).astype(dtype)
    result = affine_map.apply(poses)
    assert result.dtype == dtype
    assert result.shape == (*leading, 17, dims)
    expected = by_einsum(affine_map.weights, poses.astype(np.float64))
    tolerance = {np.float16: 2e-2, np.float32: 1e-5}.get(dtype, 1e-12)
    np.testing.assert_allclose(result.astype(np.float64), expected, atol=tolerance, rtol=tolerance)


def test_many_poses_go_through_in_pieces():
    weights = random_map(2).weights
    poses = np.random.default_rng(3).normal(size=(50_000, 24, 3)).astype(np.float32)
    expected = by_einsum(weights, poses.astype(np.float64))
    np.testing.assert_allclose(apply_weights(weights, poses), expected, atol=2e-5)
    np.testing.assert_allclose(apply_weights(weights, poses[:, ::1][::2]), expected[::2], atol=2e-5)


@pytest.mark.parametrize("count", [24, 555])
def test_both_product_layouts_agree_with_the_definition(count):
    rng = np.random.default_rng(4)
    weights, poses = rng.normal(size=(40, count)), rng.normal(size=(300, count, 3))
    poses[7, 3, 1] = np.nan
    weights[:20, 3] = 0
    result = apply_weights(weights, poses)
    expected = by_einsum(weights, np.nan_to_num(poses))
    expected[7, 20:, 1] = np.nan
    np.testing.assert_allclose(result, expected, atol=1e-10)


def test_integers_become_float64():
    poses = np.arange(24 * 3).reshape(1, 24, 3)
    result = random_map(0).apply(poses)
    assert result.dtype == np.float64


@pytest.mark.parametrize("dtype", [complex, str, bool, object])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(UserError, match="must be numbers"):
        random_map(0).apply(np.zeros((24, 3)).astype(dtype))


@settings(max_examples=40, deadline=None)
@given(missing=hnp.arrays(bool, (6, 24)), seed=st.integers(0, 99))
def test_nan_spoils_exactly_the_joints_that_need_it(missing, seed):
    affine_map = random_map(seed, unavailable=(4,))
    poses = np.random.default_rng(seed).normal(size=(6, 24, 3))
    complete = affine_map.apply(poses)
    poses[missing] = np.nan
    result = affine_map.apply(poses)
    used = np.nan_to_num(affine_map.weights) != 0
    spoilt = (missing[:, None, :] & used).any(axis=-1)
    spoilt[:, 4] = True
    np.testing.assert_array_equal(np.isnan(result).all(axis=-1), spoilt)
    np.testing.assert_array_equal(np.isnan(result).any(axis=-1), spoilt)
    np.testing.assert_allclose(result[~spoilt], complete[~spoilt], atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99),
    matrix=hnp.arrays(float, (3, 3), elements=st.floats(-3, 3)),
    shift=hnp.arrays(float, 3, elements=st.floats(-1000, 1000)),
)
def test_maps_commute_with_affine_changes_of_coordinates(seed, matrix, shift):
    affine_map = random_map(seed)
    poses = np.random.default_rng(seed).normal(size=(4, 24, 3))
    first = affine_map.apply(poses @ matrix.T + shift)
    last = affine_map.apply(poses) @ matrix.T + shift
    np.testing.assert_allclose(first, last, atol=1e-9 * (1 + np.abs(shift).max()))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99))
def test_compose_is_applying_twice(seed):
    first = random_map(seed, unavailable=(3,))
    second = random_map(seed + 1, H36M, skeleton_defs.get("coco"))
    both = first.compose(second)
    poses = np.random.default_rng(seed).normal(size=(5, 24, 3))
    np.testing.assert_allclose(both.apply(poses), second.apply(first.apply(poses)), atol=1e-9)
    assert (np.isnan(both.weights).all(axis=1) == [s == "unavailable" for s in both.status]).all()


def test_compose_carries_status_and_bounds_the_error():
    there = AffineMap.between("smpl", "h36m", method="names")
    back = AffineMap.between("h36m_17", "h36m_25", method="names")
    both = there.compose(back)
    hip = both.target.index("left_hip")
    assert both.status[hip] == "named"
    assert both.expected_error_mm[hip] == there.expected_error_mm[there.target.index("left_hip")]
    assert both.status[both.target.joints.index("head_top")] == "unavailable"
    copied = AffineMap.between("smpl", "surreal", method="names").compose(
        AffineMap.between("surreal", "3dpw", method="names")
    )
    assert set(copied.status) == {"copied"}
    with pytest.raises(UserError, match="formats meet"):
        there.compose(there)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99))
def test_flip_is_an_involution_and_mirrors_poses(seed):
    affine_map = random_map(seed)
    poses = np.random.default_rng(seed).normal(size=(5, 24, 3))
    mirrored = affine_map.flip().apply(poses[:, list(SMPL.flip)])[:, list(H36M.flip)]
    np.testing.assert_allclose(mirrored, affine_map.apply(poses), atol=1e-12)
    np.testing.assert_array_equal(affine_map.flip().flip().weights, affine_map.weights)


def test_restrict():
    affine_map = AffineMap.between("coco", "openpose", method="names").restrict(
        ["nose", "left_hip"]
    )
    available = [j for j, s in zip(affine_map.target.joints, affine_map.status, strict=True)
                 if s != "unavailable"]  # fmt: skip
    assert available == ["nose", "left_hip"]  # mid_hip needs both hips
    assert np.isnan(affine_map.expected_error_mm[1])


@pytest.mark.parametrize(
    ("weights", "status", "message"),
    [
        (np.full((17, 24), 1 / 24.01), "combined", "must sum to 1"),
        (np.full((17, 24), np.nan), "combined", "NaN altogether"),
        (np.full((17, 24), 1 / 24), "unavailable", "NaN altogether"),
        (np.full((17, 24), 1 / 24), "guessed", "one of copied"),
        (np.full((24, 17), 1 / 17), "combined", r"shape \(17, 24\)"),
    ],
)
def test_broken_maps_are_refused(weights, status, message):
    with pytest.raises(UserError, match=message):
        AffineMap(weights, SMPL, H36M, (status,) * 17, np.zeros(17))


def test_row_sums_within_the_tolerance_are_accepted():
    AffineMap(np.full((17, 24), (1 + 9e-7) / 24), SMPL, H36M, ("combined",) * 17, np.zeros(17))


def test_partial_nan_row_is_refused():
    weights = np.full((17, 24), 1 / 24)
    weights[3, 5] = np.nan
    with pytest.raises(UserError, match="NaN altogether.*1 NaN of 24"):
        AffineMap(weights, SMPL, H36M, ("combined",) * 17, np.zeros(17))


def test_confidence_is_that_of_the_least_sure_joint():
    affine_map = AffineMap.between("coco", "openpose", method="names")
    confidence = np.ones((2, 17), np.float32)
    confidence[0, SMPL.index(0)] = 0.5
    confidence[1, 11], confidence[1, 12] = 0.2, 0.9
    result = affine_map.apply_confidence(confidence)
    assert result.dtype == np.float32
    assert result[1, affine_map.target.index("mid_hip")] == np.float32(0.2)
    assert result[0, affine_map.target.index("nose")] == 0.5
    assert result[0, affine_map.target.index("left_big_toe")] == 0
    visible = affine_map.apply_confidence(np.ones(17, bool))
    assert visible.dtype == bool and not visible[-1]


def test_wrong_joint_count_lists_the_candidates():
    with pytest.raises(UserError, match=r"smpl_24.*\(24 joints\).*17, 3.*coco_17.*h36m_17"):
        convert(np.zeros((5, 17, 3)), "smpl", "h36m")


def test_saved_maps_come_back(tmp_path):
    affine_map = AffineMap.between("smpl", "h36m", method="names")
    affine_map.save(tmp_path / "a.npz")
    loaded = AffineMap.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(loaded.weights, affine_map.weights)
    for error in ("expected_error_mm", "statistical_error_mm", "placement_error_mm"):
        np.testing.assert_array_equal(getattr(loaded, error), getattr(affine_map, error))
    assert loaded.to_dict() == affine_map.to_dict()
    assert loaded.source.to_dict() == SMPL.to_dict()
    again = AffineMap.between("smpl", "h36m", method=tmp_path / "a.npz")
    assert again.source == SMPL
    with pytest.raises(UserError, match="smpl_24 -> h36m_17, not"):
        AffineMap.between("smpl", "coco", method=tmp_path / "a.npz")


def test_damaged_map_files_are_explained(tmp_path):
    path = tmp_path / "m.npz"
    AffineMap.between("coco", "h36m", method="names").save(path)
    whole = path.read_bytes()
    from fuzzing import assert_result_or_user_error, mutations

    for damaged in mutations(whole, 200, seed=5):
        path.write_bytes(damaged)
        assert_result_or_user_error(AffineMap.load, path)
    path.write_bytes(b"not a map")
    with pytest.raises(UserError, match="m.npz: "):
        AffineMap.load(path)
    np.savez(path, header=np.array('{"format": "skelbridge-map", "version": 99}'),
             weights=np.zeros(1), expected_error_mm=np.zeros(1))  # fmt: skip
    with pytest.raises(UserError, match="version 99.*update"):
        AffineMap.load(path)
    with pytest.raises(UserError, match="none.npz"):
        AffineMap.load(tmp_path / "none.npz")
