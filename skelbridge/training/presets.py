"""Complete configurations by name."""

from __future__ import annotations

from skeleton_defs import UserError, suggestions

from ..data.options import Augmentation
from .config import DataConfig, LossWeights, ModelConfig, RateConfig, TrainConfig
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
        losses=LossWeights(consistency=0.8),
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


PRESETS = {"mini": mini}


def preset(name: str) -> TrainConfig:
    """Returns a preset.

    Raises:
      UserError: no preset has that name.
    """
    if name not in PRESETS:
        hint = suggestions(name, list(PRESETS))
        raise UserError(f"no preset is named '{name}'.{hint} There are: {', '.join(PRESETS)}")
    return PRESETS[name]()
