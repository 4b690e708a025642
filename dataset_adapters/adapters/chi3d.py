"""CHI3D: two people in close contact, one of them with markers, 4 cameras at 50 fps.

Fieraru et al., CVPR 2020.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..adapter import DatasetInfo, Defect
from . import _imar
from ._imar import ImarAdapter


@dataclass(frozen=True)
class Chi3d(ImarAdapter):
    """Reads CHI3D."""

    info = DatasetInfo(
        name="chi3d",
        title="Close Human Interactions (CHI3D)",
        kind="3D, marker-based",
        homepage="https://ci3d.imar.ro/chi3d",
        licence="academic research only",
        access="on request, with an account on the site",
        paper="Fieraru, Zanfir, Oneata, Popa, Olaru, Sminchisescu: Interactions, CVPR 2020",
        skeletons=("imar_25",),
        splits=("train",),
        tree=_imar.tree("chi3d", "s02", "interaction_contact_signature.json"),
        items=_imar.items("chi3d_train.tar.gz"),
        defects=(
            _imar.RATE_DEFECT,
            _imar.LENS_DEFECT,
            Defect(
                "the second person has no markers: model fitting, of unknown accuracy",
                "kept; extras['has_markers'] tells the two apart",
            ),
            Defect("the release of 2022 has one person only", "that one is read"),
            Defect("the test pairs have videos and cameras, but no joints", "left out"),
        ),
        thinning=_imar.THINNING,
        box_expansion=_imar.BOX_EXPANSION,
        facts=(
            "A subject folder is a pair of people; 3 train pairs (s02, s03, s04).",
            "T of a camera file is its centre, in metres.",
        ),
    )

    def extras(self, person: int, n: int) -> dict[str, list]:
        """Returns whether the person wore markers."""
        return {"has_markers": [person == 0] * n}
