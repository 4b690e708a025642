"""skelbridge.training.config: what a configuration decides, and what it refuses."""

import dataclasses
import subprocess
import sys

import pytest

from skelbridge.data import Composition, composition
from skelbridge.training.config import (
    DataConfig,
    FineTuningConfig,
    LossWeights,
    ModelConfig,
    RateConfig,
    TrainConfig,
)
from skelbridge.training.presets import mini
from skelbridge.training.schedules import Phases
from skeleton_defs import UserError

DATA = DataConfig(formats=("smpl", "h36m"), three_d={"a": 8, "b": 4}, two_d={"c": 4})


@pytest.mark.parametrize(
    ("batch", "options", "expected"),
    [
        # Table S1: 96 + 32 examples.
        ("small", {"batch_norm": "ghost", "ghost_part": 16}, [16] * 8),
        ("medium", {"batch_norm": "ghost", "ghost_part": 16}, [16] * 8),
        ("full", {"batch_norm": "ghost", "ghost_part": 16}, [16] * 8),
        ("full", {"batch_norm": "ghost", "ghost_part": 32}, [32] * 4),
        ("full", {"batch_norm": "3d2d"}, [96, 32]),
        ("full", {"batch_norm": "normal"}, None),
        # No part holds examples with 3D and with 2D labels.
        ("full", {"batch_norm": "ghost", "ghost_part": 40}, [40, 40, 16, 32]),
        ("full", {"batch_norm": "ghost", "ghost_part": 1000}, [96, 32]),
        (Composition({"a": 5}), {"batch_norm": "ghost", "ghost_part": 2}, [2, 2, 1]),
        (Composition({"a": 5}), {"batch_norm": "3d2d"}, [5]),
        (Composition({}, {"c": 3}), {"batch_norm": "3d2d"}, [3]),
    ],
)
def test_part_sizes(batch, options, expected):
    batch = composition(batch) if isinstance(batch, str) else batch
    assert ModelConfig(**options).part_sizes(batch.n_3d, batch.n_2d) == expected


def test_part_sizes_are_the_same_where_datasets_are_missing():
    """The places of missing datasets go to others of the same part."""
    asked = composition("full")
    left = asked.restricted({"h36m", "muco", "coco"})
    assert (left.n_3d, left.n_2d) == (asked.n_3d, asked.n_2d)


def test_defaults_are_the_published_ones():
    config = TrainConfig(data=DATA)
    assert (config.steps, config.data.crop) == (400_000, 256)
    assert vars(config.losses) == {
        "projection": 1.0, "absolute": 0.1, "labelled_2d": 0.2, "consistency": 1.0,
    }  # fmt: skip
    assert config.rates.base == 2.121e-4 and config.rates.decay == 3
    assert config.phases == Phases(500, 5000, 5000, 1000)
    assert (config.model.depth, config.model.side_mm) == (8, 2200)


def test_formats_are_resolved():
    assert DATA.formats == ("smpl_24", "h36m_17")
    assert len(DATA.registry()) == 41
    assert DATA.composition() == Composition({"a": 8, "b": 4}, {"c": 4})
    data = DataConfig(formats=("smpl",), batch="medium")
    assert data.composition() == composition("medium")


