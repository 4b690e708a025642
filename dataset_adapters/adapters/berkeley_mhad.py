"""Berkeley MHAD: 12 subjects, 11 actions, 5 repetitions, 12 cameras and 2 Kinects, 43 markers.

Ofli et al., WACV 2013. Marker positions in mm; the cameras' world has y up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..body_models.rotations import matrix_from_axis_angle
from ..camera import Camera
from ..containers.c3d import parse_c3d
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..containers.file_text import list_names
from ..containers.text_numbers import read_plausible_number
from ..examples import ExampleBlock
from ._number_text import number_table
from ._opencv_yaml import matrix, read_matrices
from ._values import (
    RecentFiles,
    as_array,
    camera_of,
    check_choice,
    without_zeros,
)

N_MARKERS = 43
IMAGE_SIZE = (640, 480)
#: From the motion capture's axes (z up) to those of the cameras' world (y up).
WORLD_FROM_C3D = np.array([[-1, 0, 0], [0, 0, 1], [0, 1, 0.0]])
_MM_PER_UNIT = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_STEREO = re.compile(r"Cluster(\d\d)/Cam(\d\d)/S(\d\d)/A(\d\d)/R(\d\d)")
_KINECT = re.compile(r"Kin(\d\d)/S(\d\d)/A(\d\d)/R(\d\d)")
_MATRIX_LINES = re.compile(rb"\s*Rw=([^\r\n]*)\r?\n\s*Tw=([^\r\n]*)\s*")

INFO = DatasetInfo(
    name="berkeley_mhad",
    title="Berkeley Multimodal Human Action Database",
    kind="3D, marker-based",
    homepage="https://tele-immersion.citris-uc.org/berkeley_mhad",
    licence="see the dataset's page (commonly cited as BSD-2-style)",
    access="free download",
    paper="Ofli, Chaudhry, Kurillo, Vidal, Bajcsy: Berkeley MHAD, WACV 2013",
    skeletons=("berkeley_mhad_43",),
    splits=("train",),
    tree="""\
