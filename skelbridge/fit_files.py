"""Learning a map from files of paired poses, and reporting how good it is."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skeleton_defs import Skeleton, UserError

from . import atlas
from .conversion import AffineMap
from .conversion.fit_alignment import check_frames_of_reference, move_targets_to_prior
from .conversion.fit_pairs import require_enough
from .conversion.fitting import DEFAULT_NOISE_MM, FittedMap, check_strengths, fit_affine_map
from .fit_reading import PairedSets, read_pairs

ALIGNMENTS = ("none", "mean")
_PRIOR_MAX_ERROR_MM = 1000.0
_PRIOR_NOISE_MM = (1.0, 1000.0)


@dataclass(frozen=True)
class FitOptions:
    """How to learn a map.

    Attributes:
      source, target: the formats; None where the files say it themselves.
      prior: what the map starts from: a method or saved map as in `AffineMap.between`, or `"none"`.
      groups: the key of an array with one take or person id per frame.
      noise_mm, l1: see `fit_affine_map`.
      align: `"mean"` moves every target pose to where the prior puts it, see
        `move_targets_to_prior`.
      units: m, cm or mm of both sets, or `SOURCE:TARGET`.
      source_key, target_key: which arrays of the file (or files) hold the poses.
    """

    source: str | Skeleton | None = None
    target: str | Skeleton | None = None
    prior: str | os.PathLike = "auto"
    groups: str | None = None
    noise_mm: float = DEFAULT_NOISE_MM
    l1: float = 0.0
    align: str = "none"
    units: str | None = None
    source_key: str | None = None
    target_key: str | None = None


@dataclass(frozen=True)
class FitReport:
    """What was learned from some files.

    Attributes:
      inputs, output: paths as given.
      options: see `FitOptions`.
      prior_method: what built the prior; None where there was none.
      fitted: the map and its errors.
      seconds: wall time.
      notes: remarks for the user.
    """

    inputs: tuple[str, ...]
    output: str
    options: FitOptions
    prior_method: str | None
    fitted: FittedMap
    seconds: float
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Returns one line for people."""
        fitted, learned = self.fitted, self.fitted.affine_map
        left_out = fitted.poses_given - fitted.poses_used
        dropped = f" ({fitted.poses_dropped} outliers dropped)" if fitted.poses_dropped else ""
        if left_out > fitted.poses_dropped:
            dropped += f" ({left_out - fitted.poses_dropped} lack too many joints)"
        joints = ", ".join(f"{n} {status}" for status, n in learned.status_counts.items() if n)
        return (
            f"{' + '.join(self.inputs)} -> {self.output}: {learned.source.name} -> "
            f"{learned.target.name}, {fitted.poses_used} of {fitted.poses_given} poses{dropped}, "
            f"{self._errors()}, joints: {joints}, {self.seconds:.2f} s"
        )

    def _missing_joints(self) -> dict[str, float]:
        moments, joints = self.fitted.affine_map.moments, self.fitted.affine_map.source.joints
        errors = zip(moments.used, moments.missing_error_mm(), strict=True)
        return {joints[joint]: _plain(error) for joint, error in errors}

    def _errors(self) -> str:
        held_out, prior = self.fitted.held_out_mm, self.fitted.prior_mm
        text = f"held-out error {_shown(_mean(held_out))} mm"
        both = np.isfinite(held_out) & np.isfinite(prior)
        if not both.any():
            return text
        where = "" if both.sum() == np.isfinite(held_out).sum() else f" on {both.sum()} joints"
        return f"{text} (prior {_shown(_mean(prior[both]))} mm{where})"

    def table(self) -> str:
        """Returns the errors per joint for people."""
        fitted = self.fitted
        rows = [("joint", "status", "held-out mm", "95 %", "prior mm", "poses")]
        rows += [
            (joint, status, _shown(mean), _shown(p95), _shown(prior), str(poses))
            for joint, status, mean, p95, prior, poses in zip(
                fitted.affine_map.target.joints,
                fitted.affine_map.status,
                fitted.held_out_mm,
                fitted.held_out_p95_mm,
                fitted.prior_mm,
                fitted.poses,
                strict=True,
            )
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(6)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        )

    def to_dict(self) -> dict:
        """Returns the report as plain JSON values.

        `prior_ridge_mm` is null for the prior itself (an infinite ridge) and where there is none.
        `missing_source_joint_mm` is how far off a missing source joint's prediction from all others
        is expected to be.
        """
        fitted, options = self.fitted, self.options
        shown = fitted.affine_map.to_dict()
        for i, joint in enumerate(shown["joints"]):
            joint["held_out_mm"] = _plain(fitted.held_out_mm[i])
            joint["held_out_p95_mm"] = _plain(fitted.held_out_p95_mm[i])
            joint["prior_mm"] = _plain(fitted.prior_mm[i])
            joint["prior_ridge_mm"] = _plain(fitted.prior_ridge_mm[i])
            joint["poses"] = int(fitted.poses[i])
        return {
            "inputs": list(self.inputs),
            "output": self.output,
            "poses_given": fitted.poses_given,
            "poses_used": fitted.poses_used,
            "poses_dropped": fitted.poses_dropped,
            "folds": fitted.folds,
            "groups": options.groups,
            "noise_mm": options.noise_mm,
            "l1": options.l1,
            "align": options.align,
            "prior": self.prior_method,
            "missing_source_joint_mm": self._missing_joints(),
            "held_out_mm": _plain(_mean(fitted.held_out_mm)),
            "prior_mm": _plain(_mean(fitted.prior_mm)),
            "seconds": round(self.seconds, 4),
            "notes": list(self.notes),
            **shown,
        }


