"""One calibrated camera: projection, distortion in OpenCV's model, and back.

x_cam = R x_world + t        (mm; camera x right, y down, z forward)
x', y' = x_cam / z, y_cam / z      r2 = x'^2 + y'^2
radial = (1 + k1 r2 + k2 r2^2 + k3 r2^3) / (1 + k4 r2 + k5 r2^2 + k6 r2^3)
x'' = x' radial + 2 p1 x' y' + p2 (r2 + 2 x'^2) + s1 r2 + s2 r2^2
y'' = y' radial + p1 (r2 + 2 y'^2) + 2 p2 x' y' + s3 r2 + s4 r2^2
(u, v) = K (x'', y'', 1)     (px; the centre of the first pixel is (0, 0))
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

#: OpenCV's order: k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4.
N_DISTORTION = 12
_ITERATIONS = 30
_ROWS_AT_ONCE, _FEW_NUMBERS = 4096, 600
_CONVERGED = 1e-10


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera with lens distortion.

    Attributes:
      R: (3, 3) rotation from world to camera.
      t: (3,) translation, mm: x_cam = R x_world + t.
      K: (3, 3) intrinsic matrix, px.
      distortion: (12,) coefficients in OpenCV's order; fewer are filled with zeros, None is none.
      world_up: (3,) unit vector against gravity in world axes; None where nobody knows it.
      image_size: (width, height) px, or None.

    Raises:
      ValueError: a shape is wrong, R is no rotation, or a number is not finite.
    """

    R: np.ndarray
    t: np.ndarray
    K: np.ndarray
    distortion: np.ndarray | None = None
    world_up: np.ndarray | None = None
    image_size: tuple[int, int] | None = None

    def __post_init__(self):
        set_field = functools.partial(object.__setattr__, self)
        set_field("R", _matrix("R", self.R, (3, 3)))
        set_field("t", _matrix("t", np.reshape(self.t, -1), (3,)))
        set_field("K", _matrix("K", self.K, (3, 3)))
        _check_rotation(self.R)
        if not (self.K[0, 0] > 0 and self.K[1, 1] > 0 and self.K[2].tolist() == [0, 0, 1]):
            raise ValueError(
                "K must have positive focal lengths and the last row 0 0 1. "
                f"Received {self.K.tolist()}"
            )
        if self.distortion is not None:
            set_field("distortion", _distortion(self.distortion))
        if self.world_up is not None:
            up = _matrix("world_up", self.world_up, (3,))
            length = math.hypot(*up.tolist())
            if not length > 0:
                raise ValueError("world_up must have a length. Received zeros")
            set_field("world_up", _frozen(up / length))
        if self.image_size is not None:
            width, height = (int(n) for n in self.image_size)
            if width <= 0 or height <= 0:
                raise ValueError(f"image_size must be positive. Received {self.image_size}")
            set_field("image_size", (width, height))

    @classmethod
    def at(cls, center, R, K, **others) -> Camera:
        """Returns the camera whose centre is at `center` (3,) mm in world coordinates."""
        return cls(R=R, t=-np.asarray(R, float) @ np.reshape(center, 3), K=K, **others)

    @property
    def center(self) -> np.ndarray:
        """(3,) position in the world, mm."""
        return -self.R.T @ self.t

    @property
    def up(self) -> np.ndarray | None:
        """(3,) unit vector against gravity in camera axes."""
        return None if self.world_up is None else self.R @ self.world_up

    @property
    def is_distorted(self) -> bool:
        """Whether any distortion coefficient differs from zero."""
        return self.distortion is not None and bool(np.any(self.distortion))

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """Returns world points (..., 3) in camera coordinates, mm."""
        return moved(np.asarray(points, float), self.R.T, self.t)

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """Returns camera points (..., 3) in world coordinates, mm."""
        return moved(np.asarray(points, float), self.R, -(self.t @ self.R))

    def project(self, points: np.ndarray) -> np.ndarray:
        """Projects world points (..., 3) mm to pixels (..., 2); NaN behind the camera."""
        return self.image_from_camera(self.to_camera(points))

    def image_from_camera(self, points: np.ndarray) -> np.ndarray:
        """Projects camera points (..., 3) mm to pixels (..., 2); NaN where z is not positive."""
        points = np.asarray(points, float)
        x, y, z = (points[..., i] for i in range(3))
        pixels = np.empty((*points.shape[:-1], 2))
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            z = np.where(z > 0, z, np.nan)
            x, y = x / z, y / z
            if self.is_distorted:
                x, y = bent(x, y, self.distortion)
            for i in range(2):
                pixels[..., i] = self.K[i, 0] * x + self.K[i, 1] * y + self.K[i, 2]
        return pixels

    def camera_from_image(self, pixels: np.ndarray, depth: np.ndarray | float = 1.0) -> np.ndarray:
        """Returns the camera points (..., 3) that lie behind pixels (..., 2) at a depth (z), mm.

        Where no point is imaged there (outside of the lens model's range) the result is NaN.
        """
        shifted = np.asarray(pixels, float) - self.K[:2, 2]
        ideal = shifted @ np.linalg.inv(self.K[:2, :2]).T
        if self.is_distorted:
            ideal = undistorted(ideal, self.distortion)
        depth = np.broadcast_to(np.asarray(depth, float), ideal.shape[:-1])
        return np.concatenate([ideal * depth[..., None], depth[..., None]], axis=-1)

    def unproject(self, pixels: np.ndarray, depth: np.ndarray | float) -> np.ndarray:
        """Returns the world points (..., 3) mm behind pixels (..., 2) at a camera depth (z), mm."""
        return self.to_world(self.camera_from_image(pixels, depth))

    def undistort(self, pixels: np.ndarray) -> np.ndarray:
        """Returns where pixels (..., 2) would lie without lens distortion."""
        if not self.is_distorted:
            return np.asarray(pixels, float)
        ideal = self.camera_from_image(pixels)[..., :2]
        return ideal @ self.K[:2, :2].T + self.K[:2, 2]

    def without_distortion(self) -> Camera:
        """Returns the same camera with a perfect lens."""
        return replace(self, distortion=None)

    def resized(self, factor: float) -> Camera:
        """Returns the camera of the image scaled by `factor`; pixel centres at integers."""
        K = self.K.copy()
        K[:2, :2] *= factor
        K[:2, 2] = (K[:2, 2] + 0.5) * factor - 0.5
        size = self.image_size and tuple(max(1, round(n * factor)) for n in self.image_size)
        return replace(self, K=K, image_size=size)


