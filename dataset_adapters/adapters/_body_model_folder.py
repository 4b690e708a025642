"""The user's folder of SMPL-family model files, which nobody may redistribute."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from ..body_models.model_file import BodyModel, load_body_model
from ..body_models.rotations import matrix_from_axis_angle
from ..body_models.smpl_family import SMPL, joint_positions, neutral_rest_joints
from ..containers.errors import FileError
from ._values import RecentFiles

#: File names of the models as their sites distribute them and as the smplx package wants them.
_NAMES = {
    gender: re.compile(rf"(smpl_{gender}|basic_?model_({gender[0]}|{gender})_lbs.*)\.(pkl|npz)")
    for gender in ("female", "male", "neutral")
}
_recent_models = RecentFiles(load_body_model, keep=3)


def smpl_model(folder: str | os.PathLike, gender: str) -> BodyModel:
    """Returns the SMPL model of a gender from the user's folder, or from folders below it.

    Args:
      folder: where the files are.
      gender: `female`, `male` or `neutral`.

    Raises:
      FileError: there is no such file, or it is damaged or of another model.
    """
    found = sorted(
        path for path in Path(folder).rglob("*.*") if _NAMES[gender].fullmatch(path.name.lower())
    )
    if not found:
        raise FileError(
            folder,
            f"expected the SMPL model file SMPL_{gender.upper()}.pkl (or .npz, or basicModel_"
            f"{gender[0]}_lbs_*.pkl), found none; download it from smpl.is.tue.mpg.de",
        )
    model = _recent_models(found[0])
    if model.family is not SMPL:
        raise FileError(found[0], f"expected a model of SMPL, found one of {model.family.name}")
    return model


def smpl_joints(
    pose: np.ndarray, betas: np.ndarray | None, *, folder: str = "", gender: str = "neutral"
) -> np.ndarray:
    """Returns SMPL's joints (N, 24, 3) in metres with the pelvis at the origin.

    Args:
      pose: (N, 24, 3) rotation vectors, radians.
      betas: (N, n) shape coefficients; only used with a model file.
      folder: the user's model files; without them the neutral rest skeleton of zero shape stands in
        for everybody.
      gender: which model file.
    """
    if folder:
        rest = smpl_model(folder, gender).rest_joints(betas)
    else:
        rest = neutral_rest_joints()
    joints = joint_positions(matrix_from_axis_angle(pose), rest, SMPL.parents)
    return joints - joints[:, :1]
