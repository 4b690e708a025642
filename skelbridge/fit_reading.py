"""Reading paired poses from one file or two, in millimetres."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

import skeleton_defs
from dataset_adapters.containers import FileError
from dataset_adapters.containers.npz import NpzArchive, open_npz
from skeleton_defs import Skeleton, UserError

from .conversion.fit_pairs import whole_joints
from .fit_units import in_millimetres
from .posefiles import Input, JointMatch, PoseData, open_poses, pose_suffix
from .posefiles.array_keys import FIELD_KEYS, describe_poses, list_arrays
from .posefiles.array_shapes import poses_from_array, row_slices
from .posefiles.matching import match_skeleton
from .posefiles.reading import ReadOptions

# Longer sets are thinned: neighbouring frames are nearly copies, and this many numbers say it all.
_MAX_NUMBERS = 40_000_000


@dataclass(frozen=True, eq=False)
class PairedSets:
    """Poses of the same people at the same moments in two formats.

    Attributes:
      source, target: (N, J, D), (N, T, D) float64 in mm, NaN where missing.
      source_format, target_format: the formats.
      observed: the source joints that the file has, or None for all.
      groups: (N,) ids, or None.
      notes: remarks for the user.
    """

    source: np.ndarray
    target: np.ndarray
    source_format: Skeleton
    target_format: Skeleton
    observed: list[str] | None
    groups: np.ndarray | None
    notes: tuple[str, ...]


def read_pairs(
    paths: Sequence[str | os.PathLike],
    *,
    source: str | Skeleton | None = None,
    target: str | Skeleton | None = None,
    source_key: str | None = None,
    target_key: str | None = None,
    groups: str | None = None,
    units: str | None = None,
) -> PairedSets:
    """Reads paired poses.

    Args:
      paths: one `.npz` file, or a file of source poses and one of target poses that `read_poses`
        reads, with as many frames each.
      source, target: the formats; needed for one file, else where the files do not say it.
      source_key, target_key: names of the arrays. By default `source` and `target`, or a name or
        alias of the formats (`smpl`, `h36m`).
      groups: key of an array with one id per frame.
      units: m, cm or mm of both, or `SOURCE:TARGET`. By default what the files say, else what
        makes the bodies life-size. 2D poses in pixels are scaled pose by pose to life size.

    Raises:
      UserError: a file cannot be read or does not hold what is needed, or the sets do not pair.
    """
    if len(paths) == 1:
        poses, entries = _read_one(paths[0], source, target, source_key, target_key, groups)
    elif len(paths) == 2:
        poses, entries = _read_two(paths, source, target, source_key, target_key)
    else:
        raise UserError(f"expected one file of pairs or two files. Received {len(paths)}")
    (first, first_match), (second, second_match) = poses
    _check_pairing(paths, first, second)
    units_notes: tuple[str, ...] = ()
    numbers = int(np.prod(first.positions.shape)) + int(np.prod(second.positions.shape))
    step = -(-numbers // _MAX_NUMBERS)
    if step > 1:
        units_notes += (f"one frame in {step} was used: more would not say more",)
    people = int(np.prod(first.positions.shape[1:-2])) if first.leading else 1
    ids = None
    if groups is not None:
        n_frames = first.positions.shape[0] if first.leading else 1
        ids = np.repeat(_group_ids(paths, groups, entries, n_frames)[::step], people)
    arrays = [_flat(p, m, step) for p, m in poses]
    arrays, more_notes = in_millimetres(arrays, (first, second), units)
    for array, path, what in zip(arrays, (paths[0], paths[-1]), ("source", "target"), strict=True):
        if not np.isfinite(array).any():
            raise FileError(path, f"expected {what} poses, found none: every coordinate is NaN")
    notes = (*first.notes, *first_match.notes, *second.notes, *second_match.notes)
    return PairedSets(
        *arrays,
        first_match.skeleton,
        second_match.skeleton,
        first_match.observed,
        ids,
        tuple(dict.fromkeys((*notes, *units_notes, *more_notes))),
    )


def _read_one(path, source, target, source_key, target_key, groups):
    if pose_suffix(path) != ".npz":
        raise FileError(
            path, "pairs in one file must be an .npz file; or give a source and a target file"
        )
    if source is None or target is None:
        raise UserError("pairs in one file need --from and --to")
    formats = skeleton_defs.get(source), skeleton_defs.get(target)
    if not os.path.exists(path):
        raise FileError(path, "no such file")
    with open_npz(path) as archive:
        keys = [
            _pair_key(archive, key, role, stated, skeleton)
            for key, role, stated, skeleton in zip(
                (source_key, target_key), ("source", "target"), (source, target), formats,
                strict=True,
            )
        ]  # fmt: skip
        if keys[0] == keys[1]:
            raise FileError(
                path,
                f"source and target are both key {keys[0]!r}: name them with --source-key and "
                f"--target-key; it holds {_listed(archive)}",
            )
        said = {k: archive[k] for k in archive if k in FIELD_KEYS["units"] + FIELD_KEYS["up"]}
        poses = [
            _poses_of(path, archive, key, skeleton, said)
            for key, skeleton in zip(keys, formats, strict=True)
        ]
        entries = {}
        if groups is not None:
            if groups not in archive:
                raise FileError(path, f"there is no key {groups!r}; it holds {_listed(archive)}")
            entries[groups] = archive[groups]
    return poses, entries


def _pair_key(
    archive: NpzArchive, key: str | None, role: str, stated: str | Skeleton, skeleton: Skeleton
) -> str:
    """The key of one set: as stated, by its role, or by the format's name."""
    if key is not None:
        if key not in archive:
            raise FileError(archive.path, f"there is no key {key!r}; it holds {_listed(archive)}")
        return key
    if role in archive:
        return role
    names = {skeleton.name.lower()}
    names |= {a.lower() for a, f in skeleton_defs.format_aliases().items() if f == skeleton.name}
    if isinstance(stated, str):
        names.add(stated.lower())
    fitting = [name for name in archive if name.lower() in names]
    if len(fitting) == 1:
        return fitting[0]
    raise FileError(
        archive.path,
        f"expected the {role} poses under key {role!r} or {skeleton.name!r}, found "
        f"{_listed(archive)}: name the array with --{role}-key",
    )


