import numpy as np
import pytest
from paired_poses import (
    SOURCE,
    TARGET,
    as_map,
    distance,
    noisy_pairs,
    random_poses,
    symmetric,
    true_weights,
)

import skeleton_defs
from skelbridge.conversion import AffineMap
from skelbridge.conversion.fitting import fit_affine_map
from skeleton_defs import Skeleton, UserError

TRUE = true_weights()
NAMES = AffineMap.between(SOURCE, TARGET, method="names")
NEW = random_poses(2000, seed=99)


def fit(source, target, **options):
    return fit_affine_map(source, target, SOURCE, TARGET, **{"prior": NAMES, **options})


def off(fitted):
    """Mean distance from the truth on new bodies."""
    return distance(fitted.affine_map.apply(NEW), TRUE @ NEW)


def perturbed(scale, seed=3):
    noise = np.random.default_rng(seed).normal(size=TRUE.shape) * scale
    return as_map(symmetric(TRUE + noise - noise.mean(axis=1, keepdims=True)))


def test_recovers_a_known_map_from_noisy_pairs():
    fitted = fit(*noisy_pairs(TRUE, 2000, 1))
    assert distance(NAMES.apply(NEW), TRUE @ NEW) > 40
    assert off(fitted) < 4
    # 2 mm of noise in the source are all that limits it, where no more is allowed for.
    assert off(fit(*noisy_pairs(TRUE, 2000, 1), noise_mm=0)) < 1.5
    exact = fit(*noisy_pairs(TRUE, 200, 1, source_mm=0, target_mm=0), noise_mm=0)
    np.testing.assert_allclose(exact.affine_map.weights, TRUE, atol=1e-6)
    assert exact.affine_map.method == "fit"
    assert set(exact.affine_map.status) == {"combined"}


def test_twenty_poses_with_a_good_prior_beat_twenty_without():
    pairs = noisy_pairs(TRUE, 20, 20)
    good, without = off(fit(*pairs, prior=perturbed(0.01))), off(fit(*pairs, prior=None))
    assert good < 5 < 6 < without
    assert good < distance(perturbed(0.01).apply(NEW), TRUE @ NEW) / 3
    # A useless prior costs little even then.
    assert off(fit(*pairs, prior=perturbed(0.5))) < 1.1 * without


def test_twenty_thousand_poses_forget_a_wrong_prior():
    pairs = noisy_pairs(TRUE, 20_000, 5)
    fitted = fit(*pairs, prior=perturbed(0.5))
    without = fit(*pairs, prior=None)
    assert distance(fitted.affine_map.apply(NEW), without.affine_map.apply(NEW)) < 0.05
    assert fitted.prior_mm.min() > 100 and np.nanmax(fitted.prior_ridge_mm) <= 1
    assert np.isnan(without.prior_ridge_mm).all() and np.isnan(without.prior_mm).all()


def test_exactly_symmetric_even_from_one_sided_data():
    source, target = noisy_pairs(TRUE, 60, 7)
    target[:, TARGET.joints.index("left_knee")] += [40, 10, 0]
    fitted = fit(source, target).affine_map
    assert np.abs(fitted.flip().weights - fitted.weights).max() <= 1e-10
    np.testing.assert_array_equal(fitted.flip().expected_error_mm, fitted.expected_error_mm)
    sparse = fit(source, target, l1=60.0).affine_map
    assert np.abs(sparse.flip().weights - sparse.weights).max() <= 1e-10


def test_commutes_with_mirroring_and_turning_the_data():
    source, target = noisy_pairs(TRUE, 50, 8)
    mirrored = [p[:, list(s.flip)] * [-1, 1, 1] for p, s in ((source, SOURCE), (target, TARGET))]
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    first = fit(source, target).affine_map.weights
    np.testing.assert_allclose(fit(*mirrored).affine_map.weights, first, atol=1e-10)
    moved = fit(source @ turn + 500, target @ turn + 500).affine_map.weights
    np.testing.assert_allclose(moved, first, atol=1e-7)


