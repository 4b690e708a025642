"""skelbridge.training.presets."""

import dataclasses
import subprocess
import sys

import pytest

import skeleton_defs
from dataset_adapters import adapter_class
from skelbridge.data import PUBLISHED_CORRECTIONS
from skelbridge.data.options import Augmentation
from skelbridge.synth import LOOKS, SynthOptions
from skelbridge.training.config import LossWeights, OptimizerConfig, RateConfig
from skelbridge.training.config_file import as_mapping, config_of, config_text, read_config
from skelbridge.training.presets import PRESETS, formats_of, mini, preset
from skelbridge.training.schedules import Phases
from skeleton_defs import UserError

PUBLISHED = ("small", "medium", "full")


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
    assert tuple(PRESETS) == ("mini", *PUBLISHED)


@pytest.mark.parametrize(("level", "three_d"), [("small", 3), ("medium", 14), ("full", 28)])
def test_composition(level, three_d):
    composition = preset(level).data.composition()
    assert (len(composition.three_d), len(composition.two_d)) == (three_d, 4)
    assert (composition.n_3d, composition.n_2d) == (96, 32)
    # Sixteen examples of nearly the same datasets share their statistics; 3D and 2D never do.
    assert preset(level).model.part_sizes(96, 32) == [16] * 8


@pytest.mark.parametrize("level", PUBLISHED)
def test_published_values(level):
    config = preset(level)
    assert (config.steps, config.data.crop, config.data.batch) == (400_000, 256, level)
    assert config.rates == RateConfig(2.121e-4, 3.0, 30.0, 0.92, 0.5, 30.0, None)
    assert config.phases == Phases(500, 5000, 5000, 1000)
    assert config.losses == LossWeights(1.0, 0.1, 0.2, 1.0)
    assert config.optimizer == OptimizerConfig(1e-8, 128.0, 1, None)
    assert dataclasses.asdict(config.model) | {"recompute": False} == {
        "backbone": "efficientnet_v2_s", "weights": "imagenet", "output_stride": None, "depth": 8,
        "side_mm": 2200.0, "precision": "mixed_float16", "batch_norm": "ghost", "ghost_part": 16,
        "max_norm": 20.0, "recompute": False,
    }  # fmt: skip
    assert config.data.augmentation == Augmentation()
    assert config.data.crop_options().corrections == PUBLISHED_CORRECTIONS
    assert config.data.augmentation.occlusion == 0.5
    assert config.data.augmentation.background == 0.7
    assert config.data.augmentation.background_of["hspace"] == 0.2
    head, backbone = config.rates_at(0).values()
    assert head == backbone == 2.121e-4
    assert config.rates_at(368_000)["head"] == pytest.approx(7.07e-6)


@pytest.mark.parametrize("level", PUBLISHED)
def test_all_datasets_labels_are_predicted(level):
    """In the format that an adapter yields unless it is asked for another one."""
    config = preset(level)
    points = set(config.data.registry().points)
    for name, _ in config.data.composition().three_d:
        skeleton = skeleton_defs.get(adapter_class(name).info.skeletons[0])
        assert {skeleton.point_of(joint) for joint in skeleton.joints} <= points, name
    assert (config.data.registry().flip >= 0).all()


def test_numbers_of_joints():
    """The published network has 555; which joints of a dataset count differs."""
    assert [len(preset(level).data.registry()) for level in PUBLISHED] == [77, 362, 640]
    formats = formats_of(preset("full").data.composition())
    assert len(formats) == len(set(formats)) == 25
    assert formats[:3] == ("h36m_25", "mpi_inf_3dhp_28", "humbi_49")
    assert formats.count("imar_25") == 1  # of three datasets


@pytest.mark.parametrize("level", PRESETS)
def test_as_yaml_and_back(level, tmp_path):
    config = preset(level)
    (tmp_path / "config.yaml").write_text(config_text(config))
    assert read_config(tmp_path / "config.yaml") == config
    changed = config_of(
        as_mapping(config), changes=["model.backbone=efficientnet_v2_l", "model.weights=null"]
    )
    assert changed.model.backbone == "efficientnet_v2_l" and changed.model.weights is None
    assert changed.data == config.data


def test_no_network_library_is_loaded():
    code = (
        "import sys\nfrom skelbridge.training import planning, presets\npresets.preset('full')\n"
        "print([m for m in ('tensorflow', 'keras', 'jax', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
