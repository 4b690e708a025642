"""The rules of MuPoTS-3D: who is who in a frame, bone rescaling, and the sums over sequences.

Mehta et al., "Single-shot multi-person 3D pose estimation from monocular RGB", 3DV 2018. Joints are
in the order of `mupots_17`; a joint that was not predicted is NaN (the official files write zeros).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from skelbridge.geometry.observed import paired_poses
from skeleton_defs import UserError

from .alignment import Root
from .averages import mean_over
from .correctness import auc_3dhp, pck
from .errors import root_aligned_errors
from .protocols import TDHP_PCK_JOINTS, TDHP_ROOT

_JOINTS = 17
#: Neck to ankles: the head top and what is derived (pelvis, spine, head) do not tell who it is.
_MATCHED_JOINTS = slice(1, 14)
_MATCH_RADIUS_PX = 40.0
#: (joint, parent) from the pelvis outward.
MUPOTS_BONES = (
    (15, 14), (1, 15), (0, 1), (16, 1), (2, 1), (3, 2), (4, 3), (5, 1), (6, 5), (7, 6),
    (8, 14), (9, 8), (10, 9), (11, 14), (12, 11), (13, 12),
)  # fmt: skip


class MupotsScores(NamedTuple):
    """Shares: means over the sequences, and per sequence (PCK150, AUC)."""

    pck150: float
    auc: float
    per_sequence: dict[Hashable, tuple[float, float]]


def mupots_matches(predicted_px: np.ndarray, true_px: np.ndarray) -> np.ndarray:
    """Tells which prediction of a frame belongs to which true person.

    In the order of the annotation each true person takes the unused prediction with the most of the
    13 joints from neck to ankles within 40 px (less than, in x and in y); the first of equal ones,
    none where no joint is that near.

    Args:
      predicted_px: (Q, 17, 2); true_px: (P, 17, 2), the valid people in file order. px.

    Returns:
      (P,) numbers of predictions, -1 for people whom no prediction matches.
    """
    predicted_px, true_px = (np.asarray(p, dtype=np.float64) for p in (predicted_px, true_px))
    for name, poses in (("predicted", predicted_px), ("true", true_px)):
        if poses.ndim != 3 or poses.shape[1:] != (_JOINTS, 2):
            raise UserError(f"{name} people must have shape (P, 17, 2). Received {poses.shape}")
    matches = np.full(len(true_px), -1)
    if not len(predicted_px):
        return matches
    apart = np.abs(predicted_px[None] - true_px[:, None])[:, :, _MATCHED_JOINTS].max(axis=-1)
    near = (apart < _MATCH_RADIUS_PX).sum(axis=-1)
    for person, votes in enumerate(near):
        best = int(votes.argmax())
        if votes[best] > 0:
            matches[person] = best
            near[:, best] = 0
    return matches


def with_bone_lengths(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    bones: Sequence[tuple[int, int]] = MUPOTS_BONES,
) -> np.ndarray:
    """Returns predicted poses with the true bone lengths and their own bone directions.

    Args:
      predicted, true: (..., J, 3) mm.
      bones: (joint, parent), parents first; what is no joint of a bone stays where it is.

    Returns:
      (..., J, 3); a joint is NaN where it, its parent or the true bone is missing. A bone of no
      length has no direction and stays so.
    """
    paired = paired_poses(predicted, true)
    predicted, true = paired.first, paired.second
    result = predicted.copy()
    for joint, parent in bones:
        bone = predicted[..., joint, :] - predicted[..., parent, :]
        length = np.linalg.norm(bone, axis=-1, keepdims=True)
        wanted = np.linalg.norm(true[..., joint, :] - true[..., parent, :], axis=-1, keepdims=True)
        direction = bone / np.where(length > 0, length, 1)
        result[..., joint, :] = result[..., parent, :] + direction * wanted
    return result


def mupots_scores(
    predicted: np.ndarray,
    true: np.ndarray,
    sequences: Sequence[Hashable],
    *,
    all_people: bool,
    root: Root = TDHP_ROOT,
) -> MupotsScores:
    """Scores MuPoTS-3D by its official rule: per sequence, then the mean of the sequences.

    3DPCK at 150 mm (below) and the grid AUC, both of the first 14 joints. The official reference
    is `univ_annot3`.

    Args:
      predicted, true: (N, 17, 3) mm, one row per annotated valid person and frame; all NaN where no
        prediction matches (`mupots_matches`). A joint that a matched prediction lacks is wrong.
      sequences: (N,) sequence of each row.
      all_people: people without a match are wrong in all joints (each sequence's score is
        multiplied by matched / annotated); False leaves them out.
      root: the pelvis; None scores absolute positions.
    """
    sequences = list(sequences)
    if np.shape(predicted)[1:] != (_JOINTS, 3) or len(sequences) != len(predicted):
        raise UserError(
            "MuPoTS poses must have shape (N, 17, 3) with N sequences. "
            f"Received shape {np.shape(predicted)} and {len(sequences)} sequences"
        )
    errors = root_aligned_errors(predicted, true, root=root, unpredicted=np.inf)
    matched = ~np.isnan(np.asarray(predicted, dtype=np.float64)).all(axis=(-2, -1))
    errors = np.where(matched[:, None], errors[:, TDHP_PCK_JOINTS], np.nan)
    rows: dict[Hashable, list[int]] = {}
    for row, sequence in enumerate(sequences):
        rows.setdefault(sequence, []).append(row)
    per_sequence = {}
    for sequence, chosen in rows.items():
        scores = pck(errors[chosen], 150), auc_3dhp(errors[chosen])
        if all_people:
            share = matched[chosen].mean()
            scores = tuple(share * s if share > 0 else 0.0 for s in scores)
        per_sequence[sequence] = tuple(float(s) for s in scores)
    table = np.array(list(per_sequence.values())).reshape(-1, 2)
    pck150, area = mean_over(table, axis=0)
    return MupotsScores(float(pck150), float(area), per_sequence)
