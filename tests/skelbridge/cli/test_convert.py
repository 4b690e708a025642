import io
import json

import numpy as np
import pytest

import skelbridge as sb

POSES = np.random.default_rng(0).normal(size=(10, 24, 3)).astype(np.float32)
BY_NAMES = ("--method", "names")
EXPECTED = sb.convert(POSES, "smpl", "h36m", method="names")


@pytest.fixture
def smpl(tmp_path):
    np.save(tmp_path / "poses.npy", POSES)
    np.savez(tmp_path / "poses.npz", positions=POSES, camera=np.eye(3))
    return tmp_path


def test_npz_to_npz_carries_other_keys(skelbridge, smpl):
    done = skelbridge.works(
        "convert", *BY_NAMES, "--from", "smpl", "--to", "h36m", "poses.npz", "-o", "out.npz"
    )
    with np.load(smpl / "out.npz") as out:
        np.testing.assert_array_equal(out["positions"], EXPECTED)
        assert out["positions"].dtype == np.float32
        np.testing.assert_array_equal(out["camera"], np.eye(3))
        assert tuple(out["joint_names"]) == sb.AffineMap.between("smpl", "h36m").target.joints
        assert str(out["skeleton"]) == "h36m_17"
    line = done.stdout.decode().strip()
    assert "10 frames" in line and "16 named" in line and "1 unavailable" in line


@pytest.mark.parametrize("suffix", [".npy", ".json", ".csv", ".parquet", ".h5", ".trc"])
def test_every_writable_suffix_reads_back(skelbridge, smpl, suffix):
    args = ["--units", "m:mm"] if suffix == ".trc" else []
    skelbridge.works(
        "convert",
        *BY_NAMES,
        "--from",
        "smpl",
        "--to",
        "h36m",
        "poses.npy",
        "-o",
        f"out{suffix}",
        *args,
    )
    skeleton = {} if suffix != ".npy" else {"n_joints": 17}
    back = sb.read_poses(smpl / f"out{suffix}", **skeleton)
    scale = 1000 if args else 1
    np.testing.assert_allclose(
        np.squeeze(back.positions[:]), EXPECTED * np.float32(scale), rtol=1e-6, atol=1e-6
    )
    again = skelbridge.works(
        "convert", *(["--from", "h36m"] if suffix == ".npy" else []), "--to", "h36m_25",
        f"out{suffix}", "-o", "again.npz", "--json",
    )  # fmt: skip
    assert json.loads(again.stdout)["from"] == "h36m_17"


def test_json_report(skelbridge, smpl):
    done = skelbridge.works(
        "convert", *BY_NAMES, "--from", "smpl", "--to", "h36m", "poses.npy", "-o", "o.npy", "--json"
    )
    report = json.loads(done.stdout)
    assert report["frames"] == 10
    assert report["status_counts"] == {"copied": 0, "named": 16, "combined": 0, "unavailable": 1}
    hip = next(j for j in report["joints"] if j["joint"] == "left_hip")
    assert hip["weights"] == {"left_hip": 1.0}
    assert 134 < hip["expected_error_mm"] < 138


def test_auto_combines_joints_and_states_two_errors(skelbridge, smpl):
    arguments = ("convert", "--from", "smpl", "--to", "h36m", "poses.npy", "-o", "o.npy")
    report = json.loads(skelbridge.works(*arguments, "--json").stdout)
    assert report["status_counts"]["combined"] == 17
    assert report["status_counts"]["unavailable"] == 0
    for joint in report["joints"]:
        parts = joint["statistical_error_mm"], joint["placement_error_mm"]
        assert joint["expected_error_mm"] == pytest.approx(np.hypot(*parts))
        assert sum(joint["weights"].values()) == pytest.approx(1)
    expected = sb.convert(POSES, "smpl", "h36m")
    np.testing.assert_allclose(np.load(smpl / "o.npy"), expected, atol=1e-5)
    summary = skelbridge.works(*arguments).stdout.decode()
    assert "17 combined" in summary and "mm" in summary


def test_explain(skelbridge, smpl):
    text = skelbridge.works(
        "convert", *BY_NAMES, "--from", "smpl", "--to", "h36m", "--explain"
    ).stdout
    lines = text.decode().splitlines()
    assert len(lines) == 1 + 17
    assert any("left_hip" in line and "named" in line and "136 mm" in line for line in lines)
    assert any(line.startswith("head_top") and "unavailable" in line for line in lines)


def test_default_output_names(skelbridge, smpl):
    skelbridge.works("convert", *BY_NAMES, "--from", "smpl", "--to", "h36m", "poses.npy")
    np.testing.assert_array_equal(np.load(smpl / "poses_h36m_17.npy"), EXPECTED)


def test_pipes(skelbridge, smpl):
    raw = (smpl / "poses.npy").read_bytes()
    done = skelbridge.works("convert", *BY_NAMES, "--from", "smpl", "--to", "h36m", "-", stdin=raw)
    np.testing.assert_array_equal(np.load(io.BytesIO(done.stdout)), EXPECTED)
    text = json.dumps(POSES.tolist()).encode()
    done = skelbridge.works(
        "convert", *BY_NAMES, "--from", "smpl", "--to", "h36m", "-", "-o", "-", stdin=text
    )
    np.testing.assert_allclose(
        np.array(json.loads(done.stdout)["positions"], dtype=float), EXPECTED, rtol=1e-6
    )
    assert b"10 frames" in done.stderr