def _poses_of(path, archive, key, skeleton, said) -> tuple[PoseData, JointMatch]:
    where = f"key {key!r}: "
    poses = poses_from_array(path, archive[key], n_joints=len(skeleton), where=where)
    try:
        poses = describe_poses(path, poses, said)
        return replace(poses, extras={}), match_skeleton(poses, skeleton)
    except UserError as error:
        raise FileError(path, f"{where}{error}") from None


def _listed(archive: NpzArchive) -> str:
    """Names and shapes of the arrays that can be read."""
    arrays = {}
    for key in archive:
        with contextlib.suppress(FileError):
            arrays[key] = archive.header(key)
    return list_arrays(arrays)


def _read_two(paths, source, target, source_key, target_key):
    poses = [
        open_poses(path, Input(skeleton, read=ReadOptions(key=key)))
        for path, skeleton, key in zip(
            paths, (source, target), (source_key, target_key), strict=True
        )
    ]
    return poses, {**poses[1][0].extras, **poses[0][0].extras}


def _check_pairing(paths, first: PoseData, second: PoseData) -> None:
    where = " and ".join(dict.fromkeys(os.fspath(path) for path in paths))
    if first.n_dims != second.n_dims:
        raise UserError(
            f"{where}: source and target poses must both be 2D or both be 3D. Found "
            f"{first.n_dims}D and {second.n_dims}D"
        )
    shapes = tuple(first.positions.shape[:-2]), tuple(second.positions.shape[:-2])
    if shapes[0] != shapes[1]:
        raise UserError(
            f"{where}: source and target must hold the same frames (and people), matched one by "
            f"one. Found shapes {tuple(first.positions.shape)} and "
            f"{tuple(second.positions.shape)}"
        )


def _group_ids(paths, key: str, entries: Mapping, n_frames: int) -> np.ndarray:
    """(n_frames,) ids."""
    if key not in entries:
        raise UserError(
            f"{os.fspath(paths[0])}: there is no array {key!r} with one group per frame"
        )
    ids = np.asarray(entries[key])
    if ids.size != n_frames or ids.dtype.kind not in "biufSU":
        raise UserError(
            f"{os.fspath(paths[0])}: groups {key!r} must hold one number or text per frame "
            f"({n_frames}). Found shape {ids.shape} of {ids.dtype}"
        )
    return ids.reshape(-1)


def _flat(poses: PoseData, match: JointMatch, step: int) -> np.ndarray:
    """(N, J, D) float64 in the format's order; of streamed poses only what is kept is held."""
    positions = poses.positions
    if not poses.leading:
        parts = [positions[None]]
    elif step == 1 and isinstance(positions, np.ndarray):
        parts = [positions]
    else:
        parts = []
        for rows in row_slices(positions):
            parts.append(positions[rows][-rows.start % step :: step])
    whole = np.concatenate(parts) if len(parts) != 1 else parts[0]
    # Before any arithmetic: files hold infinities, and numbers whose squares are.
    whole = whole_joints(match.arrange(whole))
    return whole.reshape(-1, *whole.shape[-2:])
