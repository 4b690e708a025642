"""Labels in all formats at once, which only rendered people have: for an upper bound, and tests."""

from __future__ import annotations

import numpy as np

from skeleton_defs import JointRegistry

from ..store import Batch, Store
from ..synth.truth import true_joints
from .labels import JointVector


class TrueJointVector(JointVector):
    """Puts the true joints of rendered people to all channels of a registry.

    Args:
      registry: the joint vector.
      source: gives the store, e.g. `PictureSource`, which has one per thread.
    """

    def __init__(self, registry: JointRegistry, source):
        super().__init__(registry)
        self._source = source

    def spread(self, batch: Batch, *, is_3d: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Returns what `JointVector.spread` does, with all joints of people that have 3D labels."""
        spread = super().spread(batch, is_3d=is_3d)
        store: Store = self._source.store
        rows = np.flatnonzero(batch.has_camera)
        examples = [store[int(index)] for index in batch.indices[rows]]
        for skeleton in self.registry.skeletons:
            joints = true_joints(examples, skeleton, store=store)
            channels = self.registry.indices(skeleton)
            spread["joints3d"][rows[:, None], channels] = joints
            spread["validity"][rows[:, None], channels] = ~np.isnan(joints).any(-1)
        return spread
