"""Learning rates against tabulated values, phases."""

import itertools

import pytest

from skelbridge.training import schedules
from skeleton_defs import UserError


# b = 2.121e-4; b/3 = 7.07e-5; b/30 = 7.07e-6; b/90 = 2.3567e-6; sqrt(3) = 1.7320508
@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 2.121e-4),
        (92_000, 2.121e-4 / 3**0.25),
        (184_000, 2.121e-4 / 1.7320508),
        (276_000, 9.30470e-5),
        (367_999, 7.07002e-5),
        (368_000, 7.07e-6),
        (384_000, 4.08187e-6),
        (399_999, 2.35674e-6),
        (400_000, 2.35667e-6),
    ],
)
def test_initial_schedule(step, rate):
    assert schedules.rate_with_drop(step, 400_000) == pytest.approx(rate, rel=1e-5)


@pytest.mark.parametrize(
    ("step", "head", "backbone"),
    [
        (0, 2.121e-4, 7.07e-6),
        (10_000, 2.121e-4 / 1.7320508, 7.07e-6 / 3**0.25),
        (19_999, 7.07039e-5, 4.08198e-6),
        (20_000, 7.07e-6, 4.08187e-6),
        (30_000, 4.08187e-6, 3.10157e-6),
        (40_000, 2.35667e-6, 2.35667e-6),
    ],
)
def test_fine_tuning_schedules(step, head, backbone):
    assert schedules.head_rate(step, 40_000) == pytest.approx(head, rel=1e-5)
    assert schedules.backbone_rate(step, 40_000) == pytest.approx(backbone, rel=1e-5)


def test_backbone_repeats_the_last_segment():
    """Stretched over the whole of fine-tuning."""
    for share in (0, 0.25, 0.7, 1):
        last = schedules.rate_with_drop(368_000 + round(share * 32_000), 400_000)
        assert schedules.backbone_rate(round(share * 40_000), 40_000) == pytest.approx(last)


def test_published_code_and_miniature():
    code = {"last_decay": 1 / 0.3}
    assert schedules.rate_with_drop(400_000, 400_000, **code) == pytest.approx(2.121e-6)
    options = {"base": 2e-3}
    assert schedules.rate_with_drop(0, 4500, **options) == 2e-3
    assert schedules.head_rate(225, 450, **options) == pytest.approx(2e-3 / 30)
    assert schedules.backbone_rate(0, 450, drop=4, **options) == pytest.approx(5e-4)


def test_rates_fall_and_end_where_they_should():
    rates = [schedules.rate_with_drop(s, 1000) for s in range(1001)]
    ratios = [b / a for a, b in itertools.pairwise(rates)]
    assert max(ratios) < 1 and ratios.index(min(ratios)) == 919
    assert rates[919] / rates[920] == pytest.approx(10, rel=2e-3)


def test_weight_decay():
    assert schedules.weight_decay() == pytest.approx(0.02236, rel=1e-3)
    first = schedules.weight_decay() * schedules.rate_with_drop(0, 400_000)
    assert first == pytest.approx(4.74e-6, rel=1e-3)


@pytest.mark.parametrize(
    ("step", "total", "options", "message"),
    [
        (-1, 10, {}, "between 0 and the number of steps 10. Received -1"),
        (11, 10, {}, "Received 11"),
        (0, 0, {}, "number of steps 0"),
        (0, 10, {"drop_at": 1.0}, "drop_at must lie between 0 and 1"),
    ],
)
def test_errors(step, total, options, message):
    with pytest.raises(UserError, match=message):
        schedules.rate_with_drop(step, total, **options)


def test_phases():
    phases = schedules.Phases()
    assert [phases.is_full_perspective(s) for s in (0, 499, 500)] == [False, False, True]
    assert [phases.uses_stored_statistics(s, 400_000) for s in (398_999, 399_000)] == [False, True]
    small = phases.scaled(4000)
    assert small == schedules.Phases(5, 50, 50, 10)
    assert not any(
        schedules.Phases(stored_statistics_last=0).uses_stored_statistics(s, 10) for s in range(10)
    )
