"""CHI3D in miniature: the IMAR layout with two people in contact."""

from __future__ import annotations

from pathlib import Path

from . import _imar_files as imar
from ._imar_files import Recording
from .truth import Truth

LAYOUT = imar.Layout(
    name="chi3d",
    recordings=(
        Recording(
            "s02", "Grab 4", n_frames=4, n_poses=3, n_people=2, has_people=True, has_parameters=True
        ),
        Recording("s02", "Grab 10", n_frames=2, n_poses=2, n_people=2, has_people=True),
        # As in the first release: one of the two people, four poses for each frame.
        Recording("s03", "Hug 1", n_frames=3, n_poses=12, poses_per_frame=4),
    ),
    test_recordings=(Recording("s01", "Grab 4", n_frames=2, n_poses=2, n_people=2),),
    annotation_file="interaction_contact_signature.json",
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes CHI3D in miniature: two training pairs, three actions, four cameras."""
    truth = imar.write(root, LAYOUT, seed=seed)
    contacts = {}
    for recording in LAYOUT.recordings:
        contacts.setdefault(recording.subject, {})[recording.action] = {
            "fr_id": 1,
            "start_fr": 0,
            "end_fr": 1,
            "smplx_signature": {"region_id": [[14, 3], [15, 3]], "face_id": [[9127, 4530]]},
            "ghum_signature": {"region_id": [[14, 3]], "face_id": [[811, 12002]]},
        }
    imar.write_annotations(root, LAYOUT, contacts)
    return truth