def test_crop_options_follow():
    data = dataclasses.replace(DATA, crop=96, border_2d=0.5, shrinks_first=False)
    options = data.crop_options(image_dtype="uint8")
    assert (options.side, options.border_2d, options.shrinks_first) == (96, 0.5, False)
    assert options.image_dtype == "uint8" and not options.corrections
    published = dataclasses.replace(DATA, corrections="published").crop_options()
    assert published.corrections["panoptic"].tint == (120, 138)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DataConfig(formats=(), three_d={"a": 1}), "data.formats must name at least one"),
        (lambda: DataConfig(formats=("smlp",), three_d={"a": 1}), "smlp"),
        (lambda: DataConfig(formats=("smpl",)), "data must have either batch"),
        (lambda: DataConfig(formats=("smpl",), batch="full", two_d={"a": 1}), "either batch"),
        (lambda: DataConfig(formats=("smpl",), batch="fulll"), "'fulll'"),
        (lambda: DataConfig(formats=("smpl",), three_d={"a": 0}), "'a' must be a whole number"),
        (lambda: dataclasses.replace(DATA, crop=4), "data.crop must be from 8 to 4096"),
        (lambda: dataclasses.replace(DATA, labels="any"), "data.labels must be one of own, all"),
        (lambda: dataclasses.replace(DATA, body_parts="x"), "data.body_parts must be one of"),
        (lambda: dataclasses.replace(DATA, corrections="x"), "data.corrections must be one of"),
        (lambda: dataclasses.replace(DATA, border_2d=2.0), "border_2d must be from 0 to 1"),
        (lambda: ModelConfig(batch_norm="gohst"), "model.batch_norm must be one of"),
        (lambda: ModelConfig(precision="float31"), "model.precision must be one of"),
        (lambda: ModelConfig(ghost_part=0), "model.ghost_part must be 1 or more"),
        (lambda: ModelConfig(depth=0), "model.depth must be 1 or more"),
        (lambda: ModelConfig(side_mm=float("nan")), "model.side_mm must be a number, more than 0"),
        (lambda: RateConfig(base=0.0), "rates.base must be a number, more than 0"),
        (lambda: RateConfig(base=float("inf")), "rates.base"),
        (lambda: RateConfig(drop=-1.0), "rates.drop must be"),
        (lambda: RateConfig(decay=0.0), "rates.decay must be"),
        (lambda: RateConfig(drop_at=1.0), "rates.drop_at must lie between 0 and 1"),
        (lambda: RateConfig(weight_decay=-1e-9), "rates.weight_decay must be a number, 0 or more"),
        (lambda: LossWeights(projection=-1.0), "losses.projection must be a number, 0 or more"),
        (lambda: LossWeights(consistency=float("nan")), "losses.consistency"),
        (lambda: FineTuningConfig("outputt", "RUN", acae="a"), "fine_tuning.variant must be one"),
        (lambda: FineTuningConfig("latent", "RUN"), "fine_tuning.acae must be a file"),
        (lambda: TrainConfig(DATA, steps=0), "steps must be 1 or more"),
        (lambda: TrainConfig(DATA, keep=0), "keep must be 1 or more"),
        (lambda: TrainConfig(DATA, seed=2**63), r"seed must be from 0 to 2\^63 - 1"),
        (lambda: TrainConfig(DATA, seed=-1), "seed"),
        (lambda: TrainConfig(DATA, phases=Phases(absolute_after=-1)), "phases.absolute_after must"),
        (lambda: TrainConfig(DATA, steps=999), "phases.stored_statistics_last must be at most"),
    ],
)
def test_refused(make, message):
    with pytest.raises(UserError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_zero_weights_and_the_control_are_allowed():
    LossWeights(0.0, 0.0, 0.0, 0.0)
    RateConfig(weight_decay=0.0)
    FineTuningConfig("control", "RUN")
    TrainConfig(DATA, steps=10, phases=Phases(stored_statistics_last=10))


def test_neither_keras_nor_tensorflow_is_loaded():
    code = (
        "import skelbridge.training.config, skelbridge.training.config_file\n"
        "import skelbridge.training.presets, skelbridge.training.run_folder\n"
        "import skelbridge.training.resuming, skelbridge.training.trainer, sys\n"
        "from skelbridge.training.config_file import as_mapping, config_of\n"
        "config_of(as_mapping(skelbridge.training.presets.mini()))\n"
        "print([m for m in ('keras', 'tensorflow', 'torch', 'jax') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_another_length_keeps_proportions():
    config, half = mini(9_800), mini(4_900)
    shorter = config.of_length(4_900)
    assert shorter == half.replaced(phases=shorter.phases)
    for name, value in vars(config.phases).items():
        assert abs(vars(shorter.phases)[name] - value / 2) <= 0.5, name
