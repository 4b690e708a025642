"""skelbridge: convert 3D human poses between any two skeleton formats, and train on all of them.

>>> import numpy as np, skelbridge
>>> skelbridge.convert(np.zeros((1, 24, 3)), "smpl", "h36m").shape
(1, 17, 3)
"""

from __future__ import annotations

import importlib

#: Public name -> where it lives. Loaded on first use, so that importing skelbridge stays cheap.
_PUBLIC = {
    "AffineMap": "skelbridge.conversion",
    "PoseData": "skelbridge.posefiles",
    "UserError": "skeleton_defs",
    "convert": "skelbridge.conversion",
    "read_poses": "skelbridge.posefiles",
    "write_poses": "skelbridge.posefiles",
}

__all__ = sorted(_PUBLIC)
__version__ = "0.1.0"


def __getattr__(name: str):
    if name not in _PUBLIC:
        raise AttributeError(f"module 'skelbridge' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
