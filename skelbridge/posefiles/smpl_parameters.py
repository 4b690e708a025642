"""Body model parameters (AMASS, SMPL-X releases, regressor results) as poses."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from dataset_adapters.body_models.model_file import BodyModel, load_body_model
from dataset_adapters.body_models.parameter_arrays import array_shape
from dataset_adapters.body_models.parameters import (
    BODY_KEYS,
    POSE_KEYS,
    SmplParameters,
    has_pose_parameters,
    read_parameters,
)
from dataset_adapters.body_models.smpl_family import (
    SMPL,
    SMPLX,
    SmplFamily,
    ignored_shape_error_mm,
    joint_positions,
    neutral_rest_joints,
)
from dataset_adapters.containers.errors import FileError

from .data import PoseData

_CHUNK_FRAMES = 2048
_MAX_PEOPLE = 10_000
#: Keys that only files with the z axis upwards have: AMASS's rates, GLAMR's world orientation.
_Z_UP_KEYS = {
    "mocap_framerate": "AMASS",
    "mocap_frame_rate": "AMASS",
    "smpl_orient_world": "GLAMR",
}


def matches(arrays: Mapping) -> bool:
    """Tell whether the arrays of a file are body model parameters, without reading them.

    True too for the shape files that lie beside AMASS's poses, so that `poses_from_parameters` can
    say what they are.
    """
    return has_pose_parameters(arrays) or _is_shape_file(arrays)


def _is_shape_file(arrays: Mapping) -> bool:
    """Whether this is AMASS's shape.npz or *_stagei.npz: a body's shape, but no pose."""
    has_pose = any(key in arrays for key in (*POSE_KEYS, *BODY_KEYS))
    return "betas" in arrays and "gender" in arrays and not has_pose


def poses_from_parameters(
    path: str | os.PathLike,
    arrays: Mapping[str, np.ndarray],
    *,
    body_model: BodyModel | str | os.PathLike | None = None,
) -> PoseData:
    """Compute the joints of one person from body model parameters.

    Args:
      path: the file, for messages.
      arrays: the file's arrays by key; see `dataset_adapters.body_models.parameters` for the names
        and shapes that are understood.
      body_model: the model that the parameters are for, or its file. Without it the neutral SMPL
        skeleton of zero shape is posed, and the result has the 24 joints of SMPL whatever the
        model.

    Returns:
      Joints `(T, J, 3)` in metres, in the file's own axes. Gender, betas and whatever else the file
      holds are in `extras`.

    Raises:
      FileError: see `read_parameters`; and a file that holds a body shape but no poses.
    """
    if _is_shape_file(arrays):
        raise FileError(
            path,
            "expected poses, found a body shape only (AMASS's shape.npz and *_stagei.npz have no "
            "poses); give the *_poses.npz or *_stageii.npz beside it",
        )
    parameters = read_parameters(path, arrays)
    body_model = _loaded(body_model)
    family = SMPL if body_model is None else body_model.family
    extras, notes = _other_arrays(arrays, parameters)
    up_source = next((name for key, name in _Z_UP_KEYS.items() if key in arrays), None)
    if up_source:
        notes.append(f"world axes taken to be those of {up_source}: z up")
    positions = _positions(parameters, family, body_model)
    if np.isnan(positions).any():
        notes.append(
            f"parameters of {parameters.family.name} on a body model of {family.name}: joints "
            "below those without a rotation are missing"
        )
    return PoseData(
        positions,
        joint_names=family.joints,
        skeleton=family.skeleton,
        fps=parameters.fps,
        units="m",
        up="z" if up_source else None,
        extras=extras,
        notes=(*parameters.notes, *notes, *_shape_notes(parameters, body_model)),
    )


def poses_from_pose_vectors(
    path: str | os.PathLike,
    vectors: np.ndarray,
    *,
    body_model: BodyModel | str | os.PathLike | None = None,
) -> PoseData:
    """Compute the joints of bare pose vectors, e.g. `(T, 165)` of SMPL-X; see above."""
    return poses_from_parameters(path, {"poses": vectors}, body_model=body_model)


def poses_of_people(
    path: str | os.PathLike,
    tree: object,
    *,
    body_model: BodyModel | str | os.PathLike | None = None,
) -> PoseData:
    """Compute the joints of everyone in a loaded tree of dictionaries (see `parameter_sets`).

    Several people with the same number of frames become `(T, P, J, 3)`.

    Raises:
      FileError: as `poses_from_parameters`; also no parameters, and people of different lengths.
    """
    people = parameter_sets(tree)
    if not people:
        raise FileError(
            path,
            "expected a dictionary of body model parameters ('pose' or 'global_orient' and "
            "'body_pose', 'betas', 'trans'), found none",
        )
    keys = (*POSE_KEYS, *BODY_KEYS)
    pose_arrays = [id(person[key]) for person in people for key in keys if key in person]
    if len(set(pose_arrays)) < len(pose_arrays):
        # A small pickle may refer to one array many times over.
        raise FileError(
            path, "expected a pose array of its own for each person, found a shared one"
        )
    body_model = _loaded(body_model)
    poses = [poses_from_parameters(path, person, body_model=body_model) for person in people]
    return poses[0] if len(poses) == 1 else _side_by_side(path, poses)


def _side_by_side(path, poses: list[PoseData]) -> PoseData:
    """Returns several people as one array; what is known of each is numbered."""
    lengths = [len(person.positions) for person in poses]
    if len(set(lengths)) > 1:
        raise FileError(
            path,
            f"expected people with the same number of frames, found {min(lengths)} to "
            f"{max(lengths)}; split the file by person",
        )
    first = poses[0]
    return PoseData(
        np.stack([person.positions for person in poses], axis=1),
        leading=("frame", "person"),
        joint_names=first.joint_names,
        skeleton=first.skeleton,
        fps=first.fps,
        units=first.units,
        up=first.up,
        extras={
            f"{key}_{i}": value
            for i, person in enumerate(poses)
            for key, value in person.extras.items()
        },
        notes=tuple(dict.fromkeys(note for person in poses for note in person.notes)),
    )


def parameter_sets(tree: object) -> list[Mapping]:
    """Return the dictionaries of parameters, one per person, in a loaded tree.

    Understood are such a dictionary itself, one in an object array of a single element (ROMP), the
    `person_data` of GLAMR, a list of them, a dictionary of them by person (VIBE), and lists of
    arrays by person in one dictionary (3DPW).
    """
    if isinstance(tree, np.ndarray) and tree.dtype == object and tree.size == 1:
        tree = tree.reshape(-1)[0]
    if isinstance(tree, dict) and isinstance(tree.get("person_data"), dict):
        tree = tree["person_data"]
    if isinstance(tree, dict):
        if matches(tree):
            return [tree]
        n_people = len(tree["poses"]) if isinstance(tree.get("poses"), list) else 0
        if 0 < n_people <= _MAX_PEOPLE:
            by_person = {
                k: v for k, v in tree.items() if isinstance(v, list) and len(v) == n_people
            }
            tree = [{key: rows[i] for key, rows in by_person.items()} for i in range(n_people)]
        else:
            tree = list(tree.values())
    if not isinstance(tree, (list, tuple)) or not 0 < len(tree) <= _MAX_PEOPLE:
        return []
    people = [person for person in tree if isinstance(person, dict) and matches(person)]
    return people if len(people) == len(tree) else []


def _loaded(body_model: BodyModel | str | os.PathLike | None) -> BodyModel | None:
    is_loaded = body_model is None or isinstance(body_model, BodyModel)
    return body_model if is_loaded else load_body_model(body_model)


def _positions(
    parameters: SmplParameters, family: SmplFamily, body_model: BodyModel | None
) -> np.ndarray:
    positions = np.empty((parameters.n_frames, family.n_joints, 3))
    betas = parameters.betas
    for start in range(0, parameters.n_frames, _CHUNK_FRAMES):
        frames = slice(start, min(start + _CHUNK_FRAMES, parameters.n_frames))
        rest = neutral_rest_joints()
        if body_model is not None:
            is_per_frame = betas is not None and betas.ndim == 2
            rest = body_model.rest_joints(betas[frames] if is_per_frame else betas)
        translation = parameters.translation
        if translation is not None:
            translation = translation[frames]
            if parameters.translates_pelvis:
                translation = translation - rest[..., 0, :]
        positions[frames] = joint_positions(
            parameters.matrices(frames, family), rest, family.parents, translation=translation
        )
    return positions


def _other_arrays(arrays: Mapping, parameters: SmplParameters) -> tuple[dict, list[str]]:
    extras: dict = {"body_model": parameters.family.name}
    if parameters.gender is not None:
        extras["gender"] = parameters.gender
    if parameters.betas is not None:
        # With a leading 1, a constant shape is not taken for one value per frame.
        extras["betas"] = np.atleast_2d(parameters.betas)
    skipped = []
    for key in arrays:
        if key in parameters.keys or not isinstance(key, str):
            continue
        if array_shape(arrays, key) is not None:
            extras.setdefault(key, arrays[key])
            continue
        try:
            value = arrays[key]
        except FileError:
            skipped.append(key)
            continue
        if isinstance(value, np.ndarray) and value.dtype.kind in "bSU":
            extras.setdefault(key, value)
    notes = (
        [f"left out, as they hold Python objects: {', '.join(skipped)[:200]}"] if skipped else []
    )
    return extras, notes


def _shape_notes(parameters: SmplParameters, body_model: BodyModel | None) -> list[str]:
    betas = parameters.betas
    if body_model is not None:
        if betas is None or betas.shape[-1] <= body_model.n_betas:
            return []
        return [
            f"the first {body_model.n_betas} of {betas.shape[-1]} betas were used: the body model "
            "has no more"
        ]
    exact = parameters.gender == "neutral" and betas is not None and not betas.any()
    if exact and parameters.family != SMPLX:
        return []
    error = ignored_shape_error_mm(betas)
    have, at_least = "the file has no betas", " or more"
    if betas is not None:
        norm = float(np.linalg.norm(betas, axis=-1).mean())
        have, at_least = f"betas of norm {norm:.1f} ignored", ""
    notes = [
        f"{have}: the neutral SMPL skeleton of zero shape was posed, its joints may be off by "
        f"about {error:.0f} mm{at_least}; give the body model file for the exact ones"
    ]
    if parameters.family == SMPLX:
        notes.append(
            "SMPL-X parameters on the SMPL skeleton, an approximation: its own rest joints are in "
            "the body model file only"
        )
    return notes
