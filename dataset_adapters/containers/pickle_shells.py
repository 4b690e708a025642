"""Objects of a pickle that get their contents after they are made, and what becomes of them.

Arrays, dtypes and instances of foreign classes are shells until the whole pickle is read; `Walk`
then turns them into arrays, bottom up, after their sizes have been checked against the bytes there
are.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Deepest nesting of containers that is accepted.
MAX_DEPTH = 100
#: Largest dense copy of a sparse matrix, in elements (1 GiB of float64).
MAX_DENSE_ELEMENTS = 1 << 27

_DTYPE_CODE = re.compile(r"[<>|=]?(\?|O8?|[biufcSUV]\d{1,10}|[bBhHiIlLqQefdgFD])")
_PLAIN_TYPES = frozenset(
    {str, int, float, bool, bytes, complex, type(None), bytearray, range, slice, frozenset, set}
)


class RefusedError(Exception):
    """Something in the pickle is not accepted; the text is the problem, without the file's name."""


class Global:
    """A permitted class or function that the pickle names.

    Attributes:
      name: its dotted name.
      build: what is called in its place, as `build(budget, args)`.
      foreign: whether it is a class whose instances become `StandIn`s.
    """

    __slots__ = ("build", "foreign", "name")

    def __init__(self, name: str, build, *, foreign: bool = False):
        self.name = name
        self.build = build
        self.foreign = foreign


class DtypeShell:
    """A numpy dtype while its byte order is not yet known."""

    __slots__ = ("_dtype", "_is_final")

    def __init__(self, code: str):
        if not _DTYPE_CODE.fullmatch(code):
            raise RefusedError(f"expected a plain numpy dtype, found {code[:40]!r}")
        try:
            self._dtype = np.dtype(code)
        except (TypeError, ValueError, OverflowError):
            raise RefusedError(f"expected a numpy dtype, found {code[:40]!r}") from None
        self._is_final = False

    def set_state(self, state):
        """Takes numpy's `(version, byte order, subarray, names, fields, ...)`."""
        if self._is_final or not (isinstance(state, tuple) and 5 <= len(state) <= 9):
            raise RefusedError("the state of a numpy dtype is malformed")
        if any(part is not None for part in state[2:5]):
            raise RefusedError("structured numpy dtypes are not read; save plain arrays instead")
        order = state[1].decode("latin-1") if isinstance(state[1], bytes) else state[1]
        if not isinstance(order, str) or order not in ("<", ">", "|", "="):
            raise RefusedError("the byte order of a numpy dtype must be one of < > | =")
        self._dtype = self._dtype.newbyteorder(order)
        self._is_final = True

    def dtype(self) -> np.dtype:
        """The dtype that this shell stands for."""
        return self._dtype


class ArrayShell:
    """A numpy array while its state is not yet known."""

    __slots__ = ("_state",)

    def __init__(self):
        self._state = None

    def set_state(self, state):
        """Takes numpy's `(version, shape, dtype, is_fortran, data)`; the oldest have no version."""
        if not isinstance(state, tuple) or len(state) not in (4, 5) or self._state is not None:
            raise RefusedError("the state of a numpy array is malformed")
        self._state = state[-4:]

    def resolve(self, walk: Walk, depth: int) -> np.ndarray:
        """Builds the array, after its shape has been checked against the bytes that are there."""
        if self._state is None:
            raise RefusedError("a numpy array has no contents")
        shape, shell, is_fortran, data = self._state
        return build_array(walk, depth, shape, shell, "F" if is_fortran else "C", data)


class StandIn:
    """An object of a foreign class (pandas, chumpy, scipy), kept as what the pickle says about it.

    Attributes:
      class_name: the dotted name of its class, which has neither been imported nor called.
      args: what the class would have been called with.
      state: what would have been set on the instance, usually a dictionary; None if nothing.
    """

    __slots__ = ("args", "class_name", "state")

    def __init__(self, class_name: str, args: tuple = (), state: Any = None):
        self.class_name = class_name
        self.args = args
        self.state = state

    def __repr__(self):
        return f"StandIn({self.class_name})"

    def set_state(self, state):
        """Keeps what the pickle would set on the instance."""
        if self.state is not None:
            raise RefusedError(f"the state of {self.class_name} is set twice")
        self.state = state


