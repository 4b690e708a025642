"""SMPL-family parameters as files hold them: pose, translation and shape under many names.

One frame's pose is a list of local rotations in the model's joint order, in axis-angle form (flat
or per joint) or as matrices, in one array or in pieces (orientation, body, hands, jaw, eyes).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..containers.errors import FileError
from .parameter_arrays import (
    RotationArray,
    array_shape,
    first_key,
    read_positive,
    read_rotations_of,
    read_text,
    read_vectors,
    rotation_count,
    rotation_forms,
)
from .rotations import matrix_from_axis_angle
from .smpl_family import SMPL, SMPLH, SMPLX, SmplFamily, rotation_layout, transfer_rotations

#: Names of one array for the whole pose (or for all of it but the root), the surest first.
POSE_KEYS = (
    "poses", "pose", "fullpose", "full_pose", "smpl_thetas", "smpl_poses", "smpl_pose",
    "thetas", "theta", "pose_aa",
)  # fmt: skip
BODY_KEYS = ("body_pose", "pose_body", "smpl_body_pose")
ROOT_KEYS = ("root_orient", "global_orient", "smpl_orient_world", "root_pose", "smpl_orient")
TRANSLATION_KEYS = ("trans", "transl", "root_trans", "smpl_trans", "translation")
#: GLAMR puts the pelvis itself there (checked on its sample: the projected pelvis is met exactly).
PELVIS_KEYS = ("root_trans_world",)
BETAS_KEYS = ("betas", "shape", "smpl_betas", "smpl_beta", "smpl_shape", "beta")
GENDER_KEYS = ("gender", "genders")
FPS_KEYS = ("mocap_framerate", "mocap_frame_rate", "fps", "frame_rate", "framerate")

#: Keys of further pieces, with the joints they turn.
_PIECES = {
    "pose_jaw": (SMPLX, range(22, 23)),
    "jaw_pose": (SMPLX, range(22, 23)),
    "pose_eye": (SMPLX, range(23, 25)),
    "leye_pose": (SMPLX, range(23, 24)),
    "reye_pose": (SMPLX, range(24, 25)),
    "pose_hand": (SMPLH, range(22, 52)),
    "left_hand_pose": (SMPLH, range(22, 37)),
    "right_hand_pose": (SMPLH, range(37, 52)),
}
_MAX_BETAS = 400
_WIDTHS = "63, 66, 69, 72, 153, 156, 162 or 165"


@dataclass(frozen=True, eq=False)
class SmplParameters:
    """The parameters of one person over T frames.

    Attributes:
      family: the model that the pose is for; SMPL where only the body is given.
      rotations: `(joint indices, array)` pairs; an array is `(T, n, 3)` radians in axis-angle form
        or `(T, n, 3, 3)`.
      translation: `(T, 3)` metres, or None.
      translates_pelvis: whether `translation` is where the pelvis is (else it is added to the
        pelvis of the rest skeleton, as SMPL does).
      betas: `(n,)`, or `(T, n)` where they change, or None.
      gender: as the file has it, or None.
      fps: frames per second, or None.
      keys: the keys that were read.
      notes: one-line remarks about assumptions.
    """

    family: SmplFamily
    rotations: tuple[tuple[range, np.ndarray], ...]
    translation: np.ndarray | None = None
    translates_pelvis: bool = False
    betas: np.ndarray | None = None
    gender: str | None = None
    fps: float | None = None
    keys: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def n_frames(self) -> int:
        """The number of frames T."""
        return len(self.rotations[0][1])

    def matrices(self, frames: slice, family: SmplFamily) -> np.ndarray:
        """Return local rotations `(t, J, 3, 3)` for the joints of `family`; NaN where not given."""
        n_frames = len(range(self.n_frames)[frames])
        result = np.full((n_frames, self.family.n_joints, 3, 3), np.nan)
        for joints, array in self.rotations:
            part = array[frames].astype(np.float64)
            if part.ndim == 3:
                part = matrix_from_axis_angle(part)
            result[:, joints.start : joints.stop] = part
        return transfer_rotations(result, self.family, family)


def has_pose_parameters(arrays: Mapping) -> bool:
    """Tell whether `arrays` hold the pose of a body model rather than joint positions.

    72, 156 or 165 columns and rotation matrices are proof enough; other shapes may be positions, so
    a second parameter (shape, orientation, translation, gender) must be there.
    """
    shapes = [array_shape(arrays, key) for key in (*POSE_KEYS, *BODY_KEYS)]
    counts = [rotation_count(shape) for shape in shapes if shape is not None]
    others = ROOT_KEYS + BETAS_KEYS + PELVIS_KEYS + TRANSLATION_KEYS
    return any(count is not None and count[1] for count in counts) or (
        any(count is not None for count in counts)
        and (first_key(arrays, others) is not None or any(key in arrays for key in GENDER_KEYS))
    )


def read_parameters(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> SmplParameters:
    """Find and check the parameters among the arrays of a file.

    Args:
      path: the file, for messages.
      arrays: by key; keys that are not of a body model are left alone.

    Raises:
      FileError: no pose, an unknown width, frames that do not match, values that are not finite or
        no rotations.
    """
    keys: set[str] = set()
    notes: list[str] = []
    family, rotations = _read_rotations(path, arrays, keys, notes)
    n_frames = len(rotations[0][1])
    key = first_key(arrays, PELVIS_KEYS + TRANSLATION_KEYS)
    translation = None
    if key is not None:
        keys.add(key)
        translation = read_vectors(path, key, arrays[key], n_frames)
        if "smpl_scaling" in arrays and key == "smpl_trans":
            # AIST++: posed = scaling * SMPL + trans, in centimetres.
            keys.add("smpl_scaling")
            translation = translation / read_positive(path, "smpl_scaling", arrays["smpl_scaling"])
    fps_key = next((k for k in FPS_KEYS if k in arrays), None)
    keys.update({fps_key} - {None})
    return SmplParameters(
        family,
        rotations,
        translation=translation,
        translates_pelvis=key in PELVIS_KEYS,
        betas=_read_betas(path, arrays, keys, n_frames),
        gender=_read_gender(arrays, keys),
        fps=None if fps_key is None else read_positive(path, fps_key, arrays[fps_key]),
        keys=frozenset(keys),
        notes=tuple(notes),
    )


def _read_rotations(path, arrays, keys: set[str], notes: list[str]):
    """Returns the family and its `(joint indices, array)` pairs; notes the keys it reads."""
    pose_key = _pose_key(path, arrays)
    family, joints = rotation_layout(rotation_count(array_shape(arrays, pose_key))[0])
    parts = [read_rotations_of(path, arrays, pose_key, joints, family)]
    if joints.start == 1:
        root_key = first_key(arrays, ROOT_KEYS)
        if root_key is None:
            notes.append(f"no root orientation beside '{pose_key}': taken as zero")
            zeros = np.zeros((len(parts[0].array), 1, 3))
            parts.append(RotationArray("", range(1), zeros))
        else:
            parts.append(read_rotations_of(path, arrays, root_key, range(1), family))
        if family is SMPL:
            family, parts = _with_pieces(path, arrays, parts, notes)
    else:
        # Pieces repeat what the whole pose holds (AMASS's SMPL-X release).
        keys.update(key for key in (*BODY_KEYS, *ROOT_KEYS, *_PIECES) if key in arrays)
    for part in parts[1:]:
        if len(part.array) != len(parts[0].array):
            raise FileError(
                path,
                f"expected as many frames in '{part.key}' as in '{pose_key}' "
                f"({len(parts[0].array)}), found {len(part.array)}",
            )
    keys.update(part.key for part in parts)
    return family, tuple((part.joints, part.array) for part in parts)


def _pose_key(path, arrays) -> str:
    found = [k for k in (*POSE_KEYS, *BODY_KEYS) if array_shape(arrays, k) is not None]
    for key in found:
        if rotation_count(array_shape(arrays, key)) is not None:
            return key
    if found:
        raise FileError(
            path,
            f"'{found[0]}': expected body model parameters of {_WIDTHS} columns, or shape (frames, "
            "joints, 3) or (frames, joints, 3, 3) with 21-24, 51, 52, 54 or 55 joints, found shape "
            f"{array_shape(arrays, found[0])}",
        )
    raise FileError(
        path,
        "expected the pose of a body model ('poses', 'pose', 'thetas', or 'global_orient' with "
        "'body_pose'), found none",
    )


def _with_pieces(path, arrays, parts: list[RotationArray], notes: list[str]):
    """Adds fingers, jaw and eyes to a body; returns the family that has all of them."""
    found = []
    for key, (owner, joints) in _PIECES.items():
        shape = array_shape(arrays, key)
        if shape is None:
            continue
        if not any(rotation_forms(shape, len(joints))):
            notes.append(f"'{key}' of shape {shape} is not {len(joints)} rotations: left out")
            continue
        found.append((owner, read_rotations_of(path, arrays, key, joints, owner)))
    if not found:
        return SMPL, parts
    family = SMPLX if any(owner is SMPLX for owner, _ in found) else SMPLH
    body = RotationArray(parts[0].key, range(1, 22), parts[0].array[:, :21])
    # SMPL-X has jaw and eyes between body and fingers.
    shift = 3 if family is SMPLX else 0
    pieces = [
        part
        if owner is SMPLX
        else RotationArray(
            part.key, range(part.joints.start + shift, part.joints.stop + shift), part.array
        )
        for owner, part in found
    ]
    return family, [body, *parts[1:], *pieces]


def _read_betas(path, arrays, keys: set[str], n_frames: int) -> np.ndarray | None:
    key = first_key(arrays, BETAS_KEYS)
    if key is None:
        return None
    keys.add(key)
    betas = arrays[key]
    if betas.ndim == 1 and 1 <= len(betas) <= _MAX_BETAS:
        betas = betas[None]
    if betas.ndim != 2 or len(betas) not in (1, n_frames) or not 1 <= betas.shape[1] <= _MAX_BETAS:
        raise FileError(
            path,
            f"'{key}': expected shape coefficients (n,) or ({n_frames}, n) with n up to "
            f"{_MAX_BETAS}, found shape {betas.shape}",
        )
    betas = betas.astype(np.float64)
    if not (np.abs(betas) < 1e3).all():
        raise FileError(path, f"'{key}': expected shape coefficients, found values that are none")
    return betas[0] if (betas == betas[0]).all() else betas


def _read_gender(arrays, keys: set[str]) -> str | None:
    key = next((key for key in GENDER_KEYS if key in arrays), None)
    if key is None:
        return None
    keys.add(key)
    try:
        return read_text(arrays[key])
    except FileError:
        # A text saved as a Python object: not worth refusing the whole file for.
        return None
