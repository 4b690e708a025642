"""The folder of a run: configuration, checkpoints, log; and trained networks read from it.

RUN/config.yaml        the resolved configuration
RUN/facts.json         joints, datasets, versions, machine and thread counts
RUN/checkpoints/       step_000001000.npz, ...
RUN/log.jsonl          losses and rates, a line per `log_every` steps
RUN/tensorboard/       the same for TensorBoard
RUN/acae.npz           the autoencoder that was fitted to this run's predictions, if one was; of a
                       fine-tuned run, the one that it is trained with
RUN/acae_2d.npz        the same, fitted to the images with 2D labels only
"""

from __future__ import annotations

import functools
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dataset_adapters.containers.errors import FileError
from skeleton_defs import JointRegistry, UserError

from ..acae.matrices import Acae
from ..atomic import atomic_path
from .checkpoints import checkpoint_path, checkpoint_steps, load_checkpoint
from .config import TrainConfig
from .config_file import read_config

if TYPE_CHECKING:
    from ..nn import MetricPoseModel

CONFIG, FACTS, CHECKPOINTS, LOG = "config.yaml", "facts.json", "checkpoints", "log.jsonl"
TENSORBOARD, ACAE, ACAE_OF_2D = "tensorboard", "acae.npz", "acae_2d.npz"


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A trained network and what it was trained for.

    Attributes:
      path: the run's folder.
      config: of the run.
      registry: the joint vector that it predicts.
      model: the network.
      acae: that turns its points into joints, or None.
      step: training steps that led to the weights.
      trained_on: names of the datasets.
      is_synthetic_only: whether all of them are rendered.
    """

    path: Path
    config: TrainConfig
    registry: JointRegistry
    model: MetricPoseModel
    acae: Acae | None
    step: int
    trained_on: tuple[str, ...]
    is_synthetic_only: bool

    def poses(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns the joints (B, J, 3) mm, camera frame of the crops, of all formats.

        Args:
          batch: with `image` (B, S, S, 3), float32 in [0, 1] or uint8, and `K` (B, 3, 3).
        """
        return self._predict(batch["image"], np.float32(batch["K"])).numpy()

    @functools.cached_property
    def _predict(self):
        import tensorflow as tf

        from ..acae.nn import FixedAcae

        fixed = None if self.acae is None else FixedAcae(self.acae)
        size = self.config.data.crop

        def predict(image, K):
            scale = 1 / 255 if image.dtype == tf.uint8 else 1.0
            inputs = {"image": tf.cast(image, tf.float32) * scale, "K": K}
            points = self.model(inputs, training=False)["joints3d"]
            return points if fixed is None else fixed.decode(points[:, : fixed.latents])

        compiled = tf.function(predict, reduce_retracing=True)

        def checked(image, K):
            if image.ndim != 4 or image.shape[1:] != (size, size, 3):
                raise UserError(
                    f"images must have shape (B, {size}, {size}, 3). Received {image.shape}"
                )
            return compiled(tf.convert_to_tensor(image), tf.convert_to_tensor(K))

        return checked


def load_run(path: str | os.PathLike, *, checkpoint: int | None = None) -> TrainedRun:
    """Reads a trained network.

    Args:
      path: folder of the run.
      checkpoint: step of the checkpoint; None: the last one.

    Raises:
      UserError: no run, no such checkpoint, or a damaged file.
    """
    from .network import build_model

    path = Path(path)
    config, facts = read_run(path)
    step = find_checkpoint(path, checkpoint)
    registry = config.data.registry()
    acae = acae_of(config, path)
    model = build_model(config, registry, acae)
    _load_weights(checkpoint_path(path / CHECKPOINTS, step), model, config)
    decodes = config.fine_tuning is not None and config.fine_tuning.variant in ("latent", "hybrid")
    return TrainedRun(
        path, config, registry, model, acae if decodes else None, step,
        tuple(facts.get("datasets", ())), bool(facts.get("is_synthetic_only")),
    )  # fmt: skip


def _load_weights(path: Path, model: MetricPoseModel, config: TrainConfig) -> None:
    """Sets a network to a checkpoint: to the averaged weights, if there are such."""
    from .optimizing import averages_of, trained_variables

    trained = trained_variables(model) if config.optimizer.average is not None else []
    averages = averages_of(trained)
    load_checkpoint(path, [*model.variables, *averages])
    for variable, average in zip(trained, averages, strict=True):
        variable.assign(average)


def read_run(path: str | os.PathLike) -> tuple[TrainConfig, dict[str, Any]]:
    """Returns the configuration and facts of a run.

    Raises:
      UserError: the folder is not one of a run.
    """
    path = Path(path)
    if not (path / CONFIG).is_file():
        raise UserError(
            f"{path}: expected the folder of a training run, found no {CONFIG} in it; "
            "`skelbridge train` and `skelbridge finetune` make one"
        )
    config = read_config(path / CONFIG)
    try:
        facts = json.loads((path / FACTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        facts = {}
    except (OSError, ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise FileError(path / FACTS, "expected JSON that this program wrote, found a damaged file")
    return config, facts


def find_checkpoint(path: Path, checkpoint: int | None = None) -> int:
    """Returns the step of a run's checkpoint: the given one if it is there, or the last.

    Raises:
      UserError: there is none, or not this one.
    """
    steps = checkpoint_steps(path / CHECKPOINTS)
    if not steps:
        raise UserError(f"{path}: the run has no checkpoint yet; train on with --resume")
    if checkpoint is None:
        return steps[-1]
    if checkpoint not in steps:
        raise UserError(
            f"{path}: no checkpoint of step {checkpoint}; there are: "
            f"{', '.join(str(step) for step in steps)}"
        )
    return checkpoint


def acae_of(config: TrainConfig, run: Path | None) -> Acae | None:
    """Reads the autoencoder of a fine-tuned run, and checks its joints.

    Args:
      config: of the run.
      run: its folder, whose own copy counts: the named file may have changed since; None for a
        run that begins.

    Raises:
      UserError: it is missing or damaged, or is for other joints.
    """
    if config.fine_tuning is None or config.fine_tuning.acae is None:
        return None
    path, registry = config.fine_tuning.acae, config.data.registry()
    if run is not None and (run / ACAE).exists():
        path = run / ACAE
    acae = Acae.load(path)
    names = acae.joint_names
    if acae.joints != len(registry) or (names is not None and tuple(names) != registry.names):
        raise UserError(
            f"{path}: the autoencoder must be for the {len(registry)} joints of this run "
            f"({', '.join(s.name for s in registry.skeletons)}), found {acae.joints} joints"
            f"{'' if acae.joints != len(registry) else ' in another order'}; fit one with "
            "--acae auto"
        )
    return acae


def write_facts(path: str | os.PathLike, facts: Mapping[str, Any]) -> None:
    """Writes a run's facts."""
    with atomic_path(Path(path) / FACTS) as temporary:
        temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def versions_and_machine(config: TrainConfig) -> dict[str, Any]:
    """Returns what the last bit of the weights depends on beside configuration and data."""
    import keras
    import tensorflow as tf

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": processor_name(),
        "threads": config.threads,
    }


def processor_name() -> str:
    """Returns the name of the processor, or an empty text."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = (line.partition(":")[2].strip() for line in file if line[:10] == "model name")
            return next(names, "")
    except OSError:
        return platform.processor()
