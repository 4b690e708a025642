"""What is lost where only placements with permissive sources are used."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

import skeleton_defs
from skelbridge.atlas import AtlasOptions, Moments
from skelbridge.atlas.by_atlas import AtlasPair

from .evaluation import PAIRS, PlacedSamples
from .placement import Placements, load_placements

Print = Callable[[str], None]
_ALL = AtlasOptions(max_error_mm=1e6)


def report_points(
    folder: str | os.PathLike, permissive: Placements, *, show: Print = print
) -> None:
    """Print how many points are left out, by family."""
    names = load_placements(folder).visible_names
    lost = set(names) - set(permissive.names)
    families = sorted({name.partition(":")[0] for name in lost})
    show(f"permissive only: {len(lost)} of {len(names)} points are left out, of the families "
         f"{', '.join(families)}; these joints are converted by names")  # fmt: skip
    for family in families:
        own = [name for name in names if name.startswith(f"{family}:")]
        show(f"  {family}: {sum(name in lost for name in own)} of {len(own)}")


def report_errors(
    whole: Moments, permissive: Moments, unseen: PlacedSamples, *, show: Print = print
) -> None:
    """Print the errors of conversions by either atlas, over the joints that both give.

    Args:
      whole, permissive: the atlas with all placements, and with the permissive ones.
      unseen: samples placed by the whole table, which is taken for the truth.
    """
    show("Unseen bodies and takes, mm: with all placements, with the permissive ones only (over "
         "the joints that both give), and joints lost")  # fmt: skip
    means = []
    for source, target, *_ in PAIRS:
        errors = [_errors_by_auto(moments, unseen, source, target)
                  for moments in (whole, permissive)]  # fmt: skip
        both = ~np.isnan(errors).any(axis=0)
        means.append([error[both].mean() for error in errors])
        lost = int((np.isnan(errors[1]) & ~np.isnan(errors[0])).sum())
        show(f"{f'{source} -> {target}':28}{means[-1][0]:6.1f}{means[-1][1]:7.1f}{lost:5}")
    first, second = np.mean(means, axis=0)
    show(f"{'mean':28}{first:6.1f}{second:7.1f}")


def _errors_by_auto(
    moments: Moments, unseen: PlacedSamples, source: str, target: str
) -> np.ndarray:
    """Return the `(J_target,)` mean errors of `--method auto`, NaN for unavailable joints."""
    pair = AtlasPair(skeleton_defs.get(source), skeleton_defs.get(target), options=_ALL,
                     moments=moments)  # fmt: skip
    found = pair.affine_map().weights @ unseen.of(source)
    return np.linalg.norm(found - unseen.of(target), axis=-1).mean(axis=0)
