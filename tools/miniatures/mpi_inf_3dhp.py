"""MPI-INF-3DHP in miniature: two training sequences, three test sequences."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera, intrinsics

from . import scene
from ._matlab73_file import write_mat73
from ._room_views import WorldFrame, draw, draw_mask, seen
from ._tdhp_files import SKELETON, studio, write_annotations, write_calibration
from .truth import Truth, TruthRow

_N_FRAMES = 4
#: (subject, sequence) -> the cameras whose videos were downloaded, with their numbers of frames.
_VIDEOS = {
    (1, 1): {0: _N_FRAMES, 4: _N_FRAMES},
    # The video of this camera stops before the annotation does.
    (6, 2): {1: _N_FRAMES, 2: 2},
}
_TEST_SKELETON = "mpi_inf_3dhp_17"
_TEST_ROOT = "mpi_inf_3dhp_test_set/mpi_inf_3dhp_test_set"
#: Test sequence -> 1 where the row is to be evaluated, and its activities.
_TEST_ROWS = {
    1: ((1, 0, 1), (1, 1, 3)),
    3: ((1, 1), (7, 2)),
    5: ((0, 1), (6, 6)),
}


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes the dataset; an odd `seed` puts the test folders at the root, as some unpack them."""
    rows = []
    for (subject, sequence), videos in _VIDEOS.items():
        rows += _write_training(root, subject, sequence, videos, seed)
    for number in _TEST_ROWS:
        rows += _write_test(root, "" if seed % 2 else _TEST_ROOT + "/", number, seed)
    return Truth(tuple(rows))


def _write_training(root, subject, sequence, videos, seed) -> list[TruthRow]:
    name = f"S{subject}/Seq{sequence}"
    cameras = studio(seed + 10 * subject + sequence)
    people = scene.poses(SKELETON, _N_FRAMES, seed=seed + subject)
    joints = WorldFrame.upward("y").points(people)
    # The element type of the real files is not known; readers meet both.
    dtype = np.float64 if subject == 1 else np.float32
    write_annotations(root / name / "annot.mat", cameras, joints, dtype=dtype)
    write_calibration(root / name / "camera.calibration", cameras)
    rows = []
    for number, n_frames in videos.items():
        camera = cameras[number]
        video = f"{name}/imageSequence/video_{number}.avi"
        shown = joints[:n_frames]
        scene.write_video(
            root / video, [draw(camera, [pose], SKELETON, seed=seed) for pose in shown]
        )
        if subject == 1:
            _write_masks(root / name, number, camera, shown)
        rows += [
            seen(
                camera, pose, split="train", skeleton=SKELETON, image=video, video_frame=i, frame=i
            )
            for i, pose in enumerate(shown)
        ]
    return rows


def _write_masks(folder: Path, number: int, camera: Camera, joints: np.ndarray) -> None:
    """Writes the actor's mask (red: bright) and the chair's (dark where there is a chair)."""
    actor = [draw_mask(camera, pose, SKELETON) for pose in joints]
    nothing = np.zeros_like(actor[0])
    frames = [np.stack([mask, nothing, nothing], axis=-1) for mask in actor]
    scene.write_video(folder / f"FGmasks/video_{number}.avi", frames)
    no_chair = np.full((*nothing.shape, 3), 255, np.uint8)
    scene.write_video(folder / f"ChairMasks/video_{number}.avi", [no_chair] * len(frames))


def _write_test(root, prefix, number, seed) -> list[TruthRow]:
    valid, activities = _TEST_ROWS[number]
    camera = _test_camera(number)
    joints = _in_front(camera, scene.poses(_TEST_SKELETON, len(valid), seed=seed + 100 + number))
    images = [f"{prefix}TS{number}/imageSequence/img_{i + 1:06d}.jpg" for i in range(len(valid))]
    for image, pose in zip(images, joints, strict=True):
        scene.write_image(root / image, draw(camera, [pose], _TEST_SKELETON, seed=seed))
    in_camera = camera.to_camera(joints)
    universal = in_camera[:, 14:15] + 1.08 * (in_camera - in_camera[:, 14:15])
    write_mat73(
        root / f"{prefix}TS{number}/annot_data.mat",
        {
            # (coordinates, joints, 1, rows) in MATLAB.
            "annot2": camera.project(joints).transpose(2, 1, 0)[:, :, None],
            "annot3": in_camera.transpose(2, 1, 0)[:, :, None],
            "univ_annot3": universal.transpose(2, 1, 0)[:, :, None],
            "valid_frame": np.array(valid, float)[None],
            "activity_annotation": np.array(activities, float)[None],
        },
    )
    return [
        seen(camera, joints[i], split="test", skeleton=_TEST_SKELETON, image=images[i], frame=i)
        for i in range(len(valid))
        if valid[i]
    ]


def _test_camera(number: int) -> Camera:
    """Returns the published camera of TS1-4 or TS5-6: its world has y up."""
    if number <= 4:
        size, distortion = (2048, 2048), None
        K = intrinsics(1500.172, 1500.832, 1017.387, 1043.491)
        center = (3427.28, 1387.86, 309.42)
        up = (-0.208215, 0.976233, 0.06014)
        right = (0.000575281, 0.0616098, -0.9981)
    else:
        size = (1920, 1080)
        distortion = (-0.276859611, 0.131125256, -0.000360494, -0.001149441, -0.049318332)
        K = intrinsics(1683.983, 1672.594, 939.858, 556.352)
        center = (-2104.3074, 1038.6707, -4596.6367)
        up = (0.025272345, 0.995038509, 0.096227370)
        right = (-0.939647257, -0.009210289, 0.342020929)
    R = np.stack([right, np.negative(up), np.cross(up, right)])
    # The published numbers are rounded; the nearest rotation is what they mean.
    u, _, v = np.linalg.svd(R)
    return Camera.at(center, u @ v, K, distortion=distortion, world_up=(0, 1, 0), image_size=size)


def _in_front(camera: Camera, poses: np.ndarray) -> np.ndarray:
    """Brings poses of the z-up room to 4.5 m before a camera, the floor at y = 0."""
    ahead = camera.R[2] * (1, 0, 1)
    place = camera.center * (1, 0, 1) + 4500 * ahead / np.linalg.norm(ahead)
    return WorldFrame.upward("y").points(poses) + place
