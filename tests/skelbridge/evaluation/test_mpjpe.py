import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from skelbridge.evaluation import (
    absolute_errors,
    absolute_mpjpe,
    mean_aligned,
    mean_aligned_errors,
    mean_aligned_mpjpe,
    mpjpe,
    mpjve,
    n_mpjpe,
    pmpjpe,
    procrustes_errors,
    root_aligned,
    root_aligned_errors,
    scale_aligned,
    scale_aligned_errors,
)
from skeleton_defs import UserError

seeds = st.integers(0, 2**32 - 1)


def random_poses(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape) * 300


def noisy_pair(seed, noise, joints=17):
    true = random_poses([seed, 0], joints, 3)
    return true + noise / 300 * random_poses([seed, 1], joints, 3), true


def videopose_poses():
    """The poses of reference/videopose3d.md, section 10: T = 4, 17 joints."""
    t, j, c = np.meshgrid(np.arange(4), np.arange(17), np.arange(3), indexing="ij")
    true = np.sin(0.3 * t + (0.7 + 0.4 * c) * j + 1.1 * c)
    return true + 0.05 * np.cos(0.5 * t + 0.9 * j + 1.7 * c), true


def test_the_numbers_of_videopose3d():
    predicted, true = videopose_poses()
    assert mpjpe(predicted, true, root=None) == pytest.approx(0.060733210, abs=5e-10)
    assert pmpjpe(predicted, true) == pytest.approx(0.055417852, abs=5e-10)
    assert n_mpjpe(predicted, true, root=None) == pytest.approx(0.060669014, abs=5e-10)
    assert mpjve(predicted, true) == pytest.approx(0.030201595, abs=5e-10)
    assert pmpjpe(true * [-1, 1, 1], true) == pytest.approx(1.031648629, abs=5e-10)
    assert pmpjpe(2.5 * true[..., [1, 2, 0]] + 3, true) == pytest.approx(0, abs=1e-12)


def test_numbers_by_hand():
    true = np.array([[0.0, 0, 0], [100, 0, 0], [0, 100, 0], [0, 0, 100]])
    predicted = np.add(true, [10, 0, 0])
    predicted[3] += [0, 30, 40]
    # Distances: 10, 10, 10 and |(10, 30, 40)|.
    assert absolute_mpjpe(predicted, true) == pytest.approx((30 + np.sqrt(2600)) / 4)
    # The root's offset is (10, 0, 0) in all: what is left is |(0, 30, 40)| of one joint.
    assert mpjpe(predicted, true, root=0) == pytest.approx(50 / 4)
    # At joint 3 all others are off by 50.
    assert mpjpe(predicted, true, root=3) == pytest.approx(150 / 4)
    # At the mean of joints 0 and 3: half of (0, 30, 40) in all four.
    assert mpjpe(predicted, true, root=(0, 3)) == pytest.approx(25)
    # The mean moves by a quarter of (0, 30, 40).
    assert mean_aligned_mpjpe(predicted, true) == pytest.approx((3 * 12.5 + 37.5) / 4)
    assert mpjpe(predicted, true, root=None) == absolute_mpjpe(predicted, true)


def test_scale_by_hand():
    true = np.array([[5.0, 5], [7, 5], [5, 9]])
    predicted = np.array([[0.0, 0], [1, 0], [0, 1]])
    # About the root: <(2, 0), (1, 0)> + <(0, 4), (0, 1)> = 6 over 2: scale 3, both joints off by 1.
    np.testing.assert_allclose(scale_aligned(predicted, true, root=0), [[5, 5], [8, 5], [5, 8]])
    assert n_mpjpe(predicted, true, root=0) == pytest.approx(2 / 3)
    collapsed = np.zeros((3, 2))
    np.testing.assert_array_equal(scale_aligned(collapsed, true, root=0), [[5, 5]] * 3)


