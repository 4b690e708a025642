"""ACAE files: an `.npz` with `w1` and `w2` as published models use them, and our metadata."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from dataset_adapters.containers import FileError
from dataset_adapters.containers.npz import open_npz, write_npz_archive
from skeleton_defs import UserError

from ..atomic import atomic_path
from .matrices import Acae, normalized

FORMAT = "skelbridge-acae"
VERSION = 1
_NO_ACAE = "expected an ACAE file (arrays w1 and w2)"
_HEADER_BYTES = 64 << 20
# A published file of another constraint would be spoilt silently by scaling it.
_MAX_SUM_ERROR = 1e-3


def save_acae(path: str | os.PathLike, acae: Acae) -> None:
    """Writes an ACAE; see `Acae.save`."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "joint_names": acae.joint_names,
        "flip": None if acae.flip is None else acae.flip.tolist(),
        "latent_sides": acae.latent_sides,
        "facts": dict(acae.facts),
    }
    arrays = {"w1": acae.w1, "w2": acae.w2, "header": np.array(json.dumps(header))}
    upper = np.triu_indices(acae.joints)
    for name in ("moments", "validation_moments"):
        if (matrix := getattr(acae, name)) is not None:
            arrays[name] = matrix[upper].astype(np.float32)
    if acae.example_pose is not None:
        arrays["example_pose"] = acae.example_pose.astype(np.float32)
    try:
        with atomic_path(path) as temporary:
            write_npz_archive(temporary, arrays)
    except OSError as error:
        raise FileError(path, f"cannot be written: {error.strerror or error}") from None


def is_acae(path: str | os.PathLike) -> bool:
    """Tells whether a file is an `.npz` with `w1` and `w2`, by its list of members."""
    try:
        with open_npz(path) as arrays:
            return {"w1", "w2"} <= set(arrays)
    except FileError:
        return False


def load_acae(path: str | os.PathLike) -> Acae:
    """Reads an ACAE; see `Acae.load`."""
    file = Path(path)
    with open_npz(file) as arrays:
        if not {"w1", "w2"} <= set(arrays):
            found = ", ".join(list(arrays)[:6]) or "none"
            raise FileError(file, f"{_NO_ACAE}, found the arrays {found}")
        _check_headers(file, arrays)
        w1, w2 = arrays["w1"], arrays["w2"]
        header = _read_header(file, arrays) if "header" in arrays else {}
        moments = {
            name: _read_moments(file, name, arrays, len(w1))
            for name in ("moments", "validation_moments")
            if name in arrays
        }
        pose = arrays.get("example_pose")
    try:
        _check_near_one(w1, w2)
        flip = header.get("flip")
        names, sides = header.get("joint_names"), header.get("latent_sides")
        return Acae(
            *normalized(w1, w2),
            joint_names=None if names is None else tuple(names),
            flip=None if flip is None else np.array(flip),
            latent_sides=None if sides is None else tuple(sides),
            facts=header.get("facts", {}),
            **moments,
            example_pose=pose,
        )
    except UserError as error:
        raise FileError(file, f"{_NO_ACAE}: {error}") from None


def _check_headers(file: Path, arrays) -> None:
    """Refuses shapes that do not fit together before their numbers are read."""
    (first, _), (second, _) = arrays.header("w1"), arrays.header("w2")
    if len(first) != 2 or second != first[::-1]:
        raise FileError(
            file, f"{_NO_ACAE} of shapes (J, L) and (L, J), found w1 {first} and w2 {second}"
        )


def _read_header(file: Path, arrays) -> dict:
    shape, dtype = arrays.header("header")
    if shape != () or dtype.kind != "U" or dtype.itemsize > _HEADER_BYTES:
        raise FileError(file, f"key 'header': expected one text, found {dtype} of shape {shape}")
    try:
        header = json.loads(str(arrays["header"]))
    except (ValueError, RecursionError):
        raise FileError(file, "key 'header': expected JSON, found other text") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise FileError(file, f"key 'header': expected the format {FORMAT}, found another")
    version = header.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise FileError(
            file,
            f"the ACAE has version {str(version)[:20]}, this skelbridge reads up to {VERSION}: "
            "update skelbridge",
        )
    for name, kind in (("joint_names", str), ("latent_sides", str), ("flip", int)):
        value = header.get(name)
        if value is not None and not (
            isinstance(value, list) and all(type(item) is kind for item in value)
        ):
            raise FileError(file, f"key 'header': expected a list of {kind.__name__} as '{name}'")
    if any(abs(item) > 1 << 40 for item in header.get("flip") or ()):
        raise FileError(file, "key 'header': 'flip' is no permutation of the joints")
    if not isinstance(header.get("facts", {}), dict):
        raise FileError(file, "key 'header': expected an object as 'facts'")
    return header


def _read_moments(file: Path, name: str, arrays, joints: int) -> np.ndarray:
    shape, dtype = arrays.header(name)
    count = joints * (joints + 1) // 2
    if shape != (count,) or dtype.kind != "f":
        raise FileError(
            file, f"key '{name}': expected {count} numbers, found {dtype} of shape {shape}"
        )
    triangle = arrays[name]
    matrix = np.zeros((joints, joints))
    upper = np.triu_indices(joints)
    matrix[upper] = triangle
    matrix.T[upper] = triangle
    return matrix


def _check_near_one(w1: np.ndarray, w2: np.ndarray) -> None:
    for name, matrix in (("w1", w1), ("w2", w2)):
        if matrix.dtype.kind not in "fiu" or not matrix.size or not _are_weights(matrix):
            raise UserError(f"{name} must hold finite numbers")
        sums = matrix.sum(axis=0, dtype=np.float64)
        limit = _MAX_SUM_ERROR * np.maximum(np.abs(matrix).sum(axis=0, dtype=np.float64), 1)
        wrong = np.flatnonzero(np.abs(sums - 1) > limit)
        if len(wrong):
            raise UserError(
                f"{name} must have columns that sum to 1. Column {wrong[0]} sums to "
                f"{sums[wrong[0]]:.6g}"
            )


def _are_weights(matrix: np.ndarray) -> bool:
    """Tells whether all numbers are finite and below a million: no weight is anywhere near."""
    return bool(np.isfinite(matrix).all() and (np.abs(matrix.astype(np.float64)) < 1e6).all())
