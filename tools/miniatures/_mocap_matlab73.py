"""Writes MATLAB v7.3 files (HDF5 with a MATLAB header) that hold one cell array."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_USER_BLOCK = 512


def write_cell(path: Path, name: str, matrices: list[np.ndarray]) -> None:
    """Writes a cell of uint8 matrices: (N, 1) references on disk, each to a transposed matrix.

    Cells that hold the same array object are written once.
    """
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=_USER_BLOCK) as file:
        group = file.create_group("#refs#")
        stored = {}
        for matrix in matrices:
            if id(matrix) not in stored:
                dataset = group.create_dataset(
                    f"m{len(stored)}", data=matrix.T, compression="gzip", compression_opts=1
                )
                dataset.attrs["MATLAB_class"] = np.bytes_("uint8")
                stored[id(matrix)] = dataset.ref
        cell = file.create_dataset(name, (len(matrices), 1), dtype=h5py.ref_dtype)
        for i, matrix in enumerate(matrices):
            cell[i, 0] = stored[id(matrix)]
        cell.attrs["MATLAB_class"] = np.bytes_("cell")
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2018 HDF5"
    with path.open("r+b") as file:
        file.write(text.ljust(116) + bytes(8) + b"\x00\x02IM")
