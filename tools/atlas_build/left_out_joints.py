"""Real poses, each joint left out in turn: does the atlas know how far off it is?

What is tested is the statistical error alone: source and target are of one format, so placements
cancel. Real poses come from people, and from cameras and detectors with noise, that the atlas has
never seen.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

import skeleton_defs
from skelbridge.atlas import AtlasOptions, Moments
from skelbridge.atlas.by_atlas import AtlasPair
from skelbridge.atlas.errors import DEFAULT_NOISE_MM, statistical_error_mm
from skelbridge.atlas.solver import solve
from skelbridge.posefiles import match_skeleton, read_poses

#: What to call it -> format, file or pattern, mm per unit of the file, and key in the file.
REAL_POSES = {
    "Human3.6M, 4 subjects": ("h36m_17", "mmpose_tests/h36m/test_h36m_body3d.npz", 1000, "S"),
    "MPI-INF-3DHP, 2 subjects": (
        "mpi_inf_3dhp_17", "mmpose_tests/mpi_inf_3dhp/test_3dhp_train.npz", 1000, "S"),
    "Panoptic": ("cmu_panoptic_19", "mmpose_tests/panoptic_body3d/*/hdPose3d_*/*.json", 10, None),
    "AMASS, by HumanML3D": ("humanml3d_22", "humanml3d/new_joints/*.npy", 1000, None),
    "Pose2Sim, triangulated OpenPose": (
        "openpose_25", "pose2sim_demo/**/*BalancingTrial_0-100.trc", 1000, None),
}  # fmt: skip
#: Joints with a confidence below this are not there.
_UNSURE = 0.1
_ALL = AtlasOptions(max_error_mm=1e6)
Print = Callable[[str], None]


def load_real_poses(samples: str | os.PathLike) -> dict[str, tuple[str, np.ndarray]]:
    """Read what there is of `REAL_POSES`: label -> format and `(N, J, 3)` mm, NaN for missing."""
    found = {}
    for label, (name, pattern, unit, key) in REAL_POSES.items():
        poses = []
        for file in sorted(Path(samples).glob(pattern)):
            read = read_poses(file, key=key)
            match = match_skeleton(read, name)
            positions = np.array(read.positions, dtype=np.float64)[..., :3]
            if read.confidence is not None:
                positions[np.asarray(read.confidence) < _UNSURE] = np.nan
            poses.append(match.arrange(positions).reshape(-1, len(match.skeleton), 3))
        if poses:
            found[label] = name, unit * _whole(np.concatenate(poses))
    return found


def _whole(poses: np.ndarray) -> np.ndarray:
    """Keep the poses that have all joints that any has."""
    missing = np.isnan(poses).any(axis=2)
    return poses[~missing[:, ~missing.all(axis=0)].any(axis=1)]


def errors_of_left_out_joints(
    moments: Moments, name: str, poses: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Combine each joint from all others.

    Args:
      moments: the atlas.
      name: of the format.
      poses: `(N, J, 3)` mm; joints that are missing in any pose count for none.

    Returns:
      `(J,)` the mean real and the expected errors in mm, NaN for joints that are not there.
    """
    skeleton = skeleton_defs.get(name)
    pair = AtlasPair(skeleton, skeleton, options=_ALL, moments=moments)
    there = (pair.source_points >= 0) & ~np.isnan(poses).any(axis=(0, 2))
    real, expected = np.full((2, len(skeleton)), np.nan)
    placed = np.flatnonzero(pair.source_points >= 0)
    for joint in np.flatnonzero(there):
        others = there.copy()
        others[joint] = False
        solution = solve(pair.problem.observed(others[placed]), noise_mm=DEFAULT_NOISE_MM)
        row = int(np.flatnonzero(placed == joint)[0])
        guess = solution.weights[row] @ poses[:, others]
        real[joint] = np.linalg.norm(guess - poses[:, joint], axis=-1).mean()
        expected[joint] = statistical_error_mm(
            solution.variance[row], calibration=moments.calibration
        )
    return real, expected


def report_left_out_joints(
    moments: Moments, samples: str | os.PathLike, *, show: Print = print
) -> dict[str, float]:
    """Print real and expected errors; return the ratios."""
    show("")
    show("Real poses, each joint left out in turn and combined from the others, mm")
    ratios = {}
    for label, (name, poses) in load_real_poses(samples).items():
        real, expected = errors_of_left_out_joints(moments, name, poses)
        ratios[label] = float(np.nanmean(real) / np.nanmean(expected))
        show(f"{label:32}{len(poses):4} poses, {np.isfinite(real).sum():2} joints: "
             f"{np.nanmean(real):3.0f}, expected {np.nanmean(expected):3.0f}, real / expected "
             f"{ratios[label]:.2f}")  # fmt: skip
    return ratios
