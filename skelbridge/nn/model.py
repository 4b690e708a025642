"""Image and camera in, absolute poses of all formats out."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import keras
from keras import ops

from skeleton_defs import UserError

from .backbones import MAX_NORM, build_backbone
from .grid import HeatmapGrid
from .head import MetricHeatmapHead
from .recomputation import RecomputedNetwork
from .reconstruction import reconstruct_absolute


@keras.saving.register_keras_serializable("skelbridge")
class MetricPoseModel(keras.Model):
    """Backbone, heatmap head and absolute reconstruction, as one Keras model.

    The last steps of training with stored batch norm statistics are calls with `training=False`
    inside the gradient tape: weights still learn, statistics stay, stochastic depth is off.

    >>> model = MetricPoseModel(72, crop=96)  # doctest: +SKIP
    >>> model({"image": images, "K": intrinsics})["joints3d"].shape  # doctest: +SKIP
    (32, 72, 3)

    Args:
      points: number of points J, or several numbers, e.g. latents and joints of a hybrid head:
        each group's absolute place is found on its own.
      crop: side of the crop in px.
      backbone: name, see `BACKBONES`.
      output_stride: of the backbone; None for its usual one.
      depth: number of cells of the 3D heatmaps along z.
      side_mm: of the metric cube, see `HeatmapGrid`.
      part_sizes: of ghost batch normalisation; None for the normal one.
      precision: dtype policy of backbone and convolution, e.g. `"mixed_float16"`. Everything from
        the heatmaps on is float32.
      seed: of all start weights.
      weights: of the backbone, see `build_backbone`; not part of the config.
      max_norm: of the filters of EfficientNetV2, see `build_backbone`; None for no limit.
      recompute: computes the backbone's activations again for the gradient instead of keeping them:
        the same numbers with less memory, in up to a third more time. For TensorFlow call
        `nn.recomputation.keep_recomputation` before anything is compiled; the trainer does.
      **options: of `keras.Model`.

    Attributes:
      backbone, head: the parts, for their `trainable_variables` (two learning rates).
      grid: the `HeatmapGrid`.
    """

    def __init__(
        self,
        points: int | Sequence[int],
        *,
        crop: int,
        backbone: str = "small",
        output_stride: int | None = None,
        depth: int = 8,
        side_mm: float | Sequence[float] = 2200.0,
        part_sizes: Sequence[int] | None = None,
        precision: str = "float32",
        seed: int = 0,
        weights: str | None = None,
        max_norm: float | None = MAX_NORM,
        recompute: bool = False,
        **options,
    ):
        options.pop("dtype", None)
        super().__init__(dtype="float32", **options)
        self.groups = [int(p) for p in ([points] if isinstance(points, int) else points)]
        with _policy(precision):
            built = build_backbone(
                backbone,
                crop,
                output_stride=output_stride,
                part_sizes=part_sizes,
                seed=seed,
                weights=weights,
                max_norm=max_norm,
            )
        side = side_mm if isinstance(side_mm, (int, float)) else tuple(side_mm)
        self.grid = HeatmapGrid(crop, built.stride, built.first_cell, depth, side)
        self.backbone = built.network
        self._recomputed = RecomputedNetwork(self.backbone) if recompute else None
        self.head = MetricHeatmapHead(
            sum(self.groups), self.grid, precision=precision, seed=seed, name="head"
        )
        self.head.build(self.backbone.output_shape)
        self.built = True  # all weights exist
        self._config = {
            "points": self.groups,
            "crop": crop,
            "backbone": backbone,
            "output_stride": built.stride,
            "depth": depth,
            "side_mm": list(self.grid.side_mm),
            "part_sizes": None if part_sizes is None else list(part_sizes),
            "precision": precision,
            "seed": seed,
            "max_norm": max_norm,
            "recompute": bool(recompute),
        }

    def call(self, inputs, training=False, mix=0.5, is_full_perspective=True):
        """Predicts.

        Args:
          inputs: dict with `image` (B, S, S, 3) in [0, 1] and `K` (B, 3, 3) px; other keys of a
            batch are passed over.
          training: uses batch statistics and stochastic depth.
          mix, is_full_perspective: see `reconstruct_absolute`.

        Returns:
          dict of `joints2d` (B, J, 2) px, `joints3d_rel` (B, J, 3) mm up to translation and
          `joints3d` (B, J, 3) mm in the frame of the crop camera.
        """
        backbone = self._recomputed or self.backbone
        joints2d, relative = self.head(backbone(inputs["image"], training=training))
        poses, start = [], 0
        for size in self.groups:
            group = slice(start, start + size)
            poses.append(
                reconstruct_absolute(
                    joints2d[:, group],
                    relative[:, group],
                    inputs["K"],
                    crop=self.grid.crop,
                    zone=self.grid.zone,
                    mix=mix,
                    is_full_perspective=is_full_perspective,
                )
            )
            start += size
        return {
            "joints2d": joints2d,
            "joints3d_rel": relative,
            "joints3d": poses[0] if len(poses) == 1 else ops.concatenate(poses, axis=1),
        }

    def copy_backbone(self, source: MetricPoseModel) -> None:
        """Takes over the backbone's weights and statistics.

        Raises:
          UserError: another backbone.
        """
        own, other = ([w.shape for w in m.backbone.weights] for m in (self, source))
        if own != other:
            raise UserError(
                f"backbone '{source._config['backbone']}' does not fit into "
                f"'{self._config['backbone']}'"
            )
        self.backbone.set_weights(source.backbone.get_weights())

    def get_config(self):
        """Returns the arguments."""
        return {"name": self.name} | self._config


@contextlib.contextmanager
def _policy(precision: str):
    """Makes a dtype policy the global one while layers are created: they ask for it then."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
