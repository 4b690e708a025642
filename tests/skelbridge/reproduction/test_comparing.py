"""Differences of two models, their intervals, and the verdict on them."""

import numpy as np
import pytest

from skelbridge.evaluation import bootstrap_means
from skelbridge.reproduction import SCORES, compare, score, verdict, verdict_lines
from skeleton_defs import UserError

from .conftest import made_test_set, mean_relation, with_error


def scored(test, *scales):
    return score(with_error(test, *scales), test, mean_relation(test))


def test_identical_predictions_do_not_differ(test):
    model = scored(test, 1.0)
    found = compare(model, model, model, test)
    for name, entry in found["measures"].items():
        assert entry["difference"] == [0, 0, 0], name
        assert entry["control"] == entry["treated"]
    assert found["measures"]["mpjpe_unlabelled"]["percent"] == [0, 0, 0]
    assert found["measures"]["inconsistency"]["factor"] == [1, 1, 1]
    assert np.isnan(found["measures"]["mpjpe_unlabelled"]["gap_closed"]).all()  # There is no gap.
    assert found["improved"] == 0
    assert found["images"] == test.images_per_domain()
    cells = [cell for row in found["cells"].values() for cell in row.values()]
    assert all(cell["mpjpe"]["difference"] == [0, 0, 0] for cell in cells)


def test_planted_improvement_is_found(test):
    """Errors scaled by 0.8: 20 % in every picture, so that the interval is a point."""
    found = compare(scored(test, 1.0), scored(test, 0.8, 1.02), scored(test, 0.75), test)
    measures = found["measures"]
    assert measures["mpjpe_unlabelled"]["percent"] == pytest.approx([-20, -20, -20])
    assert measures["mpjpe_unseen"]["percent"] == pytest.approx([-20, -20, -20])
    assert measures["mpjpe_labelled"]["percent"] == pytest.approx([2, 2, 2])
    assert measures["mpjpe_unlabelled"]["gap_closed"] == pytest.approx([0.8, 0.8, 0.8])
    assert measures["offset_error"]["factor"][0] > 1
    assert found["improved"] == 1
    labelled, unlabelled = (found["cells"]["synth_b"][f]["mpjpe"] for f in ("h36m_17", "coco_17"))
    assert labelled["percent"] == pytest.approx([2, 2, 2])
    assert unlabelled["percent"] == pytest.approx([-20, -20, -20])


def test_interval_is_that_of_the_paired_differences():
    test = made_test_set(per_domain=40)
    rng = np.random.default_rng(1)
    control = scored(test, 1.0)
    scales = rng.uniform(0.6, 1.0, size=(len(test), 1, 1))
    treated = score(test.true + scales * (with_error(test, 1.0) - test.true), test, None)
    found = compare(control, treated, None, test)["measures"]["mpjpe_unlabelled"]
    name = "mpjpe_unlabelled"
    difference = (treated["per_image"][name] - control["per_image"][name])[~test.is_unseen]
    mean, low, high = found["difference"]
    assert mean == pytest.approx(difference.mean())
    half = 1.96 * difference.std() / np.sqrt(len(difference))
    assert [low, high] == pytest.approx([mean - half, mean + half], abs=0.25 * half)
    # Paired: an interval of the treated model alone is wider.
    alone = bootstrap_means(treated["per_image"][name][~test.is_unseen])
    assert high - low < 0.9 * (np.quantile(alone, 0.975) - np.quantile(alone, 0.025))


def test_seed_decides_the_draws(test):
    models = scored(test, 1.0), score(test.true * 1.05, test, None), None, test
    first, again, other = (compare(*models, seed=s) for s in (0, 0, 1))
    entry = "mpjpe_unlabelled"
    assert first["measures"][entry]["percent"] == again["measures"][entry]["percent"]
    assert first["measures"][entry]["percent"] != other["measures"][entry]["percent"]
    assert first["measures"][entry]["percent"][0] == other["measures"][entry]["percent"][0]


