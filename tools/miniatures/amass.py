"""AMASS in miniature: pose parameters of SMPL+H and SMPL-X, in metres, z up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ._room_views import WorldFrame
from ._smpl_walkers import Walker, walker
from .truth import Truth, TruthRow

_SMPLH, _SMPLX = "amass_smplh_52", "smplx_55"
_N_JOINTS = {_SMPLH: 52, _SMPLX: 55}
#: The joints that SMPL, SMPL+H and SMPL-X have in common come first in all of them.
_N_BODY = 22


@dataclass(frozen=True)
class _Motion:
    """One file of the first release."""

    path: str
    split: str
    n_frames: int
    rate: float
    gender: str | bytes
    n_markers: int = 0


_MOTIONS = (
    _Motion("ACCAD/Female1General_c3d/A1 - Stand_poses", "train", 4, 120.0, "female"),
    _Motion("ACCAD/Female1General_c3d/A2 - Sway_poses", "train", 3, 60.0, "female"),
    _Motion("CMU/01/01_01_poses", "train", 1, 120.0, "male"),
    # A rate that is not integral, and the gender as bytes.
    _Motion("SFU/0005/0005_Walking001_poses", "valid", 3, 120.00004577636719, b"male"),
    _Motion("SSM_synced/20160330_03333/ATUsquat_sync_poses", "test", 2, 60.0, b"female", 67),
)
_SMPLX_MOTION = "ACCAD/Male1Walking_c3d/Walk_B10_-_Walk_turn_left_45_stageii"


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes files of the first and of the SMPL-X release, and others that hold no motion."""
    rows = []
    for i, motion in enumerate(_MOTIONS):
        rng = np.random.default_rng([seed, i])
        person = _person(motion.n_frames, seed + i)
        (root / motion.path).parent.mkdir(parents=True, exist_ok=True)
        np.savez(root / f"{motion.path}.npz", **_smplh_arrays(motion, person, rng))
        rows += _rows(motion.split, _SMPLH, motion.path, person)
    rows += _write_smplx(root, seed)
    _write_shape(root / "CMU/01/shape.npz")
    return Truth(tuple(rows))


def _person(n_frames: int, seed: int) -> Walker:
    return walker(n_frames, WorldFrame.upward("z"), seed=seed)


def _rows(split: str, skeleton: str, path: str, person: Walker) -> list[TruthRow]:
    """Returns the truth: where fingers, jaw and eyes are, only the licensed models know."""
    joints = np.full((len(person.joints), _N_JOINTS[skeleton], 3), np.nan)
    joints[:, :_N_BODY] = person.joints[:, :_N_BODY]
    return [
        TruthRow(split, skeleton, joints3d=pose, sequence=path, frame=i)
        for i, pose in enumerate(joints)
    ]


def _smplh_arrays(motion: _Motion, person: Walker, rng) -> dict[str, np.ndarray]:
    n = motion.n_frames
    body = person.rotations[:, :_N_BODY].reshape(n, 66)
    arrays = {
        "trans": person.translation,
        "gender": np.array(motion.gender),
        "mocap_framerate": np.array(motion.rate),
        "betas": np.zeros(16),
        "dmpls": rng.normal(0, 0.1, (n, 8)),
        "poses": np.concatenate([body, _hands(n, rng)], axis=1),
    }
    if motion.n_markers:
        arrays["marker_data"] = rng.normal(0, 0.4, (n, motion.n_markers, 3))
        arrays["marker_labels"] = np.array([f"M{k:05d}" for k in range(motion.n_markers)], "S7")
    return arrays


def _hands(n_frames: int, rng) -> np.ndarray:
    """Returns (T, 90) axis-angle: left hand, right hand."""
    return rng.normal(0, 0.2, (n_frames, 90))


def _write_smplx(root: Path, seed: int) -> list[TruthRow]:
    n, rng = 3, np.random.default_rng([seed, 29])
    person = _person(n, seed + 50)
    rotations = person.rotations.reshape(n, 72)
    parts = {
        "root_orient": rotations[:, :3],
        "pose_body": rotations[:, 3:66],
        "pose_jaw": rng.normal(0, 0.05, (n, 3)),
        "pose_eye": rng.normal(0, 0.05, (n, 6)),
        "pose_hand": _hands(n, rng),
    }
    labels = np.array(["ARIEL", "C7", "CLAV"])
    path = root / f"{_SMPLX_MOTION}.npz"
    path.parent.mkdir(parents=True)
    np.savez(
        path,
        gender=np.array("male"),
        surface_model_type=np.array("smplx"),
        mocap_frame_rate=np.array(120.0),
        mocap_time_length=np.array(n / 120),
        markers_latent=rng.normal(0, 0.4, (3, 3)),
        latent_labels=labels,
        markers_latent_vids=np.array({"ARIEL": 9011, "C7": 3832, "CLAV": 5533}, object),
        trans=person.translation,
        poses=np.concatenate(list(parts.values()), axis=1),
        betas=np.zeros(16),
        num_betas=np.array(16),
        **parts,
    )
    # The first stage of the fit: markers and shape, no motion.
    np.savez(
        path.with_name(path.name.replace("stageii", "stagei")),
        gender=np.array("male"),
        betas=np.zeros(16),
        latent_labels=labels,
    )
    return _rows("train", _SMPLX, _SMPLX_MOTION, person)


def _write_shape(path: Path) -> None:
    np.savez(path, betas=np.zeros(16), gender=np.array("male"))
