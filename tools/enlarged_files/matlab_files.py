"""Enlarged MATLAB files, of version 5 and 7.3."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from miniatures import write_miniature
from miniatures._matlab73_file import write_mat73

from .videos import lengthen_videos
from .whole_arrays import tiled

Bare = Callable[[], object]


def mpi_inf_3dhp_train(root: Path, *, times: int = 1500) -> Bare:
    """One MATLAB v5 file per sequence: cells of 6000 rows for 14 cameras, videos of 8 of them."""
    from scipy.io import loadmat, savemat

    write_miniature("mpi_inf_3dhp", root)
    shutil.rmtree(root / "mpi_inf_3dhp_test_set")
    keys = ("annot2", "annot3", "cameras")
    paths = sorted(root.glob("S*/Seq*/annot.mat"))
    for path in paths:
        content = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
        for key in ("annot2", "annot3", "univ_annot3"):
            for cell in range(content[key].size):
                content[key].flat[cell] = np.tile(content[key].flat[cell], (times, 1))
        content["frames"] = np.arange(4.0 * times)[:, None]
        savemat(path, content)
        videos = sorted((path.parent / "imageSequence").glob("*.avi"))
        for number in (0, 1, 2, 4, 5, 6, 7, 8):
            video = videos[0].with_name(f"video_{number}.avi")
            if not video.exists():
                shutil.copy(videos[0], video)
    lengthen_videos(root, times)
    return lambda: [loadmat(path, variable_names=keys) for path in paths]


def mpi_inf_3dhp_test(root: Path, *, times: int = 3000) -> Bare:
    """One MATLAB v7.3 file per test sequence: 6000 rows."""
    import h5py

    write_miniature("mpi_inf_3dhp", root)
    for folder in root.glob("S[0-9]*"):
        shutil.rmtree(folder)
    paths = sorted(root.rglob("annot_data.mat"))
    for path in paths:
        with h5py.File(path) as file:
            content = {key: np.concatenate([file[key][()].T] * times, axis=-1) for key in file}
        # As in the dataset, where 2929 of 24 888 rows count.
        content["valid_frame"][:] = np.arange(content["valid_frame"].shape[-1]) % 8 == 0
        write_mat73(path, content)

    def bare():
        found = []
        for path in paths:
            with h5py.File(path) as file:
                found += [file[key][()] for key in file]
        return found

    return bare


def muco(root: Path, *, n_composites: int = 2000) -> Bare:
    """MATLAB v7.3 cells of cells: who is in which composite, four people each."""
    import h5py

    write_miniature("muco", root)
    path = root / "sampled_dataset_info.mat"
    with h5py.File(path) as file:
        stored = _h5_nested_cells(file, "composite_info")
    cells = np.empty((n_composites, 4), object)
    for i in range(n_composites):
        for k in range(4):
            cells[i, k] = np.empty((1, 1), object)
            cells[i, k][0, 0] = stored[i % (len(stored) // 4) * 4 + k].reshape(1, 4)
    write_mat73(path, {"composite_info": cells})
    image = min(root.glob("unaugmented_set_001/**/*.jpg"))
    for i in range(n_composites):
        copied = root / f"unaugmented_set_001/{i + 1:06d}.jpg"
        if not copied.exists():
            copied.hardlink_to(image)

    def bare():
        with h5py.File(path) as file:
            return _h5_nested_cells(file, "composite_info")

    return bare


def _h5_nested_cells(file, name: str) -> list[np.ndarray]:
    """Returns the numbers of cells that hold a cell each, composite after composite."""
    return [file[file[outer][0, 0]][()] for outer in file[name][:].T.ravel()]


def bmlmovi(root: Path, *, times: int = 800) -> Bare:
    """MATLAB v5 structs: 16 800 rows of 87 markers, two videos each."""
    from scipy.io import loadmat, savemat

    write_miniature("bmlmovi", root)
    paths = sorted(root.glob("*/?_v3d_Subject_*.mat"))
    for path in paths:
        (name,) = (key for key in loadmat(path) if not key.startswith("__"))
        subject = loadmat(path, simplify_cells=True)[name]
        moves = subject["move"] if isinstance(subject["move"], (list, np.ndarray)) else [
            subject["move"]
        ]  # fmt: skip
        cell = np.empty((1, len(moves)), object)
        for i, move in enumerate(moves):
            n = len(move["markerLocation"])
            cell[0, i] = {key: tiled(value, n, times) for key, value in move.items()}
        savemat(path, {name: {"subject": {"id": "1"}, "move": cell}})
    lengthen_videos(root, times)
    return lambda: [loadmat(path) for path in paths]


def mads(root: Path, *, times: int = 600) -> Bare:
    """MATLAB v5 cells with one pose each: 2400 of them, three videos."""
    from scipy.io import loadmat, savemat

    write_miniature("mads", root)
    paths = sorted(root.rglob("*_GT.mat"))
    for path in paths:
        cells = loadmat(path)["GTpose2"]
        savemat(path, {"GTpose2": np.concatenate([cells] * times, axis=1)})
    lengthen_videos(root, times)
    return lambda: [loadmat(path) for path in paths]


def mupots(root: Path, *, times: int = 200) -> Bare:
    """MATLAB v5 cells of structs: 600 frames of 2 and 3 people."""
    from scipy.io import loadmat, savemat

    write_miniature("mupots", root)
    paths = sorted(root.rglob("*.mat"))
    for path in paths:
        (name,) = (key for key in loadmat(path) if not key.startswith("__"))
        savemat(path, {name: np.concatenate([loadmat(path)[name]] * times)})
    return lambda: [loadmat(path) for path in paths]


ENLARGED = {
    "mpi_inf_3dhp (train)": mpi_inf_3dhp_train,
    "mpi_inf_3dhp (test)": mpi_inf_3dhp_test,
    "muco": muco,
    "bmlmovi": bmlmovi,
    "mads": mads,
    "mupots": mupots,
}
