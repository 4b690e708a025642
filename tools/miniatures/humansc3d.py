"""HumanSC3D in miniature: the IMAR layout with self-contact."""

from __future__ import annotations

from pathlib import Path

from . import _imar_files as imar
from ._imar_files import Recording
from .truth import Truth

LAYOUT = imar.Layout(
    name="humansc3d",
    recordings=(
        Recording("s01", "Arms crossed 1", n_frames=3, n_poses=11, poses_per_frame=4),
        Recording("s06", "Hand to face 12", n_frames=4, n_poses=3, has_parameters=True),
    ),
    test_recordings=(Recording("s04", "Arms crossed 1", n_frames=2, n_poses=2),),
    annotation_file="self_contact_signature.json",
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes HumanSC3D in miniature: two training subjects, one action each, four cameras."""
    truth = imar.write(root, LAYOUT, seed=seed)
    contacts = {
        recording.subject: {
            recording.action: {
                "fr_id": 1,
                "smplx_signature": {"region_id": [[12, 34]], "face_id": [[10234, 4411]]},
                "ghum_signature": {"region_id": [[12, 34]], "face_id": [[7001, 9022]]},
            }
        }
        for recording in LAYOUT.recordings
    }
    imar.write_annotations(root, LAYOUT, contacts)
    return truth
