"""Which objective a configuration trains with: separate heads, or one of the fine-tuning variants.

Runs on any backend of Keras.
"""

from __future__ import annotations

from collections.abc import Callable

from skeleton_defs import JointRegistry

from ..acae.matrices import Acae
from ..acae.nn import ConsistencyLoss, split_latents
from ..nn.grid import HeatmapGrid
from .body_parts import body_part_averages
from .config import TrainConfig
from .objectives import (
    PoseLosses,
    hybrid,
    latents_decoded,
    output_regularized,
    separate_heads,
)


def objective_of(
    config: TrainConfig, registry: JointRegistry, grid: HeatmapGrid, acae: Acae | None
) -> Callable:
    """Returns what is minimised.

    Args:
      config: of the run.
      registry: its joint vector.
      grid: of the network's heatmaps.
      acae: the fitted autoencoder, where the variant needs one.

    Returns:
      A function of the network's points `(B, P, 3)` mm, a batch and its step that returns the
      losses by name, `total` among them, and the poses `(B, J, 3)` that labels are compared with.
    """
    averages = body_part_averages(registry, rule=config.data.body_parts)
    losses = PoseLosses(grid, averages, config.losses, absolute_after=config.phases.absolute_after)
    consistency = None if acae is None else ConsistencyLoss(acae, weight=config.losses.consistency)
    variant = config.fine_tuning.variant if config.fine_tuning else "control"

    def control(points, batch, step):
        return separate_heads(points, batch, losses, step=step), points

    def output(points, batch, step):
        return output_regularized(points, batch, losses, consistency, step=step), points

    def latent(points, batch, step):
        terms = latents_decoded(points, batch, losses, consistency.acae, step=step)
        return terms, consistency.acae.decode(points)

    def both(points, batch, step):
        latents, poses = split_latents(points, acae.latents)
        after = config.phases.teacher_after
        terms = hybrid(latents, poses, batch, losses, consistency, step=step, teacher_after=after)
        return terms, consistency.acae.decode(latents)

    return {"control": control, "output": output, "latent": latent, "hybrid": both}[variant]
