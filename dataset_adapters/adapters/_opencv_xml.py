"""Matrices of OpenCV's FileStorage XML."""

from __future__ import annotations

import os
from xml.etree import ElementTree

import numpy as np

from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..containers.file_text import decode, list_names
from ..containers.text_numbers import read_plausible_number

_MAX_BYTES = 1 << 20


def read_xml_matrices(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads the matrices at the top level.

    Returns:
      Name -> (rows, columns) float64.

    Raises:
      FileError: the file is no such XML, or a matrix does not have the numbers that it promises.
    """
    data = read_bytes(path)
    if len(data) > _MAX_BYTES:
        raise FileError(path, f"expected a few matrices, found a file of {len(data)} bytes")
    # As text, so that no encoding that the file declares hides markup from this look at it.
    text = decode(data)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise FileError(path, "expected XML of OpenCV, found a document type or entities")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise FileError(path, f"expected XML of OpenCV, found something else: {error}") from None
    return {
        element.tag: _matrix(path, element) for element in root if element.find("data") is not None
    }


def xml_matrix(
    path, matrices: dict[str, np.ndarray], name: str, shape: tuple[int, int] | None
) -> np.ndarray:
    """Returns one of them, whose shape may be prescribed.

    Raises:
      FileError: it is not there, or has another shape.
    """
    if name not in matrices:
        raise FileError(path, f"expected a matrix {name!r}, found {list_names(matrices)}")
    if shape is not None and matrices[name].shape != shape:
        raise FileError(
            path,
            f"{name}: expected {shape[0]} x {shape[1]} numbers, found "
            f"{' x '.join(map(str, matrices[name].shape))}",
        )
    return matrices[name]


def _matrix(path, element: ElementTree.Element) -> np.ndarray:
    words = (element.findtext("data") or "").split()
    values = [read_plausible_number(word) for word in words]
    sizes = [(element.findtext(name) or "").strip() for name in ("rows", "cols")]
    is_size = all(size.isascii() and size.isdigit() and len(size) < 5 for size in sizes)
    if not is_size or int(sizes[0]) * int(sizes[1]) != len(values) or None in values:
        raise FileError(
            path,
            f"{element.tag}: expected {' x '.join(sizes)} numbers, found {len(values)} words",
        )
    return np.array(values, float).reshape(int(sizes[0]), int(sizes[1]))
