"""skelbridge.training.planning and gpus."""

from types import SimpleNamespace

import pytest

from skelbridge.synth import SynthOptions, synthesize
from skelbridge.training.config_file import config_of
from skelbridge.training.gpus import GPUS, estimated_seconds, find_gpu
from skelbridge.training.planning import (
    data_lines,
    data_plan,
    duration,
    gpu_lines,
    machine_lines,
    network_lines,
    print_plan,
)
from skelbridge.training.presets import preset
from skeleton_defs import UserError

BASE = {
    "data": {
        "formats": ["coco", "h36m"],
        "three_d": {"synth_a": 3, "nowhere": 2, "synth_b": 3},
        "two_d": {"synth_2d": 2},
        "crop": 64,
    },
    "steps": 100,
    "phases": {"stored_statistics_last": 0},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """12 examples of each domain, 6 with 2D labels; and some of another split."""
    path = tmp_path_factory.mktemp("plan") / "store"
    synthesize(
        path,
        SynthOptions(
            formats=("coco_17", "h36m_17"), domains=2, examples=24, two_d=6, test=4, size=48
        ),
    )
    return str(path)


def config(store="", *changes):
    return config_of(BASE | {"store": store}, changes=changes)


def facts(plan):
    return [(use.name, use.labels, use.in_batch, use.examples) for use in plan.uses]


def test_found_and_missing(store):
    plan = data_plan(config(store))
    assert facts(plan) == [
        ("synth_a", "3D", 3, 12), ("nowhere", "3D", 2, 0), ("synth_b", "3D", 3, 12),
        ("synth_2d", "2D", 2, 6),
    ]  # fmt: skip
    assert plan.found == ("synth_a", "synth_b", "synth_2d") and plan.missing == ("nowhere",)
    assert not plan.remarks
    # 3 of 12 in each of 100 batches.
    epochs = [use.epochs(100) for use in plan.uses]
    assert epochs == [25, None, 25, pytest.approx(100 / 3)]
    text = "\n".join(data_lines(config(store), plan))
    assert "10 examples, 8 with 3D labels and 2 with 2D labels; 100 steps, 1,000 images" in text
    assert "3 of 4 datasets are in the store; an epoch of each is 30 images" in text
    assert "missing: nowhere; prepare them, or --allow-missing" in text
    assert "then fine-tuning: 10 steps" in text


def test_places_of_missing_datasets_are_shared(store):
    plan = data_plan(config(store, "data.allow_missing=true"))
    assert facts(plan) == [
        ("synth_a", "3D", 4, 12), ("nowhere", "3D", 0, 0), ("synth_b", "3D", 4, 12),
        ("synth_2d", "2D", 2, 6),
    ]  # fmt: skip
    nothing = config(store, "data.allow_missing=true", "data.two_d={elsewhere: 2}")
    (remark,) = data_plan(nothing).remarks
    assert "none of the 2D datasets (elsewhere) is in the store" in remark


def test_a_dataset_in_both_parts_is_counted_once(store):
    both = config(store, "data.two_d={synth_a: 1}")
    text = "\n".join(data_lines(both, data_plan(both)))
    assert "2 of 3 datasets are in the store; an epoch of each is 24 images" in text


def test_formats_of_examples_that_are_not_predicted(store):
    plan = data_plan(config(store, "data.formats=[h36m]"))
    (remark, *more) = plan.remarks
    assert "labelled in coco_17, of which no joint is predicted; add it to data.formats" in remark
    assert not more  # synth_2d's labels, of the same format, count for body parts.
    assert plan.missing == ("nowhere",)


def test_without_a_store():
    full = preset("full")
    plan = data_plan(full)
    assert len(plan.missing) == 32 and not plan.found and not plan.remarks
    lines = list(data_lines(full, plan))
    assert "128 examples, 96 with 3D labels and 32 with 2D labels; 400,000 steps, 51,2" in lines[0]
    assert any(line.split() == ["h36m", "3D", "4", "missing"] for line in lines)
    assert "0 of 32 datasets are in the store" in "\n".join(lines)
    assert lines[-1].strip() == "then fine-tuning: 40,000 steps"


def test_wrong_store(tmp_path):
    with pytest.raises(UserError, match="expected a store"):
        data_plan(config(str(tmp_path)))


COSTS = SimpleNamespace(
    stride=32, backbone_parameters=20_000_000, head_parameters=8_000_000,
    weight_bytes=112_000_000, optimizer_bytes=224_000_000, examples=10, kept_bytes=15_000_000_000,
    working_bytes=16_000_000_000, memory=16_336_000_000, flops=3_000_000_000_000,
)  # fmt: skip


def test_lines_about_the_network():
    text = "\n".join(network_lines(config(), COSTS))
    assert "small at 64 px, stride 32, float32; 2 formats, 34 joints" in text
    assert "20,000,000 of the backbone, 8,000,000 of the head" in text
    assert "a step takes 3 x 10^12 operations" in text
    assert "memory: 16.3 GB: weights 0.112 GB, optimiser 0.224 GB, 10 examples" in text


def test_lines_about_time():
    measured = SimpleNamespace(examples=5, seconds=30.0, device="GPU")
    (line,) = machine_lines(config(), COSTS, measured)
    # 60 s for the batch of 10, 100 of them.
    assert "(GPU): 60 s a step, scaled from 5 examples, 1.7 hours for 100 steps" in line
    measured.device = "CPU"
    assert "GB of memory" in list(machine_lines(config(), COSTS, measured))[1]
    half = config("", "model.precision=mixed_float16")
    (time, fits) = gpu_lines(half, COSTS, "a40")
    # 3e12 operations at 5 % of 150e12 a second.
    assert "0.4 s a step, 40 s" in time and "estimate" in time and "5%" in time
    assert fits.strip() == "16.3 GB of 48 GB of memory"
    (_, fits) = gpu_lines(half, COSTS, "T4")
    assert "16.3 GB of 16 GB of memory: too much; model.recompute=true" in fits
    (line,) = gpu_lines(half, COSTS, None)
    assert "--gpu NAME (T4, " in line


def test_gpus():
    for name in ("RTX 4090", "NVIDIA GeForce rtx-4090"):
        assert find_gpu(name) == ("RTX4090", GPUS["RTX4090"])
    with pytest.raises(UserError, match="no figures of a GPU named 'A101'. Did you mean A100"):
        find_gpu("A101")
    on = {name: estimated_seconds(7.5e12, gpu, precision="mixed_float16")
          for name, gpu in GPUS.items()}  # fmt: skip
    assert on["A40"] == pytest.approx(1)
    assert on["A100"] == pytest.approx(150 / 312)  # operations
    assert on["H100"] == pytest.approx(696 / 3350)  # memory
    assert estimated_seconds(7.5e12, GPUS["A40"], precision="float32") == pytest.approx(2)


def test_mistakes_show_before_the_work():
    told = []
    with pytest.raises(UserError, match="no figures of a GPU"):
        print_plan(config(), gpu="abacus", echo=told.append)
    assert not told


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (50, "50 s"), (200, "3.3 minutes"), (3700, "1.0 hours"), (172_900, "2.0 days")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text
