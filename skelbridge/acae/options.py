"""How an ACAE is fitted."""

from __future__ import annotations

from dataclasses import dataclass

from skeleton_defs import UserError

from .solving import MAX_ROUNDS, STARTS

SOLVERS = ("fast", "recipe")


@dataclass(frozen=True)
class FitOptions:
    """How an ACAE is fitted.

    Attributes:
      sided, centre: numbers of sided and of centre latents; by default 40 + 8 as published, fewer
        where there are few joints.
      latents: their sum, in place of the two.
      lam, loss, reg_scale: see `Objective`.
      solver: `"fast"`, or `"recipe"`, the published training.
      steps: gradient steps on the true objective; by default 500, 2000 where joints are
        missing, and 30 epochs for the recipe.
      rounds: most rounds on moments of the fast solver.
      starts: starts that the fast solver tries per seed; the best after 12 rounds goes on.
      seeds: so many fits, of which the best is kept.
      seed: the first of the seeds.
      poses: so many poses are drawn at random and fitted to (the recipe uses all); a few thousand
        varied ones are as good as a million.
      validation: share of the poses held out, in blocks of neighbours.
      trim: leave out poses with left and right exchanged in some formats (fast solver).
      patience: stop when so many of 20 checks on held-out poses in a row brought nothing; None for
        never.
    """

    sided: int | None = None
    centre: int | None = None
    latents: int | None = None
    lam: float = 0.6
    loss: str = "projected"
    reg_scale: str = "mean"
    solver: str = "fast"
    steps: int | None = None
    rounds: int = MAX_ROUNDS
    starts: int = STARTS
    seeds: int = 3
    seed: int = 0
    poses: int = 4000
    validation: float = 0.1
    trim: bool = True
    patience: int | None = 5

    def __post_init__(self):
        if self.solver not in SOLVERS:
            raise UserError(f"solver must be {' or '.join(SOLVERS)}. Received '{self.solver}'")
        for name, least in (
            ("seeds", 1),
            ("poses", 1),
            ("patience", 1),
            ("steps", 1 if self.solver == "recipe" else 0),
            ("rounds", 0),
        ):
            value = getattr(self, name)
            if value is not None and not least <= value < 1 << 31:
                raise UserError(f"{name} must be at least {least}. Received {value}")
        if not 0 <= self.seed < 1 << 31:
            raise UserError(f"seed must be from 0 to 2^31. Received {self.seed}")
        if not 0 <= self.validation < 0.9:
            raise UserError(f"validation must be a share below 0.9. Received {self.validation}")
