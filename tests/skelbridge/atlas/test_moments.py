import json
import zipfile

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from skelbridge.atlas import Moments, available, default_moments
from skelbridge.atlas import moments as module
from skeleton_defs import UserError


def small(**changes):
    fields = {
        "points": ("a:left_x", "a:right_x", "b:y"),
        "factor": np.array([[0.3, 0.1], [0.3, -0.1], [-0.6, 0.0]], np.float32),
        "residual": np.array([0.01, 0.01, 0.02], np.float32),
        "sigma_mm": np.array([5, 5, 10], np.float32),
        "anchor_of": np.array([0, 0, -1], np.int32),
        "provenance": {"seed": 3, "calibration": 1.2},
    } | changes
    return Moments(**fields)


def test_covariance_is_the_factor_squared_plus_the_residual_on_the_diagonal():
    moments = small()
    # By hand: 0.3 * 0.3 + 0.1 * -0.1, and 0.3 * 0.3 + 0.1 * 0.1 + 0.01.
    expected = [[0.11, 0.08, -0.18], [-0.18, -0.18, 0.38]]
    result = moments.covariance(np.array([0, 2]), np.array([0, 1, 2]))
    np.testing.assert_allclose(result, expected, atol=1e-7)
    np.testing.assert_allclose(moments.variances(np.array([2, 0])), [0.38, 0.11], atol=1e-7)


def test_points_are_found_by_pair_and_by_text():
    moments = small()
    np.testing.assert_array_equal(
        moments.indices([("b", "y"), "a:right_x", ("b", "left_x")]), [2, 1, -1]
    )


def test_calibration_is_the_files_or_the_default():
    assert small().calibration == 1.2
    assert small(provenance={}).calibration == 1.4


def test_reduction_keeps_the_diagonal_and_loses_little(body):
    everything = np.arange(len(body.points))
    matrix = body.moments.covariance(everything, everything)
    reduced = Moments.from_matrix(
        body.points, matrix, rank=64, sigma_mm=np.ones(len(everything))
    )  # fmt: skip
    assert reduced.factor.shape == (len(body.points), 64)
    np.testing.assert_allclose(reduced.variances(everything), np.diag(matrix), atol=1e-7)
    assert np.abs(reduced.covariance(everything, everything) - matrix).max() < 1e-4


def test_saved_moments_come_back_and_are_the_same_bytes(tmp_path, shipped):
    for moments in (small(), small(anchor_of=None), shipped):
        paths = [tmp_path / "a.npz", tmp_path / "b.npz"]
        for path in paths:
            moments.save(path)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        loaded = Moments.load(paths[0])
        assert loaded.points == moments.points
        assert loaded.provenance == dict(moments.provenance)
        for name in ("factor", "residual", "sigma_mm", "anchor_of"):
            np.testing.assert_array_equal(getattr(loaded, name), getattr(moments, name))
            if getattr(moments, name) is not None:
                assert getattr(loaded, name).dtype.itemsize == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"residual": np.zeros(2, np.float32)}, r"residual must have shape \(3,\)"),
        ({"factor": np.zeros((2, 3), np.float32)}, "factor must have shape"),
        ({"factor": np.full((3, 2), 300.0)}, "in metres"),
        ({"factor": np.full((3, 2), np.nan)}, "factor must be finite"),
        ({"factor": np.zeros((3, 2), int)}, "dtype int"),
        ({"residual": np.array([0, -1e-3, 0])}, "residual must be 0"),
        ({"sigma_mm": np.array([0, -1.0, 0])}, "sigma_mm must be 0"),
        ({"anchor_of": np.zeros(3)}, "dtype float"),
        ({"points": ("a:x", "a:x", "b:y")}, "repeated"),
        ({"points": ("a:x", "ax", "b:y")}, "family:key"),
        ({"provenance": {"calibration": "much"}}, "calibration must be"),
        ({"provenance": {"calibration": True}}, "calibration must be"),
        ({"provenance": {"calibration": float("nan")}}, "calibration must be"),
    ],
)
def test_broken_moments_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        small(**changes)


def rewritten(path, **changes):
    """A file with some arrays replaced (None: left out)."""
    small().save(path)
    with np.load(path) as arrays:
        content = {key: arrays[key] for key in arrays} | changes
    np.savez(path, **{key: value for key, value in content.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factor": None}, "found none named factor"),
        ({"points": np.arange(3)}, "key 'points': expected text"),
        ({"factor": np.zeros(3)}, "key 'factor': expected floating-point numbers with 2 axes"),
        ({"sigma_mm": np.zeros(3, int)}, "key 'sigma_mm': expected floating"),
        ({"anchor_of": np.zeros((3, 1), int)}, "key 'anchor_of': expected integers with 1 axes"),
        ({"provenance": np.array("[1]")}, "provenance.*JSON object"),
        ({"provenance": np.array("{")}, "provenance.*JSON object"),
        ({"provenance": np.array("[" * 100_000)}, "provenance.*JSON object"),
        ({"residual": np.full(3, np.inf)}, "damaged or of another kind: residual"),
    ],
)
def test_files_that_are_no_atlas_are_explained(tmp_path, changes, message):
    path = rewritten(tmp_path / "x.npz", **changes)
    with pytest.raises(UserError, match=f"x.npz: .*{message}"):
        Moments.load(path)


def test_cut_and_lying_files(tmp_path):
    path = tmp_path / "x.npz"
    small().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="x.npz: "):
        Moments.load(path)
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': "
    lying = (header + b"(40000, 4000), }").ljust(127) + b"\n"
    small().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, lying if name == "factor.npy" else data)
    with pytest.raises(UserError, match="header promises"):
        Moments.load(path)
    with pytest.raises(UserError, match=r"none.npz: .*cannot be opened"):
        Moments.load(tmp_path / "none.npz")


def test_damaged_files_end_in_an_error_or_a_valid_atlas(tmp_path):
    path = tmp_path / "x.npz"
    small(provenance=json.loads('{"a": [1, 2]}')).save(path)
    for damaged in mutations(path.read_bytes(), 150, seed=11):
        path.write_bytes(damaged)
        assert_result_or_user_error(Moments.load, path)


def test_another_file_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SKELBRIDGE_ATLAS", str(tmp_path / "mine.npz"))
    small().save(tmp_path / "mine.npz")
    assert available()
    assert default_moments().points == small().points
    assert default_moments() is default_moments()
    monkeypatch.setenv("SKELBRIDGE_ATLAS", str(tmp_path / "missing.npz"))
    with pytest.raises(UserError, match="missing.npz"):
        default_moments()


def test_no_file_is_no_atlas(tmp_path, monkeypatch):
    monkeypatch.delenv("SKELBRIDGE_ATLAS", raising=False)
    monkeypatch.setattr(module, "SHIPPED", tmp_path / "atlas.npz")
    assert not available()