def test_aligned_poses_are_whole_poses():
    """What does not count moves along; what cannot be aligned is NaN."""
    true, predicted = random_poses(15, 2, 5, 3), random_poses(16, 2, 5, 3)
    true[0, 4] = np.nan
    true[1] = np.nan
    aligned = {
        "root": root_aligned(predicted, true, root=0),
        "mean": mean_aligned(predicted, true),
        "scale": scale_aligned(predicted, true, root=0),
    }
    for poses in aligned.values():
        assert np.isfinite(poses[0]).all() and np.isnan(poses[1]).all()
    np.testing.assert_allclose(aligned["root"][0, 0], true[0, 0])
    np.testing.assert_allclose(aligned["scale"][0, 0], true[0, 0])
    np.testing.assert_allclose(aligned["mean"][0, :4].mean(axis=0), true[0, :4].mean(axis=0))
    for name in ("root", "mean"):
        moved = aligned[name][0] - predicted[0]
        np.testing.assert_allclose(moved, np.tile(moved[:1], (5, 1)))


def test_velocity_by_hand():
    true = np.zeros((4, 2, 3))
    predicted = np.zeros((4, 2, 3))
    predicted[:, 0, 0] = [100, 103, 103, 99]
    np.testing.assert_allclose(
        mpjve(predicted, true, axis=()), [[3, 0], [0, 0], [4, 0]], atol=1e-12
    )
    assert mpjve(predicted, true) == pytest.approx(7 / 6)
    true[1, 0] = np.nan
    assert mpjve(predicted, true) == pytest.approx(4 / 4)
    mask = np.ones((4, 2), bool)
    mask[3] = False
    assert np.isnan(mpjve(predicted, true, mask=mask, axis=-2)[0])
    with pytest.raises(UserError, match="MPJVE must have poses of shape"):
        mpjve(predicted[0], true[0])


ALIGNED_METRICS = [
    lambda p, t, **o: mpjpe(p, t, root=3, **o),
    lambda p, t, **o: mpjpe(p, t, root=(1, 3), **o),
    lambda p, t, **o: n_mpjpe(p, t, root=3, **o),
    mean_aligned_mpjpe,
    absolute_mpjpe,
    pmpjpe,
]


@pytest.mark.parametrize("metric", ALIGNED_METRICS)
def test_axes_are_those_of_a_numpy_mean(metric):
    predicted, true = random_poses(1, 4, 5, 9, 3), random_poses(2, 4, 5, 9, 3)
    errors = metric(predicted, true, axis=())
    assert errors.shape == (4, 5, 9)
    for axis in (None, -1, 0, (0, 1), (0, 1, 2)):
        np.testing.assert_allclose(metric(predicted, true, axis=axis), errors.mean(axis=axis))
    one = [[metric(predicted[i, k], true[i, k], axis=()) for k in range(5)] for i in range(4)]
    np.testing.assert_allclose(errors, one, rtol=1e-9)


@pytest.mark.parametrize("metric", ALIGNED_METRICS)
def test_masked_joints_are_as_if_deleted(metric):
    """Taken out by the mask, by NaN in the truth, by NaN in the prediction."""
    predicted, true = random_poses(3, 20, 9, 3), random_poses(4, 20, 9, 3)
    kept = [0, 1, 2, 3, 5]
    mask = np.isin(np.arange(9), kept)
    expected = metric(predicted[:, kept], true[:, kept], axis=-1)
    np.testing.assert_allclose(metric(predicted, true, mask=mask, axis=-1), expected)
    spoilt = np.where(mask[:, None], true, 1e9)
    np.testing.assert_allclose(metric(predicted, spoilt, mask=mask, axis=-1), expected)
    spoilt = np.where(mask[:, None], true, np.inf)
    np.testing.assert_allclose(metric(predicted, spoilt, mask=mask, axis=-1), expected)
    gaps = np.where(mask[:, None], true, np.nan)
    np.testing.assert_allclose(metric(predicted, gaps, axis=-1), expected)
    gaps = predicted.copy()
    gaps[:, ~mask, 1] = np.nan
    np.testing.assert_allclose(metric(gaps, true, axis=-1), expected)


