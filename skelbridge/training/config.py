"""What decides a training run, as frozen dataclasses; `config_file` reads and writes them as YAML.

Light: neither Keras nor TensorFlow is loaded. Defaults are those of the published training where
it states them (arXiv 2212.14474 and its code); `presets` holds complete configurations.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from skeleton_defs import JointRegistry, UserError

from ..data.colour_corrections import PUBLISHED_CORRECTIONS
from ..data.compositions import Composition, composition
from ..data.options import Augmentation, CropOptions
from .schedules import (
    BASE_RATE,
    DECAY,
    DROP,
    FINE_TUNING_DROP_AT,
    INITIAL_DROP_AT,
    Phases,
    backbone_rate,
    head_rate,
    rate_with_drop,
)

BATCH_NORMS = ("normal", "ghost", "3d2d")
VARIANTS = ("control", "output", "latent", "hybrid")
LABELS = ("own", "all")
BODY_PARTS = ("group", "prefix")
CORRECTIONS = ("none", "published")
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms (section 4 of the WACV 2023 supplement).

    Attributes:
      projection, absolute: beside the mean-relative loss.
      labelled_2d: of everything on examples with 2D labels.
      consistency: of the autoencoder's penalty in fine-tuning.
    """

    projection: float = 1.0
    absolute: float = 0.1
    labelled_2d: float = 0.2
    consistency: float = 1.0

    def __post_init__(self):
        for name, value in vars(self).items():
            _number(f"losses.{name}", value, may_be_zero=True)


@dataclass(frozen=True)
class ModelConfig:
    """The network; see `skelbridge.nn.MetricPoseModel`.

    Attributes:
      backbone: name of the backbone.
      weights: path of weights for a published backbone.
      output_stride: of the backbone; None for its usual one.
      depth: cells of the 3D heatmaps along z.
      side_mm: of the metric cube.
      precision: dtype policy of the backbone.
      batch_norm: `normal`; `ghost`: statistics per `ghost_part` examples, in the batch's order;
        `3d2d`: of the examples with 3D labels and of those with 2D labels (Table S4).
      ghost_part: examples of a part.
      max_norm: largest norm of an output filter of the backbone's convolutions, where the
        published training has one (EfficientNetV2); None for no limit.
      recompute: compute the backbone's activations again in the backward pass, to save memory.
    """

    backbone: str = "small"
    weights: str | None = None
    output_stride: int | None = None
    depth: int = 8
    side_mm: float = 2200.0
    precision: str = "float32"
    batch_norm: str = "ghost"
    ghost_part: int = 16
    max_norm: float | None = 20.0
    recompute: bool = False

    def __post_init__(self):
        _one_of("model.batch_norm", self.batch_norm, BATCH_NORMS)
        _one_of("model.precision", self.precision, PRECISIONS)
        _positive("model.ghost_part", self.ghost_part)
        _positive("model.depth", self.depth)
        _number("model.side_mm", self.side_mm)
        if self.max_norm is not None:
            _number("model.max_norm", self.max_norm)

    def part_sizes(self, n_3d: int, n_2d: int) -> list[int] | None:
        """Returns the sizes of the parts of ghost batch normalisation; None for the normal one.

        Args:
          n_3d, n_2d: examples with 3D and with 2D labels that go through the network at once.
        """
        if self.batch_norm == "normal":
            return None
        parts = [n_3d, n_2d]
        if self.batch_norm == "ghost":
            parts = [
                min(self.ghost_part, count - first)
                for count in parts
                for first in range(0, count, self.ghost_part)
            ]
        return [size for size in parts if size]


