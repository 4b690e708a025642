"""Reading a pose file and finding out its skeleton format, in one step."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

import numpy as np

import skeleton_defs
from skeleton_defs import Skeleton, UserError

from .data import PoseData
from .matching import JointMatch, match_skeleton
from .reading import ReadOptions, read_poses

# Numbers that are looked at in one go when searching a file for its first finite coordinate.
_SEARCH_NUMBERS = 4_000_000


@dataclass(frozen=True)
class Input:
    """What the user says about an input file.

    Attributes:
      skeleton: the format; None where the file says it itself.
      person: which person of several per frame, from 0; None for all.
      xyc: the third number of each joint is a confidence, not a coordinate.
      read: see `ReadOptions`.
    """

    skeleton: str | Skeleton | None = None
    person: int | None = None
    xyc: bool = False
    read: ReadOptions = field(default_factory=ReadOptions)


def open_poses(path: str | os.PathLike, stated: Input) -> tuple[PoseData, JointMatch]:
    """Reads a pose file and matches its joints to a skeleton format.

    Raises:
      UserError: the file cannot be read, its joints fit no format (or not the stated one), or it
        holds no finite coordinate.
    """
    read = stated.read
    if stated.skeleton is not None:
        read = replace(read, n_joints=len(skeleton_defs.get(stated.skeleton)))
    poses = read_poses(path, read)
    try:
        if stated.person is not None:
            poses = _one_person(poses, stated.person)
        if stated.xyc:
            poses = _third_number_as_confidence(poses)
        match = match_skeleton(poses, stated.skeleton)
        _require_finite(poses)
    except UserError as error:
        raise UserError(f"{os.fspath(path)}: {error}") from None
    if match.skeleton.dims == 2 and _third_number_looks_like_confidence(poses):
        note = "the third number of each joint looks like a confidence: --xyc treats it as one"
        poses = replace(poses, notes=(*poses.notes, note))
    return poses, match


def _one_person(poses: PoseData, person: int) -> PoseData:
    if "person" not in poses.leading or poses.streams:
        raise UserError("--person needs a file with several people per frame, of at most 64 MB")
    axis = poses.leading.index("person")
    count = poses.positions.shape[axis]
    if not 0 <= person < count:
        raise UserError(f"--person must lie in 0..{count - 1}. Received {person}")
    confidence = poses.confidence
    # Other values per person would not fit the array any more; those per frame stay.
    whole = poses.positions.shape[: axis + 1]
    extras = {
        key: value
        for key, value in poses.extras.items()
        if not (isinstance(value, np.ndarray) and value.shape[: axis + 1] == whole)
    }
    return replace(
        poses,
        positions=np.take(poses.positions, person, axis=axis),
        confidence=None if confidence is None else np.take(confidence, person, axis=axis),
        leading=tuple(name for name in poses.leading if name != "person"),
        extras=extras,
    )


def _third_number_as_confidence(poses: PoseData) -> PoseData:
    if poses.n_dims != 3 or poses.streams:
        raise UserError("--xyc needs joints of three numbers, in a file of at most 64 MB")
    return replace(
        poses,
        positions=np.ascontiguousarray(poses.positions[..., :2]),
        confidence=np.ascontiguousarray(poses.positions[..., 2]),
        units="px",
        up=None,
    )


def _third_number_looks_like_confidence(poses: PoseData) -> bool:
    if poses.n_dims != 3:
        return False
    sample = np.asarray(poses.positions[:64])
    third, others = sample[..., 2], sample[..., :2]
    third, others = third[np.isfinite(third)], others[np.isfinite(others)]
    return bool(len(third) and third.min() >= 0 and third.max() <= 2 and np.abs(others).max() > 10)


def _require_finite(poses: PoseData) -> None:
    """Raises where no coordinate is a number; reads only as far as needed."""
    if 0 in poses.positions.shape:
        raise UserError(f"expected poses, found none: the array has shape {poses.positions.shape}")
    length = poses.positions.shape[0]
    step = max(1, _SEARCH_NUMBERS // int(np.prod(poses.positions.shape[1:])))
    if not any(np.isfinite(poses.positions[i : i + step]).any() for i in range(0, length, step)):
        raise UserError("expected poses, found none: every coordinate is NaN")