@pytest.mark.parametrize("kind", ["target", "one source joint", "swapped sides", "other frames"])
def test_five_percent_of_gross_outliers_are_dropped(kind):
    source, target = noisy_pairs(TRUE, 1000, 11)
    clean = fit(source, target)
    rng = np.random.default_rng(1)
    bad = rng.random(1000) < 0.05
    if kind == "target":
        target[bad] += rng.normal(size=target[bad].shape) * 400
    elif kind == "one source joint":
        source[bad, SOURCE.joints.index("left_hip")] += rng.normal(size=(bad.sum(), 3)) * 1000
    elif kind == "swapped sides":
        target[bad] = target[bad][:, list(TARGET.flip)]
    else:
        target[bad] = np.roll(target, 300, axis=0)[bad]
    fitted = fit(source, target)
    assert clean.poses_dropped == 0
    assert 0.8 * bad.sum() <= fitted.poses_dropped <= bad.sum()
    assert fitted.poses_used == 1000 - fitted.poses_dropped
    assert off(fitted) < 1.15 * off(clean)
    assert fitted.held_out_mm.mean() < 1.1 * clean.held_out_mm.mean()


def test_pairs_that_mostly_do_not_fit_are_told():
    source, target = noisy_pairs(TRUE, 200, 12)
    target[:80] = target[:80][:, list(TARGET.flip)]
    fitted = fit(source, target)
    assert fitted.poses_dropped <= 50
    assert any("same people and moments" in note for note in fitted.notes)


@pytest.mark.parametrize("count", [50, 400])
@pytest.mark.parametrize("options", [{}, {"noise_mm": 2.0}, {"l1": 60.0}, {"prior": None}])
def test_held_out_error_is_that_on_new_bodies(count, options):
    fitted = fit(*noisy_pairs(TRUE, count, 13), **options)
    source, target = noisy_pairs(TRUE, 2000, 14)
    found = np.linalg.norm(fitted.affine_map.apply(source) - target, axis=-1)
    assert fitted.held_out_mm.mean() == pytest.approx(found.mean(), rel=0.1)
    np.testing.assert_allclose(fitted.held_out_mm, found.mean(axis=0), rtol=0.2)
    np.testing.assert_allclose(fitted.held_out_p95_mm, np.percentile(found, 95, axis=0), rtol=0.2)
    np.testing.assert_array_equal(fitted.affine_map.expected_error_mm, fitted.held_out_mm)


def test_error_of_copies_of_one_pose_is_not_underestimated():
    # A slow film: 20 poses, each 30 times with a little noise. Random folds would have every held
    # out pose among the others.
    rng = np.random.default_rng(15)
    source, target = (np.repeat(p, 30, axis=0) for p in noisy_pairs(TRUE, 20, 15))
    source = source + rng.normal(size=source.shape) * 0.5
    truth = noisy_pairs(TRUE, 2000, 16)
    for groups in (None, np.repeat(np.arange(20), 30)):
        fitted = fit(source, target, groups=groups, prior=None)
        found = distance(fitted.affine_map.apply(truth[0]), truth[1])
        assert fitted.held_out_mm.mean() == pytest.approx(found, rel=0.2)
    shuffled = rng.permutation(600)
    hopeful = fit(source[shuffled], target[shuffled], prior=None)
    assert hopeful.held_out_mm.mean() < 0.9 * found  # what blocks and groups are for
    groups = np.repeat([f"take {i}" for i in range(20)], 30)[shuffled]
    grouped = fit(source[shuffled], target[shuffled], groups=groups, prior=None)
    assert grouped.held_out_mm.mean() == pytest.approx(found, rel=0.2)


def test_prior_error_is_measured_beside():
    source, target = noisy_pairs(TRUE, 300, 17)
    fitted = fit(source, target)
    found = np.linalg.norm(NAMES.apply(source) - target, axis=-1).mean(axis=0)
    found = (found + found[list(TARGET.flip)]) / 2
    np.testing.assert_allclose(fitted.prior_mm, found, rtol=1e-9)
    assert np.isnan(fitted.prior_mm[TARGET.joints.index("head_top")])  # names have none


