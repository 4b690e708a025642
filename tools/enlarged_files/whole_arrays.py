"""Enlarged files that hold arrays: CDF, C3D, pickles."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from miniatures import write_miniature
from miniatures._mocap_matlab73 import write_cell

from .videos import lengthen_videos

Bare = Callable[[], object]


def h36m(root: Path, *, times: int = 800, gzip_level: int = 6) -> Bare:
    """One CDF file per take with four cameras: 2400 poses."""
    write_miniature("h36m", root)
    for folder in root.glob("S*/MySegmentsMat"):
        shutil.rmtree(folder)
    return _longer_h36m_poses(root, times, gzip_level)


def h36m_plain(root: Path) -> Bare:
    """The same with poses that are not packed: reading them is a copy of memory."""
    return h36m(root, gzip_level=0)


def h36m_boxes(root: Path, *, times: int = 20) -> Bare:
    """The same with boxes as one mask of 1000 x 1000 px per frame and camera (HDF5)."""
    import h5py

    write_miniature("h36m", root)
    for folder in root.glob("S[5-9]*"):
        shutil.rmtree(folder)
    poses = _longer_h36m_poses(root, times)
    paths = sorted(root.glob("S1*/MySegmentsMat/ground_truth_bb/[!_]*.mat"))
    for path in paths:
        masks = _h5_cells(h5py, path, "Masks")
        write_cell(path, "Masks", [mask.T.copy() for _ in range(times) for mask in masks])
    return lambda: [poses(), *(_h5_cells(h5py, path, "Masks") for path in paths)]


def _longer_h36m_poses(root: Path, times: int, gzip_level: int = 6) -> Bare:
    import cdflib

    rng = np.random.default_rng(0)
    paths = sorted(root.glob("S*/MyPoseFeatures/D3_Positions/[!_]*.cdf"))
    for path in paths:
        poses = cdflib.CDF(path).varget("Pose")
        path.unlink()
        longer = np.tile(poses.reshape(-1, poses.shape[-1]), (times, 1))[None]
        # Repeated numbers would pack, and unpack, too well.
        longer = longer + rng.normal(0, 1, longer.shape)
        specification = {
            "Variable": "Pose", "Data_Type": 21, "Num_Elements": 1, "Rec_Vary": True,
            "Var_Type": "zVariable", "Dim_Sizes": list(longer.shape[1:]),
            "Compress": gzip_level,
        }  # fmt: skip
        writer = cdflib.cdfwrite.CDF(path)
        writer.write_var(specification, var_data=longer.astype(np.float32))
        writer.close()
    lengthen_videos(root, times)
    return lambda: [cdflib.CDF(path).varget("Pose") for path in paths]


def _h5_cells(h5py, path: Path, name: str) -> list[np.ndarray]:
    with h5py.File(path) as file:
        return [file[reference][()] for reference in file[name][:].ravel()]


def threedpw(root: Path, *, times: int = 400) -> Bare:
    """One pickle per sequence of 1200 frames."""
    write_miniature("3dpw", root)
    paths = sorted(root.rglob("*.pkl"))
    for path in paths:
        content = unpickled(path)
        n = len(content["img_frame_ids"])
        for key in content.keys() - {"cam_intrinsics", "texture_maps"}:
            content[key] = tiled(content[key], 2 * n if "60Hz" in key else n, times)
        path.write_bytes(pickle.dumps(content, protocol=2))
    return lambda: [unpickled(path) for path in paths]


def aist(root: Path, *, times: int = 100, n_copies: int = 12) -> Bare:
    """One pickle per sequence of 600 poses, nine videos; many sequences share their cameras."""
    write_miniature("aist", root)
    lengthen_videos(root, times)
    annotations = root / "annotations"
    ignored = (annotations / "ignore_list.txt").read_text().split()
    settings = dict(
        line.split() for line in (annotations / "cameras/mapping.txt").read_text().splitlines()
    )
    used = []
    for path in sorted(annotations.glob("keypoints3d/*.pkl")):
        content = {key: np.tile(a, (times, 1, 1)) for key, a in unpickled(path).items()}
        path.unlink()
        videos = sorted(root.glob(f"videos/{path.stem.replace('cAll', 'c0?')}.mp4"))
        if path.stem in ignored or not videos:
            continue
        for k in range(n_copies):
            name = f"{path.stem[:-2]}{30 + k}"
            used.append(path.with_stem(name))
            used[-1].write_bytes(pickle.dumps(content, protocol=3))
            settings[name] = settings[path.stem]
            for view in range(1, 10):
                shutil.copy(videos[0], root / f"videos/{name.replace('cAll', f'c0{view}')}.mp4")
    mapping = "".join(f"{name} {setting}\n" for name, setting in settings.items())
    (annotations / "cameras/mapping.txt").write_text(mapping)
    for split in ("train", "val", "test"):
        names = "".join(f"{path.stem}\n" for path in used) if split == "train" else ""
        (annotations / f"splits/pose_{split}.txt").write_text(names)
    return lambda: [unpickled(path) for path in used]


def unpickled(path: Path):
    """Reads a pickle that this tool has just written."""
    return pickle.loads(path.read_bytes(), encoding="latin1")


def tiled(value, n: int, times: int):
    """Repeats an array along its axis of `n` frames, in lists of people too."""
    if isinstance(value, list):
        return [tiled(item, n, times) for item in value]
    if isinstance(value, np.ndarray) and value.ndim and value.shape[0] == n:
        return np.concatenate([value] * times)
    return value


def aspset(root: Path, *, times: int = 300) -> Bare:
    """One C3D file per clip of 600 frames, three videos with boxes."""
    write_miniature("aspset", root)
    paths = sorted(root.rglob("*.c3d"))
    boxes = sorted(root.rglob("boxes/*/*.csv"))
    for path in boxes:
        head, *lines = path.read_text().splitlines(keepends=True)
        path.write_text(head + "".join(lines) * times)
    lengthen_videos(root, times)
    tables = lambda: [np.loadtxt(path, delimiter=",", skiprows=1) for path in boxes]  # noqa: E731
    return _lengthened_c3d(paths, times, others=tables)


def umpm(root: Path, *, times: int = 1000) -> Bare:
    """One C3D file per sequence of some thousand frames, four videos."""
    write_miniature("umpm", root)
    lengthen_videos(root, times)
    paths = [p for p in sorted(root.rglob("*_vm.c3d")) if not p.name.startswith("p2_free_2")]
    return _lengthened_c3d(paths, times)


def berkeley_mhad(root: Path, *, n_images: int = 200) -> Bare:
    """One C3D file per recording at 480 Hz, a folder of images per camera."""
    write_miniature("berkeley_mhad", root)
    shutil.rmtree(root / "Kinect")
    tables = sorted(root.glob("Camera/Correspondences/corr_moc_img_*.txt"))
    for path in tables:
        path.write_text("".join(f"{k} {k / 22:.6f} {k * 22}\n" for k in range(n_images)))
    for folder in sorted(root.glob("Camera/Cluster*/Cam*/S*/A*/R*")):
        image = min(folder.iterdir())
        for k in range(n_images):
            copied = folder / f"{image.name.rpartition('_')[0]}_{k:05d}.pgm"
            if not copied.exists():
                copied.hardlink_to(image)
    names = [path.stem.removeprefix("corr_moc_img_") for path in tables]
    paths = [root / f"Mocap/OpticalData/moc_{name}.c3d" for name in names]
    return _lengthened_c3d(paths, n_images * 4, lambda: [np.loadtxt(path) for path in tables])


def _lengthened_c3d(paths: list[Path], times: int, others: Bare = list) -> Bare:
    import ezc3d

    for path in paths:
        old, new = ezc3d.c3d(str(path)), ezc3d.c3d()
        for key in ("RATE", "LABELS", "UNITS"):
            new["parameters"]["POINT"][key]["value"] = old["parameters"]["POINT"][key]["value"]
        new["data"]["points"] = np.tile(old["data"]["points"], (1, 1, times))
        new.write(str(path))
    return lambda: [others(), *(ezc3d.c3d(str(path))["data"]["points"] for path in paths)]


ENLARGED = {
    "h36m": h36m,
    "h36m (plain)": h36m_plain,
    "h36m (box masks)": h36m_boxes,
    "3dpw": threedpw,
    "aist": aist,
    "aspset": aspset,
    "umpm": umpm,
    "berkeley_mhad": berkeley_mhad,
}