@pytest.mark.parametrize("metric", ALIGNED_METRICS)
def test_nothing_to_measure_is_nan_without_a_warning(metric):
    nothing = np.full((3, 9, 3), np.nan)
    pose = random_poses(5, 3, 9, 3)
    for predicted, true in ((nothing, pose), (pose, nothing), (nothing, nothing)):
        assert np.isnan(metric(predicted, true))
        assert np.isnan(metric(predicted, true, axis=-1)).tolist() == [True] * 3
    assert np.isnan(metric(pose, pose, mask=np.zeros(9, bool)))
    assert np.isnan(metric(pose[:0], pose[:0]))
    assert metric(pose[:0], pose[:0], axis=-1).shape == (0,)
    half = pose.copy()
    half[1] = np.nan
    assert np.isnan(metric(half, pose, axis=-1)).tolist() == [False, True, False]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int32, np.int64])
@pytest.mark.parametrize("metric", ALIGNED_METRICS)
def test_every_dtype_is_measured_in_double_precision(metric, dtype):
    predicted, true = (random_poses(s, 5, 9, 3).astype(dtype) for s in (6, 7))
    result = metric(predicted, true)
    assert result.dtype == np.float64
    assert result == pytest.approx(metric(predicted.astype(float), true.astype(float)), rel=1e-12)


def test_a_pose_without_a_root_does_not_count():
    predicted, true = random_poses(8, 4, 6, 3), random_poses(9, 4, 6, 3)
    true[1, 2] = np.nan
    predicted[2, 2] = np.nan
    mask = np.ones((4, 6), bool)
    mask[3, 2] = False
    for metric in (mpjpe, n_mpjpe):
        per_pose = metric(predicted, true, root=2, mask=mask, axis=-1)
        assert np.isnan(per_pose).tolist() == [False, True, True, True]
        per_pose = metric(predicted, true, root=(1, 2), mask=mask, axis=-1)
        assert np.isnan(per_pose).tolist() == [False, True, True, True]


@pytest.mark.parametrize("root", [17, -18, (0, 17), (), "pelvis", 0.5, (0, None), [[0, 1]]])
def test_roots_must_be_joints(root):
    pose = np.zeros((17, 3))
    for metric in (mpjpe, n_mpjpe):
        with pytest.raises(UserError, match="root must be one or several of the 17 joints"):
            metric(pose, pose, root=root)
    assert mpjpe(pose + 3, pose, root=-1) == 0


def test_wrong_poses_are_told():
    pose = np.zeros((2, 17, 3))
    with pytest.raises(UserError, match=r"predicted and true poses must have one shape.*\(17, 3\)"):
        mpjpe(pose, pose[0], root=0)
    infinite = pose.copy()
    infinite[1, 5, 2] = np.inf
    with pytest.raises(UserError, match="predicted must be finite.*infinity in joint 5"):
        pmpjpe(infinite, pose)
    with pytest.raises(UserError, match="true must be finite"):
        absolute_mpjpe(pose, -infinite)
    # Beyond what squares can hold: infinitely wrong, but no warning.
    assert absolute_mpjpe(pose + 1e200, pose) == np.inf


@pytest.mark.parametrize(
    "errors",
    [
        absolute_errors,
        mean_aligned_errors,
        procrustes_errors,
        lambda p, t, **o: root_aligned_errors(p, t, root=0, **o),
        lambda p, t, **o: scale_aligned_errors(p, t, root=0, **o),
    ],
)
def test_unpredicted_joints_can_be_wrong(errors):
    predicted, true = random_poses(10, 3, 6, 3), random_poses(11, 3, 6, 3)
    predicted[0, 4] = np.nan
    predicted[1] = np.nan
    true[2, 5] = predicted[2, 5] = np.nan
    mask = np.ones((3, 6), bool)
    mask[1, 1] = False
    left_out = errors(predicted, true, mask=mask)
    wrong = errors(predicted, true, mask=mask, unpredicted=np.inf)
    is_wrong = np.zeros((3, 6), bool)
    is_wrong[0, 4] = True
    is_wrong[1] = mask[1]
    np.testing.assert_array_equal(np.isinf(wrong), is_wrong)
    np.testing.assert_array_equal(np.where(is_wrong, np.nan, wrong), left_out)


def test_a_pose_without_a_predicted_root_can_be_wrong():
    predicted, true = random_poses(12, 2, 6, 3), random_poses(13, 2, 6, 3)
    predicted[0, 0] = np.nan
    true[1, 0] = np.nan
    errors = root_aligned_errors(predicted, true, root=0, unpredicted=np.inf)
    assert np.isinf(errors[0]).all()
    assert np.isnan(errors[1]).all()


