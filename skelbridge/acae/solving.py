"""The two solvers: the fast one, and the published recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from . import recipe
from .alternation import Alternation
from .batches import Batches, prepare
from .chirality import ChiralLayout
from .descent import cosine_rate, descend, errors_per_pose
from .missing import fill_from_latents
from .moments import PLAIN_AXES, Moments, projected_axes, rms_errors, second_moments
from .objective import Objective
from .parameters import Parameters
from .pivot import nearest_decoder, pivot_start
from .sampling import PoseSample

#: Steps of the fast solver on the true objective after the rounds on moments; more where joints are
#: missing, which moments count as if they were there.
FAST_STEPS, MASKED_STEPS = 500, 2000
_CHECKS = 20
#: How often long fits give a sign of life, and can be stopped.
_STEPS_PER_SIGN = 200
_CHECK_POSES = 512
#: So many starts are tried for a few rounds; the best goes on.
STARTS, _TRIAL_ROUNDS, MAX_ROUNDS = 4, 12, 100
_ROUNDS_PER_CHECK = 6
#: Rounds end where a check's rounds together lower the objective by less than this share.
_STALLED = 1e-4
#: Rate of the steps after them, in units of normalised weights.
_PEAK_RATE, _MASKED_PEAK_RATE = 3e-4, 3e-3
#: Spread of starts: so that seeds differ, and no worse on average than none.
_JITTER = 0.15
#: m^2 on the diagonal of moments: fewer poses than joints must not make them singular.
_RIDGE = 1e-7
_PILOT_ROUNDS = 10
_REFILLS = 2


@dataclass(frozen=True, eq=False)
class Candidate:
    """Matrices on the way, normalised, in the layout's order of joints.

    Attributes:
      score: objective on held-out poses.
      steps: gradient steps made.
      seed: what it was started from.
    """

    w1: np.ndarray
    w2: np.ndarray
    score: float
    steps: int
    seed: int


class Solver:
    """What both solvers share: the poses, and judging candidates.

    Attributes:
      train, validation: the poses in use, in the given order of joints.
      validation_mask: what of them was observed, or None.
    """

    #: Second moments are had from so many poses, or from all where joints are missing.
    MOMENT_POSES = 1500

    def __init__(
        self,
        sample: PoseSample,
        layout: ChiralLayout,
        objective: Objective,
        *,
        steps: int,
        patience: int | None = None,
        seed: int = 0,
        rounds: int = MAX_ROUNDS,
        starts: int = STARTS,
    ):
        self.train, self.validation = sample.train, sample.validation
        self._train_mask, self.validation_mask = sample.train_mask, sample.validation_mask
        self._layout, self._objective = layout, objective
        self._steps, self._patience, self._seed = steps, patience, seed
        self._rounds, self._starts, self._ready = rounds, starts, False

    def get_ready(self) -> None:
        """Does what all seeds share, once."""
        if not self._ready:
            self._get_ready()
            self._ready = True

    def run(
        self, seed: int, *, stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[float, Candidate | None]]:
        """Fits with one seed; yields (share of the work done, candidate) on the way.

        Candidates are judged now and then. Where `stopped` tells that no more will be asked for,
        what there is by then is judged at once.
        """
        self.get_ready()
        yield from self._run(seed, stopped)
        yield 1.0, None

    def _run(
        self, seed: int, stopped: Callable[[], bool]
    ) -> Iterator[tuple[float, Candidate | None]]:
        raise NotImplementedError

    def _judged_steps(
        self, parameters: Parameters, steps: Iterable[int], seed: int, stopped: Callable[[], bool]
    ) -> Iterator[tuple[float, Candidate | None]]:
        """Judges some of the steps; ends where patience does."""
        best, since = np.inf, 0
        marks = {round(self._steps * i / _CHECKS) for i in range(1, _CHECKS + 1)}
        for step in steps:
            if step not in marks:
                if step % _STEPS_PER_SIGN == 0:
                    now = self._judged(parameters, step, seed) if stopped() else None
                    yield step / self._steps, now
                continue
            candidate = self._judged(parameters, step, seed)
            yield step / self._steps, candidate
            if candidate is None:
                continue
            since = 0 if candidate.score < best else since + 1
            best = min(best, candidate.score)
            if self._patience is not None and since >= self._patience:
                return

    def _get_ready(self) -> None:
        self._check_batches = prepare(
            self.validation[:_CHECK_POSES],
            self._layout,
            self._objective,
            mask=None if self.validation_mask is None else self.validation_mask[:_CHECK_POSES],
        )

    def _prepared(self) -> Batches:
        return prepare(self.train, self._layout, self._objective, mask=self._train_mask)

    def _judged(self, parameters: Parameters, steps: int, seed: int) -> Candidate | None:
        """None where a column sum came so near to zero that numbers are lost."""
        if not np.isfinite(parameters.vector).all():
            return None
        w1, w2 = parameters.matrices()
        if not (np.isfinite(w1).all() and np.isfinite(w2).all()):
            return None
        errors = errors_per_pose(parameters, self._objective, self._check_batches)
        score = float(errors.mean()) + self._objective.regularization(w1, w2)
        return Candidate(w1, w2, score, steps, seed) if np.isfinite(score) else None


class RecipeSolver(Solver):
    """The published recipe on all poses. It does not stop early."""

    def _get_ready(self) -> None:
        self._patience = None
        super()._get_ready()
        self._batches = self._prepared()

    def _run(self, seed, stopped):
        parameters = Parameters(self._layout)
        steps = recipe.run_recipe(
            parameters,
            self._objective,
            self._batches,
            steps=self._steps,
            rng=np.random.default_rng(seed),
        )
        yield from self._judged_steps(parameters, steps, seed, stopped)


class FastSolver(Solver):
    """Extreme joints, rounds on moments, then a short run on the true objective."""

    def _get_ready(self) -> None:
        if self._train_mask is not None:
            self._refill()
        super()._get_ready()
        self._moments = self._moments_of(self.train)
        self._batches = self._prepared()

    def _run(self, seed, stopped):
        rng = np.random.default_rng([seed, 1])
        parameters = Parameters(self._layout)
        alternation = Alternation(self._moments, self._layout, self._objective)
        first = min(_TRIAL_ROUNDS, self._rounds)
        more = self._rounds - first
        total = max(self._starts * first + more, 1)
        trials = []
        for trial in range(1, self._starts + 1):
            trials.append(self._started(self._moments, alternation, rng, rounds=first))
            value, w1, w2 = min(trials, key=lambda trial: trial[0])
            parameters.set(w1, w2)
            now = stopped() or trial == self._starts
            yield 0.8 * trial * first / total, self._judged(parameters, 0, seed) if now else None
        rounds = alternation.rounds(w1, w2, count=more)
        for number, (now, w1, w2) in enumerate(rounds, 1):
            if number % _ROUNDS_PER_CHECK:
                continue
            parameters.set(w1, w2)
            yield (
                0.8 * (self._starts * first + number) / total,
                self._judged(parameters, 0, seed),
            )
            if now > (1 - _STALLED) * value:
                break
            value = now
        parameters.set(w1, w2)
        peak = _PEAK_RATE if self._train_mask is None else _MASKED_PEAK_RATE
        rates = (cosine_rate(step, self._steps, peak) for step in range(self._steps))
        # A long memory of squares pays only where there is time to fill it.
        beta2 = 0.99 if self._steps <= 2000 else 0.999
        batches = self._batches.stored(rng)
        steps = descend(parameters, self._objective, batches, rates, beta2=beta2)
        for done, candidate in self._judged_steps(parameters, steps, seed, stopped):
            yield 0.8 + 0.2 * done, candidate

    def _started(
        self,
        moments: Moments,
        alternation: Alternation,
        rng: np.random.Generator,
        *,
        rounds: int,
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """The best of some rounds from a new start."""
        full = moments.full()
        w1 = pivot_start(full, self._layout, rng, jitter=_JITTER)
        w2 = nearest_decoder(full, w1, self._layout)
        tried = list(alternation.rounds(w1, w2, count=rounds))
        return min(tried, key=lambda trial: trial[0]) if tried else (np.inf, w1, w2)

    def _moments_of(self, poses: np.ndarray) -> Moments:
        if self._train_mask is None:
            poses = poses[: self.MOMENT_POSES]
        axes = projected_axes(poses) if self._objective.loss == "projected" else PLAIN_AXES
        return second_moments(poses, self._layout, axes=axes, ridge=_RIDGE)

    def _pilot(self, poses: np.ndarray) -> Parameters:
        """A short fit to some poses."""
        moments = self._moments_of(poses)
        alternation = Alternation(moments, self._layout, self._objective)
        rng = np.random.default_rng([self._seed, 2])
        _, w1, w2 = self._started(moments, alternation, rng, rounds=_PILOT_ROUNDS)
        parameters = Parameters(self._layout)
        parameters.set(w1, w2)
        return parameters

    def _refill(self) -> None:
        """Takes missing joints from the latents of a short fit, a few times."""
        layout = self._layout
        for _ in range(_REFILLS):
            moments = second_moments(self.train, layout).full() * 1e6
            w1, w2 = self._pilot(self.train).matrices()
            error = w1 @ w2 - np.eye(layout.joints)
            noise = np.square(rms_errors(moments, error)) / 3
            w2, noise = layout.to_given_order(w2.T).T, layout.to_given_order(noise)
            spread = w1.T @ moments @ w1
            for poses, mask in (
                (self.train, self._train_mask),
                (self.validation, self.validation_mask),
            ):
                fill_from_latents(poses, mask, w2, spread, noise)