@dataclass(frozen=True)
class DataConfig:
    """What is trained on.

    Attributes:
      formats: skeleton formats that the network predicts.
      batch: name of a preset composition (`small`, `medium`, `full`), in place of the next two.
      three_d, two_d: dataset -> its examples in every batch, drawn for 3D or for 2D labels.
      split: of the datasets.
      allow_missing: share the places of datasets that are not in the store among the others.
      labels: `own`: what each dataset annotates; `all`: true joints in all formats, which only
        rendered people have (an upper bound for comparison).
      crop: side of the crops, px.
      fov_2d_degrees, border_2d, shrinks_first: see `skelbridge.data.CropOptions`.
      body_parts: `group` or `prefix`, see `body_part_averages`.
      corrections: `published`: fixed changes of colours of the datasets that the published code has
        them for; `none`.
      backgrounds: folder of pictures without people; None: drawn ones.
      occluders: folder of cut-out objects (RGBA); None: drawn ones.
      augmentation: random changes of the crops.
    """

    formats: tuple[str, ...] = ()
    batch: str | None = None
    three_d: Mapping[str, int] = field(default_factory=dict)
    two_d: Mapping[str, int] = field(default_factory=dict)
    split: str = "train"
    allow_missing: bool = False
    labels: str = "own"
    crop: int = 256
    fov_2d_degrees: float = 8.0
    border_2d: float = 0.95
    shrinks_first: bool = True
    body_parts: str = "group"
    corrections: str = "none"
    backgrounds: str | None = None
    occluders: str | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self):
        _one_of("data.labels", self.labels, LABELS)
        _one_of("data.body_parts", self.body_parts, BODY_PARTS)
        _one_of("data.corrections", self.corrections, CORRECTIONS)
        if not self.formats:
            raise UserError("data.formats must name at least one skeleton format")
        if (self.batch is None) == (not self.three_d and not self.two_d):
            raise UserError(
                "data must have either batch (small, medium, full) or three_d and two_d, "
                "each {dataset: number of examples in a batch}"
            )
        self.composition()
        if not 8 <= self.crop <= 4096:
            raise UserError(f"data.crop must be from 8 to 4096. Received {self.crop}")
        self.crop_options()
        object.__setattr__(self, "formats", tuple(s.name for s in self.registry().skeletons))

    def composition(self) -> Composition:
        """Returns the composition of batches."""
        if self.batch is not None:
            return composition(self.batch)
        return Composition(self.three_d, self.two_d)

    def registry(self) -> JointRegistry:
        """Returns the joint vector of all formats."""
        return JointRegistry(self.formats)

    def crop_options(self, **changes) -> CropOptions:
        """Returns what crops are like."""
        options = {
            "side": self.crop,
            "fov_2d_degrees": self.fov_2d_degrees,
            "border_2d": self.border_2d,
            "shrinks_first": self.shrinks_first,
            "corrections": PUBLISHED_CORRECTIONS if self.corrections == "published" else {},
        }
        return CropOptions(**options | changes)


@dataclass(frozen=True)
class RateConfig:
    """Learning rates and weight decay of Adam; see `schedules`.

    Attributes:
      base: rate of the first step.
      decay: factor by which the rate decays before the drop, and again after it.
      drop: the rate after the drop is base / drop.
      drop_at: share of the steps before the drop, separate heads.
      fine_tuning_drop_at: the same of the head in fine-tuning.
      backbone_drop: the backbone's rate in fine-tuning begins at base / backbone_drop.
      weight_decay: decoupled, multiplied by the rate; None: as published for this many steps.
    """

    base: float = BASE_RATE
    decay: float = DECAY
    drop: float = DROP
    drop_at: float = INITIAL_DROP_AT
    fine_tuning_drop_at: float = FINE_TUNING_DROP_AT
    backbone_drop: float = DROP
    weight_decay: float | None = None

    def __post_init__(self):
        for name in ("base", "decay", "drop", "backbone_drop"):
            _number(f"rates.{name}", getattr(self, name))
        for name in ("drop_at", "fine_tuning_drop_at"):
            if not 0 < getattr(self, name) < 1:
                raise UserError(
                    f"rates.{name} must lie between 0 and 1. Received {getattr(self, name)}"
                )
        if self.weight_decay is not None:
            _number("rates.weight_decay", self.weight_decay, may_be_zero=True)


@dataclass(frozen=True)
class OptimizerConfig:
    """How gradients become updates; Adam throughout.

    Attributes:
      epsilon: of Adam.
      loss_scale: factor of the loss before gradients are taken, and by which they are divided; only
        with `mixed_float16`, whose small gradients would be lost. `dynamic`: begins at 32768, is
        halved, and the update left out, where a gradient overflows, and doubled after 2000 updates
        without.
      accumulate: a batch goes through the network in so many pieces, each with its share of the 3D
        and of the 2D examples, before the update by the mean of their gradients. Memory falls;
        losses are means of the pieces' means then.
      average: decay of the running averages of the weights, which predict then in place of the last
        ones; None for none.
    """

    epsilon: float = 1e-8
    loss_scale: float | str = 128.0
    accumulate: int = 1
    average: float | None = None

    def __post_init__(self):
        _number("optimizer.epsilon", self.epsilon)
        _positive("optimizer.accumulate", self.accumulate)
        if isinstance(self.loss_scale, str):
            _one_of("optimizer.loss_scale", self.loss_scale, ("dynamic",), "a number or ")
        else:
            _number("optimizer.loss_scale", self.loss_scale)
        if self.average is not None and not 0 < self.average < 1:
            raise UserError(f"optimizer.average must lie between 0 and 1. Received {self.average}")


