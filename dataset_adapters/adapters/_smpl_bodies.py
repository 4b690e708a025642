"""Joint positions of SMPL-family parameters: by the user's model files, or nearly without."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from skeleton_defs import UserError

from ..body_models.model_file import BodyModel, load_body_model
from ..body_models.smpl_family import (
    SMPL,
    SmplFamily,
    ignored_shape_error_mm,
    joint_positions,
    neutral_rest_joints,
    transfer_rotations,
)
from ..containers.errors import FileError

OPTION_HELP = "folder of your own SMPL model files, for exact joints; empty: neutral body"

_SUFFIXES = (".npz", ".pkl")
#: What names of model files contain, by gender; the SMPL site's own names among them.
_GENDER_MARKS = {
    "female": ("female", "basicmodel_f"),
    "male": ("male", "basicmodel_m", "basic_model_m"),
    "neutral": ("neutral",),
}


def posed_joints(
    rotations: np.ndarray,
    family: SmplFamily = SMPL,
    *,
    models: str = "",
    gender: str = "neutral",
    betas: np.ndarray | None = None,
    translation: np.ndarray | None = None,
    scale: np.ndarray | float = 1.0,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns joint positions of posed bodies, and notes.

    positions = scale * posed + translation, the pelvis of a posed body staying at its rest place.

    Args:
      rotations: (N, J, 3, 3) local rotations of the family's joints.
      family: the model that the parameters are for.
      models: folder of model files; empty: the neutral SMPL body of zero shape, which has the 24
        joints of SMPL only. Other joints are NaN then.
      gender: `female`, `male` or `neutral`.
      betas: (n,) or (N, n) shape coefficients.
      translation: (N, 3) metres.
      scale: () or (N,).

    Returns:
      (N, J, 3) mm.

    Raises:
      UserError: the folder has no such model file.
    """
    factor = 1000.0 * np.asarray(scale, float)[..., None, None]
    if models:
        model = _model(models, family, gender)
        rest = model.rest_joints(betas)
        joints = factor * joint_positions(rotations, rest, family.parents)
        notes = ()
    else:
        in_smpl = transfer_rotations(rotations, family, SMPL)
        posed = factor * joint_positions(in_smpl, neutral_rest_joints(), SMPL.parents)
        joints = np.full((*rotations.shape[:-2], 3), np.nan)
        place = {name: i for i, name in enumerate(SMPL.joints)}
        for i, name in enumerate(family.joints):
            if name in place:
                joints[..., i, :] = posed[..., place[name], :]
        notes = (
            "SMPL joints of the neutral body of zero shape, approximate (about "
            f"{ignored_shape_error_mm(betas):.0f} mm with the pelvis aligned); the option "
            "body_models makes them exact",
        )
    if translation is not None:
        joints += 1000.0 * translation[..., None, :]
    return joints, notes


@functools.lru_cache(maxsize=8)
def _model(folder: str, family: SmplFamily, gender: str) -> BodyModel:
    """Returns the model of a family and gender from a folder."""
    if not Path(folder).is_dir():
        raise UserError(f"body_models: expected a folder of model files, found none at {folder}")
    for path in sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in _SUFFIXES):
        if _is_named(path, family, gender):
            model = load_body_model(path)
            if model.family != family:
                raise FileError(
                    path, f"expected a model of {family.name}, found {model.family.name}"
                )
            return model
    raise UserError(
        f"{folder}: expected a model file such as {family.name.upper()}_{gender.upper()}.npz or "
        ".pkl, found none"
    )


def _is_named(path: Path, family: SmplFamily, gender: str) -> bool:
    """Tells whether a file name (or that of its folder) is that of a model."""
    name = path.stem.lower()
    if name == "model":
        # The SMPL+H of AMASS: smplh/female/model.npz (and dmpls/female/model.npz, which is none).
        name = f"{path.parent.parent.name} {path.parent.name}".lower()
    marks = _GENDER_MARKS[gender]
    if not any(mark in name for mark in marks) or (gender == "male" and "female" in name):
        return False
    words = f"{path.parent.name.lower()} {name}"
    if "dmpl" in words:
        return False
    found = "smplx" if "smplx" in words else "smplh" if "smplh" in words else "smpl"
    return found == family.name