Calibration/camcfg_l01.yml  RwTw_l01.txt  ... l04, k01, k02
Camera/Cluster01/Cam01/S01/A01/R01/img_l01_c01_s01_a01_r01_00000.pgm
Camera/Correspondences/corr_moc_img_s01_a01_r01.txt
Kinect/Kin01/S01/A01/R01/kin_k01_s01_a01_r01_color_00000.ppm       (optional)
Kinect/Correspondences/corr_moc_kin01_s01_a01_r01.txt              (optional)
Mocap/OpticalData/moc_s01_a01_r01.c3d  (or .txt)""",
    items=(
        Item("Calibration/camcfg_*.yml", "intrinsics", "calibration archive"),
        Item("Calibration/RwTw_*.txt", "extrinsics of the clusters", "calibration archive"),
        Item("Camera/Cluster*/Cam*/S*/A*/R*", "folders of images", "one archive per cluster"),
        Item("Camera/Correspondences/corr_moc_img_*.txt", "which mocap frame an image shows"),
        Item("Mocap/OpticalData/moc_*.*", "marker positions (.c3d or .txt)", "optical mocap"),
        Item("Kinect/Kin*/S*/A*/R*", "Kinect images", "Kinect archives", required=False),
    ),
    defects=(
        Defect(
            "no recording of s04 a08 r05; none of s05 a02 r05 and s10 a08 r05 by clusters 3 and 4",
            "left out with every other recording that has no image folder",
        ),
        Defect("the .c3d files have other axes than the cameras", "turned: x = -x, y = z, z = y"),
        Defect("some image files are truncated", "kept: `prepare` reports them"),
        Defect(
            "the .pgm images are raw Bayer mosaics (GRBG)",
            "given as such: colours are made of them when they are loaded; JPEG files of the same "
            "names are taken where there is no pgm",
        ),
    ),
    thinning=Thinning(
        distance_mm=100.0, memory=None, keep_newly_valid=True, ignore_missing=True
    ),
    box_expansion=1.05,
    facts=(
        "Stereo cameras: 640x480 at about 22 fps; Kinect: 640x480 at about 30 fps; mocap 480 Hz.",
        "No official split for poses: all is train.",
        "The skeletons in Mocap/SkeletalData (.bvh; 35 positions with end sites) are not read: "
        "neither their axes against those of the cameras nor what their joints are is documented.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class BerkeleyMhad(Adapter):
    """Reads Berkeley MHAD."""

    info = INFO

    mocap: str = option("auto", "auto (c3d, else txt), c3d or txt")
    kinect: bool = option(True, "read the Kinect colour images too")

    def __post_init__(self):
        check_choice(self, "mocap", ("auto", "c3d", "txt"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per recording and camera."""
        found = []
        for path in root.glob("Camera/Cluster*/Cam*/S*/A*/R*"):
            key = path.relative_to(root / "Camera").as_posix()
            if match := _STEREO.fullmatch(key):
                cluster, camera, *take = match.groups()
                found.append((*take, "l" + cluster, camera, f"Camera/{key}"))
        for path in root.glob("Kinect/Kin*/S*/A*/R*") if self.kinect else ():
            key = path.relative_to(root / "Kinect").as_posix()
            if match := _KINECT.fullmatch(key):
                camera, *take = match.groups()
                found.append((*take, "k" + camera, "01", f"Kinect/{key}"))
        # The cameras of one recording come one after the other and share its mocap.
        return [Source(split, key) for *_, key in sorted(found)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with the images of a camera in a recording."""
        kind, _, rest = source.key.partition("/")
        if kind == "Camera":
            number, lens, *take = _STEREO.fullmatch(rest).groups()
            cluster = f"l{number}"
            names = f"img_{cluster}_c{lens}_{{}}_"
            pairs = "Camera/Correspondences/corr_moc_img_{}.txt"
        else:
            number, *take = _KINECT.fullmatch(rest).groups()
            cluster, lens = f"k{number}", "01"
            names = f"kin_{cluster}_{{}}_color_"
            pairs = f"Kinect/Correspondences/corr_moc_kin{number}_{{}}.txt"
        sequence = "s{}_a{}_r{}".format(*take)
        markers = self._markers(root, sequence)
        images, rows = _correspondences(root / pairs.format(sequence), len(markers))
        files, is_there, is_raw = _image_files(
            root, source.key, names.format(sequence), images, is_stereo=kind == "Camera"
        )
        is_there &= ~np.isnan(markers[rows, :, 0]).all(axis=1)
        yield ExampleBlock(
            dataset="berkeley_mhad",
            split=source.split,
            skeleton="berkeley_mhad_43",
            frames=images[is_there],
            sequence=sequence,
            subject=f"s{take[0]}",
            camera_name=f"{cluster}_c{lens}" if kind == "Camera" else cluster,
            images=[name for name, there in zip(files, is_there, strict=True) if there],
            cameras=_camera(root, cluster, int(lens)),
            joints3d=markers[rows[is_there]],
            bayer="GRBG" if is_raw else "",
        )

    def _markers(self, root: Path, sequence: str) -> np.ndarray:
        stem = root / "Mocap" / "OpticalData" / f"moc_{sequence}"
        c3d = stem.with_suffix(".c3d")
        if self.mocap == "c3d" or (self.mocap == "auto" and c3d.is_file()):
            return _recent_c3d(c3d)
        return _recent_text(stem.with_suffix(".txt"))


def _read_c3d(path: str) -> np.ndarray:
    """Returns (T, 43, 3) mm in the cameras' world."""
    c3d = parse_c3d(path)
    unit = (c3d.units or "mm").strip().lower()
    if c3d.positions.shape[1] != N_MARKERS or unit not in _MM_PER_UNIT:
        raise FileError(
            path,
            f"expected {N_MARKERS} points in mm, found {c3d.positions.shape[1]} in {unit}",
        )
    markers = _MM_PER_UNIT[unit] * without_zeros(c3d.positions)
    return as_array(path, "points", markers @ WORLD_FROM_C3D.T, (None, None, 3), may_miss=True)


def _read_text(path: str) -> np.ndarray:
    """Returns (T, 43, 3) mm; the last two columns count frames and time."""
    rows = number_table(path, read_bytes(path), 3 * N_MARKERS + 2)
    return without_zeros(rows[:, : 3 * N_MARKERS].reshape(-1, N_MARKERS, 3))


_recent_c3d = RecentFiles(_read_c3d)
_recent_text = RecentFiles(_read_text)


def _correspondences(path: Path, n_mocap: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the image numbers and their mocap rows, those without a mocap row left out."""
    table = number_table(path, read_bytes(path))
    if table.size and table.shape[1] < 3:
        raise FileError(
            path,
            "expected columns of image number, time and mocap frame, found "
            f"{table.shape[1]} columns",
        )
    table = table.reshape(len(table), -1)[:, [0, 2]] if table.size else np.empty((0, 2))
    if np.isnan(table).any() or (table != np.round(table)).any() or (table < 0).any():
        raise FileError(path, "expected whole numbers from 0 in columns 1 and 3, found others")
    images, rows = table.astype(np.int64).T
    return images[rows < n_mocap], rows[rows < n_mocap]


def _image_files(
    root: Path, folder: str, prefix: str, numbers: np.ndarray, *, is_stereo: bool
) -> tuple[list[str], np.ndarray, bool]:
    """Returns the images' paths, which of them exist, and whether they are Bayer mosaics."""
    try:
        present = set(os.listdir(root / folder))
    except OSError as error:
        raise FileError.unreadable(root / folder, error) from None
    for ending in ("pgm" if is_stereo else "ppm", "jpg"):
        names = [f"{prefix}{number:05d}.{ending}" for number in numbers.tolist()]
        is_there = np.array([name in present for name in names], bool)
        if is_there.any() or ending == "jpg":
            break
    if names and not is_there.any():
        raise FileError(
            root / folder,
            f"expected images such as {prefix}00000.pgm, found "
            f"{list_names(sorted(present), most=3)}",
        )
    return [f"{folder}/{name}" for name in names], is_there, ending == "pgm"


def _camera(root: Path, cluster: str, number: int) -> Camera:
    R_world, t_world = _read_cluster(root / "Calibration" / f"RwTw_{cluster}.txt")
    path = root / "Calibration" / f"camcfg_{cluster}.yml"
    maps, name = read_matrices(path, read_bytes(path)), f"Camera_{number}"
    relative = matrix(path, maps, name, "PosRel", 6)
    R = matrix_from_axis_angle(relative[3:])
    return camera_of(
        path,
        name,
        R=R @ R_world,
        t=R @ t_world + relative[:3],
        K=matrix(path, maps, name, "K", 9).reshape(3, 3),
        distortion=matrix(path, maps, name, "Dist", 4),
        world_up=(0, 1, 0),
        image_size=IMAGE_SIZE,
    )


def _read_cluster(path: Path) -> tuple[np.ndarray, np.ndarray]:
    match = _MATRIX_LINES.fullmatch(read_bytes(path))
    numbers = [
        [read_plausible_number(word) for word in line.split()] for line in match.groups()
    ] if match else [[], []]  # fmt: skip
    if [len(line) for line in numbers] != [9, 3] or None in numbers[0] + numbers[1]:
        raise FileError(
            path,
            "expected the lines 'Rw=<9 numbers>' and 'Tw=<3 numbers>', found something else",
        )
    return np.array(numbers[0]).reshape(3, 3), np.array(numbers[1])
