"""What the miniatures of the marker-based datasets share: points, pictures and rows of truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from dataset_adapters.camera import Camera

from . import scene
from .truth import TruthRow

#: Nearest distance of two points that are meant to be different ones.
_APART_MM = 12.0
#: How fast the people of the scene turn about the vertical, rad.
TURN_PER_S = 0.3


def tracks(
    skeleton: str, n_frames: int, *, person: int = 0, start: int = 0, seed: int = 0
) -> np.ndarray:
    """Returns (T, J, 3) mm of `scene.poses` in which every point exists and has its own place.

    Where the scene knows a format's points only roughly, two of them may coincide or be unknown.
    They are moved by a vector of their own, so that no two joints can be confused unnoticed.

    Args:
      start: how many frames of the person's motion are passed over: another take of one person.
    """
    points = scene.poses(skeleton, start + n_frames, person=person, seed=seed)[start:].copy()
    own = np.random.default_rng([seed, person, 17]).normal(0, 30, (points.shape[1], 3))
    angles = TURN_PER_S * np.arange(start, start + n_frames) / scene.FPS
    turns = matrix_from_axis_angle(angles[:, None] * np.array([0, 0, 1.0]))
    for joint in range(points.shape[1]):
        # The vectors turn with the body, so that bones keep their lengths.
        own_of_joint = turns @ own[joint]
        if np.isnan(points[:, joint]).any():
            points[:, joint] = np.nanmean(points, axis=1) + 4 * own_of_joint
        others = np.delete(points[0], joint, axis=0)
        if np.nanmin(np.linalg.norm(others - points[0, joint], axis=-1)) < _APART_MM:
            points[:, joint] += own_of_joint
    return points


def cameras(
    n_cameras: int,
    image_size: tuple[int, int],
    *,
    up: str = "z",
    distortion=None,
    seed: int = 0,
    **options,
) -> list[Camera]:
    """Returns `scene.cameras` in a world with the upward axis `up`, rolled and moved a little.

    So no entry of R and t is zero by symmetry, and no wrong sign or order goes unnoticed.

    Args:
      distortion: one list of coefficients for all, or an array (n_cameras, n) for each.
    """
    rng = np.random.default_rng([seed, 19])
    made = []
    for i, camera in enumerate(scene.cameras(n_cameras, image_size, seed=seed, **options)):
        roll = matrix_from_axis_angle(np.array([0, 0, rng.uniform(-0.08, 0.08)]))
        coefficients = distortion
        if distortion is not None and np.ndim(distortion) == 2:
            coefficients = distortion[i]
        moved = Camera.at(
            camera.center + rng.uniform(-200, 200, 3),
            roll @ camera.R,
            camera.K,
            distortion=coefficients,
            world_up=camera.world_up,
            image_size=image_size,
        )
        made.append(scene.camera_in_axes(up, moved))
    return made


def image(
    camera: Camera, people: list[np.ndarray], skeleton: str, *, seed: int = 0, reduce: int = 4
) -> np.ndarray:
    """Returns the RGB picture of people (world points (J, 3) mm each), painted in blocks of pixels.

    The blocks (`reduce` px wide) keep large pictures quick to paint and small on the disk.
    """
    size = _reduced_size(camera, reduce)
    pixels = [_reduced(camera.project(points), reduce) for points in people]
    return _enlarged(scene.picture(size, pixels, skeleton, seed=seed), camera, reduce)


def silhouette(camera: Camera, points: np.ndarray, skeleton: str, *, reduce: int = 4) -> np.ndarray:
    """Returns the (height, width) bool mask of the person that `image` paints."""
    size = _reduced_size(camera, reduce)
    pixels = _reduced(camera.project(points), reduce)
    mask = scene.person_mask(size, pixels, skeleton)
    return (
        _enlarged(mask[..., None].repeat(3, axis=-1).astype(np.uint8), camera, reduce)[..., 0] > 0
    )


def video(
    path: Path,
    camera: Camera,
    people: list[np.ndarray],
    skeleton: str,
    *,
    n_frames: int,
    fps: float,
    seed: int = 0,
) -> None:
    """Writes a video of people (world points (T, J, 3) mm each).

    After the last pose everyone stands still: datasets record on where the annotation has ended.
    """
    frames = []
    for i in range(n_frames):
        now = [points[min(i, len(points) - 1)] for points in people]
        frames.append(image(camera, now, skeleton, seed=seed))
    scene.write_video(path, frames, fps=fps)


def row(camera: Camera, points: np.ndarray, **fields) -> TruthRow:
    """Returns the row of truth of world points (J, 3) mm seen by a camera."""
    return TruthRow(
        joints3d=camera.to_camera(points),
        joints2d=camera.project(points),
        up=camera.up,
        **fields,
    )


def _reduced_size(camera: Camera, reduce: int) -> tuple[int, int]:
    return tuple(-(-n // reduce) for n in camera.image_size)


def _reduced(pixels: np.ndarray, reduce: int) -> np.ndarray:
    return (pixels + 0.5) / reduce - 0.5


def _enlarged(picture: np.ndarray, camera: Camera, reduce: int) -> np.ndarray:
    import cv2

    width, height = camera.image_size
    size = tuple(n * reduce for n in picture.shape[1::-1])
    # Colours are kept in OpenCV's order below the view, so that writing them needs no copy.
    large = cv2.resize(picture[..., ::-1], size, interpolation=cv2.INTER_NEAREST)
    return large[:height, :width, ::-1]
