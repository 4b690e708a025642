"""Complete configurations by name: the miniature, and the published training in three sizes.

Sources of the published one: Sarandi, Hermans, Leibe: Learning 3D Human Pose Estimation from
Dozens of Datasets using a Geometry-Aware Autoencoder to Bridge Between Skeleton Formats (WACV 2023,
arXiv 2212.14474), its supplement and its code (github.com/isarandi/metrabs, last commit, MIT). What
is not stated is as in `TrainConfig`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dataset_adapters import adapter_class
from skeleton_defs import UserError, suggestions

from ..data.compositions import PRESETS as COMPOSITIONS
from ..data.compositions import Composition
from ..data.options import Augmentation
from .config import DataConfig, LossWeights, ModelConfig, OptimizerConfig, RateConfig, TrainConfig
from .schedules import Phases

#: One per look of `skelbridge synth`, in its order.
MINI_FORMATS = ("smpl_24", "h36m_17", "coco_17", "mpi_inf_3dhp_17")
_MINI_STEPS = 9_800


def mini(steps: int = _MINI_STEPS) -> TrainConfig:
    """Returns the miniature: synthetic people, a small network, minutes on two cores.

    Rates, sizes and phases were chosen by trials on such pictures; the published ones are for
    backbones that begin with ImageNet weights.
    """
    return TrainConfig(
        data=DataConfig(
            formats=MINI_FORMATS,
            three_d={"synth_a": 8, "synth_b": 8, "synth_c": 8, "synth_d": 8},
            two_d={"synth_2d": 4},
            crop=96,
            augmentation=Augmentation(
                shift=0.05,
                zoom=(0.9, 1.1),
                rotation_degrees=8.0,
                background=0.0,
                background_of={},
                occlusion=0.0,
                brightness=0.1,
                contrast=(0.6, 1.4),
                hue_degrees=36.0,
                saturation=(0.6, 1.4),
            ),
        ),
        # People are up to 2 m tall and raise their arms.
        model=ModelConfig(side_mm=2500.0, batch_norm="normal", ghost_part=8),
        # The backbone is not converged before fine-tuning, so its rate must not drop as far.
        rates=RateConfig(base=2e-3, backbone_drop=4.0, weight_decay=0.0),
        # So small a network pays for consistency where it is labelled; 1 is the published weight.
        losses=LossWeights(consistency=0.7),
        phases=Phases(
            full_perspective_from=steps // 50,
            absolute_after=steps // 10,
            teacher_after=steps // 8,
            stored_statistics_last=steps // 100,
        ),
        steps=steps,
        checkpoint_every=1000,
        log_every=50,
    )


def published(level: str) -> TrainConfig:
    """Returns the published training of separate heads.

    What differs: backgrounds and occluders are drawn (code: INRIA Holidays and Pascal VOC; give
    folders of such as `data.backgrounds` and `data.occluders`), and a 2D label counts for the body
    part that the skeleton files state (`data.body_parts=prefix`: by the beginning of names, as in
    the code).

    Args:
      level: `small`, `medium` or `full`, the columns of Table S1 (supplement).
    """
    return TrainConfig(
        data=DataConfig(
            formats=formats_of(COMPOSITIONS[level]),
            batch=level,  # supplement, Table S1: 96 examples with 3D and 32 with 2D labels
            crop=256,  # code
            fov_2d_degrees=8.0,  # code: of 2D images, whose camera is not known
            border_2d=0.95,  # code: lower joints are missing
            corrections="published",  # code
            augmentation=Augmentation(
                shift=0.1,  # code, as all of these where nothing else is said
                zoom=(0.75, 1.25),
                rotation_degrees=20.0,
                flip=0.5,
                partial_visibility=0.0,  # code: off for the datasets of the paper
                background=0.7,
                background_of={"sailvos": 0.2, "agora": 0.2, "spec": 0.2, "hspace": 0.2},
                occlusion=0.5,
                brightness=0.125,
                contrast=(0.5, 1.5),
                hue_degrees=72.0,
                saturation=(0.5, 1.5),
            ),
        ),
        model=ModelConfig(
            backbone="efficientnet_v2_s",  # supplement; the best model's: efficientnet_v2_l
            weights="imagenet",  # code; null begins at random
            depth=8,  # code
            side_mm=2200.0,  # code
            precision="mixed_float16",  # supplement
            batch_norm="ghost",  # supplement, Table S4
            ghost_part=16,  # supplement, Table S4
            max_norm=20.0,  # supplement: without it long runs overflow float16
        ),
        rates=RateConfig(
            base=2.121e-4,  # code; supplement: 2.12e-4
            decay=3.0,  # supplement; code: 1 / 0.3 after the drop
            drop=30.0,  # code
            drop_at=0.92,  # code
            fine_tuning_drop_at=0.5,  # code
            backbone_drop=30.0,  # code
            weight_decay=None,  # code: 3e-3 / sqrt(steps) / base, in fine-tuning as before it
        ),
        optimizer=OptimizerConfig(
            epsilon=1e-8,  # code
            loss_scale=128.0,  # code: a fixed one
            accumulate=1,  # code
            average=None,  # code
        ),
        losses=LossWeights(
            projection=1.0,  # code
            absolute=0.1,  # code
            labelled_2d=0.2,  # code
            consistency=1.0,  # code
        ),
        phases=Phases(
            full_perspective_from=500,  # code
            absolute_after=5000,  # code
            teacher_after=5000,  # code
            stored_statistics_last=1000,  # supplement, Table S4
        ),
        # Supplement; a tenth of it for fine-tuning (`fine_tuning.STEPS_SHARE`).
        steps=400_000,
    )


def formats_of(batch: Composition) -> tuple[str, ...]:
    """Returns the formats that a composition's 3D datasets are labelled in, as adapters state them.

    Not those of 2D datasets: their labels count for body parts.
    """
    formats = (adapter_class(name).info.skeletons[0] for name, _ in batch.three_d)
    return tuple(dict.fromkeys(formats))


#: Name -> what makes the configuration.
PRESETS: dict[str, Callable[[], TrainConfig]] = {
    "mini": mini,
    **{level: partial(published, level) for level in COMPOSITIONS},
}


def preset(name: str) -> TrainConfig:
    """Returns a preset.

    Raises:
      UserError: no preset has that name.
    """
    if name not in PRESETS:
        hint = suggestions(name, list(PRESETS))
        raise UserError(f"no preset is named '{name}'.{hint} There are: {', '.join(PRESETS)}")
    return PRESETS[name]()
