"""From 2D joints and a pose known up to translation to absolute positions in camera space.

r_i: relative pose in mm; n_i: rays (x/z, y/z) of the 2D joints. The translation t = (X, Y, Z) is
sought for which r_i + t lies on ray i. Everything is float32; leading axis: examples, each solved
on its own (the published code shares two scale factors over the batch).

Source: Sarandi et al., "MeTRAbs", T-BIOM 2021, with the row weights of the 2023 code (MIT).
"""

from __future__ import annotations

from keras import ops

from . import camera

#: Joints outside of the crop keep this share of the influence on t (squared: rows of a least
#: squares problem), so that a pose without a joint inside has a solution too.
OUTSIDE_WEIGHT = 1e-4
#: With fewer joints inside of the crop, all joints determine t.
MIN_INSIDE = 3
#: Depth is damped as if rays spread this much (in crops' sides) less surely; keeps Z finite where
#: all 2D joints coincide. Costs (this / spread)^2 of the depth: 0.02 mm at 4 m, spread a quarter.
DAMPING = 5e-4
#: Floor of the spreads in weak perspective.
MIN_SPREAD_MM, MIN_SPREAD_PX = 1.0, 0.05


def full_perspective(relative, ray, weights, *, damping):
    """Returns t `(B, 1, 3)`: weighted least squares of X - n_x Z = n_x r_z - r_x, and y alike.

    X and Y are eliminated exactly (they are weighted means), which leaves one equation for Z about
    centred rays: well conditioned in float32 without a factorisation.

    Args:
      relative: `(B, J, 3)` mm.
      ray: `(B, J, 2)`.
      weights: `(B, J)`, of the squared residuals; their sum is positive.
      damping: `(B,)` added to the mean square of the centred rays.
    """
    weights = ops.expand_dims(weights / ops.sum(weights, axis=-1, keepdims=True), -1)
    relative, origin = _centred(relative, weights)
    right = ray * relative[..., 2:] - relative[..., :2]
    ray, mean_ray = _centred(ray, weights)
    right, mean_right = _centred(right, weights)
    spread = ops.sum(weights * ray * ray, axis=(1, 2))
    depth = -ops.sum(weights * ray * right, axis=(1, 2)) / (spread + damping)
    depth = depth[:, None, None]
    return ops.concatenate([mean_ray * depth + mean_right, depth], axis=-1) - origin


def weak_perspective(relative, ray, weights, *, min_spread_ray):
    """Returns t `(B, 1, 3)`: depth by the ratio of spreads, x and y by means.

    Always in front of the camera, also for the random predictions of the first steps.

    Args:
      relative, ray, weights: as for `full_perspective`.
      min_spread_ray: `(B,)` floor of the rays' spread.
    """
    weights = ops.expand_dims(weights / ops.sum(weights, axis=-1, keepdims=True), -1)
    relative, origin = _centred(relative, weights)
    ray, mean_ray = _centred(ray, weights)
    extent = _spread(relative[..., :2], weights, MIN_SPREAD_MM)
    depth = extent / _spread(ray, weights, min_spread_ray)
    depth = depth[:, None, None]
    return ops.concatenate([mean_ray * depth, depth], axis=-1) - origin


def reconstruct_absolute(
    joints2d, relative, intrinsics, *, crop, zone, mix=0.5, is_full_perspective=True
):
    """Returns absolute poses `(B, J, 3)` mm in the frame of the crop camera.

    A joint inside of the crop is m * (relative pose moved by t) + (1 - m) * (its ray, at the depth
    of the former); a joint outside is the former only, and its 2D position is not used.

    Args:
      joints2d: `(B, J, 2)` px.
      relative: `(B, J, 3)` mm, up to translation.
      intrinsics: `(B, 3, 3)`.
      crop: side of the crop in px.
      zone: (low, high) px between which a 2D joint counts as inside, see `HeatmapGrid.zone`.
      mix: m: a number or `(B,)`. Training: uniform in [0, 1] per example; 0.5 otherwise.
      is_full_perspective: False: weak perspective (the first steps of training). A Python
        boolean, or a scalar tensor so that one compiled step serves both.
    """
    joints2d, relative = (ops.cast(x, "float32") for x in (joints2d, relative))
    ray = camera.rays(joints2d, intrinsics)
    inside = camera.is_between(joints2d, zone)
    trusted = ops.cast(inside, "float32")
    enough = ops.sum(trusted, axis=-1, keepdims=True) >= MIN_INSIDE
    weights = ops.where(enough, ops.square(trusted + OUTSIDE_WEIGHT), ops.ones_like(trusted))
    focal_squared = camera.squared_focal_length(intrinsics)

    damping = (DAMPING * crop) ** 2 / focal_squared
    floor = MIN_SPREAD_PX / ops.sqrt(focal_squared)
    if is_full_perspective is not False:
        translation = full_perspective(relative, ray, weights, damping=damping)
    if is_full_perspective is not True:
        weak = weak_perspective(relative, ray, weights, min_spread_ray=floor)
        if is_full_perspective is False:
            translation = weak
        else:
            translation = ops.where(is_full_perspective, translation, weak)
    by_3d = relative + translation
    by_2d = ops.concatenate([ray * by_3d[..., 2:], by_3d[..., 2:]], axis=-1)
    mix = ops.reshape(ops.cast(mix, "float32"), (-1, 1, 1))
    return ops.where(inside[..., None], mix * by_3d + (1 - mix) * by_2d, by_3d)


def _centred(values, weights):
    """Values about their weighted mean, and that mean `(B, 1, D)`; weights sum to 1."""
    mean = ops.sum(values * weights, axis=1, keepdims=True)
    return values - mean, mean


def _spread(centred, weights, floor):
    """(B,) root mean square distance; no infinite slope where all points coincide."""
    square = ops.sum(weights * centred * centred, axis=(1, 2))
    floor = ops.cast(floor, square.dtype)
    return ops.sqrt(ops.maximum(square, floor * floor))
