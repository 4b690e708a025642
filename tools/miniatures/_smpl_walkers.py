"""Walking people as SMPL parameters whose joints are exactly those of the neutral rest skeleton."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataset_adapters.body_models.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from dataset_adapters.body_models.smpl_family import SMPL, joint_positions, neutral_rest_joints

from . import scene
from ._room_views import WorldFrame


@dataclass(frozen=True, eq=False)
class Walker:
    """One person over T frames: joints = 1000 (scale * smpl(rotations) + translation).

    Attributes:
      rotations: (T, 24, 3) axis-angle, radians.
      translation: (T, 3) metres, added after the pelvis' own rest position.
      joints: (T, 24, 3) mm in the world frame.
      scale: factor on the body.
    """

    rotations: np.ndarray
    translation: np.ndarray
    joints: np.ndarray
    scale: float


def walker(
    n_frames: int, frame: WorldFrame, *, person: int = 0, seed: int = 0, scale: float = 1.0
) -> Walker:
    """Returns a person who stands about where `scene.poses` puts the same person."""
    rotations = scene.smpl_rotations(n_frames, person=person, seed=seed)
    rest = neutral_rest_joints()
    bodies = 1000 * scale * _forward(rotations, rest)
    place = scene.smpl_joints(n_frames, person=person, seed=seed)[:, 0]
    shift = place - bodies[:, 0]
    shift[:, 2] = 40 - bodies[..., 2].min()
    joints = frame.points(bodies + shift[:, None])
    turned = rotations.copy()
    turned[:, 0] = axis_angle_from_matrix(frame.R @ matrix_from_axis_angle(rotations[:, 0]))
    translation = joints[:, 0] / 1000 - scale * rest[0]
    return Walker(turned, translation, joints, scale)


def _forward(rotations: np.ndarray, rest: np.ndarray) -> np.ndarray:
    return joint_positions(matrix_from_axis_angle(rotations), rest, SMPL.parents)
