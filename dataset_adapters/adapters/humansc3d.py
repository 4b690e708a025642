"""HumanSC3D: people who touch themselves, marker-based joints, 4 cameras at 50 fps.

Fieraru et al., AAAI 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..adapter import DatasetInfo, Defect
from . import _imar
from ._imar import ImarAdapter


@dataclass(frozen=True)
class HumanSc3d(ImarAdapter):
    """Reads HumanSC3D."""

    info = DatasetInfo(
        name="humansc3d",
        title="HumanSC3D",
        kind="3D, marker-based",
        homepage="https://sc3d.imar.ro/humansc3d",
        licence="academic research only",
        access="on request, with an account on the site",
        paper="Fieraru, Zanfir, Oneata, Popa, Olaru, Sminchisescu: Self-Contact, AAAI 2021",
        skeletons=("imar_25",),
        splits=("train",),
        tree=_imar.tree("humansc3d", "s01", "self_contact_signature.json"),
        items=_imar.items("humansc3d_train.tar.gz"),
        defects=(
            _imar.RATE_DEFECT,
            _imar.LENS_DEFECT,
            Defect("the test subjects have videos and cameras, but no joints", "left out"),
            Defect("a chair hides feet in some actions", "kept: no visibility is annotated"),
        ),
        thinning=_imar.THINNING,
        box_expansion=_imar.BOX_EXPANSION,
        facts=(
            "4 train subjects (s01, s02, s03, s06), 172 actions each.",
            "T of a camera file is its centre, in metres.",
        ),
    )
