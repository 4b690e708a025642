"""Pose files: readers and writers by suffix, and matching of their joints to skeleton formats."""

from .data import UNITS_PER_METRE, PoseData
from .matching import JointMatch, match_skeleton
from .opening import Input, open_poses
from .reading import READERS, ReadOptions, is_frame_folder, pose_suffix, read_poses
from .writing import DIALECTS, WRITERS, check_output, write_poses

__all__ = [
    "DIALECTS",
    "READERS",
    "UNITS_PER_METRE",
    "WRITERS",
    "Input",
    "JointMatch",
    "PoseData",
    "ReadOptions",
    "check_output",
    "is_frame_folder",
    "match_skeleton",
    "open_poses",
    "pose_suffix",
    "read_poses",
    "write_poses",
]
