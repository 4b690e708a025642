"""ACAE files: ours, published ones, damaged ones."""

import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.containers import FileError
from skelbridge.acae import Acae, is_acae

W1 = np.array([[0.5, 0.25], [0.5, 0.5], [0, 0.25]])
W2 = np.array([[1, 0.25, 0.5], [0, 0.75, 0.5]])


def test_what_is_saved_is_loaded(fitted, tmp_path):
    path = tmp_path / "a.npz"
    fitted.save(path)
    loaded = Acae.load(path)
    for name in ("w1", "w2", "flip"):
        np.testing.assert_allclose(getattr(loaded, name), getattr(fitted, name), rtol=1e-14)
    for name in ("moments", "validation_moments", "example_pose"):
        np.testing.assert_allclose(getattr(loaded, name), getattr(fitted, name), rtol=1e-6)
    assert (loaded.moments == loaded.moments.T).all()
    assert loaded.joint_names == fitted.joint_names
    assert loaded.latent_sides == fitted.latent_sides
    assert loaded.facts == json.loads(json.dumps(dict(fitted.facts)))
    again = tmp_path / "b.npz"
    fitted.save(again)
    assert path.read_bytes() == again.read_bytes()
    with np.load(path) as arrays:
        assert arrays["w1"].shape == (136, 32)
        assert arrays["w2"].shape == (32, 136)
    assert is_acae(path)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_published_files_hold_two_matrices(tmp_path, dtype):
    path = tmp_path / "published.npz"
    np.savez(path, w1=W1.astype(dtype), w2=W2.astype(dtype))
    loaded = Acae.load(path)
    np.testing.assert_allclose(loaded.w1, W1, atol=1e-7)
    assert np.abs(loaded.w2.sum(axis=0) - 1).max() < 1e-15
    assert loaded.joint_names is None
    assert dict(loaded.facts) == {}


def test_rounding_of_published_files_is_undone(tmp_path):
    """A sum that is off by 1e-5 moves a person 5 m away by 0.05 mm: once per matrix."""
    rng = np.random.default_rng(0)
    w1, w2 = (rng.random(shape) for shape in ((50, 7), (7, 50)))
    w1, w2 = ((m / m.sum(axis=0) * (1 + 1e-5)).astype(np.float32) for m in (w1, w2))
    np.savez(tmp_path / "published.npz", w1=w1, w2=w2)
    loaded = Acae.load(tmp_path / "published.npz")
    for matrix in (loaded.w1, loaded.w2):
        assert np.abs(matrix.sum(axis=0) - 1).max() < 1e-14


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"w1": W1}, "arrays w1 and w2., found the arrays w1"),
        ({"w1": W1, "w2": W1}, r"found w1 \(3, 2\) and w2 \(3, 2\)"),
        ({"w1": W1, "w2": W2 * 2}, "w2 must have columns that sum to 1. Column 0 sums to 2"),
        ({"w1": W1 * np.nan, "w2": W2}, "w1 must hold finite numbers"),
        ({"w1": W1.astype("U8"), "w2": W2}, "w1 must hold finite numbers"),
        ({"w1": np.zeros((0, 2)), "w2": np.zeros((2, 0))}, "w1 must hold finite numbers"),
        ({"w1": np.full((3, 2), 1e308), "w2": W2}, "w1 must hold finite numbers"),
        ({"w1": W1, "w2": W2, "header": np.array("{")}, "expected JSON"),
        ({"w1": W1, "w2": W2, "header": np.zeros(3)}, "expected one text"),
        ({"w1": W1, "w2": W2, "header": np.array('{"format": "x"}')}, "format skelbridge-acae"),
        ({"w1": W1, "w2": W2, "moments": np.zeros((3, 3))}, "'moments': expected 6 numbers"),
        ({"w1": W1, "w2": W2, "example_pose": np.zeros(3)}, "example_pose must be a matrix"),
    ],
)
def test_files_that_are_none(tmp_path, arrays, message):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(FileError, match=message):
        Acae.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2, this skelbridge reads up to 1: update"),
        ({"version": None}, "version None"),
        ({"joint_names": "abc"}, "list of str as 'joint_names'"),
        ({"joint_names": ["a", "b"]}, "3 different names"),
        ({"flip": [0, 1, True]}, "list of int as 'flip'"),
        ({"flip": [0, 1, 10**30]}, "no permutation"),
        ({"flip": [0, 1, 1]}, "permutation of 3"),
        ({"latent_sides": ["left", "centre"]}, "as many left as right"),
        ({"facts": []}, "object as 'facts'"),
    ],
)
def test_headers_that_lie(tmp_path, change, message):
    header = {"format": "skelbridge-acae", "version": 1, **change}
    path = tmp_path / "bad.npz"
    np.savez(path, w1=W1, w2=W2, header=np.array(json.dumps(header)))
    with pytest.raises(FileError, match=message):
        Acae.load(path)


def test_cut_off_and_missing_files(fitted, tmp_path):
    path = tmp_path / "a.npz"
    fitted.save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FileError, match="cut off"):
        Acae.load(path)
    assert not is_acae(path)
    with pytest.raises(FileError, match="No such file"):
        Acae.load(tmp_path / "none.npz")
    with pytest.raises(FileError, match="cannot be written"):
        fitted.save(tmp_path / "none" / "a.npz")


def test_damaged_files_never_crash(tmp_path):
    path = tmp_path / "a.npz"
    Acae(
        W1, W2, ("a:x", "a:y", "b:z"), np.array([1, 0, 2]), ("left", "right"), {"lambda": 0.6},
        np.eye(3), np.eye(3), np.zeros((3, 3)),
    ).save(path)  # fmt: skip
    good = path.read_bytes()
    target = tmp_path / "bad.npz"
    for damaged in mutations(good, 200, seed=4):
        target.write_bytes(damaged)
        assert_result_or_user_error(lambda: Acae.load(target))
