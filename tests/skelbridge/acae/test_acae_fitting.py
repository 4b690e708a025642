"""Fits: what they recover, what they remove, what they put up with."""

import re
from dataclasses import replace

import acae_poses
import numpy as np
import pytest

from skelbridge.acae import FitOptions, Objective, fit_acae
from skelbridge.acae.alternation import Alternation
from skelbridge.acae.chirality import ChiralLayout
from skelbridge.acae.moments import projected_axes, second_moments
from skelbridge.acae.pivot import nearest_decoder, pivot_start
from skeleton_defs import UserError

OBJECTIVE = Objective()


def distance(first, second):
    return float(np.linalg.norm(first - second, axis=-1).mean())


def planted(noise_mm, count=1200, seed=0):
    """Poses of 40 joints made of 10 moving points, each of which two joints sit on."""
    rng = np.random.default_rng(seed)
    pairs, points = 4, 10
    latent_flip = np.r_[pairs : 2 * pairs, :pairs, 2 * pairs : points]
    columns, flip = [], []
    for repeat in range(4):
        for own in [*range(pairs), *range(2 * pairs, points)]:
            weights = np.zeros(points)
            if repeat < 2:
                weights[own] = 1
            else:
                others = rng.choice(np.delete(np.arange(points), own), 2, replace=False)
                weights[[own, *others]] = rng.dirichlet([6, 4, 4]) * 0.6 + 0.4 / 3
            if own < pairs:
                flip += [len(columns) + 1, len(columns)]
                columns += [weights, weights[latent_flip]]
            else:
                flip.append(len(columns))
                columns.append((weights + weights[latent_flip]) / 2)
    decoder = np.stack(columns, axis=1)
    latents = rng.normal(0, 300, (count, points, 3)) + np.array([0, 0, 4500])
    clean = np.einsum("nlc,lj->njc", latents, decoder)
    noisy = clean + rng.normal(0, noise_mm, clean.shape)
    return decoder, latents, clean, noisy, np.array(flip)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_planted_model_is_recovered(seed):
    noise = 3.0
    decoder, latents, clean, noisy, flip = planted(noise, seed=seed)
    options = FitOptions(sided=8, centre=2, seeds=2, steps=300)
    acae = fit_acae(noisy, flip=flip, options=options).acae
    truth = Objective().main(np.linalg.pinv(decoder), decoder, noisy)
    assert Objective().main(acae.w1, acae.w2, noisy) < 1.1 * truth
    # Noise of independent joints is averaged out, not passed on.
    assert distance(acae.project(noisy), clean) < 0.75 * distance(noisy, clean)
    found = acae.encode(clean)
    between = np.linalg.norm(found[:, :, None] - latents[:, None], axis=-1).mean(axis=0)
    partner = between.argmin(axis=1)
    assert sorted(partner) == list(range(10))
    assert between.min(axis=1).max() < 30
    support = np.zeros_like(decoder)
    support[partner] = acae.w2
    np.testing.assert_array_equal(support > 0.05, decoder > 0.05)
    assert np.abs(support - decoder).max() < 0.1


def test_inconsistent_noise_of_formats_is_reduced(many_formats):
    """The reason it exists: fitted on clean poses, it makes the formats of noisy ones agree."""
    people = many_formats
    acae = people.fit(people.clean[:700], starts=1, steps=0).acae
    noisy, clean = people.poses[700:], people.clean[700:]
    before, after = distance(noisy, clean), distance(acae.project(noisy), clean)
    lost = distance(acae.project(clean), clean)
    print(f"noise {before:.1f} mm, after projection {after:.1f} mm, of clean poses {lost:.1f} mm")
    assert after < 0.75 * before
    assert lost < 0.3 * before


def test_one_fit_is_one_result(few_joints):
    options = {"sided": 8, "centre": 3, "seeds": 2}
    first, again = (few_joints.fit(**options).acae for _ in range(2))
    for name in ("w1", "w2", "moments"):
        assert (getattr(first, name) == getattr(again, name)).all()
    assert first.facts == again.facts
    other = few_joints.fit(seed=5, **options).acae
    assert (first.w1 != other.w1).any()


