"""What AGORA's miniature shows: cameras in Unreal's axes, people as scans with place and turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from dataset_adapters.body_models.smpl_family import SMPL, joint_positions, neutral_rest_joints
from dataset_adapters.camera import Camera, intrinsics
from skelbridge.conversion import convert

from . import scene

SIZE, SENSOR_MM = (3840, 2160), 36.0
#: Skeletons of the joints that are stored, and of those that are compared.
SKELETONS = ("smpl_24", "smpl_45", "smplx_127")


@dataclass(frozen=True)
class View:
    """A camera: focal length in mm, place in Unreal's axes in cm, degrees."""

    focal: float
    place: tuple[float, float, float]
    yaw: float = 0.0
    pitch: float = 0.0
    #: m, along the downward axis.
    shift: float = 0.0


@dataclass(frozen=True)
class Picture:
    """One row of a data frame.

    Attributes:
      frame: which data frame: `train_0`, `validation_3`, ...
      occlusion: percent, per person.
      valid: per person.
    """

    name: str
    frame: str
    view: View
    occlusion: tuple[float, ...]
    valid: tuple[bool, ...]

    @property
    def folder(self) -> str:
        """Where the picture lies: all of the validation set lie together."""
        return self.frame if self.frame.startswith("train") else "validation"

    @property
    def split(self) -> str:
        return "train" if self.frame.startswith("train") else "valid"


PICTURES = (
    Picture(
        "ag_trainset_3dpeople_bfh_archviz_5_10_cam00_00000", "train_0",
        View(18, (400, -275, 265), 135, 30), (12.5, 3.25), (True, True),
    ),
    Picture(
        "ag_trainset_3dpeople_bfh_archviz_5_10_cam02_00003", "train_0",
        View(18, (-490, 170, 265), -45, 30), (75.0, 95.0, 20.5), (True, False, True),
    ),
    Picture(
        "ag_trainset_renderpeople_bfh_flowers_5_15_00021", "train_7",
        View(28, (-350.5, 120.25, 20), 25, 0, -1.7), (0.0, 80.75), (True, True),
    ),
    Picture(
        "ag_validationset_renderpeople_bfh_hdri_50mm_5_10_00001", "validation_0",
        View(50, (0, 0, 170)), (12.5, -1.0), (True, False),
    ),
    Picture(
        "ag_validationset_renderpeople_bfh_archviz_5_10_cam03_00002", "validation_3",
        View(18, (-490, -275, 265), 45, 30), (40.0,), (True,),
    ),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scan:
    """A person: joints in body axes (m, y up, feet at 0) per skeleton, place (cm) and turn."""

    rotations: np.ndarray
    translation: np.ndarray
    joints: dict[str, np.ndarray]
    place: np.ndarray
    yaw: float


def camera_of(view: View) -> Camera:
    """Returns the camera in a world with x right, y down, z forward, mm."""
    focal = view.focal / SENSOR_MM * SIZE[0]
    yaw, pitch = np.deg2rad([view.yaw, view.pitch])
    R = matrix_from_axis_angle(np.array([pitch, 0, 0])) @ matrix_from_axis_angle(
        np.array([0, -yaw, 0])
    )
    return Camera.at(
        _from_unreal(view.place) * 10 + [0, 1000 * view.shift, 0],
        R,
        intrinsics(focal, focal, SIZE[0] / 2, SIZE[1] / 2),
        world_up=(0, -1, 0),
        image_size=SIZE,
    )


def _from_unreal(point) -> np.ndarray:
    x, y, z = point
    return np.array([y, -z, x], float)


def scans_of(picture: Picture, seed: int) -> list[Scan]:
    """Returns people who stand before the camera, on the ground."""
    view, rng = picture.view, np.random.default_rng([seed, 41])
    yaw = np.deg2rad(view.yaw)
    ahead, right = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
    distance = 900 if view.focal == 50 else 520
    ground = 0.0 if view.shift == 0 else view.place[2]
    made = []
    for k in range(len(picture.valid)):
        rotations = scene.smpl_rotations(1, person=k, seed=seed)[0]
        rotations[0] = 0
        body = joint_positions(
            matrix_from_axis_angle(rotations), neutral_rest_joints(), SMPL.parents
        )
        translation = np.array([0, 0.05 - body[:, 1].min(), 0])
        body = body + translation
        joints = {
            skeleton: convert(body, "smpl_24", skeleton, max_error_mm=1e6) for skeleton in SKELETONS
        }
        aside = 110 * (k - 0.5 * (len(picture.valid) - 1)) + rng.uniform(-15, 15)
        x, y = view.place[:2] + distance * ahead + aside * right
        place = np.array([x, y, ground]).round(3)
        made.append(Scan(rotations, translation, joints, place, round(rng.uniform(0, 360), 2)))
    return made


def in_world(scan: Scan, skeleton: str) -> np.ndarray:
    """Returns joints (J, 3) mm in the world of `camera_of`."""
    turn = matrix_from_axis_angle(np.array([0, np.deg2rad(scan.yaw - 90), 0]))
    upside_down = scan.joints[skeleton] * [1, -1, -1]
    return 1000 * upside_down @ turn.T + 10 * _from_unreal(scan.place)
