"""`skelbridge train` and `skelbridge finetune`, as a new user meets them."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from dataset_adapters.containers.npz import open_npz
from skelbridge.cli import main
from skelbridge.synth import SynthOptions, synthesize
from skelbridge.training.checkpoints import checkpoint_path, checkpoint_steps
from skelbridge.training.config_file import read_config
from skelbridge.training.run_log import read_log

FORMATS = ("coco_17", "h36m_17")
CONFIG = """
data:
  formats: [coco, h36m]
  three_d: {synth_a: 2, synth_b: 2}
  crop: 64
model: {batch_norm: normal}
steps: 30
phases: {stored_statistics_last: 0}
checkpoint_every: 1
log_every: 5
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a store whose path has spaces, and a configuration."""
    path = tmp_path_factory.mktemp("home") / "my things"
    small = {"domains": 2, "examples": 8, "two_d": 2, "test": 0, "size": 48}
    synthesize(path / "a store", SynthOptions(formats=FORMATS, **small))
    (path / "tiny.yaml").write_text(CONFIG)
    (path / "text.txt").write_text("no store")
    (path / "bad.yaml").write_text(CONFIG.replace("crop", "crp"))
    (path / "holiday").mkdir()
    (path / "holiday" / "sea.jpg").touch()
    return path


def listing(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def fails(home, monkeypatch, capsys, arguments):
    monkeypatch.chdir(home)
    before = listing(home)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    told = capsys.readouterr()
    assert ended.value.code == 2 and not told.out
    assert told.err.startswith("Error: ") and told.err.count("\n") == 1
    assert listing(home) == before and not (home / "RUN").exists()
    return told.err


STORE = ["--store", "a store"]
TINY = ["--config", "tiny.yaml"]


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ([*TINY], "store must be the folder of an example store (--store)"),
        ([*TINY, "--store", "none"], "none"),
        ([*TINY, "--store", "text.txt"], "text.txt"),
        ([*TINY, "--store", "holiday"], "holiday"),
        (
            ["--preset", "mini", *STORE],
            "not in the store: synth_c, synth_d; prepare them, or allow",
        ),
        (["--preset", "mimi", *STORE], "no preset is named 'mimi'. Did you mean mini"),
        (
            ["--preset", "small", *STORE, "--set", "model.weights=null"],
            "not in the store: h36m, muco, surreal, mpii",
        ),
        (["--preset", "full", "--plan", "--gpu", "A101"], "named 'A101'. Did you mean A100"),
        (["--preset", "full", "--plan", "--store", "none"], "none: expected a store"),
        (["--preset", "mimi", "--plan"], "no preset is named 'mimi'"),
        ([*TINY, *STORE, "--gpu", "A100"], "--gpu is for --plan"),
        ([*TINY, *STORE, "steps=2"], "Got unexpected extra argument (steps=2)"),
        ([*TINY, *STORE, "--set", "seed=1", "steps"], "must be written key=value"),
        ([*STORE], "give --config FILE or --preset NAME"),
        ([*STORE, "--resume"], "give --config FILE or --preset NAME (or --resume a run)"),
        (["--config", "none.yaml", *STORE], "none.yaml: cannot be read"),
        (["--config", "bad.yaml", *STORE], "bad.yaml: data.crp: no such key. Did you mean crop"),
        ([*TINY, *STORE, "--set", "data.crp=1"], "Error: data.crp: no such key. Did you mean crop"),
        ([*TINY, *STORE, "--set", "steps"], "must be written key=value"),
        ([*TINY, *STORE, "--set", "steps=a lot"], "steps: Input should be a valid integer"),
        ([*TINY, *STORE, "--set", "data.split=test"], "not in the store: synth_a, synth_b"),
        ([*TINY, *STORE, "--set", "data.formats=[mpii]"], "no joint of '"),
        ([*TINY, *STORE, "--set", "data.formats=[smlp]"], "smlp"),
    ],
)
def test_wrong_input(home, monkeypatch, capsys, arguments, fragment):
    assert fragment in fails(home, monkeypatch, capsys, ["train", "--out", "RUN", *arguments])


def test_other_files_are_left_alone(home, monkeypatch, capsys):
    arguments = ["train", *TINY, *STORE, "--out"]
    message = fails(home, monkeypatch, capsys, [*arguments, "holiday"])
    assert "holiday: expected an empty folder or a run, found other files" in message
    assert "text.txt: " in fails(home, monkeypatch, capsys, [*arguments, "text.txt"])
    assert "text.txt" in fails(home, monkeypatch, capsys, [*arguments, "text.txt/run"])
    assert "Missing option '--out'" in fails(home, monkeypatch, capsys, arguments[:-1])


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["none"], "none: expected the folder of a training run"),
        (["a store"], "expected the folder of a training run"),
        (["none", "--variant", "otput"], "'otput' is not one of 'output'"),
        (["none", "--out", "holiday"], "holiday: expected an empty folder or a run"),
        ([], "Missing argument 'RUN'"),
    ],
)
def test_wrong_fine_tuning(home, monkeypatch, capsys, arguments, fragment):
    assert fragment in fails(home, monkeypatch, capsys, ["finetune", *arguments])


def test_show_config(home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    main([*"train --preset mini --out RUN --show-config --set steps=700".split(), *STORE])
    (home / "shown.yaml").write_text(capsys.readouterr().out)
    shown = read_config(home / "shown.yaml")
    assert shown.steps == 700 and shown.store == "a store" and len(shown.data.three_d) == 4
    # Several changes after one option, and no folder: nothing is trained.
    main("train --preset full --show-config --set model.backbone=resnet_50 data.crop=128".split())
    (home / "shown.yaml").write_text(capsys.readouterr().out)
    shown = read_config(home / "shown.yaml")
    assert (shown.model.backbone, shown.data.crop, shown.data.batch) == ("resnet_50", 128, "full")
    # A file on top of a preset.
    main(["train", "--preset", "mini", *TINY, "--out", "RUN", "--show-config"])
    (home / "shown.yaml").write_text(capsys.readouterr().out)
    shown = read_config(home / "shown.yaml")
    assert shown.data.three_d == {"synth_a": 2, "synth_b": 2} and shown.rates.base == 2e-3
    (home / "shown.yaml").unlink()
    assert not (home / "RUN").exists()


def test_show_batches(home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    main(["train", *TINY, *STORE, "--out", "RUN", "--show-batches"])
    first = capsys.readouterr().out
    assert "4 examples a batch: 4 with 3D labels" in first and "synth_b" in first
    main([*"train --preset mini --allow-missing --out RUN --show-batches".split(), *STORE])
    text = capsys.readouterr().out
    assert "36 examples a batch: 32 with 3D labels" in text
    assert "2 datasets are not in the store: synth_c, synth_d" in text
    assert re.search(r"sha256 [0-9a-f]{64}", text)
    assert not (home / "RUN").exists()


def test_plan(home):
    """Of data that is partly there; nothing is written."""
    before = listing(home)
    process = started(
        home, "train", *TINY, *STORE, "--plan", "--gpu", "A100",
        "--set", "data.three_d={synth_a: 2, agora: 2}", "model.precision=mixed_float16",
    )  # fmt: skip
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0 and not said_by_us(err), err
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "synth_a 3D 2 4 15.0" in lines and "agora 3D 2 missing" in lines
    assert "missing: agora; prepare them, or --allow-missing" in lines
    assert any("small at 64 px, stride 16, mixed_float16; 2 formats, 34" in line for line in lines)
    assert any(line.startswith("This machine (") and " for 30 steps" in line for line in lines)
    assert any(line.startswith("A100 (a rough estimate") for line in lines)
    assert listing(home) == before


def test_help_loads_no_tensorflow():
    code = (
        "import sys\nfrom skelbridge.cli import cli\n"
        "for command in ('train', 'finetune'):\n"
        "    cli.main([command, '--help'], standalone_mode=False)\n"
        "print([m for m in ('tensorflow', 'keras', 'yaml', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n") and "--resume" in done.stdout and "--acae" in done.stdout


def started(home, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "skelbridge", *arguments], cwd=home, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def said_by_us(text):
    """Standard error without what TensorFlow's libraries say while they are loaded."""
    foreign = ("WARNING: All log messages before absl", "I0000 ")
    return [line for line in text.splitlines() if not line.startswith(foreign)]


