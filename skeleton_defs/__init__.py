"""Skeleton formats of 3D and 2D human pose data: names, trees, mirror pairs, aliases.

>>> import skeleton_defs
>>> skeleton_defs.get("smpl").index("lkne")
4
"""

from .errors import UserError
from .formats import (
    UnknownFormatError,
    definitions,
    format_aliases,
    get,
    is_built_in,
    list_formats,
    load,
    register,
    vocabulary,
)
from .formats import list_formats as list
from .names import match_joints, simplified, suggestions
from .registry import JointRegistry
from .schema import SkeletonError
from .skeleton import Skeleton

__all__ = [
    "JointRegistry",
    "Skeleton",
    "SkeletonError",
    "UnknownFormatError",
    "UserError",
    "definitions",
    "format_aliases",
    "get",
    "is_built_in",
    "list",
    "list_formats",
    "load",
    "match_joints",
    "register",
    "simplified",
    "suggestions",
    "vocabulary",
]