@dataclass(frozen=True)
class SparseMatrix:
    """A sparse matrix: `values[i]` stands at `(rows[i], columns[i])`; equal places add up."""

    shape: tuple[int, int]
    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    def to_dense(self) -> np.ndarray:
        """Returns the dense matrix; raises `ValueError` where it would be unreasonably large."""
        if math.prod(self.shape) > MAX_DENSE_ELEMENTS:
            raise ValueError(f"a sparse matrix of shape {self.shape} is too large to be made dense")
        dense = np.zeros(self.shape, dtype=self.values.dtype)
        np.add.at(dense, (self.rows, self.columns), self.values)
        return dense


class Walk:
    """One pass over a finished pickle that replaces shells, in place in lists and dictionaries."""

    def __init__(self, budget):
        self.budget = budget
        self._done: dict[int, tuple[Any, Any]] = {}

    def resolve(self, value, depth: int = 0):
        """Returns `value` with every shell below it replaced; refuses those that are malformed."""
        kind = type(value)
        if kind in _PLAIN_TYPES or isinstance(value, np.generic):
            return value
        if id(value) in self._done:
            return self._done[id(value)][1]
        if depth > MAX_DEPTH:
            raise RefusedError(f"containers are nested deeper than {MAX_DEPTH} levels")
        if kind in (list, dict):
            self._done[id(value)] = (value, value)
            for key, item in list(value.items()) if kind is dict else enumerate(value):
                if type(item) not in _PLAIN_TYPES:
                    value[key] = self.resolve(item, depth + 1)
            return value
        if kind is tuple:
            result = tuple(self.resolve(item, depth + 1) for item in value)
        elif kind is ArrayShell:
            result = value.resolve(self, depth + 1)
        elif kind is StandIn:
            result = self._resolve_stand_in(value, depth + 1)
        elif kind is np.ndarray:
            result = value
        elif kind is Global and value.foreign:
            result = StandIn(value.name)
        else:
            name = value.name if kind is Global else kind.__name__
            raise RefusedError(f"found {name} itself where data was expected")
        # The key holds the original, so that its id is not given to another object meanwhile.
        self._done[id(value)] = (value, result)
        return result

    def _resolve_stand_in(self, shell: StandIn, depth: int):
        self._done[id(shell)] = (shell, shell)
        shell.args = self.resolve(shell.args, depth)
        shell.state = self.resolve(shell.state, depth)
        state = shell.state if isinstance(shell.state, dict) else {}
        if shell.class_name.startswith("chumpy.") and isinstance(state.get("x"), np.ndarray):
            return state["x"]
        if shell.class_name.startswith("scipy."):
            return sparse_matrix(shell.class_name, state)
        return shell


def build_array(walk: Walk, depth: int, shape, shell, order: str, data) -> np.ndarray:
    """Builds an array from the parts of a pickle; nothing is allocated before the sizes agree."""
    if not isinstance(shell, DtypeShell) or not _is_shape(shape):
        raise RefusedError("a numpy array has a malformed shape or dtype")
    if isinstance(data, str):
        data = encode_latin1(walk.budget, data)
    dtype = shell.dtype()
    count = math.prod(shape)
    if max(1, dtype.itemsize) * math.prod(max(size, 1) for size in shape) >= 1 << 62:
        raise RefusedError(f"a numpy array claims shape {shape}")
    if dtype.hasobject:
        return _object_array(walk, depth, shape, data)
    if not isinstance(data, (bytes, bytearray)) or count * dtype.itemsize != len(data):
        held = f"{len(data)} bytes" if isinstance(data, (bytes, bytearray)) else "something else"
        raise RefusedError(
            f"a numpy array of shape {shape} and dtype {dtype} needs "
            f"{count * dtype.itemsize} bytes, the file holds {held}"
        )
    if dtype.itemsize == 0:
        raise RefusedError(f"a numpy array has dtype {dtype.str!r}, whose elements hold nothing")
    check_characters(dtype, data)
    walk.budget.take_bytes(len(data))
    if dtype.isnative and isinstance(data, bytes):
        # What numpy itself does for a pickle: the bytes become the array, without a copy.
        array = np.ndarray(0, dtype)
        array.__setstate__((1, shape, dtype, order == "F", data))
        return array
    array = np.ndarray(shape, dtype=dtype, buffer=data, order=order)
    return array.astype(dtype.newbyteorder("="), order="K")


