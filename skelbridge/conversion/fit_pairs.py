"""Paired poses as the fit wants them: without gaps, centred, and divided into held-out parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skeleton_defs import Skeleton, UserError

from .fit_missing import fill_missing

MIN_POSES = 10
_FOLDS = 10
# The cost grows with the square of the folds and the cube of the joints.
_FOLDS_OF_LARGE_FORMATS = 5
_LARGE_FORMAT = 64
# A source joint that is mostly missing would make most results of the map missing too.
_MIN_PRESENT_SHARE = 0.5
# Larger numbers are no places in any unit, and their squares overflow.
_MAX_COORDINATE = 1e12
_MAX_REACH_MM = 1e6
# Joints are filled in with at least this ridge, mm: the other joints are never exact.
_MIN_FILLING_NOISE_MM = 4.0


@dataclass(frozen=True, eq=False)
class PairedPoses:
    """Paired poses of N people and moments, sorted by fold, about the source pose's mean.

    Attributes:
      source: (N, D, J) in mm; joints that were missing are filled in (`fill_missing`).
      doubt: (N, J) expected error per axis of what was filled in, mm; 0 for the rest.
      target: (N, D, T) in mm, 0 where missing.
      present: (N, T) whether a target joint is there.
      starts: (K + 1,) fold k is the poses `starts[k]:starts[k + 1]`.
      source_flip, target_flip: (J,), (T,) mirror partners; None where the map need not be
        symmetric.
    """

    source: np.ndarray
    doubt: np.ndarray
    target: np.ndarray
    present: np.ndarray
    starts: np.ndarray
    source_flip: np.ndarray | None
    target_flip: np.ndarray | None

    def __len__(self) -> int:
        return len(self.source)

    @property
    def folds(self) -> list[slice]:
        """The poses of each fold."""
        return [slice(a, b) for a, b in zip(self.starts[:-1], self.starts[1:], strict=True)]

    @property
    def complete(self) -> np.ndarray:
        """(N,) poses of which no source joint was filled in."""
        return ~self.doubt.any(axis=1)

    def pooled(self, distances: np.ndarray, joint: int) -> np.ndarray:
        """The known values of a column of (n, T) distances, and of its mirror partner's."""
        flip = self.target_flip
        columns = [joint] if flip is None or flip[joint] == joint else [joint, flip[joint]]
        values = distances[:, columns]
        return values[~np.isnan(values)]


def prepare_pairs(
    source_poses: np.ndarray,
    target_poses: np.ndarray,
    source: Skeleton,
    target: Skeleton,
    *,
    groups: np.ndarray | None = None,
    noise_mm: float,
) -> tuple[PairedPoses, np.ndarray, tuple[str, ...]]:
    """Checks paired poses and brings them into shape; see `fit_affine_map` for the arguments.

    Returns:
      (pairs, (J',) the source joints that are used, remarks for the user).

    Raises:
      UserError: shapes do not fit, or there are too few poses.
    """
    source_poses = _checked("source", source_poses, source)
    target_poses = _checked("target", target_poses, target)
    for what, axis in (("the same number of poses, matched one by one", 0), ("both 2D or 3D", 2)):
        found = source_poses.shape[axis], target_poses.shape[axis]
        if found[0] != found[1]:
            raise UserError(
                f"source and target must hold {what}. Received {found[0]} and {found[1]}"
            )
    if groups is not None and np.shape(groups) != source_poses.shape[:1]:
        raise UserError(
            f"groups must hold one id per pose ({len(source_poses)}). "
            f"Received shape {np.shape(groups)}"
        )
    symmetric = source.flip is not None and target.flip is not None
    used, notes = _used_source_joints(source_poses, source, symmetric)
    present = np.isfinite(target_poses[..., 0])
    filled, doubt, usable = fill_missing(
        source_poses[:, used].swapaxes(1, 2), noise_mm=max(noise_mm, _MIN_FILLING_NOISE_MM)
    )
    rows = np.flatnonzero(usable & present.any(axis=1))
    require_enough(len(rows), len(source_poses))
    most_folds = _FOLDS if len(used) < _LARGE_FORMAT else _FOLDS_OF_LARGE_FORMATS
    group = None if groups is None else np.asarray(groups)[rows]
    fold, n_folds, more_notes = _folds(group, len(rows), most_folds)
    order = np.argsort(fold, kind="stable")
    rows = rows[order]
    centre = filled[rows].mean(axis=-1, keepdims=True)
    place = {joint: i for i, joint in enumerate(used)}
    pairs = PairedPoses(
        source=filled[rows] - centre,
        doubt=doubt[rows],
        target=np.where(present[rows][:, None], target_poses[rows].swapaxes(1, 2) - centre, 0),
        present=present[rows],
        starts=np.searchsorted(fold[order], np.arange(n_folds + 1)),
        source_flip=np.array([place[source.flip[j]] for j in used]) if symmetric else None,
        target_flip=np.array(target.flip) if symmetric else None,
    )
    return pairs, used, notes + more_notes + _gaps_note(pairs)


