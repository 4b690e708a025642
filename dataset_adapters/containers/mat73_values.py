"""What groups and datasets of a MATLAB v7.3 file stand for.

An array lies with its axes reversed; text is an array of UTF-16 units; a cell is an array of
references to datasets of the hidden group `#refs#`; a struct is a group, an array of structs a
group whose fields are arrays of references. An empty array is stored as the list of its dimensions.
Plain HDF5 files without MATLAB's attributes are read by the same rules.
"""

from __future__ import annotations

import itertools
import math
import os
from typing import TYPE_CHECKING

import numpy as np

from .errors import FileError
from .hdf5_storage import storage_problem

if TYPE_CHECKING:
    import h5py

_MAX_DEPTH = 60
#: Every cell and field becomes an array of its own; there may be so many in one reading.
_MAX_PARTS = 1_000_000
_PARTS_PER_BYTE = 4
#: Larger parts that several references point at are read once.
_SHARED_BYTES = 256
_MAX_NAMES = 10_000
_MAX_DIMENSIONS = 32
_MAX_ATTRIBUTE_BYTES = 64


class UnreadableError(FileError):
    """A variable of a kind that is not read (an object, a function handle, a sparse matrix)."""


class ValueReader:
    """Reads one variable, with everything that it refers to.

    Args:
      path: the file, for messages.
      file: the open file.
      where: what opens messages, as `variable 'x': `.
    """

    def __init__(self, path: str | os.PathLike, file: h5py.File, where: str):
        import h5py

        self._h5 = h5py
        self._path, self._id, self._where = path, file.id, where
        self._file_size = os.stat(path).st_size
        self._parts_left = max(_MAX_PARTS, _PARTS_PER_BYTE * self._file_size)
        self._shared: dict[int, object] = {}
        self._double = h5py.h5t.IEEE_F64LE

    def value(self, node, index: tuple[slice, ...] = (), depth: int = 0):
        """Returns what a group or dataset (h5py's low-level object) stands for.

        Args:
          node: the group or dataset.
          index: slices of leading MATLAB axes; for datasets only.
          depth: of cells and structs around it.
        """
        self._parts_left -= 1
        if self._parts_left < 0 or depth > _MAX_DEPTH:
            raise self._refusal("holds more cells and fields than the file can, or holds itself")
        if isinstance(node, self._h5.h5d.DatasetID):
            return self._dataset(node, index, depth)
        if not isinstance(node, self._h5.h5g.GroupID):
            raise self._unreadable("neither values nor a group")
        return self._once(node, lambda: self._struct(node, depth))

    def shape(self, node) -> tuple[int, ...]:
        """Returns the MATLAB shape of a dataset; (1, 1) for a group."""
        if not isinstance(node, self._h5.h5d.DatasetID):
            return (1, 1)
        return self._empty_shape(node) or (node.shape or ())[::-1]

    def _refusal(self, problem: str) -> FileError:
        return FileError(self._path, self._where + problem)

    def _unreadable(self, found: str) -> UnreadableError:
        return UnreadableError(
            self._path, f"{self._where}holds {found}; expected numbers, text, cells or structs"
        )

    def _once(self, node, read):
        address = self._h5.h5o.get_info(node).addr
        if address not in self._shared:
            self._shared[address] = read()
        return self._shared[address]

    def _dataset(self, node, index, depth: int):
        kind = node.get_type()
        self._check_stored(node, kind)
        if index:
            return self._meaning(node, kind, self._selected(node, index), depth)
        # The two most frequent kinds need no look at attributes.
        if kind == self._double:
            return self._all_values(node, np.dtype("<f8"))
        if kind.get_class() == self._h5.h5t.REFERENCE:
            self._check_count(math.prod(node.shape))
            return self._once(node, lambda: self._cells(self._all_values(node, node.dtype), depth))
        if node.get_storage_size() > _SHARED_BYTES:
            return self._once(node, lambda: self._meaning(node, kind, None, depth))
        return self._meaning(node, kind, None, depth)

    def _all_values(self, node, dtype: np.dtype) -> np.ndarray:
        values = np.empty(node.shape, dtype)
        if values.size:
            node.read(self._h5.h5s.ALL, self._h5.h5s.ALL, values)
        return values.T

    def _selected(self, node, index: tuple[slice, ...]) -> np.ndarray:
        others = (slice(None),) * (len(node.shape) - len(index))
        return np.asarray(self._h5.Dataset(node)[others + index[::-1]]).T

    def _meaning(self, node, kind, values: np.ndarray | None, depth: int):
        """Returns the values of a dataset (given, or all of them) as what they stand for."""
        matlab_class = self._attribute(node, b"MATLAB_class") or b""
        if matlab_class in (b"function_handle", b"FileWrapper__") or self._h5.h5a.exists(
            node, b"MATLAB_object_decode"
        ):
            raise self._unreadable("a function handle or an object")
        if values is None and (empty := self._empty_shape(node)) is not None:
            return _empty(matlab_class, empty)
        if values is None:
            values = np.asarray(self._h5.Dataset(node)[()]).T
        if kind.get_class() == self._h5.h5t.REFERENCE:
            self._check_count(values.size)
            return self._cells(values, depth)
        if values.dtype.names == ("real", "imag"):
            return values["real"] + 1j * values["imag"]
        if matlab_class == b"char":
            return _text(values)
        if matlab_class == b"logical":
            return values.astype(bool)
        if values.dtype.kind == "S":
            return np.char.decode(values, "latin-1")
        if values.dtype.kind not in "biuf":
            raise self._unreadable(f"values of type {values.dtype}")
        return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))

    def _empty_shape(self, node) -> tuple[int, ...] | None:
        """Returns the shape of an array that MATLAB marked as empty, None for another one."""
        if len(node.shape or ()) != 1 or not self._attribute(node, b"MATLAB_empty"):
            return None
        shape = tuple(int(n) for n in self._h5.Dataset(node)[:_MAX_DIMENSIONS])
        if 0 not in shape or min(shape) < 0 or math.prod(n for n in shape if n) >= 1 << 60:
            raise self._refusal(f"expected the dimensions of an empty array, found {shape}")
        return shape

    def _check_count(self, n_cells: int) -> None:
        if n_cells > self._parts_left:
            raise self._refusal(f"promises {n_cells} cells, more than the file can hold")

    def _cells(self, references: np.ndarray, depth: int) -> np.ndarray:
        dereference, file = self._h5.h5r.dereference, self._id
        flat = references.ravel().tolist()
        cells = np.empty(len(flat), object)
        for i, reference in enumerate(flat):
            if reference:
                cells[i] = self.value(dereference(reference, file), (), depth + 1)
            else:
                cells[i] = np.empty((0, 0))
        return cells.reshape(references.shape)

    def _struct(self, group, depth: int):
        if self._h5.h5a.exists(group, b"MATLAB_sparse"):
            raise self._unreadable("a sparse matrix")
        if self._h5.h5a.exists(group, b"MATLAB_object_decode"):
            raise self._unreadable("an object")
        nodes = {name: self._h5.h5o.open(group, raw) for name, raw in members(self._path, group)}
        fields = {name: self.value(node, (), depth + 1) for name, node in nodes.items()}
        # The fields of a struct array are references without a class; a field that is a cell has
        # one. Files that others write have no classes at all: there it is a struct of cells.
        is_array = (
            bool(nodes)
            and self._attribute(group, b"MATLAB_class") == b"struct"
            and all(self._is_bare_reference(node) for node in nodes.values())
        )
        return self._struct_array(fields) if is_array else fields

    def _is_bare_reference(self, node) -> bool:
        return (
            isinstance(node, self._h5.h5d.DatasetID)
            and node.get_type().get_class() == self._h5.h5t.REFERENCE
            and not self._h5.h5a.exists(node, b"MATLAB_class")
        )

    def _struct_array(self, fields: dict[str, np.ndarray]) -> np.ndarray:
        shapes = {values.shape for values in fields.values()}
        if len(shapes) != 1:
            raise self._refusal(f"expected struct fields of one shape, found {sorted(shapes)}")
        rows = zip(*(values.ravel().tolist() for values in fields.values()), strict=True)
        structs = [dict(zip(fields, row, strict=True)) for row in rows]
        return np.fromiter(structs, object, len(structs)).reshape(shapes.pop())

    def _attribute(self, node, name: bytes):
        """Returns a short attribute (bytes or a number), or None."""
        if not self._h5.h5a.exists(node, name):
            return None
        attribute = self._h5.h5a.open(node, name)
        kind = attribute.get_type()
        is_text = kind.get_class() == self._h5.h5t.STRING and not kind.is_variable_str()
        if attribute.shape not in ((), (1,)) or kind.get_size() > _MAX_ATTRIBUTE_BYTES:
            return None
        if not is_text and kind.get_class() != self._h5.h5t.INTEGER:
            return None
        value = np.empty(attribute.shape, attribute.dtype)
        attribute.read(value)
        return value.ravel()[0].item()

    def _check_stored(self, node, kind) -> None:
        """Refuses a dataset that lies elsewhere or promises far more than is stored of it."""
        types = self._h5.h5t
        fixed = (types.INTEGER, types.FLOAT, types.REFERENCE, types.COMPOUND, types.ENUM)
        is_fixed_text = kind.get_class() == types.STRING and not kind.is_variable_str()
        if node.shape is None or not (kind.get_class() in fixed or is_fixed_text):
            raise self._unreadable("text of variable length or values of an unknown type")
        problem = storage_problem(node, kind.get_size(), self._file_size)
        if problem is not None:
            raise self._refusal(problem)


