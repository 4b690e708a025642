"""Joints of examples as one joint vector, in the frames of their crops."""

from __future__ import annotations

import functools

import numpy as np

import skeleton_defs
from skeleton_defs import JointRegistry, UserError

from ..store import Batch
from .options import CropOptions
from .views import CropViews

#: Numbers of joints in their format, and their channels.
_Places = tuple[np.ndarray, np.ndarray]


class JointVector:
    """Puts the joints of any skeleton format to their channels of a registry.

    A format need not be one of the registry's: what counts is which points it shares with it. A 2D
    label is compared with the average of its body part over all formats, so any channel of the same
    body part can stand for it: formats of 2D datasets need not be predicted.
    """

    def __init__(self, registry: JointRegistry):
        self.registry = registry
        self._channel = {point: i for i, point in enumerate(registry.points)}
        self._found: dict[str, tuple[_Places, _Places]] = {}

    def __len__(self) -> int:
        return len(self.registry)

    @functools.cached_property
    def flip(self) -> np.ndarray:
        """(J,) permutation that swaps left and right."""
        return self.registry.flip

    @functools.cached_property
    def _channel_of_part(self) -> dict[str, int]:
        """Body part -> its first channel."""
        found: dict[str, int] = {}
        for skeleton in self.registry.skeletons:
            for joint, channel in zip(
                skeleton.joints, self.registry.indices(skeleton), strict=True
            ):
                if joint in skeleton.group:
                    found.setdefault(skeleton.group[joint], int(channel))
        return found

    def places(self, skeleton: str, *, is_3d: bool = True) -> _Places:
        """Returns which joints of a format are in the registry, and their channels.

        Args:
          skeleton: name of the format.
          is_3d: False: for 2D labels, which `stand_ins` may take as well.

        Raises:
          UserError: there is no channel for any joint.
        """
        own, others = self._find(skeleton)
        if not len(own[0]) and (is_3d or not len(others[0])):
            names = ", ".join(s.name for s in self.registry.skeletons)
            raise UserError(
                f"no joint of '{skeleton}' is in the joint registry, which holds {names}; "
                "add the format, or leave examples of it out"
            )
        return own

    def stand_ins(self, skeleton: str) -> _Places:
        """Returns joints that are not in the registry, and a channel of the same body part each.

        Only for body parts of which `places` has no joint, one joint each.
        """
        return self._find(skeleton)[1]

    def _find(self, skeleton: str) -> tuple[_Places, _Places]:
        if skeleton not in self._found:
            definition = skeleton_defs.get(skeleton)
            own, others, parts = {}, {}, set()
            for number, joint in enumerate(definition.joints):
                channel = self._channel.get(definition.point_of(joint))
                if channel is not None:
                    own[channel] = number
                    parts.add(definition.group.get(joint))
            for number, joint in enumerate(definition.joints):
                part = definition.group.get(joint)
                if part in self._channel_of_part and part not in parts:
                    others[self._channel_of_part[part]] = number
                    parts.add(part)
            self._found[skeleton] = tuple(
                (np.array([*found.values()], np.intp), np.array([*found], np.intp))
                for found in (own, others)
            )
        return self._found[skeleton]

    def spread(self, batch: Batch, *, is_3d: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Returns `joints3d` (N, J, 3), `joints2d` (N, J, 2) with NaN, `validity` (N, J) bool.

        Args:
          batch: N examples.
          is_3d: (N,) bool: False where the 2D labels are for body parts; None: nowhere.
        """
        n = len(batch)
        is_3d = np.ones(n, bool) if is_3d is None else is_3d
        spread = {
            "joints3d": np.full((n, len(self), 3), np.nan),
            "joints2d": np.full((n, len(self), 2), np.nan),
            "validity": np.zeros((n, len(self)), bool),
        }
        for number, group in enumerate(batch.groups):
            rows = np.flatnonzero(batch.group == number)
            joints, channels = self.places(group.skeleton, is_3d=is_3d[rows].any())
            for name, target in spread.items():
                target[rows[:, None], channels] = getattr(batch, name)[rows[:, None], joints]
            joints, channels = self.stand_ins(group.skeleton)
            rows = rows[~is_3d[rows], None]
            for name in ("joints2d", "validity"):
                spread[name][rows, channels] = getattr(batch, name)[rows, joints]
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
    spread = vector.spread(batch, is_3d=is_3d)
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
