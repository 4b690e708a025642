"""`accuracy`, and what the atlas adds to `convert`."""

import json

import numpy as np
import pytest

import skelbridge
from skelbridge.atlas import moments as moments_module
from skelbridge.cli import main


@pytest.fixture
def run(capsys, monkeypatch, tmp_path, atlas_file):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, arguments)))
            raise SystemExit(0)
        captured = capsys.readouterr()
        assert (ended.value.code or 0) == code, captured.err
        return captured

    return run


def test_accuracy_table(run):
    lines = run("accuracy", "--from", "coco", "--to", "smpl").out.splitlines()
    assert lines[0].split()[:3] == ["joint", "status", "by"]
    assert len(lines) == 1 + 24 + 1
    hip = next(line.split() for line in lines if line.startswith("left_hip"))
    assert hip[1:3] == ["combined", "61"]
    foot = next(line for line in lines if line.startswith("left_foot"))
    assert "unavailable" in foot and "(" in foot and "nearest source joint: left_ankle" in foot
    assert lines[-1].startswith("coco_17 -> smpl_24: 20 of 24 joints, expected error")


def test_accuracy_as_json(run):
    report = json.loads(run("accuracy", "--from", "coco", "--to", "smpl", "--json").out)
    assert (report["from"], report["to"], report["method"]) == ("coco_17", "smpl_24", "atlas")
    by_joint = {row["joint"]: row for row in report["joints"]}
    knee = by_joint["left_knee"]
    assert knee["expected_mm"] == pytest.approx(
        np.hypot(knee["statistical_mm"], knee["placement_mm"]), abs=0.2
    )
    assert knee["p95_mm"] == pytest.approx(1.9 * knee["expected_mm"], abs=0.2)
    assert knee["names_joint"] == "left_knee" and knee["names_mm"] == pytest.approx(29, abs=1)
    foot = by_joint["left_foot"]
    assert foot["status"] == "unavailable" and foot["expected_mm"] > 60
    assert foot["absolute_weights"] is None


def test_accuracy_takes_the_options_of_the_atlas(run):
    arguments = ("accuracy", "--from", "coco", "--to", "smpl", "--json")
    few = json.loads(run(*arguments, "--max-error", 30).out)["joints"]
    all_ = json.loads(run(*arguments, "--max-error", 300, "--sparse", "--noise-mm", 3).out)[
        "joints"
    ]
    assert sum(row["status"] == "unavailable" for row in few) > 10
    assert not [row for row in all_ if row["status"] == "unavailable"]


def test_accuracy_without_an_atlas_is_by_name(run, monkeypatch, tmp_path):
    monkeypatch.delenv("SKELBRIDGE_ATLAS")
    monkeypatch.setattr(moments_module, "SHIPPED", tmp_path / "none.npz")
    text = run("accuracy", "--from", "smpl", "--to", "h36m").out
    assert "no atlas is installed" in text and "named" in text


def test_accuracy_of_one_family(run):
    text = run("accuracy", "--from", "smpl", "--to", "surreal").out
    assert "24 of 24 joints, expected error 0 mm on average" in text


def test_explain_shows_the_largest_weights_and_both_errors(run):
    lines = run("convert", "--from", "smpl", "--to", "h36m", "--explain").out.splitlines()
    assert lines[0] == "smpl_24 -> h36m_17 by atlas"
    assert len(lines) == 18
    hip = next(line for line in lines if line.startswith("left_hip"))
    assert "19 smaller" in hip and "statistics" in hip and "placement" in hip
    sparse = run("convert", "--from", "smpl", "--to", "h36m", "--explain", "--sparse", "--json").out
    used = [len(joint["weights"]) for joint in json.loads(sparse)["joints"]]
    assert np.mean(used) < 14


def test_files_are_solved_pose_by_pose(run, tmp_path, body):
    poses = body.of("smpl")[:100].astype(np.float32)
    poses[:30, 4] = np.nan
    poses[20:40, 15] = np.nan
    np.save(tmp_path / "a.npy", poses)
    done = run("convert", "--from", "smpl", "--to", "h36m", "a.npy", "-o", "b.npz")
    assert "40 of 100 poses lack joints, in 3 patterns" in done.err
    assert "17 combined" in done.out and "expected error" in done.out
    with np.load(tmp_path / "b.npz") as out:
        expected = skelbridge.convert(poses, "smpl", "h36m")
        np.testing.assert_allclose(out["positions"], expected, rtol=1e-6)
        assert np.isfinite(out["positions"]).all(axis=2).mean() > 0.95


def test_summary_names_what_is_unavailable(run, tmp_path, body):
    np.save(tmp_path / "a.npy", body.of("coco")[:5])
    done = run("convert", "--from", "coco", "--to", "smpl", "a.npy", "--max-error", 55)
    assert "unavailable (" in done.out and "left_foot" in done.out


def test_joints_are_weighed_by_confidence(run, tmp_path, body):
    poses = body.of("coco")[:20]
    confidence = np.ones(poses.shape[:2])
    confidence[:, 5] = 0.3
    np.savez(tmp_path / "a.npz", positions=poses, confidence=confidence)
    run("convert", "--from", "coco", "--to", "h36m", "a.npz", "-o", "plain.npz")
    run("convert", "--from", "coco", "--to", "h36m", "a.npz", "-o", "w.npz", "--weigh-confidence")
    with np.load(tmp_path / "w.npz") as weighed, np.load(tmp_path / "plain.npz") as plain:
        expected = skelbridge.convert(poses, "coco", "h36m", confidence=confidence)
        np.testing.assert_allclose(weighed["positions"], expected)
        assert not np.allclose(weighed["positions"], plain["positions"], equal_nan=True)
    np.save(tmp_path / "b.npy", poses)
    message = run(
        "convert", "--from", "coco", "--to", "h36m", "b.npy", "--weigh-confidence", code=2
    )
    assert "the file has none" in message.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "names", "--noise-mm", "3"), "only the atlas"),
        (("--noise-mm", "-3"), "0 to 1000 mm"),
        (("--max-error", "nan"), "above 0 mm"),
        (("--noise-mm", "x"), "not a valid float"),
    ],
)
def test_wrong_options_leave_nothing(run, tmp_path, arguments, message):
    np.save(tmp_path / "a.npy", np.zeros((3, 24, 3)))
    failed = run("convert", "--from", "smpl", "--to", "h36m", "a.npy", *arguments, code=2)
    assert message in failed.err
    assert failed.err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npy", "made_up_atlas.npz"]
