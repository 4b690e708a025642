"""The ground truth behind every miniature: people walking in a room with known cameras.

World of this module: mm, z up, the floor at z = 0, people near the origin. A writer brings points
and cameras into its dataset's own axes with `in_axes`. Nothing here is captured data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from make_walk import walking_poses

import skeleton_defs
from dataset_adapters.body_models.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from dataset_adapters.body_models.smpl_family import (
    SMPL,
    joint_positions,
    neutral_rest_joints,
)
from dataset_adapters.camera import Camera, intrinsics
from skelbridge.conversion import convert

FPS = 25
#: Rows are the axes of a world with that upward axis, in this module's z-up axes (rotations).
AXES = {
    "z": np.eye(3),
    "y": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0.0]]),
    "-y": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]]),
}


def smpl_rotations(n_frames: int, *, person: int = 0, seed: int = 0) -> np.ndarray:
    """Returns (T, 24, 3) axis-angle vectors of SMPL; the root turns the y-up body to z up."""
    rng = np.random.default_rng([seed, person, 0])
    times = np.arange(n_frames) / FPS + rng.uniform(0, 1)
    poses = walking_poses(times)
    # The arms are raised and bent a little more, so that no two joints share a height.
    poses[:, 16:20] += rng.uniform(-0.2, 0.2, (4, 3))
    heading = rng.uniform(0, 2 * np.pi) + 0.3 * times
    upright = matrix_from_axis_angle(np.array([np.pi / 2, 0, 0]))
    turn = matrix_from_axis_angle(heading[:, None] * np.array([0, 0, 1.0]))
    poses[:, 0] = axis_angle_from_matrix(turn @ upright)
    return poses


def smpl_joints(n_frames: int, *, person: int = 0, seed: int = 0) -> np.ndarray:
    """Returns (T, 24, 3) mm SMPL joints of a walking person, world z up, feet near the floor."""
    rng = np.random.default_rng([seed, person, 1])
    rotations = matrix_from_axis_angle(smpl_rotations(n_frames, person=person, seed=seed))
    joints = 1000 * joint_positions(rotations, neutral_rest_joints(), SMPL.parents)
    joints *= rng.uniform(0.93, 1.05)
    joints[..., 2] -= joints[..., 2].min() - 40
    joints[..., :2] -= joints[:1, :1, :2]
    angle = 2.4 * person + rng.uniform(0, 0.5)
    distance = 0 if person == 0 else 700
    place = distance * np.array([np.cos(angle), np.sin(angle)])
    drift = np.linspace(0, 1, n_frames)[:, None] * rng.uniform(-250, 250, 2)
    joints[..., :2] += (place + drift)[:, None]
    return joints


def poses(skeleton: str, n_frames: int, *, person: int = 0, seed: int = 0) -> np.ndarray:
    """Returns (T, J, 3) mm of any body format of the registry, world z up, no joint missing.

    The same (person, seed) is the same moving body in every format.
    """
    if skeleton == "smpl_24":
        return smpl_joints(n_frames, person=person, seed=seed)
    source = smpl_joints(n_frames, person=person, seed=seed)
    return convert(source, "smpl_24", skeleton, max_error_mm=1e6)


def cameras(
    n_cameras: int,
    image_size: tuple[int, int],
    *,
    seed: int = 0,
    focal: float | None = None,
    distance_mm: float = 4000.0,
    distortion=None,
) -> list[Camera]:
    """Returns cameras around the people, looking at them from eye height, world z up.

    Args:
      image_size: (width, height) px.
      focal: px; default: the larger image side times 1.1.
      distortion: coefficients in OpenCV's order for all of them.
    """
    rng = np.random.default_rng([seed, 7])
    made = []
    for i in range(n_cameras):
        angle = 2 * np.pi * i / n_cameras + rng.uniform(0.1, 0.6)
        center = np.array(
            [distance_mm * np.cos(angle), distance_mm * np.sin(angle), rng.uniform(1200, 2000)]
        )
        forward = np.array([0, 0, 950.0]) - center
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(forward, right), forward])
        width, height = image_size
        f = focal or 1.1 * max(image_size)
        K = intrinsics(
            f,
            f * 1.01,
            width / 2 - 0.5 + rng.uniform(-5, 5),
            height / 2 - 0.5 + rng.uniform(-5, 5),
        )
        made.append(
            Camera.at(
                center,
                R,
                K,
                distortion=distortion,
                world_up=(0, 0, 1),
                image_size=image_size,
            )
        )
    return made


def in_axes(up: str, points: np.ndarray) -> np.ndarray:
    """Returns z-up points (..., 3) in a world with the upward axis `z`, `y` or `-y`."""
    return points @ AXES[up].T


def camera_in_axes(up: str, camera: Camera) -> Camera:
    """Returns the camera for that world."""
    return Camera.at(
        AXES[up] @ camera.center,
        camera.R @ AXES[up].T,
        camera.K,
        distortion=camera.distortion,
        world_up=AXES[up] @ camera.world_up,
        image_size=camera.image_size,
    )


def picture(
    image_size: tuple[int, int], people: list[np.ndarray], skeleton: str, *, seed: int = 0
) -> np.ndarray:
    """Draws people as coloured limbs on a graded background.

    Args:
      people: (J, 2) px per person, farthest first; NaN joints are left out.

    Returns:
      (height, width, 3) uint8 RGB.
    """
    import cv2

    width, height = image_size
    rng = np.random.default_rng([seed, 11])
    corner = rng.uniform(40, 120, 3)
    ramp = np.linspace(0, 90, height)[:, None, None] + np.linspace(0, 30, width)[None, :, None]
    image = np.clip(corner + ramp, 0, 255).astype(np.uint8)
    for joints in people:
        colour = tuple(int(c) for c in rng.integers(120, 255, 3))
        for start, end in _limbs(joints, skeleton):
            cv2.line(image, start, end, colour, _thickness(joints))
    return image


def person_mask(image_size: tuple[int, int], joints: np.ndarray, skeleton: str) -> np.ndarray:
    """Returns the (height, width) bool silhouette that `picture` paints of one person."""
    import cv2

    mask = np.zeros((image_size[1], image_size[0]), np.uint8)
    for start, end in _limbs(joints, skeleton):
        cv2.line(mask, start, end, 1, _thickness(joints))
    return mask.astype(bool)


def box_of(joints: np.ndarray, *, factor: float = 1.1) -> np.ndarray:
    """Returns (4,) left, top, width, height px around joints (J, 2), scaled about its centre."""
    low, high = np.nanmin(joints, axis=0), np.nanmax(joints, axis=0)
    center, size = (low + high) / 2, (high - low) * factor
    return np.concatenate([center - size / 2, size])


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes RGB (or 2D grey) uint8 as JPEG or PNG, by the name's ending; makes the folders."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    bgr = image[..., ::-1] if image.ndim == 3 else image
    done, data = cv2.imencode(path.suffix, bgr)
    assert done, path
    path.write_bytes(data.tobytes())


def write_video(path: Path, frames: list[np.ndarray], *, fps: float = FPS) -> None:
    """Writes RGB frames as a video (.mp4 or .avi); makes the folders."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    codec = "mp4v" if path.suffix.lower() == ".mp4" else "MJPG"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, (width, height))
    assert writer.isOpened(), path
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()


def _limbs(joints: np.ndarray, skeleton: str):
    points = np.clip(np.nan_to_num(joints, nan=-1e5), -1e4, 1e4).round().astype(int)
    present = ~np.isnan(joints[:, 0])
    for a, b in skeleton_defs.get(skeleton).edges:
        if present[a] and present[b]:
            yield tuple(map(int, points[a])), tuple(map(int, points[b]))


def _thickness(joints: np.ndarray) -> int:
    return max(3, int(np.nanmax(joints[:, 1]) - np.nanmin(joints[:, 1])) // 14)
