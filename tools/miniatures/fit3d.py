"""Fit3D in miniature: the IMAR layout with exercises and their repetitions."""

from __future__ import annotations

from pathlib import Path

from . import _imar_files as imar
from ._imar_files import Recording
from .truth import Truth

LAYOUT = imar.Layout(
    name="fit3d",
    recordings=(
        # The video runs on after the last pose.
        Recording("s03", "squat", n_frames=5, n_poses=4, has_parameters=True),
        Recording("s03", "dumbbell_biceps_curls", n_frames=3, n_poses=3),
        # As in the first release: four poses for each frame.
        Recording("s04", "walk_the_box", n_frames=3, n_poses=12, poses_per_frame=4),
    ),
    test_recordings=(Recording("s02", "squat", n_frames=2, n_poses=2),),
    annotation_file="rep_ann.json",
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes Fit3D in miniature: two training subjects, three exercises, four cameras."""
    truth = imar.write(root, LAYOUT, seed=seed)
    repetitions = {"s03": {"squat": [0, 2, 4], "dumbbell_biceps_curls": [0, 1, 3]}, "s04": {}}
    imar.write_annotations(root, LAYOUT, repetitions)
    return truth
