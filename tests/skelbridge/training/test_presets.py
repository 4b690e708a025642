"""skelbridge.training.presets."""

import pytest

from skelbridge.synth import LOOKS, SynthOptions
from skelbridge.training.presets import PRESETS, mini, preset
from skeleton_defs import UserError


def test_mini_is_trained_on_what_synth_makes():
    config = preset("mini")
    assert config == mini()
    assert config.data.formats == SynthOptions().formats
    assert {*config.data.three_d, *config.data.two_d} <= set(LOOKS)
    assert len(config.data.three_d) == SynthOptions().domains


@pytest.mark.parametrize("steps", [10_000, 4_500, 400])
def test_phases_follow_the_steps(steps):
    config = mini(steps)
    assert config.steps == steps
    phases = config.phases
    assert phases.full_perspective_from == pytest.approx(0.02 * steps)
    assert phases.absolute_after == pytest.approx(0.1 * steps)
    assert phases.stored_statistics_last == pytest.approx(0.01 * steps)


def test_a_typo():
    with pytest.raises(UserError, match="no preset is named 'mimi'. Did you mean mini"):
        preset("mimi")
    assert "mini" in PRESETS
