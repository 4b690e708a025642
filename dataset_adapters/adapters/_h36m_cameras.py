"""The cameras of Human3.6M: from the code package's metadata.xml, or as published.

R = Rx(a) Ry(b) Rz(c), x_cam = R (x_world - centre), mm, world z up.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..camera import Camera, intrinsics
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..containers.file_text import decode_text, quote
from ..containers.text_numbers import read_plausible_number
from ._values import RecentFiles, camera_of

NAMES = ("54138969", "55011271", "58860488", "60457274")
METADATA = "Release-v1.2/metadata.xml"
_PUBLISHED = Path(__file__).parent / "data" / "h36m_cameras.json"
_N_SUBJECTS = 11
_W0 = re.compile(rb"<w0>\s*\[([^\]<]*)\]\s*</w0>")


@dataclass(frozen=True, eq=False)
class CameraTable:
    """The numbers behind the cameras.

    Attributes:
      path: where they are from.
      extrinsics: subject -> (4, 6): a, b, c (rad), centre (mm).
      intrinsics: (4, 9): fx fy cx cy k1 k2 k3 p1 p2.
    """

    path: str
    extrinsics: dict[str, np.ndarray]
    intrinsics: np.ndarray
    _made: dict[tuple, Camera] = field(default_factory=dict)

    def camera(self, subject: str, name: str, image_size: tuple[int, int]) -> Camera:
        """Returns one camera: the same one for all takes of a subject.

        Raises:
          FileError: the numbers make none.
        """
        key = subject, name, image_size
        if key not in self._made:
            self._made[key] = self._camera(*key)
        return self._made[key]

    def _camera(self, subject: str, name: str, image_size: tuple[int, int]) -> Camera:
        index = NAMES.index(name)
        *angles, x, y, z = self.extrinsics[subject][index]
        fx, fy, cx, cy, k1, k2, k3, p1, p2 = self.intrinsics[index]
        return camera_of(
            self.path,
            f"subject {subject}, camera {name}",
            center=(x, y, z),
            R=rotation(*angles),
            K=intrinsics(fx, fy, cx, cy),
            distortion=(k1, k2, p1, p2, k3),
            world_up=(0, 0, 1),
            image_size=image_size,
        )


@functools.cache
def published_cameras() -> CameraTable:
    """Returns the calibration that ships with this package: the seven subjects with poses."""
    stored = _published()
    return CameraTable(
        path=_PUBLISHED.name,
        extrinsics={
            subject: np.array([rows[name] for name in NAMES])
            for subject, rows in stored["extrinsics"].items()
        },
        intrinsics=np.array([stored["intrinsics"][name] for name in NAMES]),
    )


def published_size(name: str) -> tuple[int, int]:
    """Returns (width, height) px of a camera's videos."""
    width, height = _published()["image_size"][name]
    return width, height


def rotation(a: float, b: float, c: float) -> np.ndarray:
    """Returns Rx(a) Ry(b) Rz(c)."""
    (sa, sb, sc), (ca, cb, cc) = np.sin([a, b, c]), np.cos([a, b, c])
    about_x = np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]])
    about_y = np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
    about_z = np.array([[cc, -sc, 0], [sc, cc, 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


@functools.cache
def _published() -> dict:
    return json.loads(_PUBLISHED.read_text())


def _read_metadata(path: str) -> CameraTable:
    found = _W0.search(read_bytes(path))
    words = found[1].split() if found else []
    numbers = [read_plausible_number(word) for word in words]
    if None in numbers:
        bad = quote(decode_text(words[numbers.index(None)]))
        raise FileError(path, f"<w0>: expected 300 numbers, found {bad} among them")
    if len(numbers) != 300:
        raise FileError(
            path,
            f"<w0>: expected [ 300 camera numbers ], found {len(numbers)}; unpack code-v1.2.zip "
            "again, or use the option cameras=published",
        )
    extrinsics = np.array(numbers[:264]).reshape(4, _N_SUBJECTS, 6)
    return CameraTable(
        path=path,
        extrinsics={f"S{i + 1}": extrinsics[:, i] for i in range(_N_SUBJECTS)},
        intrinsics=np.array(numbers[264:]).reshape(4, 9),
    )


#: Reads the cameras of metadata.xml.
read_metadata = RecentFiles(_read_metadata)
