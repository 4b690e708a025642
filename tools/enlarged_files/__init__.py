"""Miniatures of datasets whose annotation files were made as long as real ones.

Each function writes one below a folder and returns the bare parse of the files that the adapter
needs: what json, cdflib, scipy, h5py, ezc3d, pickle or numpy alone do with them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import many_files, matlab_files, text_and_json, whole_arrays

#: Dataset (and what is special about it) -> what writes it and returns the bare parse.
ENLARGED: dict[str, Callable[[Path], Callable[[], object]]] = {
    **whole_arrays.ENLARGED,
    **matlab_files.ENLARGED,
    **text_and_json.ENLARGED,
    **many_files.ENLARGED,
}
