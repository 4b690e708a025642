"""Makes the README's example: a person walking in a circle, as SMPL parameters.

    python tools/make_walk.py walk.npz

The file has the layout of AMASS: poses (T, 72) axis-angle in radians, trans (T, 3) in metres,
betas, mocap_framerate; z up. The gait is a handful of sine waves, so nothing here is captured data.
"""

import sys

import numpy as np

FPS, SECONDS, STRIDE_HZ, RADIUS_M = 30, 6, 0.9, 0.5
# SMPL joint numbers.
L_HIP, R_HIP, SPINE1, L_KNEE, R_KNEE, L_ANKLE, R_ANKLE = 1, 2, 3, 4, 5, 7, 8
L_SHOULDER, R_SHOULDER, L_ELBOW, R_ELBOW = 16, 17, 18, 19


def walking_poses(times):
    """Returns (T, 24, 3) axis-angle vectors of a gait; the root faces +z, y up."""
    phase = 2 * np.pi * STRIDE_HZ * times
    poses = np.zeros((len(times), 24, 3))
    for hip, knee, ankle, shoulder, elbow, side, offset in (
        (L_HIP, L_KNEE, L_ANKLE, L_SHOULDER, L_ELBOW, 1, 0.0),
        (R_HIP, R_KNEE, R_ANKLE, R_SHOULDER, R_ELBOW, -1, np.pi),
    ):
        swing = np.sin(phase + offset)
        poses[:, hip, 0] = -0.45 * swing - 0.05
        poses[:, knee, 0] = 0.15 + 0.45 * np.clip(np.cos(phase + offset), 0, None)
        poses[:, ankle, 0] = 0.15 * swing
        poses[:, shoulder, 2] = -1.25 * side
        poses[:, shoulder, 1] = 0.5 * side * swing
        poses[:, elbow, 1] = -0.35 * side
    poses[:, SPINE1, 1] = 0.12 * np.sin(phase)
    return poses


def main():
    """Writes the file named on the command line."""
    from dataset_adapters.body_models.rotations import (
        axis_angle_from_matrix,
        matrix_from_axis_angle,
    )

    times = np.arange(FPS * SECONDS) / FPS
    poses = walking_poses(times)
    heading = 2 * np.pi * times / SECONDS
    upright = matrix_from_axis_angle(np.array([np.pi / 2, 0, 0]))
    turn = matrix_from_axis_angle(heading[:, None] * np.array([0, 0, 1.0]))
    poses[:, 0] = axis_angle_from_matrix(turn @ upright)
    bob = 0.02 * np.cos(4 * np.pi * STRIDE_HZ * times)
    # The body faces -y after `upright`; on a circle it moves along the tangent.
    trans = np.stack([-RADIUS_M * np.cos(heading), -RADIUS_M * np.sin(heading), 1.15 + bob], axis=1)
    np.savez(
        sys.argv[1],
        poses=poses.reshape(len(times), 72),
        trans=trans,
        betas=np.zeros(10),
        mocap_framerate=float(FPS),
        gender="neutral",
    )
    print(f"wrote {sys.argv[1]}: {len(times)} frames")


if __name__ == "__main__":
    main()
