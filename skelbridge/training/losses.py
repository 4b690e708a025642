"""Supervised losses on absolute poses.

Poses `(B, J, 3)` mm in the frame of the crop camera, losses in metres. Every mean is one masked
mean over the whole batch (so a dataset with many joints weighs more); where nothing counts it is 0
with zero gradient. Where replicas share a batch, each one's loss is its share of that mean: their
sum, and the sum of their gradients, are those of the batch. What labels hold where their mask is
False does not matter, NaN included.

Source: Sarandi et al., WACV 2023, and its code (MIT).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from keras import ops

from ..acae.nn.precision import combine
from ..nn.camera import MIN_DEPTH_MM, is_between, project
from ..nn.grid import HeatmapGrid
from ..nn.replicas import sum_over_replicas

METRES_PER_MM = 1e-3
#: A crop's side counts as this many metres in losses on pixels.
METRES_PER_CROP = 2.2
#: Labels nearer to the camera than this do not count in the projection and absolute losses.
NEAREST_LABEL_MM = 300.0
#: Depth errors of people farther than this count as if they stood here.
MAX_DISTANCE_MM = 10_000.0
#: 2D labels count up to this many cells outside of the zone.
LABEL_MARGIN_CELLS = 20


def masked_mean(values, mask):
    """Returns the mean of `(B, J, D)` over the joints where `(B, J)` mask is True, or 0.

    On one of several replicas: its share of the mean over all their examples.
    """
    counted = ops.where(mask[..., None], values, ops.zeros_like(values))
    count = sum_over_replicas(ops.sum(ops.cast(mask, values.dtype))) * values.shape[-1]
    return ops.sum(counted) / ops.maximum(count, 1.0)


def mean_relative_errors(predicted, true, mask):
    """Returns |(true - its mean) - (predicted - its mean)| `(B, J, 3)` in metres.

    Means are over the joints of an example where mask is True.
    """
    difference = _labels(true, mask) - predicted
    weight = ops.cast(mask, difference.dtype)[..., None]
    count = ops.maximum(ops.sum(weight, axis=1, keepdims=True), 1.0)
    mean = ops.sum(difference * weight, axis=1, keepdims=True) / count
    return ops.absolute(difference - mean) * METRES_PER_MM


def mean_relative_loss(predicted, true, mask):
    """Returns the masked mean of `mean_relative_errors`."""
    return masked_mean(mean_relative_errors(predicted, true, mask), mask)


def projection_loss(predicted, true, intrinsics, mask, *, grid: HeatmapGrid):
    """Returns the mean distance of projections, in metres where the crop's side is 2.2 m.

    Counted are joints that are labelled at least 300 mm in front of the camera, predicted in front
    of it inside of the crop's zone, and truly within 20 cells of the zone.
    """
    true = _labels(true, mask, behind=NEAREST_LABEL_MM)
    mask = ops.logical_and(mask, true[..., 2] > NEAREST_LABEL_MM)
    mask = ops.logical_and(mask, predicted[..., 2] > MIN_DEPTH_MM)
    return _image_loss(project(predicted, intrinsics), project(true, intrinsics), mask, grid)


def absolute_loss(predicted, true, mask):
    """Returns the mean absolute error; depth errors beyond 10 m are scaled to 10 m.

    Joints labelled nearer than 300 mm do not count.
    """
    true = _labels(true, mask)
    mask = ops.logical_and(mask, true[..., 2] > NEAREST_LABEL_MM)
    distance = ops.maximum(ops.absolute(true[..., 2:]), NEAREST_LABEL_MM)
    scale = ops.minimum(1.0, MAX_DISTANCE_MM / distance)
    errors = ops.absolute(true - predicted)
    errors = ops.concatenate([errors[..., :2], errors[..., 2:] * scale], axis=-1)
    return masked_mean(errors, mask) * METRES_PER_MM


def weak_2d_loss(predicted, true2d, intrinsics, mask, *, averages: np.ndarray, grid: HeatmapGrid):
    """Returns the mean distance of 2D labels from the average projection of their body part.

    Args:
      predicted: `(B, J, 3)` mm.
      true2d, mask: `(B, T, 2)` px and `(B, T)`; T labels.
      intrinsics: `(B, 3, 3)`.
      averages: `(T, J)`, see `body_part_averages`; labels with a zero row do not count.
      grid: of the heatmaps.
    """
    # Labels of one body part share a row: there are few different ones.
    rows, place = np.unique(averages, axis=0, return_inverse=True)
    average = combine(project(predicted, intrinsics), rows.T)
    average = ops.take(average, place.ravel().astype(np.int32), axis=1)
    mask = ops.logical_and(mask, np.asarray(averages).any(axis=1)[None])
    return _image_loss(average, _labels(true2d, mask), mask, grid)


def _image_loss(predicted, true, mask, grid: HeatmapGrid):
    low, high = grid.zone
    margin = LABEL_MARGIN_CELLS * grid.stride
    mask = ops.logical_and(mask, is_between(predicted, (low, high)))
    mask = ops.logical_and(mask, is_between(true, (low - margin, high + margin)))
    return masked_mean(ops.absolute(true - predicted), mask) * (METRES_PER_CROP / grid.crop)


def _labels(labels, mask, *, behind: float = 0.0):
    """Labels with a harmless number where there is none."""
    labels = ops.cast(labels, "float32")
    return ops.where(mask[..., None], labels, ops.full_like(labels, behind))


def per_example_errors(poses, batch: Mapping):
    """Returns `(B,)` mean-relative losses per example, 0 without labels: progress by dataset."""
    mask = batch["mask3d"]
    errors = ops.mean(mean_relative_errors(poses, batch["joints3d"], mask), axis=-1)
    weight = ops.cast(mask, errors.dtype)
    return ops.sum(errors * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)
