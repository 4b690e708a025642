"""Pickled data frames of old and newer pandas, built from classes of the same names."""

import pickle
import sys
import types

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.pandas_frame import frame_columns
from dataset_adapters.containers.safe_pickle import load_pickle


class Reduced:
    """Pickles as a call of `function` with `args`."""

    def __init__(self, function, *args):
        self.reduced = (function, args)

    def __reduce__(self):
        return self.reduced


@pytest.fixture
def pandas(monkeypatch):
    """Fake modules with the names that the pickles refer to."""
    places = {
        "DataFrame": "pandas.core.frame",
        "BlockManager": "pandas.core.internals.managers",
        "_unpickle_block": "pandas._libs.internals",
        "_new_Index": "pandas.core.indexes.base",
        "Index": "pandas.core.indexes.base",
        "RangeIndex": "pandas.core.indexes.range",
    }
    monkeypatch.setitem(sys.modules, "pandas", types.ModuleType("pandas"))
    for module in set(places.values()):
        monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
    fake = types.SimpleNamespace()
    for name, module in places.items():
        kind = type(name, (), {"__module__": module})
        setattr(sys.modules[module], name, kind)
        setattr(fake, name, kind)
    return fake


LISTS = np.empty((2, 3), dtype=object)
LISTS[0] = ["a.png", "b.png", "c.png"]
LISTS[1] = [[1.0], [], [2.0, 3.0]]
NUMBERS = np.arange(6.0).reshape(2, 3)


def pickled_frame(
    pandas, *, form: str, names=("x", "path", "y", "lists"), numbers=NUMBERS, places=slice(0, 4, 2)
):
    """Columns x and y of numbers, path and lists of objects."""
    columns = Reduced(
        pandas._new_Index, pandas.Index, {"data": np.array(names, object), "name": None}
    )
    rows = Reduced(pandas._new_Index, pandas.RangeIndex, {"start": 0, "stop": 3, "step": 1})
    blocks = [(numbers, places), (LISTS, np.array([1, 3]))]
    frame = pandas.DataFrame()
    if form == "pandas 1.5":
        made = tuple(Reduced(pandas._unpickle_block, *block, 2) for block in blocks)
        frame._mgr = Reduced(pandas.BlockManager, made, [columns, rows])
    else:
        axes = [columns, rows]
        manager = pandas.BlockManager()
        newest = {"axes": axes, "blocks": [{"values": v, "mgr_locs": p} for v, p in blocks]}
        # The manager's own __setstate__ takes a tuple.
        pandas.BlockManager.__getstate__ = lambda self: (axes, [], [], {"0.14.1": newest})
        frame._data = manager
    return pickle.dumps(frame, protocol=4)


@pytest.mark.parametrize("form", ["pandas 1.1", "pandas 1.5"])
def test_columns_by_name(pandas, form):
    frame = load_pickle("x.pkl", pickled_frame(pandas, form=form))
    columns = frame_columns("x.pkl", frame)
    assert list(columns) == ["x", "path", "y", "lists"]
    np.testing.assert_array_equal(columns["y"], [3, 4, 5])
    assert columns["path"].tolist() == ["a.png", "b.png", "c.png"]
    assert columns["lists"].tolist() == [[1.0], [], [2.0, 3.0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("x", "path", "y")}, "found another layout"),
        ({"names": ("x", "path", "y", "z", "w")}, "lacks a column"),
        ({"names": ("x", "x", "y", "z")}, "names, each its own"),
        ({"names": ("x", "path", "y", 3)}, "names, each its own"),
        ({"numbers": NUMBERS[:1]}, "found another layout"),
        ({"numbers": NUMBERS[:, :2]}, "differ in length"),
        ({"numbers": NUMBERS[0]}, "found another layout"),
        ({"numbers": "text"}, "found another layout"),
        ({"places": slice(0, 4, 0)}, "found another layout"),
        ({"places": slice(0, 4.0)}, "found another layout"),
        ({"places": np.array(2)}, "found another layout"),
        ({"places": np.array([0, 9])}, "found another layout"),
        ({"places": np.array([0.0, 2.0])}, "found another layout"),
        ({"places": np.array([0, 1])}, "lacks a column"),
    ],
)
@pytest.mark.parametrize("form", ["pandas 1.1", "pandas 1.5"])
def test_inconsistent_frames_are_refused(pandas, form, changes, message):
    frame = load_pickle("x.pkl", pickled_frame(pandas, form=form, **changes))
    with pytest.raises(FileError, match=message):
        frame_columns("x.pkl", frame)


@pytest.mark.parametrize("state", [{}, {"_mgr": 3}, {"_data": None}])
def test_frames_of_another_layout_are_refused(pandas, state):
    frame = pandas.DataFrame()
    frame.__dict__.update(state)
    with pytest.raises(FileError, match="found another layout"):
        frame_columns("x.pkl", load_pickle("x.pkl", pickle.dumps(frame)))


def test_other_objects_are_refused():
    with pytest.raises(FileError, match="expected a pickled pandas data frame, found dict"):
        frame_columns("x.pkl", {})


@pytest.mark.parametrize("form", ["pandas 1.1", "pandas 1.5"])
def test_mutated_frames_never_crash(pandas, form):
    for damaged in mutations(pickled_frame(pandas, form=form), 100, seed=2):
        assert_result_or_user_error(lambda d: frame_columns("x", load_pickle("x", d)), damaged)
