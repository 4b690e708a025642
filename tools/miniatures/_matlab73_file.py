"""MATLAB 7.3 files: HDF5 with a user block, reversed axes and cells as references."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_USER_BLOCK = 512
_TITLE = "MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2018 HDF5 schema"
_CLASSES = {"float64": "double", "float32": "single", "bool": "logical"}


def write_mat73(path: Path, variables: dict[str, np.ndarray]) -> None:
    """Writes variables: arrays in MATLAB's axis order; object arrays become cells."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=_USER_BLOCK) as file:
        for name, value in variables.items():
            _write(file, name, value)
    with path.open("r+b") as file:
        title = f"{_TITLE} 1.00 .".encode().ljust(116)
        file.write(title + bytes(8) + b"\x00\x02IM")


def _write(file, name: str, value: np.ndarray) -> None:
    if value.dtype != object:
        dataset = file.create_dataset(name, data=value.T)
        dataset.attrs["MATLAB_class"] = np.bytes_(_CLASSES.get(value.dtype.name, value.dtype.name))
        return
    import h5py

    references = np.empty(value.shape, h5py.ref_dtype)
    for i, index in enumerate(np.ndindex(value.shape)):
        inner = f"#refs#/{name.removeprefix('#refs#/')}.{i}"
        _write(file, inner, value[index])
        references[index] = file[inner].ref
    dataset = file.create_dataset(name, data=references.T, dtype=h5py.ref_dtype)
    dataset.attrs["MATLAB_class"] = np.bytes_("cell")