def test_several_inputs_and_folders(skelbridge, smpl):
    (smpl / "in" / "deep").mkdir(parents=True)
    np.save(smpl / "in" / "a.npy", POSES)
    np.savez(smpl / "in" / "deep" / "b.npz", positions=POSES[:4])
    skelbridge.works("convert", *BY_NAMES, "--from", "smpl", "--to", "h36m", "in", "-o", "out")
    assert len(np.load(smpl / "out" / "a_h36m_17.npy")) == 10
    assert len(np.load(smpl / "out" / "deep" / "b_h36m_17.npz")["positions"]) == 4
    skelbridge.works(
        "convert", "--from", "smpl", "--to", "coco", "in/a.npy", "poses.npz", "-o", "."
    )
    assert (smpl / "a_coco_17.npy").exists() and (smpl / "poses_coco_17.npz").exists()


def test_one_bad_file_among_several_does_not_stop_the_others(skelbridge, smpl):
    (smpl / "bad.npy").write_bytes(b"no array")
    done = skelbridge(
        "convert", *BY_NAMES, "--from", "smpl", "--to", "h36m", "bad.npy", "poses.npy", "-o", "out"
    )
    assert done.returncode == 2
    assert b"bad.npy" in done.stderr and b"1 of 2 inputs" in done.stderr
    assert [p.name for p in (smpl / "out").iterdir()] == ["poses_h36m_17.npy"]


def test_saved_map_and_definition_file_of_ones_own(skelbridge, smpl):
    definition = {"name": "stick", "joints": ["top", "mid"], "canonical": {"mid": "pelvis_smpl"}}
    (smpl / "stick.json").write_text(json.dumps(definition))
    skelbridge.works(
        "convert", "--from", "smpl", "--to", "stick.json", "poses.npy", "-o", "s.npy", "--view",
        "s.html",
    )  # fmt: skip
    out = np.load(smpl / "s.npy")
    np.testing.assert_array_equal(out[:, 1], POSES[:, 0])
    assert np.isnan(out[:, 0]).all()
    assert (smpl / "s.html").stat().st_size > 1_000_000
    sb.AffineMap.between("smpl", "coco", method="names").save(smpl / "map.npz")
    done = skelbridge.works(
        "convert", "--from", "smpl", "--to", "coco", "--method", "map.npz", "poses.npy", "-o",
        "c.npy", "--json",
    )  # fmt: skip
    assert json.loads(done.stdout)["method"] == "names"


def test_a_stated_format_and_a_file_that_names_some_of_its_joints(skelbridge, tmp_path):
    names = sb.AffineMap.between("smpl", "smpl").source.joints[:22]
    np.savez(tmp_path / "part.npz", positions=POSES[:, :22], joint_names=np.array(names))
    done = skelbridge.works(
        "convert", *BY_NAMES, "--from", "smpl", "--to", "h36m", "part.npz", "-o", "o.npy"
    )
    assert b"2 of 24 joints of smpl_24 are not in the file: left_hand, right_hand" in done.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy"), EXPECTED)


def test_third_number_as_confidence(skelbridge, tmp_path):
    xyc = np.random.default_rng(1).uniform(0, 500, size=(3, 17, 3))
    xyc[..., 2] = 0.5
    xyc[:, 11, 2] = 0.25
    np.save(tmp_path / "k.npy", xyc)
    done = skelbridge.works("convert", "--from", "coco", "--to", "h36m", "k.npy", "-o", "a.npz")
    assert b"--xyc" in done.stderr
    skelbridge.works(
        "convert", "--from", "coco", "--to", "openpose", "k.npy", "-o", "a.npz", "--xyc"
    )
    with np.load(tmp_path / "a.npz") as out:
        assert out["positions"].shape == (3, 25, 2)
        assert out["confidence"][0, 8] == 0.25  # mid hip: the less sure of both hips
        assert out["confidence"][0, 0] == 0.5


def test_units_are_changed_and_stated(skelbridge, smpl):
    skelbridge.works(
        "convert", *BY_NAMES, "--from", "smpl", "--to", "h36m", "poses.npy", "-o", "o.npz",
        "--units", "m:mm", "--up", "y:z",
    )  # fmt: skip
    with np.load(smpl / "o.npz") as out:
        assert (str(out["units"]), str(out["up"])) == ("mm", "z")
        np.testing.assert_allclose(out["positions"][..., 2], EXPECTED[..., 1] * 1000, rtol=1e-6)


def test_large_npy_streams_and_equals_the_result_in_memory(skelbridge, tmp_path):
    poses = np.random.default_rng(2).normal(size=(250_000, 24, 3)).astype(np.float32)
    poses[3, 5] = np.nan
    np.save(tmp_path / "large.npy", poses)  # 72 MB: above the size that is read whole
    skelbridge.works("convert", "--from", "smpl", "--to", "coco", "large.npy", "-o", "out.npy")
    # Pieces differ in length from those in memory, and so does the rounding of the last digit.
    np.testing.assert_allclose(
        np.load(tmp_path / "out.npy"), sb.convert(poses, "smpl", "coco"), atol=2e-6
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(skelbridge, shell):
    assert b"_SKELBRIDGE_COMPLETE" in skelbridge.works("completion", shell).stdout


def test_completion_offers_formats(skelbridge):
    import os

    environment = os.environ | {
        "_SKELBRIDGE_COMPLETE": "bash_complete",
        "COMP_WORDS": "skelbridge show h36m_1",
        "COMP_CWORD": "2",
    }
    done = skelbridge(env=environment)
    assert b"h36m_17_posepile" in done.stdout
