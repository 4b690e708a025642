"""Which poses a fit sees: drawn at random, some held out, missing joints filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skeleton_defs import UserError

from .chirality import ChiralLayout
from .exchanged import sides_agree
from .missing import check_linked, fill_from_nearest, observed

#: No more poses are held out: enough to tell solutions apart to 1e-5.
_MAX_VALIDATION = 1000
#: Held-out poses are blocks of neighbours: frames next to each other are nearly copies.
_BLOCKS = 20
_MIN_POSES_TO_HOLD_OUT = 40
#: Farther out than 10 km, numbers are no millimetres.
_MAX_COORDINATE_MM = 1e7
#: The largest extent of a pose, from a hand to a giant; others are pointed out.
_LIKELY_SIZES_MM = (80.0, 10_000.0)
_POSES_FOR_SIZE = 1000


@dataclass(frozen=True, eq=False)
class PoseSample:
    """Complete poses to fit to and to judge by.

    Attributes:
      train, validation: (N, J, 3) and (V, J, 3), mm, missing joints filled; in random order.
      train_mask, validation_mask: what was observed; None where everything was.
      joints: the J kept joints, of those given: joints that no pose has are left out.
      notes: remarks for the user.
    """

    train: np.ndarray
    validation: np.ndarray
    train_mask: np.ndarray | None
    validation_mask: np.ndarray | None
    joints: np.ndarray
    notes: tuple[str, ...]


def draw_sample(
    poses: np.ndarray,
    *,
    flip: np.ndarray | None,
    joint_names: Sequence[str] | None,
    rng: np.random.Generator,
    count: int | None,
    validation: float,
) -> PoseSample:
    """Draws poses to fit to and poses to judge by.

    Args:
      poses: (N, J, 3) mm, NaN where missing.
      flip: (J,) permutation or None; a joint is known where its mirror partner is.
      count: how many to fit to; None for all.
      validation: share of poses to hold out.

    Raises:
      UserError: there are no numbers, absurd ones, or joints that nothing links.
    """
    train_rows, held_out, notes = _split(len(poses), count, validation, rng)
    train, validation_poses = _taken(poses, train_rows, rng), _taken(poses, held_out, rng)
    together = np.concatenate([train, validation_poses])
    mask = observed(together)
    limit = np.abs(np.where(mask[..., None], together, 0)).max(initial=0)
    if limit > _MAX_COORDINATE_MM:
        raise UserError(f"poses must be in mm. Found a coordinate of {limit:.3g} mm")
    notes += _size_notes(together[:_POSES_FOR_SIZE], mask[:_POSES_FOR_SIZE])
    if mask.all():
        everything = np.arange(poses.shape[1])
        return PoseSample(train, validation_poses, None, None, everything, notes)
    together, mask, joints, more = _known_joints(together, mask, flip, joint_names)
    if mask.all():
        split = len(train)
        return PoseSample(together[:split], together[split:], None, None, joints, notes + more)
    usable = mask.any(axis=1)
    split = int(usable[: len(train)].sum())
    together, mask = together[usable], mask[usable]
    if split == 0:
        raise UserError("poses hold no joints: every one is missing")
    kept_flip = None if flip is None else np.searchsorted(joints, flip[joints])
    names = None if joint_names is None else [joint_names[i] for i in joints]
    check_linked(mask, kept_flip, names)
    filled = fill_from_nearest(together, mask, kept_flip)
    if split == len(filled):
        filled, mask = np.concatenate([filled, filled]), np.concatenate([mask, mask])
    return PoseSample(
        filled[:split], filled[split:], mask[:split], mask[split:], joints, notes + more
    )


def without_exchanged(sample: PoseSample, layout: ChiralLayout) -> PoseSample:
    """Returns the sample without poses that have left and right exchanged in some formats."""
    parts = (sample.train, sample.train_mask), (sample.validation, sample.validation_mask)
    kept = [sides_agree(poses, layout, mask=mask) for poses, mask in parts]
    if not all(rows.any() for rows in kept):
        return sample
    left = [poses[rows] for (poses, _), rows in zip(parts, kept, strict=True)]
    masks = [None if m is None else m[rows] for (_, m), rows in zip(parts, kept, strict=True)]
    return PoseSample(*left, *masks, sample.joints, sample.notes)


def _size_notes(poses: np.ndarray, mask: np.ndarray) -> tuple[str, ...]:
    """Points out poses that are probably in another unit."""
    seen = mask.any(axis=1)
    if not seen.any():
        return ()
    known, poses = mask[seen, :, None], poses[seen]
    highest = np.where(known, poses, -np.inf).max(axis=1)
    extent = (highest - np.where(known, poses, np.inf).min(axis=1)).max(axis=1)
    size, (least, most) = float(np.median(extent)), _LIKELY_SIZES_MM
    if least <= size <= most:
        return ()
    told = f"{size:.3g}" if size < least else f"{size:.0f}"
    return (f"bodies are {told} mm in size: poses must be in mm, are these?",)


def _split(
    count: int, wanted: int | None, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Returns row numbers to fit to and to hold out."""
    held_out = round(share * count)
    if count < _MIN_POSES_TO_HOLD_OUT or held_out < 1:
        rows = np.arange(count)
        note = f"errors are of the poses fitted to: too few ({count}) to hold some out"
        notes = (note,) if share > 0 else ()
        chosen = _chosen(rows, wanted, rng)
        return chosen, _chosen(chosen, _MAX_VALIDATION, rng), notes
    block = max(count // _BLOCKS, 1)
    inside = np.arange(count) % block
    length = max(round(held_out / _BLOCKS), 1)
    first = int(rng.integers(0, block - length + 1)) if block > length else 0
    out = (inside >= first) & (inside < first + length)
    return (
        _chosen(np.flatnonzero(~out), wanted, rng),
        _chosen(np.flatnonzero(out), _MAX_VALIDATION, rng),
        (),
    )


def _chosen(rows: np.ndarray, wanted: int | None, rng: np.random.Generator) -> np.ndarray:
    if wanted is None or wanted >= len(rows):
        return rows
    return np.sort(rng.choice(rows, wanted, replace=False, shuffle=False))


def _taken(poses: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the poses in random order, floating, read in the order of the file."""
    taken = np.asarray(poses[rows])
    if taken.dtype.kind != "f" or taken.dtype.itemsize < 4:
        taken = taken.astype(np.float32)
    return taken[rng.permutation(len(taken))]


def _known_joints(together, mask, flip, joint_names):
    """Leaves out joints that no drawn pose has on either side of the body."""
    seen = mask.any(axis=0)
    if flip is not None:
        seen |= seen[flip]
    joints = np.flatnonzero(seen)
    lost = np.flatnonzero(~seen)
    if len(lost) == 0:
        return together, mask, joints, ()
    if len(joints) == 0:
        raise UserError("poses hold no joints: every one is missing")
    shown = ", ".join(str(joint_names[i] if joint_names is not None else i) for i in lost[:5])
    more = ", ..." if len(lost) > 5 else ""
    note = f"{len(lost)} joints are missing in all drawn poses and left out: {shown}{more}"
    return together[:, joints], mask[:, joints], joints, (note,)