def check_characters(dtype: np.dtype, data) -> None:
    """Refuses text arrays with numbers that are no characters: reading such an element raises."""
    if dtype.kind == "U" and len(data):
        codes = np.frombuffer(data, dtype=np.dtype("u4").newbyteorder(dtype.byteorder))
        if codes.max() > 0x10FFFF or ((codes >= 0xD800) & (codes <= 0xDFFF)).any():
            raise RefusedError("a numpy array of text holds numbers that are no characters")


def encode_latin1(budget, text: str) -> bytes:
    """Returns the bytes that Python 2 kept as text."""
    budget.take_bytes(len(text))
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise RefusedError("text that should hold bytes has characters beyond latin-1") from None


def _object_array(walk: Walk, depth: int, shape: tuple[int, ...], data) -> np.ndarray:
    if not isinstance(data, list) or math.prod(shape) != len(data):
        raise RefusedError(
            f"an object array of shape {shape} does not have as many elements in the file"
        )
    walk.budget.take_bytes(8 * len(data))
    array = np.empty(len(data), dtype=object)
    for i, item in enumerate(data):
        array[i] = walk.resolve(item, depth)
    return array.reshape(shape)


def _is_shape(shape) -> bool:
    return (
        isinstance(shape, tuple)
        and len(shape) <= 32
        and all(type(size) is int and 0 <= size < 1 << 48 for size in shape)
    )


def sparse_matrix(class_name: str, state: dict) -> SparseMatrix:
    """Makes a `SparseMatrix` of the attributes of a pickled scipy csc, csr or coo matrix."""
    kind = class_name.rpartition(".")[2][:3]
    shape = state.get("_shape", state.get("shape"))
    if kind not in ("csc", "csr", "coo") or not (_is_shape(shape) and len(shape) == 2):
        raise RefusedError(f"{class_name} is not read; only csc, csr and coo matrices are")
    if kind == "coo" and isinstance(state.get("coords"), tuple) and len(state["coords"]) == 2:
        state = {**state, "row": state["coords"][0], "col": state["coords"][1]}
    names = ("data", "row", "col") if kind == "coo" else ("data", "indices", "indptr")
    values = _vector(class_name, state, names[0], "iuf")
    inner, outer = (_vector(class_name, state, name, "iu") for name in names[1:])
    if kind != "coo":
        n_major = shape[0] if kind == "csr" else shape[1]
        if len(outer) != n_major + 1 or outer[0] != 0 or outer[-1] != len(values):
            raise RefusedError(f"indptr of {class_name} does not fit its shape {shape}")
        if (outer[1:] < outer[:-1]).any():
            raise RefusedError(f"indptr of {class_name} is not ascending")
        outer = np.repeat(np.arange(n_major), np.diff(outer).astype(np.intp))
    # csr compresses the rows, csc the columns; coo states both, rows first.
    rows, columns = (outer, inner) if kind == "csr" else (inner, outer)
    for indices, size in ((rows, shape[0]), (columns, shape[1])):
        if len(indices) != len(values):
            raise RefusedError(f"{class_name} does not have as many indices as values")
        if len(indices) and (indices.min() < 0 or indices.max() >= size):
            raise RefusedError(f"{class_name} has indices outside its shape {shape}")
    return SparseMatrix(shape, rows.astype(np.intp), columns.astype(np.intp), values)


def _vector(class_name: str, state: dict, name: str, kinds: str) -> np.ndarray:
    vector = state.get(name)
    if not isinstance(vector, np.ndarray) or vector.ndim != 1 or vector.dtype.kind not in kinds:
        raise RefusedError(f"{class_name} lacks {name}, or it is not a list of numbers")
    return vector