def fit_files(
    paths: Sequence[str | os.PathLike], output: str | os.PathLike, options: FitOptions
) -> FitReport:
    """Learns a map from paired poses and saves it.

    Args:
      paths: one `.npz` file with both sets of poses, or two files of poses, matched by frame.
      output: the `.npz` file to write; `AffineMap.load` and `--method` read it.
      options: see `FitOptions`.

    Raises:
      UserError: the files cannot be read or do not pair, or the map cannot be written. Nothing is
        left behind then, and an existing output stays as it was.
    """
    start = time.perf_counter()
    _check_output(output, paths)
    if options.align not in ALIGNMENTS:
        raise UserError(f"--align must be none or mean. Received '{options.align}'")
    check_strengths(options.noise_mm, options.l1)
    pairs = read_pairs(
        paths,
        source=options.source,
        target=options.target,
        source_key=options.source_key,
        target_key=options.target_key,
        groups=options.groups,
        units=options.units,
    )
    formats = pairs.source_format, pairs.target_format
    prior = _prior(formats, pairs.observed, options)
    try:
        fitted, notes = _fit(pairs, formats, prior, options)
    except UserError as error:
        where = " and ".join(dict.fromkeys(os.fspath(path) for path in paths))
        raise UserError(f"{where}: {error}") from None
    try:
        fitted.affine_map.save(output)
    except OSError as error:
        problem = error.strerror or error
        raise UserError(f"{os.fspath(output)}: cannot be written ({problem})") from None
    return FitReport(
        inputs=tuple(os.fspath(path) for path in paths),
        output=os.fspath(output),
        options=options,
        prior_method=None if prior is None else prior.method,
        fitted=fitted,
        seconds=time.perf_counter() - start,
        notes=pairs.notes + notes + fitted.notes,
    )


def _prior(
    formats: tuple[Skeleton, Skeleton], observed: list[str] | None, options: FitOptions
) -> AffineMap | None:
    method = os.fspath(options.prior)
    if method == "none":
        return None
    atlas_options = {}
    if method == "auto" and atlas.available():
        # A prior that is far off is better than none, and as noisy sources as the fit expects.
        atlas_options = {
            "max_error_mm": _PRIOR_MAX_ERROR_MM,
            "noise_mm": float(np.clip(options.noise_mm, *_PRIOR_NOISE_MM)),
        }
    try:
        return AffineMap.between(*formats, method=method, observed=observed, **atlas_options)
    except UserError as error:
        raise UserError(str(error).replace("--method", "--prior")) from None


def _prior_moments(source: Skeleton, options: FitOptions) -> np.ndarray | None:
    """The (J, J) second moments of the source joints in mm^2, as the atlas has them."""
    if os.fspath(options.prior) != "auto" or not atlas.available():
        return None
    from .atlas.by_atlas import AtlasPair

    pair = AtlasPair(source, source)
    placed = np.flatnonzero(pair.source_points >= 0)
    moments = np.full((len(source), len(source)), np.nan)
    moments[np.ix_(placed, placed)] = pair.problem.among_sources * 1e6
    return moments


def _fit(
    pairs: PairedSets,
    formats: tuple[Skeleton, Skeleton],
    prior: AffineMap | None,
    options: FitOptions,
) -> tuple[FittedMap, tuple[str, ...]]:
    """Returns the fitted map, and remarks on frames of reference."""
    require_enough(len(pairs.source), len(pairs.source))
    expected = prior or AffineMap.between(*formats, observed=pairs.observed)
    target = pairs.target
    notes: tuple[str, ...] = ()
    if options.align == "mean":
        target = move_targets_to_prior(pairs.source, target, expected)
        notes += (
            "every target pose was moved so that its mean joint lies where the prior puts it: the "
            "errors are those of the joints among each other, not of the place as a whole",
        )
    notes += check_frames_of_reference(pairs.source, target, expected)
    fitted = fit_affine_map(
        pairs.source,
        target,
        *formats,
        prior=prior,
        prior_moments=_prior_moments(formats[0], options),
        groups=pairs.groups,
        noise_mm=options.noise_mm,
        l1=options.l1,
    )
    return fitted, notes


def _check_output(output: str | os.PathLike, paths: Sequence[str | os.PathLike]) -> None:
    file = Path(output)
    if file.suffix.lower() != ".npz":
        raise UserError(f"{file}: a learned map must end in .npz")
    if not file.absolute().parent.is_dir():
        raise UserError(f"{file}: cannot be written, there is no such folder")
    if file.is_dir():
        raise UserError(f"{file}: cannot be written, there is a folder of that name")
    if any(Path(path).exists() and file.exists() and file.samefile(path) for path in paths):
        raise UserError(f"{file}: the output must not be the input")


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def _shown(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.1f}"


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