def test_more_seeds_are_not_worse(few_joints):
    one, three = (few_joints.fit(sided=6, centre=2, seeds=seeds).acae for seeds in (1, 3))
    assert three.facts["objective"] <= one.facts["objective"] + 1e-6
    assert three.facts["seed"] in (0, 1, 2)


def test_the_fast_solver_beats_the_recipe(few_joints):
    options = {"sided": 12, "centre": 4}
    fast = few_joints.fit(**options).acae
    recipe = few_joints.fit(solver="recipe", steps=2000, **options).acae
    assert recipe.facts["solver"] == "recipe"
    assert recipe.facts["poses"] == 720
    floor = fast.facts["floor"]
    assert fast.facts["objective"] - floor < 0.9 * (recipe.facts["objective"] - floor)


def test_steps_lower_the_objective(few_joints):
    """Those on the true objective after the rounds, and the recipe's."""

    def excess(**options):
        facts = few_joints.fit(sided=12, centre=4, **options).acae.facts
        return facts["objective"] - facts["floor"]

    none, some = (excess(starts=1, steps=steps) for steps in (0, 1000))
    assert some < 0.985 * none
    none, some, more = (excess(solver="recipe", steps=steps) for steps in (20, 200, 2000))
    assert none > 2 * some > 4 * more


@pytest.mark.parametrize("loss", ["projected", "plain"])
def test_fits_without_mirror_symmetry(few_joints, loss):
    options = FitOptions(latents=12, seeds=1, steps=50, loss=loss)
    fit = fit_acae(few_joints.poses, options=options)
    objective = Objective(loss)
    assert fit.acae.flip is None
    assert fit.acae.latent_sides is None
    chiral = few_joints.fit(latents=12, loss=loss).acae
    mean = np.full((42, 1), 1 / 42), np.ones((1, 42))
    excess = objective.excess(fit.acae.w1, fit.acae.w2, fit.validation)
    assert excess < 0.2 * objective.main(*mean, fit.validation)
    assert excess < 1.1 * objective.excess(chiral.w1, chiral.w2, fit.validation)


def test_the_moments_tell_the_objective(people):
    formats, poses = people.formats, people.poses
    layout = ChiralLayout.of(formats.flip, formats.sides, joints=136, latent_pairs=9,
                             latent_centre=3)  # fmt: skip
    moments = second_moments(poses, layout, axes=projected_axes(poses), ridge=1e-7)
    start = pivot_start(moments.full(), layout, np.random.default_rng(0))
    decoder = nearest_decoder(moments.full(), start, layout)
    alternation = Alternation(moments, layout, OBJECTIVE)
    values = [alternation.value(start, decoder)[0]]
    rounds = list(alternation.rounds(start, decoder, count=25))
    values += [value for value, _, _ in rounds]
    _, w1, w2 = rounds[-1]
    assert min(values) == pytest.approx(values[-1], rel=1e-3)
    assert values[-1] < 0.8 * values[0]
    true = OBJECTIVE.value(layout.to_given_order(w1), layout.to_given_order(w2.T).T, poses)
    assert true == pytest.approx(values[-1], rel=0.02)


def test_second_moments_of_mirror_images_by_definition(few_joints):
    formats, poses = few_joints.formats, few_joints.poses[:50].astype(np.float64)
    layout = ChiralLayout.of(formats.flip, formats.sides, joints=42, latent_pairs=2,
                             latent_centre=1)  # fmt: skip
    both = np.concatenate([poses, poses[:, formats.flip] * [-1, 1, 1]])
    both -= both.mean(axis=1, keepdims=True)
    expected = np.einsum("njc,nkc->jk", both, both) / (3e6 * len(both))
    found = second_moments(poses.astype(np.float32), layout).full()
    np.testing.assert_allclose(
        layout.to_given_order(layout.to_given_order(found).T).T, expected, atol=1e-7
    )


def test_start_is_on_the_joints_that_stick_out():
    points = np.array([[0, 0], [10, 0], [0, 9], [3, 3], [4, 1.0]])
    layout = ChiralLayout.of(None, None, joints=5, latent_pairs=0, latent_centre=3)
    moments = points @ points.T + 1e-9 * np.eye(5)
    start = pivot_start(moments, layout, np.random.default_rng(0))
    # The most central is the origin of the others; it fills up where nothing else sticks out.
    assert set(start.argmax(axis=0)) >= {1, 2}
    np.testing.assert_array_equal(start.sum(axis=0), 1)


