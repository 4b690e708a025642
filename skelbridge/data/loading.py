"""Training examples: crops, cameras and joint vectors, from a store.

A batch is a dictionary of arrays over B examples, S x S px crops and J joints of a registry:

image     float32 (B, S, S, 3) RGB in [0, 1] (or uint8)
K         float32 (B, 3, 3) px of the crop; the centre of its first pixel is (0, 0)
joints3d  float32 (B, J, 3) mm in the crop camera's frame (x right, y down, z forward); 0 if masked
mask3d    bool (B, J)
joints2d  float32 (B, J, 2) px in the crop; 0 if masked
mask2d    bool (B, J)
in_crop   bool (B, J): the joint's 2D position is within the crop
is_3d     bool (B,): drawn for its 3D labels
dataset   int32 (B,): index into the plan's datasets
R_world   float32 (B, 3, 3) rotation from the world; determinant -1 in mirrored crops
example   int64 (B,): index in the store
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skeleton_defs import JointRegistry

from ..store import Batch, Store
from . import colour, partial_boxes, views
from .backgrounds import Backgrounds
from .batch_plan import PlannedExamples
from .labels import JointVector, crop_labels
from .occluders import Occluders, erase
from .options import Augmentation, CropOptions
from .pictures import PictureSource
from .randomness import Purpose, generator, uniforms
from .resampling import resampled
from .views import CropViews, crop_views

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class _Chances:
    """The random numbers of one example that decide which parts of the work are done."""

    colour_map: np.ndarray | None
    occluder: str
    replaces_background: bool


class ExampleLoader:
    """Makes the arrays of planned examples; may be called from several threads at a time.

    Args:
      store: an open store.
      registry: the joint vector; or the formats of one.
      seed: of all augmentation.
      crop: what crops are like.
      augmentation: random changes; `Augmentation.none()` for validation.
      backgrounds, occluders: where these come from; procedural by default.
      labels: `own`: what each dataset annotates; `all`: true joints in all formats, which only
        rendered people have.
    """

    def __init__(
        self,
        store: Store,
        registry: JointRegistry,
        *,
        seed: int = 0,
        crop: CropOptions | None = None,
        augmentation: Augmentation | None = None,
        backgrounds: Backgrounds | None = None,
        occluders: Occluders | None = None,
        labels: str = "own",
    ):
        self.registry = registry
        self.seed = seed
        self.crop = crop or CropOptions()
        self.augmentation = augmentation or Augmentation()
        self._pictures = PictureSource(store)
        self._vector = JointVector(registry)
        if labels == "all":
            from .true_labels import TrueJointVector

            self._vector = TrueJointVector(registry, self._pictures)
        self._backgrounds = backgrounds or Backgrounds()
        self._occluders = occluders
        if occluders is None and self.augmentation.occlusion:
            self._occluders = Occluders()

    def empty_batch(self, n: int) -> Arrays:
        """Returns arrays for n examples, to be filled by `fill`."""
        side, n_joints = self.crop.side, len(self._vector)
        return {
            "image": np.empty((n, side, side, 3), self.crop.image_dtype),
            "K": np.empty((n, 3, 3), np.float32),
            "joints3d": np.empty((n, n_joints, 3), np.float32),
            "mask3d": np.empty((n, n_joints), bool),
            "joints2d": np.empty((n, n_joints, 2), np.float32),
            "mask2d": np.empty((n, n_joints), bool),
            "in_crop": np.empty((n, n_joints), bool),
            "is_3d": np.empty(n, bool),
            "dataset": np.empty(n, np.int32),
            "R_world": np.empty((n, 3, 3), np.float32),
            "example": np.empty(n, np.int64),
        }

    def load(self, planned: PlannedExamples) -> Arrays:
        """Returns the arrays of planned examples.

        Raises:
          FileError: a picture is damaged.
          UserError: an example cannot be trained on; it is named.
        """
        arrays = self.empty_batch(len(planned))
        self.fill(arrays, planned, slice(0, len(planned)))
        return arrays

    def fill(self, arrays: Arrays, planned: PlannedExamples, part: slice) -> None:
        """Makes some of the planned examples, at their places in the arrays."""
        slots, step = planned.slots[part], planned.step
        batch = self._pictures.store.batch(planned.example[part])
        is_3d = planned.is_3d[part]
        seen = self._views(batch, step, slots)
        labels = crop_labels(batch, seen, self._vector, is_3d=is_3d, crop=self.crop)
        facts = {
            "K": seen.K,
            "is_3d": is_3d,
            "dataset": planned.dataset[part],
            "R_world": seen.R,
            "example": batch.indices,
        }
        for name, values in (labels | facts).items():
            arrays[name][part] = values
        chances = self._chances(batch, step, slots)
        for row, slot in enumerate(slots):
            pixels = self._pixels(batch, seen, row, chances[row], (step, int(slot)))
            _store_pixels(pixels, arrays["image"][part.start + row])

    def _views(self, batch: Batch, step: int, slots: np.ndarray) -> CropViews:
        boxes = batch.box.astype(float)
        share = self.augmentation.partial_visibility
        if share:
            draws = uniforms(
                self.seed, step, slots, Purpose.PARTIAL_VISIBILITY, partial_boxes.N_DRAWS
            )
            boxes = partial_boxes.partly_visible(boxes, draws, share)
        draws = uniforms(self.seed, step, slots, Purpose.GEOMETRY, views.N_DRAWS)
        return crop_views(batch, boxes, draws, crop=self.crop, augmentation=self.augmentation)

    def _chances(self, batch: Batch, step: int, slots: np.ndarray) -> list[_Chances]:
        options = self.augmentation
        background = uniforms(self.seed, step, slots, Purpose.BACKGROUND, 1)[:, 0]
        kind, happens = uniforms(self.seed, step, slots, Purpose.OCCLUSION, 2).T
        maps = [None] * len(slots)
        if options.colour:
            draws = uniforms(self.seed, step, slots, Purpose.COLOUR, colour.N_DRAWS)
            maps = list(colour.colour_maps(draws, options))
        chances = []
        for row, number in enumerate(batch.group):
            group = batch.groups[number]
            share = options.background_of.get(group.dataset, options.background)
            is_replaced = background[row] < share and self._pictures.has_silhouettes(group)
            occluder = "object" if kind[row] < 0.5 else "erase"
            is_occluded = happens[row] < options.occlusion
            chances.append(_Chances(maps[row], occluder if is_occluded else "", is_replaced))
        return chances

    def _pixels(
        self, batch: Batch, seen: CropViews, row: int, chances: _Chances, key: tuple[int, int]
    ) -> np.ndarray:
        """Returns (S, S, 3) uint8 RGB."""
        index = int(batch.indices[row])
        rgba = self._pictures.rgba(index)
        silhouette = self._pictures.silhouette(index) if chances.replaces_background else None
        if silhouette is not None and silhouette.shape == rgba.shape[:2]:
            rgba[..., 3] = silhouette
        else:
            silhouette = None
        side, shrinks = self.crop.side, self.crop.shrinks_first
        crop = resampled(rgba, seen, row, side=side, shrinks_first=shrinks)
        correction = self.crop.corrections.get(batch.groups[batch.group[row]].dataset)
        if correction is not None and correction.applies_to(batch.sequence[row]):
            crop[..., :3] = correction.apply(np.ascontiguousarray(crop[..., :3]))
        if silhouette is not None:
            random = generator(self.seed, *key, Purpose.BACKGROUND)
            crop = self._backgrounds.behind(crop, np.ascontiguousarray(crop[..., 3]), random)
        if chances.occluder == "object":
            self._occluders.paste(crop, generator(self.seed, *key, Purpose.OCCLUSION))
        pixels = colour.recoloured(crop, chances.colour_map)
        if chances.occluder == "erase":
            erase(pixels, generator(self.seed, *key, Purpose.OCCLUSION))
        return pixels


def _store_pixels(pixels: np.ndarray, target: np.ndarray) -> None:
    if target.dtype == np.uint8:
        target[:] = pixels
    else:
        np.multiply(pixels, np.float32(1 / 255), out=target)
