"""What a run of the miniature consists of: sizes, seeds, and stages that wait for each other."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

from ..atomic import atomic_path
from ..training.config import BATCH_NORMS, TrainConfig
from ..training.presets import mini

#: Stages after the separate heads, in the order in which they are begun.
VARIANTS = ("control", "output", "upper_bound", "latent", "hybrid")
#: Begins the names of stages that train separate heads with a kind of batch norm.
BATCH_NORM = "batch_norm_"
_FILE = "plan.json"


@dataclass(frozen=True)
class MiniPlan:
    """Sizes of a reproduction.

    Attributes:
      preset: `quick` or `full`.
      examples: training pictures with 3D labels, of four looks together.
      test: test pictures of each look and of the unseen one.
      size: px of a picture's side.
      steps: of the separate heads.
      fine_tuning_steps: of every variant, the control and the bound.
      seeds: of training; the pictures are those of seed 0.
      variants: of fine-tuning, besides the control and the upper bound.
      batch_norm: of all these runs.
      batch_norm_table: train separate heads with all kinds of batch norm, too.
      threads: of the separate heads' training.
    """

    preset: str
    examples: int
    test: int
    size: int
    steps: int
    fine_tuning_steps: int
    seeds: tuple[int, ...]
    variants: tuple[str, ...]
    batch_norm: str = "normal"
    batch_norm_table: bool = False
    threads: int = 1

    def __post_init__(self):
        if self.batch_norm not in BATCH_NORMS:
            raise UserError(f"batch norm must be one of {', '.join(BATCH_NORMS)}")
        unknown = set(self.variants) - set(VARIANTS)
        if unknown or not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise UserError("variants must be known, and seeds given once each")

    def config(self, store: str, seed: int, *, batch_norm: str | None = None) -> TrainConfig:
        """Returns the configuration of the separate heads of a seed."""
        config = mini(self.steps)
        model = dataclasses.replace(config.model, batch_norm=batch_norm or self.batch_norm)
        return config.replaced(
            store=store, seed=seed, model=model, threads=self.threads, workers=1, keep=1
        )

    def stages(self) -> list[Stage]:
        """Returns all stages; each comes after those that it waits for."""
        stages = [Stage("truth", 0)]
        stages += [Stage("separate", seed) for seed in self.seeds]
        stages += [Stage(v, seed) for v in VARIANTS for seed in self.seeds if v in self.variants]
        if self.batch_norm_table:
            stages += [Stage(f"{BATCH_NORM}{kind}", self.seeds[0]) for kind in BATCH_NORMS]
        return stages

    def keep(self, folder: Path) -> None:
        """Writes the plan into a folder, or checks that the folder's is the same.

        Raises:
          UserError: the folder holds another reproduction, or something else.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / _FILE
        if path.exists():
            if read_plan(folder) != self:
                raise UserError(
                    f"{folder}: holds a reproduction with other options; give another --out, or "
                    "remove it"
                )
            return
        if any(folder.iterdir()):
            raise UserError(f"{folder}: expected an empty folder, found other files; give another")
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")


@dataclass(frozen=True)
class Stage:
    """A piece of work that runs in a process of its own.

    Attributes:
      name: `truth`, `separate`, a variant, or `batch_norm_KIND`.
      seed: of the training.
    """

    name: str
    seed: int

    @property
    def needs(self) -> Stage | None:
        """The stage that must be finished before."""
        is_first = self.name in ("truth", "separate")
        return None if is_first else Stage("separate", self.seed)

    def folder(self, out: Path) -> Path:
        """Where its files are."""
        return out / "truth" if self.name == "truth" else out / f"seed{self.seed}" / self.name

    def result(self, out: Path) -> Path:
        """The file that is there when it is finished."""
        name = "test_set.npz" if self.name == "truth" else "predictions.npz"
        return self.folder(out) / name

    def __str__(self) -> str:
        return self.name if self.name == "truth" else f"seed {self.seed}, {self.name}"


PRESETS = {
    "quick": MiniPlan(
        "quick", examples=8_000, test=200, size=128, steps=4_800, fine_tuning_steps=700,
        seeds=(1,), variants=VARIANTS, threads=2,
    ),
    "full": MiniPlan(
        "full", examples=20_000, test=200, size=128, steps=10_600, fine_tuning_steps=1_500,
        seeds=(1, 2), variants=("control", "output", "upper_bound"),
    ),
}  # fmt: skip


def read_plan(folder: str | os.PathLike) -> MiniPlan:
    """Reads the plan that a folder was begun with."""
    path = Path(folder) / _FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        lists = {name: tuple(found[name]) for name in ("seeds", "variants")}
        return MiniPlan(**found | lists)
    except (OSError, ValueError, TypeError, KeyError, UserError):
        raise FileError(path, "expected the plan of a reproduction, found a damaged file") from None