def intrinsics(fx: float, fy: float, cx: float, cy: float, skew: float = 0.0) -> np.ndarray:
    """Returns the intrinsic matrix (3, 3) of focal lengths and principal point, px."""
    return np.array([[fx, skew, cx], [0, fy, cy], [0, 0, 1.0]])


def moved(points: np.ndarray, matrix: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Returns points (..., 3) @ matrix + shift, fast for many of them."""
    if points.shape[-1:] != (3,):
        raise ValueError(f"points must have 3 coordinates. Received shape {points.shape}")
    if points.size < _FEW_NUMBERS:
        return points @ matrix + shift
    flat = points.reshape(-1, 3)
    result = np.empty(flat.shape, np.result_type(points, matrix))
    # In parts that stay in the processor's cache and that the linear algebra library leaves to one
    # thread: its threads wait for each other longer than they work on three columns.
    for start in range(0, len(flat), _ROWS_AT_ONCE):
        part = result[start : start + _ROWS_AT_ONCE]
        np.matmul(flat[start : start + _ROWS_AT_ONCE], matrix, out=part)
        # Column by column: arithmetic along an axis of three numbers is slow.
        for i in range(3):
            part[:, i] += shift[i]
    return result.reshape(points.shape)


def distorted(ideal: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Applies the lens model to ideal image points (..., 2) = (x/z, y/z)."""
    return np.stack(bent(ideal[..., 0], ideal[..., 1], coefficients), axis=-1)


def bent(
    x: np.ndarray, y: np.ndarray, coefficients: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Applies the lens model to ideal image points, given by coordinate."""
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = coefficients
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        if k4 or k5 or k6:
            radial = radial / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        u, v = x * radial, y * radial
        if p1 or p2:
            u = u + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
            v = v + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        if s1 or s2 or s3 or s4:
            u, v = u + r2 * (s1 + r2 * s2), v + r2 * (s3 + r2 * s4)
    return u, v


def undistorted(image: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Inverts `distorted` by Newton's method; NaN where it does not converge."""
    ideal = np.array(image, float)
    step = 1e-6
    for _ in range(_ITERATIONS):
        residual = distorted(ideal, coefficients) - image
        if not np.any(np.abs(residual) > _CONVERGED):
            break
        columns = [
            (distorted(ideal + step * axis, coefficients) - residual - image) / step
            for axis in np.eye(2)
        ]
        (a, c), (b, d) = (np.moveaxis(column, -1, 0) for column in columns)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            determinant = a * d - b * c
            x, y = residual[..., 0], residual[..., 1]
            move = np.stack([d * x - b * y, a * y - c * x], axis=-1) / determinant[..., None]
            # A step longer than the image plane leaves the range where the polynomial is a lens.
            ideal = ideal - np.clip(move, -0.5, 0.5)
    with np.errstate(invalid="ignore"):
        residual = np.abs(distorted(ideal, coefficients) - image)
        return np.where(np.all(residual < 1e-6, axis=-1, keepdims=True), ideal, np.nan)


def _matrix(name: str, value, shape: tuple[int, ...]) -> np.ndarray:
    array = np.array(value, float)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}. Received {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite. Received {array.tolist()}")
    return _frozen(array)


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def _check_rotation(R: np.ndarray) -> None:
    # As plain numbers: numpy takes ten times as long for 3 x 3, and datasets have many cameras.
    x, y, z = rows = R.tolist()
    defect = max(
        abs(a[0] * b[0] + a[1] * b[1] + a[2] * b[2] - (a is b))
        for a, b in ((x, x), (y, y), (z, z), (x, y), (x, z), (y, z))
    )
    determinant = sum(
        rows[0][i] * (rows[1][j] * rows[2][k] - rows[1][k] * rows[2][j])
        for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1))
    )
    if not (defect <= 1e-3 and determinant > 0):
        raise ValueError(
            "R must be a rotation matrix (orthonormal, determinant +1). "
            f"Received one with a defect of {defect:.3g} and determinant {determinant:.3g}"
        )


def _distortion(values) -> np.ndarray:
    given = np.array(values, float).reshape(-1)
    if len(given) > N_DISTORTION:
        raise ValueError(
            f"distortion must have at most {N_DISTORTION} coefficients in OpenCV's order. "
            f"Received {len(given)}"
        )
    padded = np.zeros(N_DISTORTION)
    padded[: len(given)] = given
    return _matrix("distortion", padded, (N_DISTORTION,))
