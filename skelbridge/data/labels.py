"""Joints of examples as one joint vector, in the frames of their crops."""

from __future__ import annotations

import functools

import numpy as np

import skeleton_defs
from skeleton_defs import JointRegistry, UserError

from ..store import Batch
from .options import CropOptions
from .views import CropViews


class JointVector:
    """Puts the joints of any skeleton format to their channels of a registry.

    A format need not be one of the registry's: what counts is which points it shares with it.
    """

    def __init__(self, registry: JointRegistry):
        self.registry = registry
        self._channel = {point: i for i, point in enumerate(registry.points)}
        self._known: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.registry)

    @functools.cached_property
    def flip(self) -> np.ndarray:
        """(J,) permutation that swaps left and right."""
        return self.registry.flip

    def places(self, skeleton: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns which joints of a format are in the registry, and their channels.

        Raises:
          UserError: none of them is.
        """
        if skeleton not in self._known:
            definition = skeleton_defs.get(skeleton)
            channels = np.array(
                [self._channel.get(definition.point_of(j), -1) for j in definition.joints]
            )
            joints = np.flatnonzero(channels >= 0)
            if not len(joints):
                names = ", ".join(s.name for s in self.registry.skeletons)
                raise UserError(
                    f"no joint of '{skeleton}' is in the joint registry, which holds {names}; "
                    "add the format, or leave examples of it out"
                )
            self._known[skeleton] = joints, channels[joints]
        return self._known[skeleton]

    def spread(self, batch: Batch) -> dict[str, np.ndarray]:
        """Returns `joints3d` (N, J, 3), `joints2d` (N, J, 2) with NaN, `validity` (N, J) bool."""
        n = len(batch)
        spread = {
            "joints3d": np.full((n, len(self), 3), np.nan),
            "joints2d": np.full((n, len(self), 2), np.nan),
            "validity": np.zeros((n, len(self)), bool),
        }
        for number, group in enumerate(batch.groups):
            rows = np.flatnonzero(batch.group == number)[:, None]
            joints, channels = self.places(group.skeleton)
            for name, target in spread.items():
                target[rows, channels] = getattr(batch, name)[rows, joints]
        return spread


def crop_labels(
    batch: Batch,
    views: CropViews,
    vector: JointVector,
    *,
    is_3d: np.ndarray,
    crop: CropOptions,
) -> dict[str, np.ndarray]:
    """Returns the labels of a batch of N examples in the frames of their crops.

    Args:
      is_3d: (N,) bool: drawn for their 3D labels; the rule for joints at the lower border of the
        image holds for the others.

    Returns:
      joints3d (N, J, 3) mm, joints2d (N, J, 2) px: zeros where masked; mask3d, mask2d, in_crop
      (N, J) bool. Where a joint has 3D coordinates, its 2D ones are their projection.
    """
    spread = vector.spread(batch)
    # The camera's place is taken off first: world coordinates may be kilometres.
    joints3d = (spread["joints3d"] - views.center[:, None]) @ np.swapaxes(views.R, -1, -2)
    mask3d = spread["validity"] & ~np.isnan(joints3d).any(-1)
    mask3d &= batch.has_camera[:, None]

    annotated = spread["joints2d"]
    below = annotated[..., 1] > crop.border_2d * _height(batch)[:, None]
    annotated[below & ~is_3d[:, None]] = np.nan
    moved = views.from_image(annotated)
    depth = np.where(mask3d & (joints3d[..., 2] > 0), joints3d[..., 2], np.nan)
    seen = joints3d @ np.swapaxes(views.K, -1, -2)
    projected = seen[..., :2] / depth[..., None]
    joints2d = np.where(mask3d[..., None], projected, moved)
    mask2d = spread["validity"] & ~np.isnan(joints2d).any(-1)

    flipped = np.flatnonzero(views.is_flipped)
    if len(flipped):
        for values in (joints3d, mask3d, joints2d, mask2d):
            values[flipped] = values[flipped][:, vector.flip]
    joints3d = np.where(mask3d[..., None], joints3d, 0).astype(np.float32)
    joints2d = np.where(mask2d[..., None], joints2d, 0).astype(np.float32)
    inside = ((joints2d >= -0.5) & (joints2d < crop.side - 0.5)).all(-1)
    return {
        "joints3d": joints3d,
        "joints2d": joints2d,
        "mask3d": mask3d,
        "mask2d": mask2d,
        "in_crop": inside & mask2d,
    }


def _height(batch: Batch) -> np.ndarray:
    return np.where(batch.image_size[:, 1] > 0, batch.image_size[:, 1], np.inf)
