"""Synthetic body model files, against joints computed vertex by vertex."""

import pickle
import sys
import types

import numpy as np
import pytest
import scipy.sparse
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.body_models.model_file import load_body_model
from dataset_adapters.body_models.smpl_family import FAMILIES
from dataset_adapters.containers.errors import FileError

N_VERTICES = 60


def synthetic_model(name: str, n_directions: int = 10) -> dict[str, np.ndarray]:
    """The arrays of a model file with the real joint tree and random vertices."""
    rng = np.random.default_rng(7)
    n_joints = FAMILIES[name].n_joints
    regressor = rng.random((n_joints, N_VERTICES)) * (rng.random((n_joints, N_VERTICES)) < 0.2)
    regressor[:, 0] += 0.1
    table = np.array([FAMILIES[name].parents, range(n_joints)], dtype=np.int64)
    table[0, 0] = 2**32 - 1  # as the real files have it
    return {
        "v_template": rng.normal(size=(N_VERTICES, 3)),
        "shapedirs": rng.normal(size=(N_VERTICES, 3, n_directions)),
        "J_regressor": regressor / regressor.sum(axis=1, keepdims=True),
        "kintree_table": table.astype(np.uint32),
        "posedirs": rng.normal(size=(N_VERTICES, 3, 9)),
        "weights": rng.random((N_VERTICES, n_joints)),
        "f": np.zeros((5, 3), np.uint32),
    }


def joints_by_hand(model: dict[str, np.ndarray], betas: np.ndarray) -> np.ndarray:
    joints = np.zeros((len(model["J_regressor"]), 3))
    for joint, weights in enumerate(model["J_regressor"]):
        for vertex, weight in enumerate(weights):
            place = model["v_template"][vertex].copy()
            for k, beta in enumerate(betas):
                place += beta * model["shapedirs"][vertex, :, k]
            joints[joint] += weight * place
    return joints


def save_npz(path, model):
    np.savez(path, **model)
    return path


@pytest.mark.parametrize("name", ["smpl", "smplh", "smplx"])
def test_joints_of_an_npz_model(tmp_path, name):
    model = synthetic_model(name)
    loaded = load_body_model(save_npz(tmp_path / "m.npz", model))
    assert loaded.family.name == name and loaded.n_betas == 10
    betas = np.random.default_rng(1).normal(size=(4, 10))
    expected = [joints_by_hand(model, row) for row in betas]
    np.testing.assert_allclose(loaded.rest_joints(betas), expected, atol=1e-12)
    np.testing.assert_allclose(loaded.rest_joints(betas[0]), expected[0], atol=1e-12)
    np.testing.assert_allclose(loaded.rest_joints(), joints_by_hand(model, []), atol=1e-12)


def test_fewer_or_more_betas_than_the_model_has(tmp_path):
    model = synthetic_model("smpl")
    loaded = load_body_model(save_npz(tmp_path / "m.npz", model))
    betas = np.random.default_rng(2).normal(size=16)
    for n in (2, 16):
        expected = joints_by_hand(model, betas[: min(n, 10)])
        np.testing.assert_allclose(loaded.rest_joints(betas[:n]), expected, atol=1e-12)


@pytest.mark.parametrize(("n_directions", "n_betas"), [(400, 300), (20, 10), (16, 16)])
def test_expression_directions_of_smplx_are_no_betas(tmp_path, n_directions, n_betas):
    model = synthetic_model("smplx", n_directions)
    loaded = load_body_model(save_npz(tmp_path / "m.npz", model))
    assert loaded.n_betas == n_betas
    betas = np.zeros(n_betas)
    betas[-1] = 2
    np.testing.assert_allclose(loaded.rest_joints(betas), joints_by_hand(model, betas), atol=1e-12)


@pytest.fixture
def old_modules(monkeypatch):
    """Modules and classes as the pickles of 2015 name them: chumpy.ch.Ch, scipy.sparse.csc."""

    class Ch:
        def __init__(self, x):
            self.x, self._dirty_vars = x, set()

    class csc_matrix:  # noqa: N801
        def __init__(self, matrix):
            matrix = scipy.sparse.csc_matrix(matrix)
            self._shape, self.maxprint = matrix.shape, 50
            self.data, self.indices, self.indptr = matrix.data, matrix.indices, matrix.indptr

    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    for kind, module in [(Ch, "chumpy.ch"), (csc_matrix, "scipy.sparse.csc")]:
        kind.__module__, kind.__qualname__ = module, kind.__name__
        stand_in = types.ModuleType(module)
        setattr(stand_in, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, module, stand_in)
    return Ch, csc_matrix