@settings(max_examples=60, deadline=None)
@given(seed=seeds, noise=st.floats(0, 500), scale=st.floats(0.01, 100))
def test_pmpjpe_does_not_see_a_similarity_of_the_prediction(seed, noise, scale):
    predicted, true = noisy_pair(seed, noise)
    turn = Rotation.random(random_state=seed).as_matrix()
    moved = scale * predicted @ turn.T + random_poses([seed, 2], 3) * 10
    assert pmpjpe(moved, true) == pytest.approx(pmpjpe(predicted, true), abs=1e-6)
    assert pmpjpe(true @ turn.T * scale, true) == pytest.approx(0, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, noise=st.floats(0, 500), scale=st.floats(0.01, 100))
def test_pmpjpe_grows_with_the_truth(seed, noise, scale):
    predicted, true = noisy_pair(seed, noise)
    turn = Rotation.random(random_state=seed).as_matrix()
    moved = scale * true @ turn.T + 1000
    expected = scale * pmpjpe(predicted, true)
    assert pmpjpe(predicted, moved) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(seed=seeds, noise=st.floats(0, 2000), root=st.integers(0, 16))
def test_procrustes_leaves_the_least_square_error(seed, noise, root):
    """In the root mean square, which it minimises; not in the mean distance, see below."""
    predicted, true = noisy_pair(seed, noise)

    def square(errors):
        return (errors**2).sum()

    best = square(procrustes_errors(predicted, true)) * (1 - 1e-9) - 1e-9
    assert best <= square(root_aligned_errors(predicted, true, root=root))
    assert best <= square(mean_aligned_errors(predicted, true))
    assert best <= square(absolute_errors(predicted, true))
    scaled = scale_aligned_errors(predicted, true, root=root)
    offsets = [pose - pose[root] for pose in (predicted, true)]
    # A negative scale mirrors the pose, which Procrustes may not.
    assume((offsets[0] * offsets[1]).sum() >= 0)
    assert best <= square(scaled)


def test_pmpjpe_can_be_above_mpjpe():
    """One joint off: least squares moves all others to meet it, the root stays where it was."""
    true = random_poses(14, 17, 3)
    predicted = true.copy()
    predicted[9] += [0, 0, 170]
    assert mpjpe(predicted, true, root=0) == pytest.approx(10)
    assert pmpjpe(predicted, true) > 12
    assert (procrustes_errors(predicted, true) ** 2).sum() < 170**2


@settings(max_examples=60, deadline=None)
@given(seed=seeds, axis=st.integers(0, 2))
def test_a_mirror_is_not_undone(seed, axis):
    true = random_poses([seed, 3], 17, 3)
    mirrored = true.copy()
    mirrored[:, axis] *= -1
    centred = true - true.mean(axis=0)
    # A solid pose: the error of its mirror image is at least what its flattest direction holds.
    flattest = np.linalg.svd(centred, compute_uv=False)[-1]
    rms = np.sqrt((procrustes_errors(mirrored, true) ** 2).mean())
    assert rms >= flattest / np.sqrt(17) * 0.999
    assert pmpjpe(mirrored, true) > 1
    # Of a flat pose the mirror image is a rotation.
    flat = true * [1, 1, 0]
    assert pmpjpe(flat * [-1, 1, 1], flat) == pytest.approx(0, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, noise=st.floats(0, 500), scale=st.floats(0.01, 100), root=st.integers(0, 16))
def test_alignments_undo_what_they_forgive(seed, noise, scale, root):
    predicted, true = noisy_pair(seed, noise)
    offset = random_poses([seed, 4], 3) * 10
    assert mpjpe(predicted + offset, true, root=root) == pytest.approx(
        mpjpe(predicted, true, root=root), abs=1e-6
    )
    assert mean_aligned_mpjpe(predicted + offset, true) == pytest.approx(
        mean_aligned_mpjpe(predicted, true), abs=1e-6
    )
    assert n_mpjpe(predicted * scale + offset, true, root=root) == pytest.approx(
        n_mpjpe(predicted, true, root=root), abs=1e-6
    )
    assert absolute_mpjpe(true + offset, true) == pytest.approx(np.linalg.norm(offset))
