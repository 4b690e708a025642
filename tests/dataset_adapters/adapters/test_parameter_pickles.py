import pickle

import numpy as np
import pytest

from dataset_adapters.adapters import _parameter_pickles
from dataset_adapters.adapters._parameter_pickles import ParameterPickles
from dataset_adapters.containers.errors import FileError

SIZES = {"pose": 6, "betas": 2}


def write(folder, bodies, **options):
    paths = []
    for i, body in enumerate(bodies):
        paths.append(folder / f"{i}.pkl")
        paths[-1].write_bytes(pickle.dumps(body, **options))
    return paths


def bodies(n, dtype=np.float32):
    rng = np.random.default_rng(0)
    return [
        {
            # Equal contents, of which only one is asked for.
            "jaw": np.zeros((1, 6), dtype),
            "pose": np.zeros((1, 6), dtype) if i == 0 else rng.normal(size=(1, 6)).astype(dtype),
            "gender": "male",
            "betas": rng.normal(size=2).astype(dtype),
        }
        for i in range(n)
    ]


@pytest.fixture
def n_parsed(monkeypatch):
    calls = []
    load = _parameter_pickles.load_pickle
    monkeypatch.setattr(
        _parameter_pickles, "load_pickle", lambda *args: calls.append(args) or load(*args)
    )
    return lambda: len(calls)


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", "i4"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_as_pickle_reads_them(tmp_path, n_parsed, dtype, protocol):
    written = bodies(20, dtype)
    found = ParameterPickles(SIZES).read(write(tmp_path, written, protocol=protocol))
    for key in SIZES:
        np.testing.assert_array_equal(found[key], [np.ravel(body[key]) for body in written])
    # Protocol 2 spells contents out as text; a foreign byte order is not looked for.
    assert n_parsed() == (20 if protocol == 2 or dtype == ">f4" else 1)


def test_other_layouts_among_them(tmp_path, n_parsed):
    written = bodies(9)
    written[3] = {"betas": written[3]["betas"], "pose": written[3]["pose"]}
    written[4]["gender"] = "woman"
    found = ParameterPickles(SIZES).read(write(tmp_path, written))
    for key in SIZES:
        np.testing.assert_array_equal(found[key], [np.ravel(body[key]) for body in written])
    assert n_parsed() == 3


def test_layouts_are_known_again(tmp_path, n_parsed):
    paths = write(tmp_path, bodies(6))
    reader = ParameterPickles(SIZES)
    first, again = reader.read(paths[:3]), reader.read(paths[3:])
    assert n_parsed() == 1
    whole = ParameterPickles(SIZES).read(paths)
    np.testing.assert_array_equal(np.concatenate([first["pose"], again["pose"]]), whole["pose"])
    reader.cache_clear()
    reader.read(paths)
    assert n_parsed() == 3
    assert reader.read([])["betas"].shape == (0, 2)


def test_layouts_that_cannot_be_located(tmp_path):
    data = pickle.dumps(bodies(1)[0], protocol=4)
    # An integer as Python 2 wrote long ones into text, which `pickletools` refuses.
    odd = data[:-1] + b"I5L\n0."
    paths = [tmp_path / "0.pkl", tmp_path / "1.pkl"]
    for path in paths:
        path.write_bytes(odd)
    found = ParameterPickles(SIZES).read(paths)
    np.testing.assert_array_equal(found["betas"][1], bodies(1)[0]["betas"])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"betas": np.full(2, np.nan, np.float32)}, "7.pkl: betas: expected finite numbers"),
        ({"pose": np.full((1, 6), 1e30, np.float32)}, "7.pkl: pose: expected finite numbers"),
        ({"pose": np.zeros(5, np.float32)}, "7.pkl: pose: expected 6 numbers"),
        ({"betas": None}, "7.pkl: betas: expected numbers|7.pkl: betas: expected 2|finite"),
    ],
)
def test_errors_name_the_file(tmp_path, change, message):
    written = bodies(9)
    written[7].update(change)
    with pytest.raises(FileError, match=message):
        ParameterPickles(SIZES).read(write(tmp_path, written))


def test_missing_keys_and_no_files(tmp_path):
    assert ParameterPickles(SIZES).read([])["pose"].shape == (0, 6)
    with pytest.raises(FileError, match="expected the key 'betas', found pose"):
        ParameterPickles(SIZES).read(write(tmp_path, [{"pose": np.zeros(6)}]))