def test_missing_target_joints():
    source, target = noisy_pairs(TRUE, 400, 18)
    rng = np.random.default_rng(0)
    target[rng.random((400, 17)) < 0.3] = np.nan
    left, right, spine = (TARGET.joints.index(j) for j in ("left_knee", "right_knee", "spine"))
    target[:, [left, spine]] = np.nan
    fitted = fit(source, target)
    assert fitted.affine_map.status[spine] == "unavailable"
    assert np.isnan(fitted.held_out_mm[spine]) and fitted.poses[spine] == 0
    # The mirror image of the right knee is a left knee.
    assert fitted.affine_map.status[left] == "combined" and fitted.poses[left] == 0
    assert fitted.poses[right] == np.isfinite(target[:, right, 0]).sum()
    assert off(fitted) < 4.5
    target[5:14, spine] = (TRUE @ source)[5:14, spine]
    assert fit(source, target).affine_map.status[spine] == "unavailable"  # nine are too few
    target[14, spine] = (TRUE @ source)[14, spine]
    assert fit(source, target).affine_map.status[spine] == "combined"


def test_missing_target_joints_equal_fitting_each_joint_alone():
    source, target = noisy_pairs(TRUE, 300, 19)
    lost = np.random.default_rng(1).random((300, 17)) < 0.4
    gappy = np.where(lost[..., None], np.nan, target)
    together = fit(source, gappy, prior=None, noise_mm=3.0).affine_map.weights
    pelvis = TARGET.joints.index("pelvis")
    rows = ~lost[:, pelvis]
    # Ridge regression of differences to the first joint, mirrored poses included, by hand.
    flip = list(SOURCE.flip)
    both = np.concatenate([source[rows], source[rows][:, flip] * [-1, 1, 1]])
    truth = np.concatenate([target[rows, pelvis], target[rows, pelvis] * [-1, 1, 1]])
    x = (both[:, 1:] - both[:, :1]).swapaxes(1, 2).reshape(-1, 23)
    y = (truth - both[:, 0]).reshape(-1)
    # |w|^2 with w_0 = 1 - sum of the others
    penalty = len(x) * 3.0**2
    weights = np.linalg.solve(
        x.T @ x + penalty * (np.eye(23) + np.ones((23, 23))), x.T @ y + penalty * np.ones(23)
    )
    # The ridge towards uniform weights is chosen from a grid that holds 0.
    fitted = fit(source, gappy, prior=None, noise_mm=3.0)
    np.testing.assert_allclose(together[pelvis, 1:], weights, atol=0.02)
    assert fitted.affine_map.weights[pelvis].sum() == pytest.approx(1, abs=1e-12)


def test_missing_source_joints():
    source, target = noisy_pairs(TRUE, 2000, 21)
    whole = fit(source, target)
    rng = np.random.default_rng(2)
    gappy = source.copy()
    gappy[rng.random((2000, 24)) < 0.1] = np.nan
    fitted = fit(gappy, target)
    assert np.isfinite(gappy).all(axis=(1, 2)).sum() < 250
    assert off(fitted) < 4
    # Errors are those of poses that the map can be applied to.
    assert fitted.held_out_mm.mean() == pytest.approx(whole.held_out_mm.mean(), rel=0.05)
    assert fitted.poses_used == 2000
    assert any("lack a source joint" in note for note in fitted.notes)
    single = gappy.copy()
    single[..., 1:][np.isnan(single[..., 1:])] = 0  # x alone is NaN: the joint is missing
    np.testing.assert_array_equal(fit(single, target).affine_map.weights, fitted.affine_map.weights)


def test_source_joints_that_are_mostly_missing_are_not_used():
    source, target = noisy_pairs(TRUE, 200, 22)
    hand = SOURCE.joints.index("left_hand")
    source[:120, hand] = np.nan
    fitted = fit(source, target)
    assert (fitted.affine_map.weights[:, [hand, SOURCE.flip[hand]]] == 0).all()
    assert any("left_hand (in 40%)" in note for note in fitted.notes)
    assert np.isfinite(fitted.affine_map.apply(source)).all()
    # Never there at all is the same.
    source[:, hand] = np.nan
    assert np.isfinite(fit(source, target).affine_map.apply(source)).all()


