"""skelbridge.training.run_folder and .resuming: what is read from a run, without its network."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from dataset_adapters.containers.errors import FileError
from skelbridge.acae import Acae
from skelbridge.atomic import atomic_path
from skelbridge.training import run_folder
from skelbridge.training.checkpoints import checkpoint_path
from skelbridge.training.config import DataConfig, FineTuningConfig, TrainConfig
from skelbridge.training.config_file import write_config
from skelbridge.training.resuming import check_folder, check_is_the_same, remove_leftovers
from skelbridge.training.run_folder import acae_of, find_checkpoint, read_run, write_facts
from skeleton_defs import JointRegistry, UserError

FORMATS = ("coco_17", "h36m_17")
CONFIG = TrainConfig(data=DataConfig(formats=FORMATS, three_d={"a": 4}), store="/s")
NAMES = JointRegistry(FORMATS).names


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "RUN"
    (path / "checkpoints").mkdir(parents=True)
    write_config(path / "config.yaml", CONFIG)
    write_facts(path, {"datasets": ["a"], "is_synthetic_only": True})
    for step in (2, 10):
        checkpoint_path(path / "checkpoints", step).touch()
    return path


def test_read(run):
    assert read_run(run) == (CONFIG, {"datasets": ["a"], "is_synthetic_only": True})
    assert find_checkpoint(run) == 10 and find_checkpoint(run, 2) == 2
    (run / "facts.json").unlink()
    assert read_run(run) == (CONFIG, {})


@pytest.mark.parametrize("damage", ["", "{", "[1]", "[" * 99_999])
def test_damaged_facts(run, damage):
    (run / "facts.json").write_text(damage)
    with pytest.raises(FileError, match="expected JSON that this program wrote"):
        read_run(run)


def test_damaged_configuration(run):
    (run / "config.yaml").write_text("steps: x")
    with pytest.raises(FileError, match="config.yaml"):
        read_run(run)


def test_no_run(tmp_path, run):
    with pytest.raises(UserError, match="expected the folder of a training run"):
        read_run(tmp_path)
    with pytest.raises(UserError, match="expected the folder of a training run"):
        read_run(run / "config.yaml")
    with pytest.raises(UserError, match="no checkpoint of step 3; there are: 2, 10"):
        find_checkpoint(run, 3)
    for file in (run / "checkpoints").iterdir():
        file.unlink()
    with pytest.raises(UserError, match="no checkpoint yet; train on with --resume"):
        find_checkpoint(run)


def test_where_a_run_may_begin_or_go_on(tmp_path, run):
    check_folder(tmp_path / "new", resume=False)
    check_folder(run, resume=True)
    with pytest.raises(UserError, match="holds a run already; go on with --resume"):
        check_folder(run, resume=False)
    other = tmp_path / "other"
    other.mkdir()
    # Killed while the configuration was written.
    (other / ".config.0123.yaml").touch()
    check_folder(other, resume=False)
    check_folder(other, resume=True)
    (other / "holiday.jpg").touch()
    for resume in (False, True):
        with pytest.raises(UserError, match="found other files in it"):
            check_folder(other, resume=resume)


def test_what_a_killed_process_leaves(run):
    files = {"config.yaml", ".DS_Store", ".step.npz", "checkpoints/step_000000002.npz"}
    (run / ".DS_Store").touch()
    (run / ".step.npz").touch()
    before = {p for p in run.rglob("*") if p.is_file()}
    assert {run / name for name in files} <= before
    kept = ("config.yaml", "facts.json", "log.jsonl", "acae.npz", "checkpoints/step_000000012.npz")
    for name in kept:
        with pytest.raises(BrokenPipeError), atomic_path(run / name) as temporary:
            temporary.touch()
            shutil.copyfile(temporary, run / "copy")
            raise BrokenPipeError
        (run / "copy").rename(temporary)
    remove_leftovers(run)
    assert {p for p in run.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"steps": 500_000}, "steps = 400000, now it is 500000"),
        ({"seed": 1}, "seed = 0"),
        ({"data": dataclasses.replace(CONFIG.data, crop=128)}, "data.crop = 256"),
        ({"data": dataclasses.replace(CONFIG.data, two_d={"b": 1})}, "data.two_d.b = None"),
        ({"fine_tuning": FineTuningConfig("control", "/r")}, "fine_tuning = None"),
    ],
)
def test_another_configuration(run, changes, named):
    with pytest.raises(UserError) as caught:
        check_is_the_same(run, CONFIG.replaced(**changes))
    assert named in str(caught.value) and "\n" not in str(caught.value)


def test_values_that_weights_do_not_depend_on(run):
    free = {"workers": 3, "keep": 9, "checkpoint_every": 7, "log_every": 3, "store": "/t"}
    check_is_the_same(run, CONFIG.replaced(**free, threads=4))


def test_without_a_checkpoint_nothing_is_bound(run):
    for file in (run / "checkpoints").iterdir():
        file.unlink()
    check_is_the_same(run, CONFIG.replaced(seed=1))


def acae(joints=34, names=NAMES, *, at=0):
    w1 = np.zeros((joints, 2))
    w1[at] = 1
    w2 = np.full((2, joints), 0.5)
    return Acae(w1, w2, joint_names=names)


def tuned(path):
    return CONFIG.replaced(fine_tuning=FineTuningConfig("latent", "/r", acae=str(path)))


def test_acae(tmp_path, run):
    path = tmp_path / "a.npz"
    acae().save(path)
    assert acae_of(CONFIG, None) is None
    assert acae_of(tuned(path), None).latents == 2
    # A run that goes on keeps to the one that it was begun with.
    acae(at=3).save(run / run_folder.ACAE)
    assert acae_of(tuned(path), run).w1[3, 0] == 1
    assert acae_of(tuned(path), None).w1[0, 0] == 1
    path.unlink()
    assert acae_of(tuned(path), run).w1[3, 0] == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: acae(5, None).save(p), "must be for the 34 joints .* found 5 joints; fit one"),
        (
            lambda p: acae(names=JointRegistry(FORMATS[::-1]).names).save(p),
            "found 34 joints in another order",
        ),
        (lambda p: p.write_text("no"), "expected an .npz file"),
        (lambda p: None, "No such file"),
        (lambda p: p.mkdir(), "found a folder"),
        (lambda p: np.savez(p, v00000=np.zeros(3)), "expected an ACAE file"),
    ],
)
def test_wrong_acae(tmp_path, make, message):
    path = tmp_path / "a.npz"
    make(path)
    with pytest.raises(UserError, match=message) as caught:
        acae_of(tuned(path), None)
    assert "\n" not in str(caught.value)


def test_facts_are_written_whole(tmp_path, run):
    with pytest.raises(TypeError):
        write_facts(run, {"x": object()})
    assert json.loads((run / "facts.json").read_text())["datasets"] == ["a"]
    assert not [f for f in run.iterdir() if f.name.startswith(".")]
