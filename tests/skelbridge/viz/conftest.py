"""A small person for the viewer's tests."""

import numpy as np
import pytest

from skelbridge.viz import Layer

#: Metres, y up; the person looks along z, so its left is at positive x.
POSE = {
    "head": (0.0, 1.70, 0.0),
    "neck": (0.0, 1.45, 0.0),
    "left_shoulder": (0.20, 1.42, 0.0),
    "right_shoulder": (-0.20, 1.42, 0.0),
    "left_wrist": (0.55, 1.00, 0.1),
    "right_wrist": (-0.55, 1.00, 0.1),
    "pelvis": (0.0, 0.95, 0.0),
    "left_ankle": (0.15, 0.08, 0.0),
    "right_ankle": (-0.15, 0.08, 0.0),
}
BONES = [
    ("head", "neck"),
    ("neck", "left_shoulder"),
    ("neck", "right_shoulder"),
    ("left_shoulder", "left_wrist"),
    ("right_shoulder", "right_wrist"),
    ("neck", "pelvis"),
    ("pelvis", "left_ankle"),
    ("pelvis", "right_ankle"),
]

#: Rotations of the y-up person into other frames; each is one, not a mirror image.
TURNED = {
    "y": lambda p: p,
    "z": lambda p: np.stack([p[..., 0], -p[..., 2], p[..., 1]], axis=-1),
    "-y": lambda p: np.stack([p[..., 0], -p[..., 1], -p[..., 2]], axis=-1),
    "x": lambda p: np.stack([p[..., 1], -p[..., 0], p[..., 2]], axis=-1),
    "-z": lambda p: np.stack([p[..., 0], p[..., 2], -p[..., 1]], axis=-1),
}


@pytest.fixture
def person():
    """Returns a function that makes a layer of one person who steps along x, in any frame."""

    def make(name="person", *, n_frames=1, up="y", joints=tuple(POSE), step=0.1, dims=3):
        pose = np.array([POSE[joint] for joint in joints])
        offsets = step * np.arange(n_frames)[:, None, None] * np.array([1.0, 0.0, 0.0])
        edges = tuple((joints.index(a), joints.index(b)) for a, b in BONES
                      if a in joints and b in joints)  # fmt: skip
        return Layer(name, TURNED[up](pose + offsets)[..., :dims], tuple(joints), edges)

    return make


@pytest.fixture
def turned():
    """Returns the rotations into other frames, by their upward axis."""
    return TURNED