def test_rows_copied_by_construction_stay_unless_data_contradict_them():
    surreal = skeleton_defs.get("surreal_24")
    prior = AffineMap.between(SOURCE, surreal, method="names")
    assert set(prior.status) == {"copied"}
    source = random_poses(100, 23)
    target = prior.apply(source) + np.random.default_rng(0).normal(size=(100, 24, 3))
    wrong = surreal.joints.index("head")
    target[:, wrong] += 0.5 * (target[:, wrong] - target[:, surreal.joints.index("neck")])
    fitted = fit_affine_map(source, target, SOURCE, surreal, prior=prior)
    kept = [i for i in range(24) if i != wrong]
    np.testing.assert_array_equal(fitted.affine_map.weights[kept], prior.weights[kept])
    assert {fitted.affine_map.status[i] for i in kept} == {"copied"}
    assert fitted.affine_map.status[wrong] == "combined"
    assert fitted.held_out_mm[wrong] < 8 < 30 < fitted.prior_mm[wrong]
    assert any("by definition the same points" in n and "head" in n for n in fitted.notes)
    # 1 mm per axis is 1.6 mm in the mean.
    assert fitted.held_out_mm[kept].mean() == pytest.approx(1.6, abs=0.05)
    target[:, 3] = np.nan
    again = fit_affine_map(source, target, SOURCE, surreal, prior=prior).affine_map
    assert again.status[3] == "copied" and "not measured" in again.notes[3]


def test_sparse_weights_cost_little():
    pairs = noisy_pairs(TRUE, 500, 24)
    dense, sparse = fit(*pairs), fit(*pairs, l1=60.0)
    used = (sparse.affine_map.weights != 0).sum(axis=1)
    assert (dense.affine_map.weights != 0).sum() == 17 * 24
    assert used.mean() < 16
    assert (fit(*pairs, l1=600.0).affine_map.weights != 0).sum() < used.sum()
    assert off(sparse) < off(dense) + 1
    np.testing.assert_allclose(sparse.affine_map.weights.sum(axis=1), 1, atol=1e-12)


def test_the_same_pose_over_and_over():
    source, target = noisy_pairs(TRUE, 1, 25, source_mm=0, target_mm=0)
    source, target = (np.repeat(p, 30, axis=0) for p in (source, target))
    fitted = fit(source, target)
    assert any("the same pose" in note for note in fitted.notes)
    assert np.isfinite(fitted.affine_map.weights).all()
    # Nothing contradicts a prior that is right.
    kept = fit(source, target, prior=as_map(TRUE), noise_mm=0)
    assert off(kept) < 1e-6


def test_two_dimensions():
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    source, target = ((p @ turn)[..., :2] for p in noisy_pairs(TRUE, 500, 26))
    fitted = fit(source, target)
    assert off(fitted) < 4.5


