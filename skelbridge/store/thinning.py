"""Thinning by motion: which frames of a sequence are worth storing.

The rules are PosePile's samplers (`Thinning` states them per dataset): a pose is kept when it
differs by a threshold from the last kept pose, or from every one of the last `memory` kept poses.
Motion is measured in the world in mm or, for 2D datasets, in the image by the person's size there.
"""

from __future__ import annotations

import numpy as np

from dataset_adapters.adapter import Thinning
from dataset_adapters.examples import ExampleBlock

from .boxes import joint_boxes

_FIRST_LOOK = 8
_LONGEST_LOOK = 512


class MotionSampler:
    """Tells which poses of one moving person to keep; remembers what it kept between calls.

    Args:
      rule: what counts as motion.
    """

    def __init__(self, rule: Thinning):
        self._rule = rule
        self._stored: np.ndarray | None = None
        self._n_stored = 0

    def keep(self, poses: np.ndarray, limits: np.ndarray | float | None = None) -> np.ndarray:
        """Returns which of the next poses are kept: (N,).

        Args:
          poses: (N, J, D), NaN for missing joints.
          limits: how far a joint of each pose (N,) must have moved, in the poses' unit; a pose
            whose limit is NaN is kept. Default: the rule's `distance_mm`.
        """
        poses = np.asarray(poses, float)
        limits = self._rule.distance_mm if limits is None else limits
        squares = np.broadcast_to(np.square(np.asarray(limits, float)), len(poses))
        present = ~np.isnan(poses[..., 0])
        if self._rule.centered:
            n = present.sum(1)[:, None, None]
            poses = poses - np.nansum(poses, axis=1, keepdims=True) / np.maximum(n, 1)
        kept = np.zeros(len(poses), bool)
        at = 0
        while (at := self._next_that_moved(poses, present, squares, at)) < len(poses):
            kept[at] = self._is_new(poses[at], present[at], squares[at])
            if kept[at]:
                self._store(poses[at])
            at += 1
        return kept

    def _next_that_moved(
        self, poses: np.ndarray, present: np.ndarray, squares: np.ndarray, start: int
    ) -> int:
        """Returns the first index from `start` on that differs from the last kept pose."""
        look = _FIRST_LOOK
        while start < len(poses):
            rows = slice(start, start + look)
            if self._n_stored:
                found = self._differs(poses[rows], present[rows], squares[rows], self._last)
                found |= self._newly_valid(present[rows])
            else:
                found = present[rows].any(1)
            if found.any():
                return start + int(found.argmax())
            start, look = start + look, min(2 * look, _LONGEST_LOOK)
        return len(poses)

    def _is_new(self, pose: np.ndarray, present: np.ndarray, square: np.ndarray) -> bool:
        """Whether the pose differs from all that are remembered; it does from the last."""
        if self._n_stored < 2 or self._rule.memory == 1 or self._newly_valid(present):
            return True
        memory = self._n_stored if self._rule.memory is None else self._rule.memory
        remembered = self._stored[max(0, self._n_stored - memory) : self._n_stored]
        return bool(self._differs(pose, present, square, remembered).all())

    @property
    def _last(self) -> np.ndarray:
        return self._stored[self._n_stored - 1]

    def _newly_valid(self, present: np.ndarray) -> np.ndarray:
        if not self._rule.keep_newly_valid:
            return np.zeros(present.shape[:-1], bool)
        return (present & np.isnan(self._last[:, 0])).any(-1)

    def _differs(
        self, pose: np.ndarray, present: np.ndarray, square: np.ndarray, other: np.ndarray
    ) -> np.ndarray:
        """Whether poses (..., J, D) differ from others by the rule; leading axes broadcast."""
        with np.errstate(invalid="ignore"):
            squares = ((pose - other) ** 2).sum(-1)
            moved = ~(squares < square[..., None])
        if self._rule.ignore_missing:
            moved &= ~np.isnan(squares)
        elif self._rule.keep_newly_valid:
            # Only the joints that are there now are compared.
            moved &= present
        if self._rule.moved_joints == 1:
            return moved.any(-1)
        return moved.sum(-1) >= self._rule.moved_joints

    def _store(self, pose: np.ndarray) -> None:
        if self._stored is None:
            self._stored = np.empty((16, *pose.shape))
        if self._n_stored == len(self._stored):
            self._make_room()
        if self._rule.ignore_missing and self._rule.carry_missing and self._n_stored:
            pose = np.where(np.isnan(pose), self._last, pose)
        self._stored[self._n_stored] = pose
        self._n_stored += 1

    def _make_room(self) -> None:
        memory = self._rule.memory
        if memory is not None and self._n_stored >= 2 * memory:
            self._stored[:memory] = self._stored[self._n_stored - memory : self._n_stored].copy()
            self._n_stored = memory
        else:
            self._stored = np.concatenate([self._stored, np.empty_like(self._stored)])


