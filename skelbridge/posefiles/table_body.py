"""The rows of a text table: numbers and labels, read fast, and precisely where that fails."""

from __future__ import annotations

import array
import csv
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dataset_adapters.containers.errors import FileError

#: Cells that mean "missing".
_MISSING = (
    "",
    "nan",
    "NaN",
    "NAN",
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "null",
    "NULL",
    "None",
    "none",
    "-",
)


@dataclass(frozen=True)
class Labels:
    """A column of labels.

    Attributes:
      codes: `(R,)`, for each row the index of its label.
      values: the different labels, in order of appearance.
    """

    codes: np.ndarray
    values: list[str]


@dataclass(frozen=True)
class TableBody:
    """What a table holds.

    Attributes:
      numbers: `(R, C)` of the columns that were asked for as numbers, NaN where a cell is empty.
      labels: the columns that were asked for as labels.
    """

    numbers: np.ndarray
    labels: dict[int, Labels]


@dataclass(frozen=True)
class TableFormat:
    """How a text table is written.

    Attributes:
      delimiter: between cells.
      decimal: the decimal point, `"."` or `","`.
      names: of all columns, for messages.
      start: the first byte of the first row.
    """

    delimiter: str
    decimal: str
    names: tuple[str, ...]
    start: int


def read_body(
    path: str | os.PathLike,
    data: bytes,
    form: TableFormat,
    *,
    numeric: Sequence[int],
    text: Sequence[int],
) -> TableBody:
    """Reads the rows of a table.

    Args:
      path: the file, for messages.
      data: all of it.
      form: how it is written.
      numeric: the columns that must hold numbers, in the wanted order.
      text: the columns that are read as labels.

    Raises:
      FileError: a row has too few or too many cells, or a cell is no number; with line and column.
    """
    # Arrow stops at the first flaw and is vague about its place; the slow way either copes or says.
    return _read_fast(data, form, numeric, text) or _read_precisely(path, data, form, numeric, text)


def _read_fast(data: bytes, form: TableFormat, numeric, text) -> TableBody | None:
    """Reads with pyarrow; None where it finds anything wrong."""
    import pyarrow as pa
    import pyarrow.csv

    labels = [str(i) for i in range(len(form.names))]
    types = {labels[i]: pa.float64() for i in numeric}
    types |= {labels[i]: pa.large_string() for i in text}
    try:
        table = pa.csv.read_csv(
            pa.py_buffer(memoryview(data)[form.start :]),
            read_options=pa.csv.ReadOptions(column_names=labels),
            parse_options=pa.csv.ParseOptions(delimiter=form.delimiter),
            convert_options=pa.csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=list(_MISSING),
                decimal_point=form.decimal,
            ),
        )
        labels_found = {i: labels_of(table.column(labels[i])) for i in text}
    except pa.ArrowException:
        return None
    return TableBody(numbers_of(table, [labels[i] for i in numeric]), labels_found)


def numbers_of(table, names: Sequence[str]) -> np.ndarray:
    """Returns columns of a pyarrow table side by side, `(R, C)`, nulls as NaN."""
    numbers = np.empty((table.num_rows, len(names)), np.float64)
    start = 0
    # Batch by batch, so that the rows that are being filled stay in the processor's cache.
    for batch in table.select(list(names)).to_batches():
        rows = numbers[start : start + batch.num_rows]
        with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
            for i, column in enumerate(batch.columns):
                rows[:, i] = column.to_numpy(zero_copy_only=False)
        start += batch.num_rows
    return numbers


def labels_of(column) -> Labels:
    """Returns a text column of a pyarrow table as labels."""
    encoded = column.combine_chunks().fill_null("").dictionary_encode()
    values = [value.strip() for value in encoded.dictionary.to_pylist()]
    return unique_labels(encoded.indices.to_numpy(zero_copy_only=False), values)


def unique_labels(codes: np.ndarray, values: list[str]) -> Labels:
    """Returns labels whose values differ (stripping spaces can make two the same)."""
    index: dict[str, int] = {}
    remap = np.array([index.setdefault(value, len(index)) for value in values], np.int64)
    if len(index) < len(values):
        codes = remap[codes]
    return Labels(np.asarray(codes, np.int64), list(index))


def _read_precisely(path, data: bytes, form: TableFormat, numeric, text) -> TableBody:
    """Reads cell by cell."""
    first_line = data.count(b"\n", 0, form.start) + 1
    numbers = array.array("d")
    codes: dict[int, list[int]] = {i: [] for i in text}
    index: dict[int, dict[str, int]] = {i: {} for i in text}
    lines = decode_text(data[form.start :]).split("\n")
    for line, row in split_rows(path, lines, form.delimiter, first_line=first_line):
        n_cells = len(form.names)
        if len(row) != n_cells:
            if len(row) < n_cells or any(cell.strip() for cell in row[n_cells:]):
                raise FileError(
                    path,
                    f"line {line}: expected {n_cells} cells as in the first row, found {len(row)}",
                )
            del row[n_cells:]
        for i in numeric:
            value = parse_number(row[i], decimal=form.decimal)
            if value is None:
                raise FileError(
                    path,
                    f"line {line}: expected a number in column {form.names[i] or i + 1!r}, "
                    f"found {row[i][:40]!r}",
                )
            numbers.append(value)
        for i in text:
            codes[i].append(index[i].setdefault(row[i].strip(), len(index[i])))
    n_rows = len(numbers) // len(numeric)
    return TableBody(
        np.array(numbers, np.float64).reshape(n_rows, len(numeric)),
        {i: Labels(np.array(codes[i], np.int64), list(index[i])) for i in text},
    )


def split_rows(
    path: str | os.PathLike, lines: Iterable[str], delimiter: str, *, first_line: int = 1
):
    """Yields line number and cells of each row that is not blank.

    Raises:
      FileError: quotes or line ends are broken.
    """
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise FileError(
                path, f"line {first_line + reader.line_num - 1}: broken row ({error})"
            ) from error
        if row is None:
            return
        if len(row) > 1 or (row and row[0].strip()):
            yield first_line + reader.line_num - 1, row


def parse_number(cell: str, *, decimal: str = ".") -> float | None:
    """Returns the number in a cell (NaN where it is empty), or None where there is none."""
    cell = cell.strip()
    if cell in _MISSING:
        return math.nan
    if decimal != ".":
        cell = cell.replace(decimal, ".")
    if "_" in cell or not cell.isascii():  # Python's float() would take 1_000
        return None
    try:
        return float(cell)
    except ValueError:
        return None


def decode_text(data: bytes) -> str:
    """Returns text in UTF-8 or, where it is none, in Latin-1, which every byte is."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