def members(path, group: h5py.h5g.GroupID) -> list[tuple[str, bytes]]:
    """Returns names (as text and as bytes) of what lies in a group; links are passed over.

    Raises:
      FileError: there are more than a struct or a file has.
    """
    import h5py

    raw_names = list(itertools.islice(group, _MAX_NAMES + 1))
    # MATLAB's own hidden group holds all cells, but it is never listed.
    if len(raw_names) > _MAX_NAMES:
        raise FileError(path, f"expected at most {_MAX_NAMES} names in a group, found more")
    named = [(raw.decode("utf-8", "replace"), raw) for raw in raw_names]
    return [
        (name, raw)
        for name, raw in named
        if group.links.get_info(raw).type == h5py.h5l.TYPE_HARD
        and name.isprintable()
        and name.encode() == raw
    ]


def _empty(matlab_class: bytes, shape: tuple[int, ...]):
    if matlab_class == b"char":
        return ""
    return np.empty(shape, object if matlab_class in (b"cell", b"struct") else float)


def _text(units: np.ndarray):
    """Returns text of UTF-16 units `(rows, length)`: one `str`, or an array with one per row."""
    if units.ndim != 2:
        units = units.reshape(-1, units.shape[-1] if units.ndim else 1)
    rows = [
        np.ascontiguousarray(row, "<u2").tobytes().decode("utf-16-le", "replace") for row in units
    ]
    return rows[0] if len(rows) == 1 else np.array(rows, str)