class Thinner:
    """Applies a dataset's rule to the blocks of one source, in their order.

    Every (subject, sequence, camera, person) has its own sampler: where coordinates are the
    world's, all cameras of a sequence come to the same frames. One frame in n means those whose
    number is a multiple of n, for all people and cameras alike.

    Args:
      rule: what the dataset's `info` states.
      split: of the source.
      box_expansion: factor on boxes around joints, for rules that measure motion by these.
    """

    def __init__(self, rule: Thinning, split: str, *, box_expansion: float = 1.0):
        self._rule = rule
        self._by_motion = split in rule.splits and (
            rule.distance_mm is not None or rule.image_distance is not None
        )
        self._every = rule.every if split in rule.splits else rule.every_elsewhere
        self._box_expansion = box_expansion
        self._samplers: dict[tuple, MotionSampler] = {}

    def keep(self, block: ExampleBlock) -> tuple[np.ndarray, dict[str, int]]:
        """Returns which rows to keep (N,), and how many go for which reason."""
        kept = np.ones(len(block), bool)
        dropped = {}
        if self._every > 1:
            kept = block.frames % self._every == 0
            dropped[f"thinned to one frame in {self._every}"] = int((~kept).sum())
        poses = self._poses(block) if self._by_motion else None
        if poses is not None:
            limits = self._limits(block, poses)
            before = kept.sum()
            names = ("subject", "sequence", "camera_name", "person")
            for key, rows in _grouped(block, names):
                rows = rows[kept[rows]]
                sampler = self._samplers.get(key)
                if sampler is None:
                    sampler = self._samplers[key] = MotionSampler(self._rule)
                kept[rows] = sampler.keep(poses[rows], limits[rows])
            dropped[self._rule.reason] = int(before - kept.sum())
        return kept, dropped

    def _poses(self, block: ExampleBlock) -> np.ndarray | None:
        """Returns the joints (N, J, D) whose motion counts; None where there are none such."""
        if self._rule.image_distance is None:
            return block.extras[self._rule.joints] if self._rule.joints else block.joints3d
        if block.joints2d is None:
            return None
        return np.where(block.validity[..., None], block.joints2d, np.nan)

    def _limits(self, block: ExampleBlock, poses: np.ndarray) -> np.ndarray:
        """Returns how far a joint must have moved (N,): mm, or px; NaN where it is unknown."""
        if self._rule.image_distance is None:
            return np.full(len(block), self._rule.distance_mm)
        if self._rule.image_scale == "head_box":
            boxes = block.extras.get("head_box")
            boxes = np.full((len(block), 4), np.nan) if boxes is None else np.asarray(boxes, float)
            return self._rule.image_distance * np.hypot(boxes[:, 2], boxes[:, 3])
        boxes = joint_boxes(poses, self._box_expansion)
        return self._rule.image_distance * boxes[:, 2:].max(axis=1)


def _grouped(block: ExampleBlock, names: tuple[str, ...]):
    """Yields (values, rows) for each combination of these text columns, in order of appearance."""
    columns = [getattr(block, name) for name in names]
    if all(isinstance(column, str) for column in columns):
        if len(block):
            yield tuple(columns), np.arange(len(block))
        return
    n = len(block)
    columns = [[column] * n if isinstance(column, str) else column for column in columns]
    rows_of: dict[tuple, list[int]] = {}
    for row, key in enumerate(zip(*columns, strict=True)):
        rows_of.setdefault(key, []).append(row)
    for key, rows in rows_of.items():
        yield key, np.array(rows)
