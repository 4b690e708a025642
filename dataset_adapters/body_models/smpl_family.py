"""The joints of SMPL, SMPL+H and SMPL-X and where pose parameters put them.

Rotations are local: that of a joint turns everything below it, relative to its parent. The joint
positions need the rest skeleton only, not the mesh: pose-dependent corrections and skinning move
vertices, not joints.

Source: Loper et al., SMPL: A Skinned Multi-Person Linear Model, 2015, section 3; joint orders as in
the smplx package.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import skeleton_defs

from ..containers.kinematics import place_joints


@dataclass(frozen=True)
class SmplFamily:
    """One of the three models.

    Attributes:
      name: `"smpl"`, `"smplh"` or `"smplx"`.
      skeleton: the skeleton format of its joints.
    """

    name: str
    skeleton: str

    @property
    def joints(self) -> tuple[str, ...]:
        """Joint names in the order of the pose parameters."""
        return skeleton_defs.get(self.skeleton).joints

    @property
    def parents(self) -> tuple[int, ...]:
        """Index of each joint's parent, -1 for the pelvis."""
        return tuple(skeleton_defs.get(self.skeleton).parents)

    @property
    def n_joints(self) -> int:
        """24, 52 or 55."""
        return len(self.joints)


SMPL = SmplFamily("smpl", "smpl_24")
SMPLH = SmplFamily("smplh", "amass_smplh_52")
SMPLX = SmplFamily("smplx", "smplx_55")
FAMILIES = {family.name: family for family in (SMPL, SMPLH, SMPLX)}

#: Which joints a pose of so many rotations is for: the whole model, or without its pelvis (which
#: is then kept apart as the global orientation). 22 and 21 are the body without hands.
_ROTATIONS = {
    24: (SMPL, range(24)),
    23: (SMPL, range(1, 24)),
    22: (SMPL, range(22)),
    21: (SMPL, range(1, 22)),
    52: (SMPLH, range(52)),
    51: (SMPLH, range(1, 52)),
    55: (SMPLX, range(55)),
    54: (SMPLX, range(1, 55)),
}


def rotation_layout(n_rotations: int) -> tuple[SmplFamily, range] | None:
    """Tell which joints of which model a pose of `n_rotations` rotations is for.

    Returns:
      The model and the joints' indices, or None where no model has so many. 66 numbers in
      axis-angle form are 22 rotations, 72 are 24, 156 are 52, 165 are 55.
    """
    return _ROTATIONS.get(n_rotations)


@functools.cache
def neutral_rest_joints() -> np.ndarray:
    """Return the joints (24, 3) of the neutral SMPL body of zero shape in its zero pose.

    Metres, y up, facing +z, the person's left = +x; the origin is that of the template mesh.
    """
    return skeleton_defs.get(SMPL.skeleton).rest_pose


def transfer_rotations(rotations: np.ndarray, source: SmplFamily, target: SmplFamily) -> np.ndarray:
    """Reorder rotations from one model's joints to another's, by name.

    Args:
      rotations: `(..., J_source, 3, 3)`.
      source: the model that they are for.
      target: the model that is wanted.

    Returns:
      `(..., J_target, 3, 3)`; NaN for joints that the source does not have.
    """
    if source == target:
        return rotations
    place = {name: i for i, name in enumerate(source.joints)}
    result = np.full((*rotations.shape[:-3], target.n_joints, 3, 3), np.nan, rotations.dtype)
    for i, name in enumerate(target.joints):
        if name in place:
            result[..., i, :, :] = rotations[..., place[name], :, :]
    return result


def joint_positions(
    rotations: np.ndarray,
    rest_joints: np.ndarray,
    parents: Sequence[int],
    *,
    translation: np.ndarray | None = None,
) -> np.ndarray:
    """Pose a rest skeleton.

    The root stays at its rest position plus `translation` (SMPL's convention: not at `translation`
    itself). A joint whose rotation is NaN is positioned still; all joints below it become NaN.

    Args:
      rotations: `(..., J, 3, 3)` local rotations.
      rest_joints: `(J, 3)` or `(..., J, 3)` in metres.
      parents: index of each joint's parent, -1 for the root.
      translation: `(..., 3)` in metres.

    Returns:
      `(..., J, 3)` in metres.
    """
    is_root = np.array(parents) < 0
    bones = rest_joints - np.where(is_root[:, None], 0.0, rest_joints[..., list(parents), :])
    steps = np.broadcast_to(bones, (*rotations.shape[:-2], 3))
    positions = place_joints(parents, rotations, steps)
    if translation is not None:
        positions += translation[..., None, :]
    return positions


def ignored_shape_error_mm(betas: np.ndarray | None) -> float:
    """Estimate how far joints are off when the neutral body of zero shape stands in for a person.

    Measured with the pelvis aligned, mean over joints:

    * 25 mm (at most 43) against the 24 joints of a real SMPL result with betas of norm 0.02 on a
      male template (the ROMP sample of aitviewer). Gender alone makes this much. Where the pelvis
      itself stands at its rest place plus the translation, the error is 34 mm (at most 60).
    * 43 mm over knees, ankles, elbows and wrists of a person with betas of norm 1.5, seen by a
      camera over 203 frames (the GLAMR sample of aitviewer); hence 12 mm per unit of the norm.
    * 40 mm over 12 limb and trunk joints of four Human3.6M frames with betas of norm 1.9 to 3.6,
      the different definition of the joints included.

    For a strongly shaped body (SURREAL 01_01: limbs 11 to 18 % longer) the wrists and ankles are
    100 to 110 mm off. The figure is the order of magnitude, not a bound.

    Args:
      betas: shape coefficients `(..., n)`, or None where the file has none.
    """
    norm = 0.0
    if betas is not None and np.size(betas):
        norm = float(np.linalg.norm(np.asarray(betas, np.float64), axis=-1).mean())
    return 25.0 + 12.0 * norm
