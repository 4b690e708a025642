"""`skelbridge predict`: the files, the remarks, and every kind of wrong input."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from looking_run import LookingRun, picture_of_dots

from skelbridge.cli import main
from skelbridge.posefiles import read_poses
from skelbridge.training import run_folder
from skelbridge.training.config_file import write_config


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Pictures, boxes, and a run without its network."""
    monkeypatch.chdir(tmp_path)
    dots = [[50, 40], [90.5, 70]]
    for name, size in (("a.png", (160, 120)), ("b.jpg", (140, 120))):
        cv2.imwrite(name, picture_of_dots(size, dots))
    for name, box in (("boxes", [30, 20, 80, 70]), ("out", [200, 0, 9, 9]), ("flat", [9, 9, 0, 9])):
        (tmp_path / f"{name}.json").write_text(json.dumps({"a.png": [box], "b.jpg": [box]}))
    (tmp_path / "others.json").write_text('{"c.png": [[1, 2, 3, 4]]}')
    (tmp_path / "damaged.json").write_text('{"a.png"')
    (tmp_path / "empty.png").touch()
    (tmp_path / "damaged.png").write_bytes((tmp_path / "a.png").read_bytes()[:90])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "RUN" / "checkpoints").mkdir(parents=True)
    (tmp_path / "RUN" / "checkpoints" / "step_000000007.npz").touch()
    write_config("RUN/config.yaml", LookingRun().config)
    (tmp_path / "BARE" / "checkpoints").mkdir(parents=True)
    write_config("BARE/config.yaml", LookingRun().config)
    return tmp_path


@pytest.fixture
def looking(monkeypatch):
    """Loads the stand-in for a network."""
    asked = []

    def load_run(path, *, checkpoint=None):
        asked.append((path, checkpoint))
        return LookingRun()

    monkeypatch.setattr(run_folder, "load_run", load_run)
    return asked


def contents(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_json_and_overlay(folder, looking, capsys):
    main("predict RUN a.png --format smpl --format h36m --boxes boxes.json --fov 60 -o o.json "
         "--overlay over.png --checkpoint 7".split())  # fmt: skip
    told = capsys.readouterr()
    assert looking == [("RUN", 7)]
    assert "o.json: 1 person in 1 image: smpl_24 (predicted), h36m_17 (predicted)" in told.out
    assert "drawn: over.png" in told.out
    assert "trained on synthetic people only (synth_a): expect it to fail" in told.err
    tree = json.loads((folder / "o.json").read_text())
    assert tree["images"][0]["path"] == "a.png" and tree["images"][0]["fov_degrees"] == 60
    assert list(tree["formats"]) == ["smpl_24", "h36m_17"]
    assert cv2.imread("over.png").shape[1] == 900


def test_several_images_without_boxes_to_npz(folder, looking, capsys):
    main("predict RUN a.png b.jpg -o o.npz --no-flip --overlay over.png".split())
    told = capsys.readouterr()
    assert "every image is taken for the box of one person" in told.err
    assert "2 people in 2 images" in told.out
    assert {p.name for p in folder.glob("over*")} == {"over_1_a.png", "over_2_b.png"}
    main("convert o.npz --from smpl --to h36m -o c.npz".split())
    main("view o.npz --from smpl -o v.png".split())
    assert read_poses("c.npz").positions.shape == (2, 17, 3)


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ("NONE a.png", "expected the folder of a training run"),
        ("BARE a.png", "no checkpoint yet"),
        ("RUN a.png --checkpoint 8", "no checkpoint of step 8"),
        ("RUN", "missing argument"),
        ("RUN none.png", "none.png: there is no such image"),
        ("RUN a.png RUN", "found a folder"),
        ("RUN empty.png", "found an empty file"),
        ("RUN a.png damaged.png", "damaged.png: expected an image"),
        ("RUN text.png", "text.png: expected an image"),
        ("RUN a.png --format smlp", "Did you mean smpl"),
        ("RUN a.png --fov 0", "from 1 to 179"),
        ("RUN a.png --fov 180", "from 1 to 179"),
        ("RUN a.png --fov wide", "not a valid float"),
        ("RUN a.png --boxes none.json", "none.json: cannot be read"),
        ("RUN a.png --boxes damaged.json", "expected JSON"),
        ("RUN a.png --boxes others.json", "expected boxes of a.png, found those of 'c.png'"),
        ("RUN a.png --boxes out.json", "must meet the image's 160 x 120"),
        ("RUN a.png --boxes flat.json", "more than 0 x 0 px"),
        ("RUN a.png -o o.csv", "must end in .json or .npz"),
        ("RUN a.png -o none/o.json", "there is no folder"),
        ("RUN a.png --boxes boxes.json -o boxes.json", "is an input"),
        ("RUN a.png --overlay a.png", "is an input"),
        ("RUN a.png --overlay a.jpg", "must end in .png"),
        ("RUN a.png --overlay none/a.png", "there is no folder"),
    ],
)
def test_wrong_input(folder, looking, capsys, arguments, fragment):
    before = contents(folder)
    arguments = arguments.split()
    with pytest.raises(SystemExit) as ended:
        main(["predict", *arguments, *([] if "-o" in arguments else ["-o", "o.json"])])
    message = capsys.readouterr().err.strip()
    assert ended.value.code == 2
    assert message.startswith("Error: ") and "\n" not in message
    assert fragment.lower() in message.lower()
    assert contents(folder) == before


def test_most_mistakes_are_found_before_the_network_is_loaded(folder):
    code = (
        "import sys\nfrom skelbridge.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    for arguments in ("--format smlp", "--boxes others.json", "--overlay a.gif", "--checkpoint 8"):
        done = subprocess.run(
            [sys.executable, "-c", code, *f"predict RUN a.png -o o.json {arguments}".split()],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == "[]\n" and "Error: " in done.stderr


def test_help_loads_nothing():
    code = (
        "import sys\nfrom skelbridge.cli import cli\n"
        "cli.main(['predict', '--help'], standalone_mode=False)\n"
        "print([m for m in ('tensorflow', 'keras', 'cv2', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n") and "--overlay" in done.stdout


def test_a_real_run(skelbridge, folder):
    """One whose network was never trained, from its files on disk."""
    from skelbridge.training.checkpoints import checkpoint_path, save_checkpoint
    from skelbridge.training.network import build_model

    run = LookingRun(crop=64)
    write_config("RUN/config.yaml", run.config)
    facts = {"datasets": ["synth_a"], "is_synthetic_only": True}
    run_folder.write_facts("RUN", facts)
    model = build_model(run.config, run.registry, None)
    save_checkpoint(checkpoint_path("RUN/checkpoints", 7), model.variables, {})
    done = skelbridge.works(
        *"predict RUN a.png b.jpg --format coco_19 --boxes boxes.json -o o.json".split()
    )
    assert "synthetic people only" in done.stderr.decode()
    tree = json.loads((folder / "o.json").read_text())
    assert tree["model"]["step"] == 7 and tree["model"]["run"] == "RUN"
    for image in tree["images"]:
        (person,) = image["people"]
        poses = np.array(person["poses"]["coco_19"]["joints3d"], float)
        assert poses.shape == (19, 3) and np.isfinite(poses).any()
