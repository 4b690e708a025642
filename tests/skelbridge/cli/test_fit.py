import json

import numpy as np
import pytest
from paired_poses import distance, noisy_pairs, random_poses, true_weights

import skelbridge as sb

TRUE = true_weights()
SOURCE_POSES, TARGET_POSES = noisy_pairs(TRUE, 150, 1)
FORMATS = ("--from", "smpl", "--to", "h36m")


@pytest.fixture
def pairs(tmp_path):
    np.savez(
        tmp_path / "pairs.npz", smpl=SOURCE_POSES, h36m=TARGET_POSES, units="mm",
        take=np.arange(150) // 10,
    )  # fmt: skip
    return tmp_path


def test_fit_then_convert(skelbridge, pairs):
    done = skelbridge.works("fit", "pairs.npz", *FORMATS, "-o", "map.npz")
    lines = done.stdout.decode().splitlines()
    assert lines[0].split() == [
        "joint",
        "status",
        "held-out",
        "mm",
        "95",
        "%",
        "prior",
        "mm",
        "poses",
    ]
    assert len(lines) == 1 + 17 + 1
    assert "pairs.npz -> map.npz: smpl_24 -> h36m_17, 150 of 150 poses" in lines[-1]
    assert "--groups" in done.stderr.decode()
    poses = random_poses(300, 2)
    np.save(pairs / "new.npy", poses)
    done = skelbridge.works(
        "convert", *FORMATS, "--method", "map.npz", "new.npy", "-o", "out.npy", "--json"
    )
    assert json.loads(done.stdout)["method"] == "fit"
    assert distance(np.load(pairs / "out.npy"), TRUE @ poses) < 5
    explained = skelbridge.works("convert", *FORMATS, "--method", "map.npz", "--explain").stdout
    assert b"learned from 150 poses" in explained


def test_json_and_every_option(skelbridge, pairs):
    done = skelbridge.works(
        "fit", "pairs.npz", *FORMATS, "-o", "map.npz", "--json", "--prior", "names", "--groups",
        "take", "--noise-mm", "3", "--l1", "60", "--units", "mm", "--source-key", "smpl",
        "--target-key", "h36m", "--align", "none",
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert (report["noise_mm"], report["l1"], report["groups"]) == (3, 60, "take")
    assert report["prior"] == "names" and report["folds"] == 10
    assert report["held_out_mm"] < 20 < 40 < report["prior_mm"]
    assert done.stderr == b""
    used = (sb.AffineMap.load(pairs / "map.npz").weights != 0).sum()
    assert used < 17 * 20


def test_two_files(skelbridge, pairs):
    np.save(pairs / "a.npy", SOURCE_POSES)
    np.save(pairs / "b.npy", TARGET_POSES)
    skelbridge.works("fit", "a.npy", "b.npy", *FORMATS, "-o", "map.npz", "--prior", "none")
    poses = random_poses(300, 2)
    assert distance(sb.convert(poses, "smpl", "h36m", method=pairs / "map.npz"), TRUE @ poses) < 6


@pytest.mark.parametrize(
    "fragment, arguments",
    [
        ("there is no key 'nope'", ["pairs.npz", *FORMATS, "--groups", "nope"]),
        ("same frames", ["a.npy", "b.npy", *FORMATS]),
        ("at least 10 paired poses to learn from, found 5", ["c.npy", "d.npy", *FORMATS]),
        ("need --from and --to", ["pairs.npz", "--from", "smpl"]),
        ("--prior must be", ["pairs.npz", *FORMATS, "--prior", "nothing"]),
        ("no such file", ["other.npz", *FORMATS]),
        ("--align", ["pairs.npz", *FORMATS, "--align", "root"]),
    ],
)
def test_mistakes_leave_nothing_behind(skelbridge, pairs, fragment, arguments):
    np.save(pairs / "a.npy", SOURCE_POSES)
    np.save(pairs / "b.npy", TARGET_POSES[1:])
    np.save(pairs / "c.npy", SOURCE_POSES[:5])
    np.save(pairs / "d.npy", TARGET_POSES[:5])
    skelbridge.fails_with(fragment, "fit", *arguments, "-o", "map.npz")


def test_output_is_required(skelbridge, pairs):
    skelbridge.fails_with("-o", "fit", "pairs.npz", *FORMATS)