def test_without_bound_no_gap(test):
    found = compare(scored(test, 1.0), scored(test, 0.8), None, test)
    assert np.isnan(found["measures"]["mpjpe_unlabelled"]["gap_closed"]).all()
    assert list(found["measures"]) == list(SCORES)
    with pytest.raises(UserError, match="30 pictures"):
        other = scored(made_test_set(per_domain=2), 1.0)
        compare(other, other, None, test)


def made_comparison(**changes) -> dict:
    """A comparison that meets every bar, exactly at its limit."""
    values = {"unlabelled": -12, "procrustes": -8, "labelled": 3, "unseen": -4, "factor": 3,
              "gap": 0.65, "images": 160} | changes  # fmt: skip
    point = lambda value: [value, value, value]  # noqa: E731
    return {
        "measures": {
            "mpjpe_unlabelled": {
                "percent": point(values["unlabelled"]), "gap_closed": point(values["gap"]),
            },
            "pmpjpe_unlabelled": {"percent": point(values["procrustes"])},
            "mpjpe_labelled": {"percent": point(values["labelled"])},
            "mpjpe_unseen": {"percent": point(values["unseen"])},
            "inconsistency": {"factor": point(values["factor"])},
        },
        "images": {"synth_a": 500, "synth_b": values["images"]},
    }  # fmt: skip


SEPARATE = {"summary": {"mpjpe_labelled": 155.0}}


def test_verdict_at_the_limit_is_met():
    checks = verdict({0: made_comparison(), 1: made_comparison()}, {0: SEPARATE, 1: SEPARATE})
    assert [check.met for check in checks] == [True] * 8
    assert [str(check.bar) for check in checks] == [
        "at least 12 % lower", "at least 8 % lower", "at most 3 % higher", "at least 4 % lower",
        "at least 3 times lower", "at least 65 %", "at least 160", "at most 155 mm",
    ]  # fmt: skip
    text, bar, found, met = checks[0]
    assert (text, bar.found_text(found[0]), met) == ("Unlabelled MPJPE", "12.0 % lower", True)


@pytest.mark.parametrize(
    "change, number",
    [({"unlabelled": -11.9}, 0), ({"procrustes": -7.9}, 1), ({"labelled": 3.1}, 2),
     ({"unseen": -3.9}, 3), ({"factor": 2.9}, 4), ({"gap": 0.64}, 5), ({"gap": np.nan}, 5),
     ({"images": 159}, 6)],
)  # fmt: skip
def test_one_seed_that_misses_a_bar_is_enough(change, number):
    comparisons = {0: made_comparison(), 1: made_comparison(**change)}
    checks = verdict(comparisons, {0: SEPARATE, 1: SEPARATE})
    assert [k for k, check in enumerate(checks) if not check.met] == [number]
    assert "NOT MET" in verdict_lines(checks)[number]


def test_separate_model_is_judged():
    worse = {"summary": {"mpjpe_labelled": 155.1}}
    checks = verdict({0: made_comparison()}, {0: worse})
    assert [check.met for check in checks] == [True] * 7 + [False]
    assert verdict_lines(checks)[-1].endswith("at most 155 mm; found 155.1 mm (seed 0)")


def test_what_was_not_measured_is_not_met():
    checks = verdict({0: made_comparison(), 1: None})
    assert not any(check.met for check in checks)
    assert checks[0].found == {0: 12, 1: None}
    assert "not measured (seed 1)" in verdict_lines(checks)[0]
    assert not any(check.met for check in verdict({}))


@pytest.mark.parametrize("value, text", [(1.24, "1.2 % lower"), (-1.26, "1.3 % higher"),
                                         (None, "not measured")])  # fmt: skip
def test_direction_is_said_in_words(value, text):
    assert verdict({})[0].bar.found_text(value) == text