def require_enough(usable: int, given: int) -> None:
    """Raises `UserError` where there are too few poses to learn from."""
    if usable >= MIN_POSES:
        return
    of = (
        ""
        if usable == given
        else (f" (of {given}, those that have a target joint and half of the source joints)")
    )
    raise UserError(f"expected at least {MIN_POSES} paired poses to learn from, found {usable}{of}")


def whole_joints(poses: np.ndarray) -> np.ndarray:
    """Returns a float64 copy of (..., J, D) poses in which a joint is there or all NaN."""
    poses = poses.astype(np.float64)
    with np.errstate(invalid="ignore"):
        poses[~(np.abs(poses) < _MAX_COORDINATE).all(axis=-1)] = np.nan
    return poses


def variety_note(pairs: PairedPoses, kept: np.ndarray) -> tuple[str, ...]:
    """A remark where the kept poses do not vary enough to tell all weights."""
    dims, joints = pairs.source.shape[1:]
    rows = pairs.source[kept].reshape(-1, joints)
    variances = np.linalg.eigvalsh(rows.T @ rows / len(rows))
    directions = int((variances > 1).sum())
    if directions >= joints - 1:
        return ()
    if directions <= dims:
        return (
            "all poses are the same pose (up to where and how it stands): many weights fit it, and "
            "the prior and the noise ridge chose among them",
        )
    return (
        f"the source joints vary in {directions} of {joints - 1} directions by more than 1 mm: in "
        "the others the weights are the prior's or the noise ridge's choice",
    )


def _checked(name: str, poses: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    poses = np.asarray(poses)
    if poses.ndim != 3 or poses.shape[1] != len(skeleton) or poses.shape[2] not in (2, 3):
        raise UserError(
            f"{name} poses must have shape (N, {len(skeleton)}, 2 or 3) for '{skeleton.name}'. "
            f"Received shape {poses.shape}"
        )
    if poses.dtype.kind not in "iuf":
        raise UserError(f"{name} poses must be real numbers. Received dtype {poses.dtype}")
    return _joints_of_a_body(whole_joints(poses))


def _joints_of_a_body(poses: np.ndarray) -> np.ndarray:
    """Sets joints NaN that are a kilometre from the others: their squares drown the rest."""
    somewhere = np.isfinite(poses[..., 0]).any(axis=1)
    if not somewhere.any() or np.nanmax(np.abs(poses)) < _MAX_REACH_MM:
        return poses
    middle = np.nanmedian(poses[somewhere], axis=1, keepdims=True)
    apart = np.nan_to_num(np.abs(poses[somewhere] - middle)).max(axis=-1)
    poses[somewhere] = np.where((apart < _MAX_REACH_MM)[..., None], poses[somewhere], np.nan)
    return poses


def _used_source_joints(
    poses: np.ndarray, source: Skeleton, symmetric: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Indices of the source joints that are there often enough, with their mirror partners."""
    there = np.isfinite(poses[..., 0])
    share = there.sum(axis=0) / max(there.any(axis=1).sum(), 1)
    used = share >= _MIN_PRESENT_SHARE
    if symmetric:
        used &= used[list(source.flip)]
    if used.sum() < 2:
        raise UserError(
            f"expected poses with at least two joints of '{source.name}' in half of them, found "
            f"{int(used.sum())} (the source poses are nearly all NaN)"
        )
    if used.all():
        return np.flatnonzero(used), ()
    left_out = [f"{source.joints[i]} (in {share[i]:.0%})" for i in np.flatnonzero(~used)]
    return np.flatnonzero(used), (
        "source joints that most poses lack, and their mirror partners, are not used: "
        f"{', '.join(left_out)}",
    )


def _folds(
    groups: np.ndarray | None, count: int, most: int
) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Returns (fold per pose, number of folds, notes)."""
    blocks = np.arange(count) * most // count
    if groups is None:
        note = (
            "blocks of consecutive poses were held out: the errors are for people and movements as "
            "in these pairs. --groups holds out whole takes or people"
        )
        return blocks, most, (note,)
    _, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        note = "all poses are of one group: blocks of consecutive poses were held out instead"
        return blocks, most, (note,)
    load = np.zeros(min(most, len(sizes)))
    fold_of = np.zeros(len(sizes), dtype=int)
    for group in np.argsort(-sizes, kind="stable"):
        fold_of[group] = load.argmin()
        load[fold_of[group]] += sizes[group]
    return fold_of[member.reshape(-1)], len(load), ()


def _gaps_note(pairs: PairedPoses) -> tuple[str, ...]:
    complete = int(pairs.complete.sum())
    if complete == len(pairs):
        return ()
    measured = "" if complete >= MIN_POSES else "; the errors include that of the filling in"
    return (
        f"{len(pairs) - complete} of {len(pairs)} poses lack a source joint: it was filled in from "
        f"the others for the fit{measured}",
    )
