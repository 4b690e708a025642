"""The cameras of BML-MoVi: two calibrated ones, and phones that a user has calibrated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..camera import Camera, intrinsics
from ..containers.errors import FileError
from ..containers.file_text import list_names
from ..containers.npz import NpzArchive
from ._values import RecentFiles, as_array, as_numbers, camera_of, member, read_json

IMAGE_SIZE = (800, 600)
PHONE_SIZE = (1920, 1080)
PHONE_FOCAL_PX = 1508.7021
#: Camera -> fx fy cx cy (px, first pixel 1), k1 k2, translation (mm), rotationMatrix (row vectors).
PUBLISHED = {
    "PG1": (
        (979.179, 978.102, 408.027, 291.170), (-0.18236, 0.18389), (-177.23, 1030.56, 4999.32),
        ((0.03052, 0.06319, -0.99753), (0.99942, 0.01303, 0.03140), (0.01499, -0.99792, -0.06275)),
    ),
    "PG2": (
        (980.043, 980.699, 392.275, 309.911), (-0.22932, 0.35465), (-243.68, 672.57, 4050.87),
        ((0.99887, -0.00493, -0.04733), (0.04569, -0.17839, 0.98290),
         (-0.01328, -0.98395, -0.17796)),
    ),
}  # fmt: skip
_FOLDERS = ("Calib", "Camera_patameters", "Camera_parameters", ".")


def published_camera(name: str) -> Camera:
    """Returns a calibrated camera by its published numbers."""
    (fx, fy, cx, cy), k, t, rows = PUBLISHED[name]
    K = np.array([[fx, 0, 0], [0, fy, 0], [cx, cy, 1]])
    return _matlab_camera("the published calibration", name, K=K, k=k, rows=rows, t=t)


def calibration_files(root: Path, name: str) -> tuple[Path, Path]:
    """Returns where the intrinsics and the extrinsics of a camera are, or should be."""
    return tuple(
        next((p for p in (root / f / file for f in _FOLDERS) if p.is_file()), root / "Calib" / file)
        for file in (f"cameraParams_{name}.npz", f"Extrinsics_{name}.npz")
    )


def read_camera(files: tuple[Path, Path], name: str) -> Camera:
    """Reads a calibrated camera.

    Raises:
      FileError: a file is missing or damaged, or lacks an array.
    """
    inner, outer = files
    with NpzArchive(inner) as arrays:
        K = _entry(inner, arrays, "IntrinsicMatrix", (3, 3))
        k = _entry(inner, arrays, "RadialDistortion", (2,))
    with NpzArchive(outer) as arrays:
        rows = _entry(outer, arrays, "rotationMatrix", (3, 3))
        t = _entry(outer, arrays, "translationVector", (3,))
    return _matlab_camera(outer, name, K=K, k=k, rows=rows, t=t)


def _matlab_camera(path, name: str, *, K, k, rows, t) -> Camera:
    """Returns the camera of MATLAB's matrices, which multiply row vectors from the right."""
    K = np.array(K).T
    K[:2, 2] -= 1  # MATLAB's first pixel is (1, 1).
    return camera_of(
        path,
        f"camera {name}",
        R=np.array(rows).T,
        t=t,
        K=K,
        distortion=k,
        world_up=(0, 0, 1),
        image_size=IMAGE_SIZE,
    )


def _entry(path: Path, arrays: NpzArchive, key: str, shape: tuple[int, ...]) -> np.ndarray:
    if key not in arrays:
        raise FileError(path, f"expected the array {key!r}, found {list_names(arrays)}")
    return as_numbers(path, key, arrays[key], math.prod(shape)).reshape(shape)


@dataclass(frozen=True, eq=False)
class Phone:
    """What a user found out about a phone's video.

    Attributes:
      path: the file that says so.
      video: name of the video without its ending.
      fps: frames per second.
      offset_s: video time at which the motion capture begins.
      focal_px: focal length; the principal point is the image's centre.
      R: (3, 3), or (frames, 3, 3) where the phone moved, NaN where it is unknown.
      t: (3,) or (frames, 3) mm.
    """

    path: str
    video: str
    fps: float
    offset_s: float
    focal_px: float
    R: np.ndarray
    t: np.ndarray

    def mocap_index(self, n_frames: int, rate: float) -> np.ndarray:
        """Returns the (fractional) mocap frame of each video frame; NaN without a camera."""
        index = (np.arange(n_frames) / self.fps - self.offset_s) * rate
        if self.R.ndim == 3:
            index[len(self.R) :] = np.nan
            unknown = np.isnan(self.R).any(axis=(1, 2)) | np.isnan(self.t).any(axis=1)
            index[: len(self.R)][unknown[:n_frames]] = np.nan
        return index

    def roll_degrees(self) -> np.ndarray:
        """Returns how far the image is turned against the vertical: (1,) or (frames,)."""
        up = self.R[..., :, 2].reshape(-1, 3)
        return np.degrees(np.arctan2(up[:, 0], -up[:, 1]))

    def camera(self, frame: int) -> Camera:
        """Returns the camera of a video frame."""
        is_fixed = self.R.ndim == 2
        return camera_of(
            self.path,
            f"{self.video}, frame {frame}",
            R=self.R if is_fixed else self.R[frame],
            t=self.t if is_fixed else self.t[frame],
            K=intrinsics(self.focal_px, self.focal_px, PHONE_SIZE[0] / 2, PHONE_SIZE[1] / 2),
            world_up=(0, 0, 1),
            image_size=PHONE_SIZE,
        )


def _read_phones(path: str) -> dict[str, Phone]:
    stored = read_json(path)
    if not isinstance(stored, dict):
        raise FileError(path, "expected an object with the videos' names as keys, found none")
    return {video: _phone(path, video, entry) for video, entry in stored.items()}


def _phone(path: str, video: str, entry) -> Phone:
    def number(key: str, default: float | None = None) -> float:
        is_given = isinstance(entry, dict) and key in entry
        value = default if not is_given and default is not None else member(path, entry, key)
        return float(as_numbers(path, f"{video}.{key}", value, 1)[0])

    R, t = member(path, entry, "R"), member(path, entry, "t")
    if isinstance(t, list) and any(part is None or isinstance(part, list) for part in t):
        t = [[np.nan] * 3 if part is None else part for part in t]
        R = [[[np.nan] * 3] * 3 if p is None else p for p in R] if isinstance(R, list) else R
        R = as_array(path, f"{video}.R", R, (len(t), 3, 3), may_miss=True)
        t = as_array(path, f"{video}.t", t, (len(t), 3), may_miss=True)
    else:
        R = as_array(path, f"{video}.R", R, (3, 3))
        t = as_array(path, f"{video}.t", t, (3,))
    fps = number("fps")
    if not 1 <= fps <= 1000:
        raise FileError(path, f"{video}.fps: expected 1 to 1000 frames per second, found {fps:g}")
    return Phone(path, video, fps, number("offset_s"), number("focal_px", PHONE_FOCAL_PX), R, t)


#: Reads a file of phone calibrations: video -> Phone.
read_phones = RecentFiles(_read_phones)