@pytest.mark.parametrize("protocol", range(6))
def test_joints_of_a_pickled_model_with_chumpy_and_a_sparse_regressor(
    tmp_path, old_modules, protocol
):
    make_chumpy, make_sparse = old_modules
    model = synthetic_model("smpl")
    pickled = {
        **model,
        "shapedirs": make_chumpy(model["shapedirs"]),
        "J_regressor": make_sparse(model["J_regressor"]),
        "bs_type": "lrotmin",
    }
    path = tmp_path / "basicmodel.pkl"
    path.write_bytes(pickle.dumps(pickled, protocol=protocol))
    betas = np.random.default_rng(3).normal(size=10)
    loaded = load_body_model(path)
    np.testing.assert_allclose(loaded.rest_joints(betas), joints_by_hand(model, betas), atol=1e-12)


@pytest.mark.parametrize("kind", ["csc_matrix", "csr_matrix", "coo_matrix", "csc_array"])
def test_a_regressor_as_scipy_pickles_it_today(tmp_path, kind):
    model = synthetic_model("smplh")
    path = tmp_path / "m.pkl"
    sparse = getattr(scipy.sparse, kind)(model["J_regressor"])
    path.write_bytes(pickle.dumps({**model, "J_regressor": sparse}))
    np.testing.assert_allclose(
        load_body_model(path).rest_joints(), joints_by_hand(model, []), atol=1e-12
    )


def _without(key):
    return lambda model: model.pop(key)


def _with(**changes):
    return lambda model: model.update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("J_regressor"), "found none named J_regressor"),
        (_with(kintree_table=np.zeros((2, 16), np.uint32)), "24 (smpl), 52 (smplh), 55 (smplx)"),
        (_with(kintree_table=np.zeros((2, 24), np.uint32)), "the parent of left_knee is not that"),
        (_with(kintree_table=np.zeros(24)), "kintree_table: expected shape (2, joints)"),
        (_with(v_template=np.zeros((60, 2))), "v_template: expected (vertices, 3), found (60, 2)"),
        (_with(v_template=np.zeros((0, 3))), "v_template: expected numbers, found an empty array"),
        (_with(v_template=np.zeros((59, 3))), "J_regressor: expected shape (24, 59)"),
        (_with(shapedirs=np.zeros((60, 3))), "shapedirs: expected (60, 3, betas)"),
        (_with(shapedirs=np.zeros((60, 3, 2001))), "shapedirs: expected at most 2000 betas"),
        (_with(v_template=np.full((60, 3), np.nan)), "the joints of the model are not finite"),
        (_with(v_template=np.full((60, 3), 1e308)), "the joints of the model are not finite"),
        (_with(v_template=np.array("x")), "v_template: expected an array of numbers"),
    ],
)
@pytest.mark.parametrize("suffix", ["npz", "pkl"])
def test_damaged_models_are_refused(tmp_path, change, message, suffix):
    model = synthetic_model("smpl")
    model["J_regressor"] *= 4  # so that the largest numbers overflow
    change(model)
    path = tmp_path / f"m.{suffix}"
    if suffix == "npz":
        save_npz(path, model)
    else:
        path.write_bytes(pickle.dumps(model))
    with pytest.raises(FileError) as error:
        load_body_model(path)
    assert message in str(error.value)


def test_a_sparse_regressor_that_claims_a_huge_shape_is_refused(tmp_path):
    path = tmp_path / "m.pkl"
    huge = scipy.sparse.coo_matrix(([1.0], ([0], [0])), shape=(10**9, 10**9))
    path.write_bytes(pickle.dumps({**synthetic_model("smpl"), "J_regressor": huge}))
    with pytest.raises(FileError, match=r"J_regressor: expected shape \(24, 60\), found"):
        load_body_model(path)


def test_other_files_are_refused(tmp_path, samples):
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(FileError, match="expected a dictionary of model arrays, found list"):
        load_body_model(tmp_path / "list.pkl")
    with pytest.raises(FileError, match="cannot be read: No such file"):
        load_body_model(tmp_path / "none.npz")
    with pytest.raises(FileError, match="expected a body model with the keys v_template"):
        load_body_model(samples / "mmpose_tests/mosh/test_mosh.npz")
    with pytest.raises(FileError, match="pickle refused"):
        load_body_model(samples / "mhr_sam3d/example_smplx_poses.npy")


@pytest.mark.parametrize("suffix", ["npz", "pkl"])
def test_mutated_models_never_crash(tmp_path, suffix):
    path = tmp_path / f"m.{suffix}"
    model = synthetic_model("smpl", 2)
    if suffix == "npz":
        save_npz(path, model)
    else:
        sparse = scipy.sparse.csc_matrix(model["J_regressor"])
        path.write_bytes(pickle.dumps({**model, "J_regressor": sparse}, protocol=2))
    data = path.read_bytes()
    for damaged in mutations(data, 75, seed=5):
        path.write_bytes(damaged)
        assert_result_or_user_error(load_body_model, path)