def test_centre_latents_without_centre_joints_start_between_partners():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(6, 6))
    layout = ChiralLayout.of(
        np.array([1, 0, 3, 2, 5, 4]), None, joints=6, latent_pairs=1, latent_centre=2
    )
    start = pivot_start(half @ half.T, layout, rng)
    assert (start[:, 2:].max(axis=0) == 0.5).all()
    assert (start[layout.joint_flip][:, layout.latent_flip] == start).all()


def test_exchanged_sides_are_found_and_left_out(people):
    wrong = acae_poses.exchange_sides(
        people.poses, people.formats, share=0.05, formats_hit=2, seed=1
    )
    hit = (wrong != people.poses).any(axis=(1, 2)).sum()
    assert hit > 50
    options = {"sided": 28, "centre": 4}
    good = people.fit(**options)
    cured, ill = people.fit(wrong, **options), people.fit(wrong, trim=False, **options)
    values = [
        OBJECTIVE.excess(fit.acae.w1, fit.acae.w2, people.poses[:300]) for fit in (good, cured, ill)
    ]
    assert cured.acae.facts["poses_dropped"] == pytest.approx(0.9 * hit, rel=0.15)
    assert any("left and right exchanged" in note for note in cured.notes)
    assert good.acae.facts["poses_dropped"] == 0
    assert values[1] < 1.02 * values[0]
    assert values[2] > 1.05 * values[0]


def test_outliers_do_little(people):
    rng = np.random.default_rng(0)
    wrong = people.poses.copy()
    hit = rng.random(wrong.shape[:2]) < 0.02
    wrong[hit] += rng.normal(0, 175, (hit.sum(), 3)).astype(np.float32)
    options = {"sided": 28, "centre": 4, "steps": 500}
    values = [
        OBJECTIVE.excess(fit.acae.w1, fit.acae.w2, people.poses[:300])
        for fit in (people.fit(**options), people.fit(wrong, **options))
    ]
    assert values[1] < 1.08 * values[0]


def test_missing_joints_are_filled(people):
    rng = np.random.default_rng(0)
    holes = people.poses.copy()
    holes[rng.random(holes.shape[:2]) < 0.2] = np.nan
    options = {"sided": 28, "centre": 4}
    complete, filled = people.fit(**options).acae, people.fit(holes, **options).acae
    assert np.isfinite(filled.w1).all()
    values = [OBJECTIVE.excess(a.w1, a.w2, people.poses[:300]) for a in (complete, filled)]
    assert values[1] < 1.08 * values[0]


def test_formats_missing_at_random(people):
    rng = np.random.default_rng(0)
    shown = np.argsort(rng.random((1500, 6)), axis=1) < 3
    holes = np.where(shown[:, people.formats.format_of, None], people.poses, np.nan)
    acae = people.fit(holes, sided=28, centre=4, steps=1000).acae
    complete = people.fit(sided=28, centre=4).acae
    values = [OBJECTIVE.excess(a.w1, a.w2, people.poses[:300]) for a in (complete, acae)]
    assert values[1] < 1.06 * values[0]


def test_formats_never_seen_together_are_named(people):
    first = people.formats.format_of < 3
    apart = people.poses.copy()
    apart[:700, first] = np.nan
    apart[700:, ~first] = np.nan
    with pytest.raises(UserError, match=r"2 groups of joints .* \(1\) f0, f1, f2 .* \(2\) f3, f4"):
        people.fit(apart)
    # One format that goes with both halves links them.
    apart[:, people.formats.format_of == 3] = people.poses[:, people.formats.format_of == 3]
    assert np.isfinite(people.fit(apart, sided=28, centre=4).acae.w1).all()