@dataclass(frozen=True)
class FineTuningConfig:
    """How a trained run is fine-tuned.

    Attributes:
      variant: `control` (labels only), `output`, `latent` or `hybrid`.
      run: folder of the run to begin with.
      checkpoint: step of the checkpoint to begin with; None: the last one.
      acae: path of the fitted autoencoder; the control needs none.
    """

    variant: str
    run: str
    checkpoint: int | None = None
    acae: str | None = None

    def __post_init__(self):
        _one_of("fine_tuning.variant", self.variant, VARIANTS)
        if self.acae is None and self.variant != "control":
            raise UserError(f"fine_tuning.acae must be a file for the variant '{self.variant}'")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the weights that come out, and how the run is kept.

    Attributes:
      data, model, rates, optimizer, losses, phases, fine_tuning: see there.
      steps: of the run.
      seed: of start weights, batches and augmentation.
      store: folder of the example store.
      threads: that TensorFlow uses for one operation; the weights depend on it in the last bit.
      workers: threads that make batches; nothing depends on them.
      checkpoint_every, log_every: steps.
      keep: so many of the last checkpoints stay.
    """

    data: DataConfig
    store: str = ""
    steps: int = 400_000
    seed: int = 0
    model: ModelConfig = field(default_factory=ModelConfig)
    rates: RateConfig = field(default_factory=RateConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    losses: LossWeights = field(default_factory=LossWeights)
    phases: Phases = field(default_factory=Phases)
    fine_tuning: FineTuningConfig | None = None
    threads: int = 1
    workers: int = 1
    checkpoint_every: int = 2000
    keep: int = 3
    log_every: int = 100

    def __post_init__(self):
        for name in ("steps", "threads", "workers", "checkpoint_every", "keep", "log_every"):
            _positive(name, getattr(self, name))
        if not 0 <= self.seed < 2**63:
            raise UserError(f"seed must be from 0 to 2^63 - 1. Received {self.seed}")
        for name, value in vars(self.phases).items():
            if value < 0:
                raise UserError(f"phases.{name} must be 0 or more. Received {value}")
        if self.phases.stored_statistics_last > self.steps:
            raise UserError(
                f"phases.stored_statistics_last must be at most steps ({self.steps}). "
                f"Received {self.phases.stored_statistics_last}"
            )
        self.data.composition().share(0, self.optimizer.accumulate)

    def rates_at(self, step: int) -> dict[str, float]:
        """Returns the learning rates of a step, of head and backbone."""
        rates, total = self.rates, self.steps
        shape = {"base": rates.base, "decay": rates.decay}
        if self.fine_tuning is None:
            rate = rate_with_drop(step, total, drop=rates.drop, drop_at=rates.drop_at, **shape)
            return {"head": rate, "backbone": rate}
        at = rates.fine_tuning_drop_at
        return {
            "head": head_rate(step, total, drop=rates.drop, drop_at=at, **shape),
            "backbone": backbone_rate(step, total, drop=rates.backbone_drop, **shape),
        }

    def replaced(self, **changes) -> TrainConfig:
        """Returns the configuration with other values of some fields."""
        return dataclasses.replace(self, **changes)

    def of_length(self, steps: int) -> TrainConfig:
        """Returns the configuration of another number of steps, with phases in proportion."""
        return self.replaced(steps=steps, phases=self.phases.scaled(steps, of=self.steps))


def _one_of(name: str, value: str, allowed: tuple[str, ...], besides: str = "one of ") -> None:
    if value not in allowed:
        raise UserError(f"{name} must be {besides}{', '.join(allowed)}. Received {value!r}")


def _positive(name: str, value: int) -> None:
    if value < 1:
        raise UserError(f"{name} must be 1 or more. Received {value}")


def _number(name: str, value: float, *, may_be_zero: bool = False) -> None:
    if not math.isfinite(value) or value < 0 or (value == 0 and not may_be_zero):
        least = "0 or more" if may_be_zero else "more than 0"
        raise UserError(f"{name} must be a number, {least}. Received {value}")
