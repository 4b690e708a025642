"""Metrics of poses: small pure functions, named as the papers name them. numpy only.

Poses are (..., J, D) of one unit (mm for 3D, px for 2D) and frame, NaN where a joint is missing;
`mask` (bool, broadcasting to (..., J)) takes out more. Results are in the unit of the poses; shares
are between 0 and 1.

* errors per joint, after an alignment: `absolute_errors`, `root_aligned_errors`, ...
* their means: `mpjpe`, `mean_aligned_mpjpe`, `absolute_mpjpe`, `pmpjpe`, `n_mpjpe`, `mpjve`
* shares of them that are right: `pck`, `auc`, `auc_3dhp`, `cps`; tables; bootstrap intervals
* whether several formats agree: `inconsistency`, `cross_format_offset_error`, `gap_closed`
* `protocols`, `mupots`, `keypoints_2d`: what a benchmark does in its own way

>>> import numpy as np
>>> true = np.zeros((5, 17, 3))
>>> pck(root_aligned_errors(true + 40, true, root=0), 150)
np.float64(1.0)
"""

from .alignment import mean_aligned, root_aligned, root_of, scale_aligned
from .averages import mean_over, worst_over_joints
from .bootstrap import Interval, bootstrap_interval, bootstrap_means, percentile_interval
from .consistency import (
    cross_format_offset_error,
    cross_format_offset_errors,
    gap_closed,
    inconsistency,
    relation_errors,
    same_named_pairs,
)
from .correctness import TDHP_THRESHOLDS_MM, auc, auc_3dhp, cps, grid_auc, pck, pck_curve
from .errors import (
    absolute_errors,
    mean_aligned_errors,
    procrustes_errors,
    root_aligned_errors,
    scale_aligned_errors,
)
from .keypoints_2d import head_sizes, mpii_pckh, oks
from .mpjpe import absolute_mpjpe, mean_aligned_mpjpe, mpjpe, mpjve, n_mpjpe, pmpjpe
from .mupots import MupotsScores, mupots_matches, mupots_scores, with_bone_lengths
from .protocols import (
    ActionScores,
    MultiFormatScores,
    TdhpScores,
    ThreedpwScores,
    auc_3dpw_posepile,
    h36m_protocol1,
    h36m_protocol2,
    mpi_inf_3dhp_scores,
    multi_format_scores,
    threedpw_challenge_scores,
)
from .tables import JointScore, per_group_table, per_joint_table

__all__ = [
    "TDHP_THRESHOLDS_MM",
    "ActionScores",
    "Interval",
    "JointScore",
    "MultiFormatScores",
    "MupotsScores",
    "TdhpScores",
    "ThreedpwScores",
    "absolute_errors",
    "absolute_mpjpe",
    "auc",
    "auc_3dhp",
    "auc_3dpw_posepile",
    "bootstrap_interval",
    "bootstrap_means",
    "cps",
    "cross_format_offset_error",
    "cross_format_offset_errors",
    "gap_closed",
    "grid_auc",
    "h36m_protocol1",
    "h36m_protocol2",
    "head_sizes",
    "inconsistency",
    "mean_aligned",
    "mean_aligned_errors",
    "mean_aligned_mpjpe",
    "mean_over",
    "mpi_inf_3dhp_scores",
    "mpii_pckh",
    "mpjpe",
    "mpjve",
    "multi_format_scores",
    "mupots_matches",
    "mupots_scores",
    "n_mpjpe",
    "oks",
    "pck",
    "pck_curve",
    "per_group_table",
    "per_joint_table",
    "percentile_interval",
    "pmpjpe",
    "procrustes_errors",
    "relation_errors",
    "root_aligned",
    "root_aligned_errors",
    "root_of",
    "same_named_pairs",
    "scale_aligned",
    "scale_aligned_errors",
    "threedpw_challenge_scores",
    "with_bone_lengths",
    "worst_over_joints",
]