def test_joints_that_nobody_has_are_left_out_and_named(few_joints):
    poses = few_joints.poses.copy()
    left, right = 0, few_joints.formats.flip[0]
    poses[:, [left, right]] = np.nan
    fit = few_joints.fit(poses, sided=8, centre=3)
    assert fit.acae.joints == 40
    assert few_joints.formats.names[0] not in fit.acae.joint_names
    assert any(few_joints.formats.names[0] in note and "2 joints" in note for note in fit.notes)
    moved = few_joints.fit(np.where(np.arange(42)[:, None] == left, np.nan, few_joints.poses))
    assert moved.acae.joints == 42, "the mirror image knows it"


@pytest.mark.parametrize("count", [1, 3, 12])
def test_fewer_poses_than_joints(few_joints, count):
    fit = few_joints.fit(few_joints.poses[:count], sided=8, centre=3)
    assert np.isfinite(fit.acae.w1).all()
    assert any(f"too few ({count}) to hold some out" in note for note in fit.notes)


def test_a_joint_that_never_moves(few_joints):
    poses = few_joints.poses.copy()
    poses[:, 40] = [100, 200, 4000]
    acae = few_joints.fit(poses, sided=8, centre=3).acae
    errors = np.delete(acae.facts["error_mm"], 40)
    sound = few_joints.fit(sided=8, centre=3).acae
    assert np.mean(errors) < 1.3 * np.mean(np.delete(sound.facts["error_mm"], 40))


@pytest.mark.parametrize(("factor", "told"), [(1e-3, "1.48 mm"), (1, None), (25, "37... mm")])
def test_poses_in_another_unit_are_pointed_out(few_joints, factor, told):
    fit = few_joints.fit(
        few_joints.poses * np.float32(factor), sided=8, centre=3, starts=1, steps=0
    )
    notes = [note for note in fit.notes if "are these?" in note]
    assert len(notes) == (told is not None)
    assert not notes or re.search(told, notes[0])


def test_joints_that_nobody_has_cost_no_speed(few_joints):
    """What is left is complete: it is fitted to as complete poses are."""
    poses = few_joints.poses.copy()
    pair = [0, few_joints.formats.flip[0]]
    poses[:, pair] = np.nan
    rest = np.delete(np.arange(42), pair)
    flip = np.searchsorted(rest, few_joints.formats.flip[rest])
    options = FitOptions(sided=8, centre=3, seeds=1, starts=1, steps=20)
    sides = np.array(few_joints.formats.sides)
    whole = fit_acae(poses[:, rest], flip=flip, sides=sides[rest], options=options).acae
    holes = fit_acae(poses, flip=few_joints.formats.flip, sides=sides, options=options).acae
    np.testing.assert_array_equal(holes.w1, whole.w1)


def test_people_who_all_stand_alike(few_joints):
    poses = np.repeat(few_joints.poses[:1], 100, axis=0)
    assert np.isfinite(few_joints.fit(poses, sided=8, centre=3).acae.w1).all()
    poses[:] = [0, 0, 3000]
    assert np.isfinite(few_joints.fit(poses, sided=8, centre=3).acae.w1).all()


def test_strange_settings_still_give_numbers(few_joints):
    for options in (
        {"lam": 0.0}, {"lam": 100.0}, {"latents": 1}, {"latents": 42}, {"steps": 0},
        {"rounds": 0}, {"rounds": 0, "steps": 0}, {"reg_scale": "reference"},
    ):  # fmt: skip
        acae = few_joints.fit(**options).acae
        assert np.isfinite(acae.w1).all(), options


def test_joint_weights_say_what_matters(few_joints):
    heavy = np.where(few_joints.formats.format_of == 0, 20.0, 1.0)
    options = FitOptions(sided=6, centre=2, seeds=1, steps=100)
    errors = []
    for weights in (None, heavy):
        fit = fit_acae(
            few_joints.poses, flip=few_joints.formats.flip, joint_weights=weights, options=options
        )
        errors.append(np.mean(np.array(fit.acae.facts["error_mm"])[heavy > 1]))
    assert errors[1] < 0.95 * errors[0]


def interrupted_fit(poses, interrupt, options):
    try:
        return fit_acae(poses, progress=interrupt, options=options)
    except KeyboardInterrupt:
        pytest.fail("nothing was kept")