def test_formats_of_one_side_have_no_symmetry_to_keep():
    arm = SOURCE.select(["left_shoulder", "left_elbow", "left_wrist", "left_hand", "left_collar"])
    assert arm.flip is None
    poses = random_poses(100, 27)[:, [SOURCE.joints.index(j) for j in arm.joints]]
    point = Skeleton(name="point", joints=("p",))
    target = 1.5 * poses[:, :1] - 0.5 * poses[:, 1:2]
    fitted = fit_affine_map(poses, target, arm, point, noise_mm=0)
    np.testing.assert_allclose(fitted.affine_map.weights[0], [1.5, -0.5, 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize("groups, folds", [(2, 2), (3, 3), (25, 10), (1, 10)])
def test_groups_are_held_out_whole(groups, folds):
    source, target = noisy_pairs(TRUE, 100, 28)
    fitted = fit(source, target, groups=np.arange(100) % groups)
    assert fitted.folds == folds
    assert off(fitted) < 7


def test_large_formats_are_held_out_in_fewer_parts(monkeypatch):
    monkeypatch.setattr("skelbridge.conversion.fit_pairs._LARGE_FORMAT", 24)
    fitted = fit(*noisy_pairs(TRUE, 100, 29))
    assert fitted.folds == 5 and off(fitted) < 5


def wrong(**changes):
    source, target = noisy_pairs(TRUE, 20, 30)
    return {"source_poses": source, "target_poses": target, **changes}


@pytest.mark.parametrize(
    "arguments, fragment",
    [
        (wrong(source_poses=np.zeros((20, 23, 3))), r"source poses must have shape \(N, 24"),
        (wrong(target_poses=np.zeros((20, 17, 4))), r"target poses must have shape \(N, 17"),
        (wrong(target_poses=np.zeros((21, 17, 3))), "same number of poses.* 20 and 21"),
        (wrong(target_poses=np.zeros((20, 17, 2))), "both 2D or 3D. Received 3 and 2"),
        (wrong(source_poses=np.full((20, 24, 3), np.nan)), "nearly all NaN"),
        (wrong(target_poses=np.full((20, 17, 3), np.nan)), "at least 10 paired poses.*found 0"),
        (wrong(target_poses=np.full((20, 17, 3), 1e300)), "at least 10 paired poses.*found 0"),
        (wrong(source_poses=np.zeros((20, 24, 3), str)), "must be real numbers"),
        (wrong(groups=np.zeros(19)), "one id per pose"),
        (wrong(noise_mm=-1.0), "--noise-mm"),
        (wrong(noise_mm=np.nan), "--noise-mm"),
        (wrong(l1=np.inf), "--l1"),
        (wrong(prior=AffineMap.between("smpl", "coco", method="names")), "prior must convert"),
    ],
)
def test_errors(arguments, fragment):
    with pytest.raises(UserError, match=fragment):
        fit(arguments.pop("source_poses"), arguments.pop("target_poses"), **arguments)


def test_too_few_poses_are_counted():
    source, target = noisy_pairs(TRUE, 12, 31)
    target[:3] = np.nan
    with pytest.raises(UserError, match=r"at least 10 paired poses to learn from, found 9 \(of 12"):
        fit(source, target)
    target[2] = (TRUE @ source)[2]
    assert fit(source, target).poses_used == 10


@pytest.fixture(scope="module")
def markers(samples):
    """28 markers and the 20 joints that their owners average from them, of four takes."""
    loadmat = pytest.importorskip("scipy.io").loadmat
    held = loadmat(samples / "mocaptoolbox_demo" / "mcdemodata.mat", simplify_cells=True)
    names = [str(n) for n in held["dance1"]["markerName"]]
    joints = [str(n) for n in held["m2jpar"]["markerName"]]
    weights = np.zeros((20, 28))
    for row, numbers in zip(weights, held["m2jpar"]["markerNum"], strict=True):
        np.add.at(row, np.atleast_1d(numbers).astype(int) - 1, 1)
    weights /= weights.sum(axis=1, keepdims=True)

    def other_marker(name):
        body, _, side = name.partition("_")
        return f"{body}_{side.translate(str.maketrans('LR', 'RL'))}" if side else name

    def other_joint(name):
        return name if name == "root" or name[0] not in "lr" else "lr"[name[0] == "l"] + name[1:]

    formats = [
        Skeleton(name=name, joints=tuple(j), flip=tuple(j.index(other(n)) for n in j))
        for name, j, other in (("markers", names, other_marker), ("joints", joints, other_joint))
    ]
    takes = [held[k]["data"].reshape(-1, 28, 3) for k in ("dance1", "dance2", "walk1", "walk2")]
    return takes, weights, formats


def test_finds_the_averages_of_a_marker_set(markers):
    takes, weights, formats = markers
    source = np.concatenate(takes)
    target = np.einsum("tj,njd->ntd", weights, source)
    assert np.isnan(source).any()  # walk1 has gaps
    fitted = fit_affine_map(source, target, *formats, noise_mm=0)
    np.testing.assert_allclose(fitted.affine_map.weights, weights, atol=1e-8)
    assert fitted.poses_dropped == 0 and fitted.held_out_mm.max() < 1e-6
    groups = np.repeat(np.arange(4), [len(t) for t in takes])
    noisy = fit_affine_map(source, target, *formats, noise_mm=1.0, groups=groups)
    assert noisy.held_out_mm.mean() < 0.5
    # From thirty frames of one dancer to all takes.
    few = fit_affine_map(source[:1500:50], target[:1500:50], *formats, noise_mm=1.0)
    assert distance(few.affine_map.apply(source), target) < 1


def test_hard_real_poses_are_no_outliers(markers):
    # Wrists cannot be told from a body without forearms: errors of 600 mm are honest there.
    takes, weights, (source_format, target_format) = markers
    source = np.concatenate(takes)
    target = np.einsum("tj,njd->ntd", weights, source)
    lost = ("Radius", "Ulna", "Finger", "Ankle")
    seen = [i for i, n in enumerate(source_format.joints) if not n.startswith(lost)]
    groups = np.repeat(np.arange(4), [len(t) for t in takes])
    fitted = fit_affine_map(
        source[:, seen], target, source_format.select(seen), target_format, groups=groups
    )
    assert fitted.poses_dropped == 0
    assert fitted.held_out_mm[target_format.joints.index("lwrist")] > 100
