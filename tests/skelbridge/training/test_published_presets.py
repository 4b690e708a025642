"""The published presets end to end, on the miniatures of all their datasets.

python -m pytest -m slow tests/skelbridge/training/test_published_presets.py
"""

import json
import os
import signal
import subprocess
import sys
import time

import keras_backends
import numpy as np
import pytest
from miniatures import write_miniature

import skeleton_defs
from dataset_adapters import get_adapter
from skelbridge.acae.matrices import Acae
from skelbridge.data.compositions import PRESETS
from skelbridge.data.labels import JointVector
from skelbridge.store import merge_stores, open_store, prepare
from skelbridge.training.checkpoints import checkpoint_path, checkpoint_steps
from skelbridge.training.presets import preset
from skelbridge.training.run_log import read_log

pytestmark = pytest.mark.slow
STEPS, KILLED_AFTER = 20, 8
#: A small network, and phases that 20 steps go through.
SMALL = [
    "model.backbone=mobilenet_v3_small", "data.crop=128", "model.weights=null",
    f"steps={STEPS}", "phases.full_perspective_from=2", "phases.absolute_after=4",
    "phases.stored_statistics_last=3", f"checkpoint_every={KILLED_AFTER}", "keep=4",
    "log_every=1", "threads=2", "workers=2",
]  # fmt: skip
#: CPUs take twice as long for float16: once is enough.
PRECISIONS = {"medium": "float32", "full": "mixed_float16"}
#: XLA is not used, and its flags of `keras_backends` are no concern of a user.
ENVIRONMENT = {"PYTHONPATH": keras_backends.ENVIRONMENT["PYTHONPATH"]}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """All 28 + 4 datasets: prepared into two stores, which are joined."""
    folder = tmp_path_factory.mktemp("datasets")
    full = PRESETS["full"]
    for part, counts in (("3d", full.three_d), ("2d", full.two_d)):
        for name, _ in counts:
            (folder / name).mkdir()
            write_miniature(name, folder / name)
            prepare(get_adapter(name), folder / name, folder / f"store_{part}", thinning=False)
    merge_stores([folder / "store_3d", folder / "store_2d"], folder / "store")
    return folder / "store"


def begun(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "skelbridge", *map(str, arguments)], text=True,
        env=os.environ | ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def done(*arguments):
    process = begun(*arguments)
    out, err = process.communicate(timeout=1800)
    assert process.returncode == 0, err[-4000:]
    return out


def last_checkpoint(run, step=STEPS):
    return checkpoint_path(run / "checkpoints", step)


def check_log(run, steps):
    """Losses of all steps are numbers, and both kinds of labels count."""
    records = read_log(run)
    assert [record["step"] for record in records] == list(range(1, steps + 1))
    for record in records:
        losses = [value for value in record.values() if isinstance(value, float)]
        assert losses and np.isfinite(losses).all()
    text = json.dumps(records)
    assert "3d/supervised" in text and "2d/supervised" in text


def test_what_is_stored_can_be_predicted(store):
    """All joints with 3D labels, and the body part of all joints with 2D labels only."""
    opened = open_store(store)
    registry, with_3d = preset("full").data.registry(), dict(PRESETS["full"].three_d)
    vector, points, datasets = JointVector(registry), set(registry.points), set()
    for group, places in opened.groups.items():
        if group.split == "train" and len(places):
            datasets.add(group.dataset)
            skeleton = skeleton_defs.get(group.skeleton)
            if group.dataset in with_3d:
                assert {skeleton.point_of(joint) for joint in skeleton.joints} <= points, group
                continue
            found = (vector.places(skeleton.name, is_3d=False), vector.stand_ins(skeleton.name))
            placed = [skeleton.joints[number] for joints, _ in found for number in joints]
            assert {skeleton.group[joint] for joint in placed} == set(skeleton.group.values()), (
                group
            )
    assert datasets == set(PRESETS["full"].datasets)


@pytest.fixture(scope="module", params=["medium", "full"])
def trained(request, store, tmp_path_factory):
    """The folder of an uninterrupted run."""
    level, folder = request.param, tmp_path_factory.mktemp(request.param)
    arguments = [
        "train", "--preset", level, "--store", store, "--set", *SMALL,
        f"model.precision={PRECISIONS[level]}",
    ]  # fmt: skip
    done(*arguments, "--out", folder / "whole")
    return level, folder, arguments


def test_composition_is_unchanged(trained):
    level, folder, _ = trained
    facts = json.loads((folder / "whole" / "facts.json").read_text())
    assert tuple(facts["datasets"]) == PRESETS[level].datasets
    assert checkpoint_steps(folder / "whole" / "checkpoints") == [8, 16, 17, 20]
    check_log(folder / "whole", STEPS)


def test_killed_and_resumed(trained):
    _, folder, arguments = trained
    run = folder / "killed"
    process = begun(*arguments, "--out", run)
    try:
        end = time.monotonic() + 1200
        while not last_checkpoint(run, KILLED_AFTER).exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(1)  # in the middle of a later step
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert max(checkpoint_steps(run / "checkpoints")) < STEPS
    done("train", "--resume", "--out", run)
    whole = last_checkpoint(folder / "whole")
    assert last_checkpoint(run).read_bytes() == whole.read_bytes()


def test_fine_tuned(trained):
    _, folder, _ = trained
    joints = preset(trained[0]).data.registry()
    # So short a training predicts nothing that an autoencoder could be fitted to.
    planted(joints).save(folder / "acae.npz")
    run = folder / "tuned"
    done("finetune", folder / "whole", "--acae", folder / "acae.npz", "--out", run,
         "--set", f"steps={STEPS}")  # fmt: skip
    assert checkpoint_steps(run / "checkpoints")[-1] == STEPS
    check_log(run, STEPS)


def planted(registry, latents=48):
    """An autoencoder whose latents are some of the joints; each other joint is their mean."""
    joints = len(registry)
    w1, w2 = np.zeros((joints, latents)), np.full((latents, joints), 1 / latents)
    chosen = np.linspace(0, joints - 1, latents).astype(int)
    w1[chosen, np.arange(latents)] = 1
    w2[:, chosen] = np.eye(latents)
    return Acae(w1, w2, joint_names=registry.names)


def test_a_step_of_the_published_backbone(store, tmp_path):
    """EfficientNetV2-S, 256 px, 16 examples, everything else as published."""
    run = tmp_path / "run"
    done(
        "train", "--preset", "full", "--store", store, "--out", run, "--set",
        "model.weights=null", "steps=1", "phases.stored_statistics_last=0", "log_every=1",
        "data.batch=null", "data.three_d={h36m: 4, surreal: 4, panoptic: 4}",
        "data.two_d={coco: 4}", "threads=2", "workers=2",
    )  # fmt: skip
    check_log(run, 1)
    assert checkpoint_steps(run / "checkpoints") == [1]
