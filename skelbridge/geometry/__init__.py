"""Geometry of poses: the best similarity between two, and which of their joints are there.

numpy only. Poses are (..., J, D) in any unit and frame, NaN where a joint is missing.
"""

from .observed import observed_joints
from .procrustes import Similarity, procrustes, procrustes_aligned

__all__ = ["Similarity", "observed_joints", "procrustes", "procrustes_aligned"]