def test_interrupted_and_resumed(home, monkeypatch, capsys, tmp_path):
    run = home / "RUN 1"
    process = started(home, "train", *TINY, *STORE, "--out", "RUN 1")
    end = time.monotonic() + 120
    try:
        while not checkpoint_path(run / "checkpoints", 1).exists():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGINT and not out
    assert said_by_us(err)[-1] == "Interrupted; nothing was left half-written."
    assert "Traceback" not in err
    assert not [p for p in run.rglob(".*")]
    steps = checkpoint_steps(run / "checkpoints")
    assert 1 <= max(steps) < 30 and len(steps) <= 3
    for step in steps:
        with open_npz(checkpoint_path(run / "checkpoints", step)) as arrays:
            assert json.loads(str(arrays["header"]))["step"] == step
            assert all(arrays[name] is not None for name in arrays)

    # What a user may try next.
    with pytest.raises(SystemExit):
        main(["finetune", str(run)])
    message = capsys.readouterr().err
    assert f"has {max(steps)} of its 30 steps; finish it with --resume first" in message
    with pytest.raises(SystemExit):
        main(["train", "--config", str(home / "tiny.yaml"), "--out", str(run),
              "--store", str(home / "a store")])  # fmt: skip
    assert "holds a run already; go on with --resume" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "--resume", "--out", str(run), "--set", "seed=4"])
    assert "the run was begun with seed = 0, now it is 4" in capsys.readouterr().err

    # From another folder, with its own configuration.
    process = started(tmp_path, "train", "--resume", "--out", os.path.relpath(run, tmp_path))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.strip().endswith("step_000000030.npz")
    assert [record["step"] for record in read_log(run)] == [5, 10, 15, 20, 25, 30]
    (told,) = said_by_us(err)
    assert told.startswith("step 30/30, ") and "synth_a" in told
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_fine_tuning(home, monkeypatch):
    """Fit, keep and use again; wrong autoencoders; interrupted."""

    def run(*arguments, code=0):
        process = started(home, *arguments)
        _, err = process.communicate(timeout=300)
        assert process.returncode == code, err
        return said_by_us(err)

    run("train", *TINY, *STORE, "--out", "BASE", "--set", "checkpoint_every=10")
    with monkeypatch.context() as several:
        several.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}}')
        (refused,) = run("finetune", "BASE", code=2)
    assert "BASE/acae.npz is not there yet" in refused and "fit it on one machine" in refused
    told = run("finetune", "BASE", "--variant", "output", "--set", "steps=2")
    assert told[0] == "predicting the training images of BASE ..."
    assert told[1] == f"fitted {os.path.join('BASE', 'acae.npz')}"
    fitted = (home / "BASE" / "acae.npz").read_bytes()
    told = run("finetune", "BASE", "--variant", "latent", "--set", "steps=2")
    assert not any("predicting" in line for line in told)
    assert (home / "BASE" / "acae.npz").read_bytes() == fitted
    (told,) = run("finetune", "BASE", "--variant", "latent", code=2)
    assert "BASE_latent: holds a run already" in told
    run("finetune", "BASE", "--variant", "latent", "--resume")
    (told,) = run("finetune", "BASE", "--out", "BASE_latent", "--resume", code=2)
    assert "BASE_latent: holds a run of the variant 'latent'; give another --out" in told
    (told,) = run("finetune", "BASE", "--acae", "text.txt", "--out", "X", code=2)
    assert "text.txt: expected an .npz file" in told
    (told,) = run("finetune", "BASE", "--acae", "none.npz", "--out", "X", code=2)
    assert "none.npz: no such file; give an ACAE file, or --acae auto" in told
    (told,) = run("finetune", "BASE_latent", "--out", "X", code=2)
    assert "is a fine-tuned run" in told
    assert not (home / "X").exists()
    run("predict", "BASE_latent", str(picture(home)), "-o", "o.json")
    assert list(json.loads((home / "o.json").read_text())["formats"]) == list(FORMATS)


def picture(home):
    import cv2
    import numpy as np

    path = home / "grey.png"
    cv2.imwrite(str(path), np.full((80, 60, 3), 128, np.uint8))
    return path
