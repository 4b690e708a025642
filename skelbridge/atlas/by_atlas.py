"""The `auto` method: the same point where there is one, the atlas for everything else."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skeleton_defs import Skeleton

from ..conversion.affine_map import AffineMap
from ..conversion.by_name import map_by_name
from .errors import AtlasOptions, placement_error_mm, statistical_error_mm
from .moments import Moments, default_moments
from .reasons import map_notes
from .solver import Problem, Solution, gather, solve
from .sparse import solve_sparse


def map_by_atlas(
    source: Skeleton,
    target: Skeleton,
    *,
    observed: Sequence[str] | None = None,
    options: AtlasOptions | None = None,
    moments: Moments | None = None,
) -> AffineMap:
    """Builds the map from the atlas, in one step whatever the formats.

    A target joint is `copied` where the source has the same point by construction. Else it is
    `combined` from all observed source joints that have a place in the atlas, or `unavailable`
    where it would be off by more than `max_error_mm`. A target joint without a place in the atlas
    is `named`, as `map_by_name` finds it. An equal name in another family is never copied.

    Args:
      source, target: the formats.
      observed: the source joints that the data has; all by default.
      options: see `AtlasOptions`.
      moments: the atlas; the installed one by default.
    """
    pair = AtlasPair(source, target, options=options, moments=moments)
    return pair.affine_map(None if observed is None else pair.trust_of(observed))


@dataclass(frozen=True)
class PairRows:
    """What was found for one set of observed joints; arrays have a row per target joint.

    Attributes:
      weights, status: as in `AffineMap`.
      statistical_mm, placement_mm: the errors, also where they are too large; 0 for copied joints,
        NaN where nothing was solved.
      would_be_mm: both together for the joints that were solved, NaN for others.
      names: what names alone give.
      seen: numbers of the source joints that were solved from.
      solution: of all target joints that have a place, from those; None where there are none.
    """

    weights: np.ndarray
    status: np.ndarray
    statistical_mm: np.ndarray
    placement_mm: np.ndarray
    would_be_mm: np.ndarray
    names: AffineMap
    seen: np.ndarray
    solution: Solution | None


class AtlasPair:
    """The maps from one format to another, for any set of observed joints.

    Args:
      source, target: the formats.
      options: see `AtlasOptions`.
      moments: the atlas; by default the installed one, read when it is first needed.
    """

    def __init__(
        self,
        source: Skeleton,
        target: Skeleton,
        *,
        options: AtlasOptions | None = None,
        moments: Moments | None = None,
    ):
        self.source, self.target = source, target
        self.options = options or AtlasOptions()
        self._moments = moments

    @functools.cached_property
    def moments(self) -> Moments:
        """The atlas."""
        return default_moments() if self._moments is None else self._moments

    @functools.cached_property
    def source_points(self) -> np.ndarray:
        """(J_source,) point numbers, -1 without a place in the atlas."""
        return self.moments.indices(self.source.point_of(j) for j in self.source.joints)

    @functools.cached_property
    def target_points(self) -> np.ndarray:
        """(J_target,) point numbers, -1 without a place in the atlas."""
        return self.moments.indices(self.target.point_of(j) for j in self.target.joints)

    @functools.cached_property
    def problem(self) -> Problem:
        """The moments of all joints that have a place, in the formats' orders."""
        sources, targets = self.source_points >= 0, self.target_points >= 0
        return gather(
            self.moments,
            self.source_points[sources],
            self.target_points[targets],
            source_flip=_placed_flip(self.source, sources),
            target_flip=_placed_flip(self.target, targets),
        )

    def trust_of(self, observed: Sequence[str]) -> np.ndarray:
        """Returns (J_source,) 1 for the observed joints, 0 for others."""
        return np.array([float(joint in observed) for joint in self.source.joints])

    def weights(self, trust: np.ndarray) -> np.ndarray:
        """Returns the (J_target, J_source) weights, rows of NaN where unavailable.

        Args:
          trust: (J_source,) 0 where a joint is missing, else the factor by which its noise is
            divided: 1, or less for a joint that is less sure.
        """
        if trust.ndim == 2:
            return np.stack([self.weights(pattern) for pattern in trust])
        return self.rows(trust).weights

    def affine_map(self, trust: np.ndarray | None = None) -> AffineMap:
        """Returns the map with its statuses, errors and notes."""
        rows = self.rows(trust)
        solved = ~np.isnan(rows.would_be_mm)
        error = np.where(solved, rows.would_be_mm, rows.names.expected_error_mm)
        lost = rows.status == "unavailable"
        return AffineMap(
            rows.weights,
            self.source,
            self.target,
            tuple(rows.status.tolist()),
            np.where(lost, np.nan, error),
            map_notes(self, rows),
            "atlas",
            np.where(lost, np.nan, rows.statistical_mm),
            np.where(lost, np.nan, rows.placement_mm),
        )

    def rows(self, trust: np.ndarray | None = None) -> PairRows:
        """Returns the map's rows before it is put together; `trust` as for `weights`."""
        trust = np.ones(len(self.source)) if trust is None else trust
        names = self._names(trust)
        status = np.array(names.status, dtype="<U11")
        weights = np.array(names.weights)
        statistical, placement = (np.where(status == "copied", 0.0, np.nan) for _ in range(2))
        would_be = np.full(len(status), np.nan)
        rest = PairRows(
            weights, status, statistical, placement, would_be, names, np.empty(0, int), None
        )
        # Formats of one family need no atlas, so it is not even read.
        if (status == "copied").all() or not self._any_placed(trust):
            return rest
        seen = np.flatnonzero((self.source_points >= 0) & (trust > 0))
        placed = np.flatnonzero(self.target_points >= 0)
        solution = self._solved(trust)
        rows = np.flatnonzero(status[placed] != "copied")
        chosen = placed[rows]
        calibration = self.moments.calibration
        statistical[chosen] = statistical_error_mm(solution.variance, calibration=calibration)[rows]
        placement[chosen] = self._placement_error_mm(solution, seen, placed)[rows]
        would_be[chosen] = np.hypot(statistical[chosen], placement[chosen])
        good = would_be[chosen] <= self.options.max_error_mm
        status[chosen] = np.where(good, "combined", "unavailable")
        weights[chosen] = np.where(good, 0.0, np.nan)[:, None]
        weights[np.ix_(chosen[good], seen)] = solution.weights[rows[good]]
        return replace(rest, seen=seen, solution=solution)

    def _solved(self, trust: np.ndarray) -> Solution:
        """Solves for all target joints that have a place, from the joints that are trusted."""
        among = trust[self.source_points >= 0]
        problem = self.problem.observed(among > 0)
        noise = self.options.noise_mm / among[among > 0]
        return (solve_sparse if self.options.sparse else solve)(problem, noise_mm=noise)

    def _placement_error_mm(self, solution: Solution, seen: np.ndarray, placed: np.ndarray):
        targets, sources = self.target_points[placed], self.source_points[seen]
        sigma, anchor_of = self.moments.sigma_mm, self.moments.anchor_of
        return placement_error_mm(
            solution.weights,
            sigma[targets].astype(np.float64),
            sigma[sources].astype(np.float64),
            targets=targets,
            sources=sources,
            anchor_of=None if anchor_of is None else anchor_of[np.concatenate([targets, sources])],
        )

    def _any_placed(self, trust: np.ndarray) -> bool:
        """Whether the atlas has anything to solve from, and for."""
        seen = trust[self.source_points >= 0] > 0
        return bool(seen.any() and (self.target_points >= 0).any())

    @functools.cached_property
    def _all_names(self) -> AffineMap:
        return map_by_name(self.source, self.target)

    def _names(self, trust: np.ndarray) -> AffineMap:
        """What names give: the copied joints, and what joints without a place fall back to."""
        names, missing = self._all_names, trust <= 0
        if not missing.any():
            return names
        decided = np.array(names.status) == "copied"
        decided |= (self.target_points < 0) | (not self._any_placed(trust))
        lost = (np.nan_to_num(names.weights)[:, missing] != 0).any(axis=1)
        if not (lost & decided).any():
            return names
        seen = [joint for joint, gone in zip(self.source.joints, missing, strict=True) if not gone]
        return map_by_name(self.source, self.target, observed=seen)


def _placed_flip(skeleton: Skeleton, placed: np.ndarray) -> np.ndarray | None:
    """The permutation of the joints that have a place which swaps left and right, if it does."""
    if skeleton.flip is None:
        return None
    flip = np.array(skeleton.flip)
    if (placed[flip] != placed).any():
        return None
    return (np.cumsum(placed) - 1)[flip[placed]]
