"""Fitting an ACAE to poses: the public entrance, and what happens around the solvers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skeleton_defs import UserError

from . import recipe
from .blas_threads import one_blas_thread
from .chirality import ChiralLayout, checked_flip
from .latents import latent_counts
from .matrices import Acae
from .moments import rms_errors, second_moments
from .objective import Objective, check_depth
from .options import FitOptions
from .sampling import PoseSample, draw_sample, without_exchanged
from .seeds import Progress, SeedFits
from .solving import FAST_STEPS, MASKED_STEPS, Candidate, FastSolver, RecipeSolver, Solver
from .summary import weights_summary


@dataclass(frozen=True, eq=False)
class AcaeFit:
    """A fitted ACAE and what is to be said about it.

    Attributes:
      acae: the best of the seeds.
      validation: (V, J, 3) the held-out poses that the errors were measured on, mm.
      notes: remarks for the user.
      interrupted: whether Ctrl-C ended it early.
    """

    acae: Acae
    validation: np.ndarray
    notes: tuple[str, ...]
    interrupted: bool


def fit_acae(
    poses: np.ndarray,
    *,
    flip: np.ndarray | None = None,
    sides: Sequence[str] | None = None,
    joint_names: Sequence[str] | None = None,
    joint_weights: np.ndarray | None = None,
    options: FitOptions | None = None,
    progress: Progress | None = None,
) -> AcaeFit:
    """Fits an affine-combining autoencoder to poses that hold many formats at once.

    The same poses, options and seed give bitwise the same matrices on one machine. Ctrl-C ends the
    fit with the best so far.

    Args:
      poses: (N, J, 3) mm, NaN where a joint is missing; for the projected loss in camera frame with
        every z > 0. May be a memory map: only what is drawn is read.
      flip: (J,) permutation that swaps left and right (`JointRegistry.flip`); without it the
        matrices have no mirror symmetry.
      sides: `"left"`, `"right"` or `"centre"` per joint (`JointRegistry.sides`).
      joint_names: J names, kept in the file.
      joint_weights: (J,) weights in the loss.
      options: how to fit.
      progress: called with the share of the work done, 0 to 1, now and then.

    Raises:
      UserError: shapes do not fit, depths are not positive, formats are never observed together,
        or there is too little data.

    >>> fit = fit_acae(
    ...     poses, flip=registry.flip, sides=registry.sides, joint_names=registry.names
    ... )  # doctest: +SKIP
    >>> fit.acae.save("acae.npz")  # doctest: +SKIP
    """
    options = options or FitOptions()
    if poses.ndim != 3 or poses.shape[2] != 3 or 0 in poses.shape or poses.dtype.kind not in "fiu":
        raise UserError(
            f"poses must be numbers of shape (N, J, 3), at least one pose. Received {poses.dtype} "
            f"of shape {poses.shape}"
        )
    joints = poses.shape[1]
    if flip is not None:
        flip = checked_flip(flip, joints)
    if joint_names is not None and len(joint_names) != joints:
        raise UserError(f"joint names must be {joints}. Received {len(joint_names)}")
    objective = Objective(options.loss, options.lam, options.reg_scale, joint_weights)
    if joint_weights is not None and len(objective.joint_weights) != joints:
        raise UserError(f"joint weights must be {joints}. Received {len(objective.joint_weights)}")
    whole_set = options.solver == "recipe"
    sample = draw_sample(
        poses,
        flip=flip,
        joint_names=joint_names,
        rng=np.random.default_rng([options.seed, 0]),
        count=None if whole_set else options.poses,
        validation=options.validation,
    )
    kept = sample.joints
    if len(kept) < joints:
        flip = None if flip is None else np.searchsorted(kept, flip[kept])
        sides = None if sides is None else [sides[i] for i in kept]
        joint_names = None if joint_names is None else [joint_names[i] for i in kept]
        if joint_weights is not None:
            objective = replace(objective, joint_weights=objective.joint_weights[kept])
    if options.loss == "projected":
        check_depth(sample.train)
        check_depth(sample.validation)
    pairs, centre = latent_counts(options, len(kept), flip)
    layout = ChiralLayout.of(
        flip, sides, joints=len(kept), latent_pairs=pairs, latent_centre=centre
    )
    given = len(sample.train)
    if options.trim and options.solver == "fast":
        sample = without_exchanged(sample, layout)
    run = _Run(sample, given, layout, objective, options, progress)
    best = run.best_of_seeds()
    acae = run.acae(best, flip, joint_names)
    return AcaeFit(acae, run.solver.validation, sample.notes + run.notes(acae), run.interrupted)


class _Run:
    """Several seeds of one solver, and the facts about the best."""

    def __init__(
        self,
        sample: PoseSample,
        given: int,
        layout: ChiralLayout,
        objective: Objective,
        options: FitOptions,
        progress: Progress | None,
    ):
        self._options, self._layout, self._objective = options, layout, objective
        self._progress = progress
        self._dropped = given - len(sample.train)
        self.interrupted = False
        if options.solver == "recipe":
            self.steps = recipe.default_steps(len(sample.train))
        else:
            self.steps = FAST_STEPS if sample.train_mask is None else MASKED_STEPS
        if options.steps is not None:
            self.steps = options.steps
        kind: type[Solver] = RecipeSolver if options.solver == "recipe" else FastSolver
        self.solver = kind(
            sample,
            layout,
            objective,
            steps=self.steps,
            patience=options.patience,
            seed=options.seed,
            rounds=options.rounds,
            starts=options.starts,
        )

    def best_of_seeds(self) -> Candidate:
        """Returns the seed with the least objective on held-out poses.

        Raises:
          KeyboardInterrupt: before there was anything to keep.
        """
        seeds = [self._options.seed + number for number in range(self._options.seeds)]
        with one_blas_thread():
            self.solver.get_ready()
            fits = SeedFits(self.solver, seeds)
            try:
                fits.run(self._progress)
            except KeyboardInterrupt:
                if fits.best() is None:
                    raise
                self.interrupted = True
        best = fits.best()
        if best is None:
            raise UserError(
                "the fit came to no finite numbers: check that poses are in mm and not all equal"
            )
        return best

    def acae(self, best: Candidate, flip, joint_names) -> Acae:
        """Builds the model in the given order of joints, with facts and moments."""
        layout, solver = self._layout, self.solver
        w1 = layout.to_given_order(best.w1)
        w2 = layout.to_given_order(best.w2.T).T
        moments = [
            1e6 * _given_order(second_moments(poses, layout).full(), layout)
            for poses in (solver.train[: solver.MOMENT_POSES], solver.validation)
        ]
        acae = Acae(
            w1,
            w2,
            None if joint_names is None else tuple(joint_names),
            flip,
            layout.latent_sides if flip is not None else None,
            moments=moments[0],
            validation_moments=moments[1],
            example_pose=_example(solver.validation),
        )
        return replace(acae, facts=self._facts(acae, best))

    def _facts(self, acae: Acae, best: Candidate) -> dict[str, Any]:
        options, objective, validation = self._options, self._objective, self.solver.validation
        masked = {"mask": self.solver.validation_mask}
        main = objective.main(acae.w1, acae.w2, validation, **masked)
        error = acae.w1 @ acae.w2 - np.eye(acae.joints)
        return {
            "loss": options.loss,
            "lambda": options.lam,
            "reg_scale": options.reg_scale,
            "solver": options.solver,
            "seed": best.seed,
            "steps": best.steps,
            "stopped_early": self.interrupted,
            "poses": len(self.solver.train),
            "poses_dropped": self._dropped,
            "validation_poses": len(validation),
            "objective": main + objective.regularization(acae.w1, acae.w2),
            "main": main,
            "floor": objective.floor(acae.joints, acae.latents),
            "error_mm": rms_errors(acae.validation_moments, error).round(3).tolist(),
            **weights_summary(acae, validation),
        }

    def notes(self, acae: Acae) -> tuple[str, ...]:
        """Remarks on the result."""
        notes = []
        if self.interrupted:
            notes.append("interrupted: this is the best so far")
        if self._dropped:
            share = self._dropped / (self._dropped + len(self.solver.train))
            notes.append(
                f"{self._dropped} of the drawn poses ({share:.1%}) have left and right exchanged "
                "in some formats and were left out"
            )
        dead = acae.facts["dead_latents"]
        if dead:
            notes.append(f"{len(dead)} latents are hardly used: fewer may do")
        return tuple(notes)


def _given_order(moments: np.ndarray, layout: ChiralLayout) -> np.ndarray:
    return layout.to_given_order(layout.to_given_order(moments).T).T


def _example(poses: np.ndarray) -> np.ndarray:
    """The pose of middling size: someone whose arms and legs are neither folded nor spread."""
    sizes = np.linalg.norm(poses - poses.mean(axis=1, keepdims=True), axis=(1, 2))
    return poses[np.argsort(sizes, kind="stable")[len(sizes) // 2]].astype(np.float64)