def test_ctrl_c_keeps_the_best_so_far(few_joints):
    def interrupt(done):
        if done > 0.5:
            raise KeyboardInterrupt

    for solver, steps in (("recipe", 2000), ("fast", 20_000)):
        options = FitOptions(solver=solver, steps=steps, seeds=1, latents=8)
        fit = interrupted_fit(few_joints.poses, interrupt, options)
        assert fit.interrupted
        assert fit.acae.facts["stopped_early"]
        assert any("interrupted" in note for note in fit.notes)
        assert np.isfinite(fit.acae.w1).all()


@pytest.mark.parametrize("solver", ["recipe", "fast"])
def test_ctrl_c_at_once_keeps_what_there_is(few_joints, solver):
    def interrupt(done):
        raise KeyboardInterrupt

    options = FitOptions(solver=solver, steps=400_000, seeds=1, latents=8)
    fit = interrupted_fit(few_joints.poses, interrupt, options)
    assert fit.interrupted
    assert fit.acae.facts["steps"] < 20_000
    objective = Objective()
    mean = np.full((42, 1), 1 / 42), np.ones((1, 42))
    assert fit.acae.facts["main"] < objective.main(*mean, fit.validation)


def test_ctrl_c_before_there_is_anything(few_joints, monkeypatch):
    def interrupt(solver):
        raise KeyboardInterrupt

    monkeypatch.setattr("skelbridge.acae.solving.FastSolver._get_ready", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit_acae(few_joints.poses, options=FitOptions(seeds=1, latents=8))


def test_patience_ends_a_fit_that_gains_nothing(few_joints):
    """No more poses than latents: the training objective falls for ever, the other one rises."""
    options = {"latents": 20, "lam": 0.0, "steps": 4000, "validation": 0.5, "poses": 12}
    patient = few_joints.fit(few_joints.poses[:60], patience=None, **options).acae
    hasty = few_joints.fit(few_joints.poses[:60], patience=2, **options).acae
    assert hasty.facts["objective"] <= patient.facts["objective"] * 1.02


def test_progress_rises_to_one(few_joints):
    seen = []
    fit_acae(few_joints.poses, progress=seen.append,
             options=FitOptions(latents=8, seeds=2, steps=50))  # fmt: skip
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latents": 43}, "from 1 to the number of joints .42.. Received 43"),
        ({"latents": 0}, "from 1 to the number of joints"),
        ({"sided": 7, "centre": 1}, "must be even. Received 7"),
        ({"sided": 40, "centre": 2}, "at most 32 sided"),
        ({"latents": 8, "centre": 2}, "either"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"steps": -1}, "steps must be at least 0"),
        ({"steps": 0, "solver": "recipe"}, "steps must be at least 1"),
        ({"solver": "adam"}, "fast or recipe"),
        ({"validation": 1.0}, "below 0.9"),
        ({"seed": -1}, "seed must be"),
        ({"loss": "l1"}, "projected or plain"),
    ],
)
def test_options_that_cannot_be(few_joints, change, message):
    with pytest.raises(UserError, match=message):
        few_joints.fit(**change)


@pytest.mark.parametrize(
    ("poses", "message"),
    [
        (np.zeros((3, 4)), "shape .N, J, 3."),
        (np.zeros((0, 4, 3)), "at least one pose"),
        (np.zeros((3, 4, 3), "U2"), "must be numbers"),
        (np.full((3, 4, 3), np.nan), "every one is missing"),
        (np.full((50, 4, 3), 1e12), "in mm"),
        (np.zeros((50, 4, 3)), "z > 0"),
    ],
)
def test_poses_that_cannot_be(poses, message):
    with pytest.raises(UserError, match=message):
        fit_acae(poses)


def test_names_and_weights_must_be_as_many_as_joints(few_joints):
    with pytest.raises(UserError, match="joint names must be 42"):
        fit_acae(few_joints.poses, joint_names=["a"])
    with pytest.raises(UserError, match="joint weights must be 42"):
        fit_acae(few_joints.poses, joint_weights=np.ones(3))


def test_a_sample_is_replaced_not_changed(few_joints):
    holes = few_joints.poses.copy()
    holes[::3, 5] = np.nan
    before = holes.copy()
    few_joints.fit(holes, sided=8, centre=3)
    np.testing.assert_array_equal(holes, before)
    assert replace(FitOptions(), seeds=2).seeds == 2
