"""The user's own SMPL, SMPL+H or SMPL-X model file: exact joints for every body shape.

The files may not be redistributed, so none is in this repository. Only what joints need is read:
template, shape directions, joint regressor and tree.

Source: file layout as the smplx package reads it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..containers.errors import FileError
from ..containers.npz import open_npz
from ..containers.safe_pickle import SparseMatrix, load_pickle
from .smpl_family import FAMILIES, SmplFamily

_NEEDED_KEYS = ("v_template", "shapedirs", "J_regressor", "kintree_table")
_MAX_VERTICES = 200_000
_MAX_DIRECTIONS = 2000
#: SMPL-X keeps its 100 (in early files 10) expression directions behind 300 (10) of the shape.
_SMPLX_SHAPE_DIRECTIONS = {400: 300, 20: 10}


@dataclass(frozen=True, eq=False)
class BodyModel:
    """What a model file says about joints.

    Attributes:
      family: which of the three models it is.
      template_joints: `(J, 3)` rest joints of zero shape, metres.
      shape_directions: `(J, 3, n_betas)` metres per unit of each shape coefficient.
    """

    family: SmplFamily
    template_joints: np.ndarray
    shape_directions: np.ndarray

    @property
    def n_betas(self) -> int:
        """The number of shape coefficients of the model."""
        return self.shape_directions.shape[-1]

    def rest_joints(self, betas: np.ndarray | None = None) -> np.ndarray:
        """Return the joints in the zero pose.

        Args:
          betas: `(..., n)` shape coefficients; the first min(n, n_betas) are used, as is custom
            where file and model differ. None is the template itself.

        Returns:
          `(..., J, 3)` metres.
        """
        if betas is None:
            return self.template_joints
        n = min(betas.shape[-1], self.n_betas)
        shift = np.einsum("jdk,...k->...jd", self.shape_directions[..., :n], betas[..., :n])
        return self.template_joints + shift


def load_body_model(path: str | os.PathLike) -> BodyModel:
    """Read a body model file (`.npz`, or `.pkl` as the SMPL and SMPLify sites distribute it).

    Pickles are read without being executed; their chumpy arrays and sparse matrices are understood.

    Raises:
      FileError: where the file is damaged, lacks a key, or is of another model (MANO, FLAME, ...).
    """
    # A pickle of another name is common (SMPL_NEUTRAL.pickle); an npz is a zip archive.
    if _is_zip(path):
        with open_npz(path) as archive:
            return _body_model(path, archive)
    tree = load_pickle(path)
    if not isinstance(tree, dict):
        raise FileError(path, f"expected a dictionary of model arrays, found {type(tree).__name__}")
    return _body_model(path, tree)


def _is_zip(path) -> bool:
    try:
        with Path(path).open("rb") as file:
            return file.read(2) == b"PK"
    except OSError as error:
        raise FileError.unreadable(path, error) from None


def _body_model(path, arrays: Mapping) -> BodyModel:
    missing = [key for key in _NEEDED_KEYS if key not in arrays]
    if missing:
        raise FileError(
            path,
            f"expected a body model with the keys {', '.join(_NEEDED_KEYS)}, found none named "
            f"{', '.join(missing)}",
        )
    family = _family(path, arrays["kintree_table"])
    template = _array(path, "v_template", arrays["v_template"])
    n_vertices = len(template) if template.ndim else 0
    if template.shape != (n_vertices, 3) or not 0 < n_vertices <= _MAX_VERTICES:
        raise FileError(path, f"v_template: expected (vertices, 3), found {template.shape}")
    regressor = _regressor(path, arrays["J_regressor"], (family.n_joints, n_vertices))
    directions = _array(path, "shapedirs", arrays["shapedirs"])
    if directions.ndim != 3 or directions.shape[:2] != template.shape:
        raise FileError(
            path,
            f"shapedirs: expected ({n_vertices}, 3, betas), found {directions.shape}",
        )
    if directions.shape[2] > _MAX_DIRECTIONS:
        raise FileError(path, f"shapedirs: expected at most {_MAX_DIRECTIONS} betas")
    if family.name == "smplx":
        n_total = directions.shape[2]
        directions = directions[:, :, : _SMPLX_SHAPE_DIRECTIONS.get(n_total, n_total)]
    with np.errstate(over="ignore", invalid="ignore"):
        joints = regressor @ template
        shape = np.einsum("jv,vdk->jdk", regressor, directions, optimize=True)
    if not (np.isfinite(joints).all() and np.isfinite(shape).all()):
        raise FileError(path, "the joints of the model are not finite; the file is damaged")
    return BodyModel(family, joints, shape)


def _family(path, table) -> SmplFamily:
    table = _array(path, "kintree_table", table)
    if table.ndim != 2 or len(table) != 2:
        raise FileError(path, f"kintree_table: expected shape (2, joints), found {table.shape}")
    n_joints = table.shape[1]
    for family in FAMILIES.values():
        if family.n_joints == n_joints:
            # The pelvis has no parent; files write 2^32 - 1 there, in various dtypes.
            differs = np.flatnonzero(table[0, 1:] != np.array(family.parents[1:]))
            if len(differs):
                joint = family.joints[differs[0] + 1]
                raise FileError(
                    path,
                    f"kintree_table: the parent of {joint} is not that of {family.name}; it is "
                    "of another model",
                )
            return family
    known = ", ".join(f"{family.n_joints} ({name})" for name, family in FAMILIES.items())
    raise FileError(
        path, f"kintree_table: expected as many joints as {known}, found {n_joints}: another model"
    )


def _regressor(path, matrix, shape: tuple[int, int]) -> np.ndarray:
    found = matrix.shape if isinstance(matrix, (SparseMatrix, np.ndarray)) else type(matrix)
    if found != shape:
        raise FileError(path, f"J_regressor: expected shape {shape}, found {found}")
    # The shape is checked by now, so that the dense matrix is small.
    dense = matrix.to_dense() if isinstance(matrix, SparseMatrix) else matrix
    return _array(path, "J_regressor", dense)


def _array(path, key: str, value) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        found = value.dtype if isinstance(value, np.ndarray) else value
        raise FileError(path, f"{key}: expected an array of numbers, found {str(found)[:60]!r}")
    if math.prod(value.shape) == 0:
        raise FileError(path, f"{key}: expected numbers, found an empty array of {value.shape}")
    return value.astype(np.float64, copy=False)
