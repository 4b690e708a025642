"""Fit3D: fitness exercises with marker-based joints, 4 cameras at 50 fps.

Fieraru et al., AIFit, CVPR 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..adapter import DatasetInfo, Defect
from . import _imar
from ._imar import ImarAdapter


@dataclass(frozen=True)
class Fit3d(ImarAdapter):
    """Reads Fit3D."""

    info = DatasetInfo(
        name="fit3d",
        title="Fit3D",
        kind="3D, marker-based",
        homepage="https://fit3d.imar.ro",
        licence="academic research only",
        access="on request, with an account on the site",
        paper="Fieraru, Zanfir, Pirlea, Olaru, Sminchisescu: AIFit, CVPR 2021",
        skeletons=("imar_25",),
        splits=("train",),
        tree=_imar.tree("fit3d", "s03", "rep_ann.json"),
        items=_imar.items("fit3d_train.tar.gz"),
        defects=(
            _imar.RATE_DEFECT,
            _imar.LENS_DEFECT,
            Defect("the test subjects have videos and cameras, but no joints", "left out"),
        ),
        thinning=_imar.THINNING,
        box_expansion=_imar.BOX_EXPANSION,
        facts=(
            "8 train subjects, 47 exercises each; videos of 900x900.",
            "T of a camera file is its centre, in metres.",
        ),
    )
