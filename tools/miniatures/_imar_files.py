"""Writes the layout that Fit3D, HumanSC3D and CHI3D share: JSON poses and cameras, videos."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from dataset_adapters.camera import Camera

from . import _mocap_scene as mocap
from . import scene
from .truth import Truth, TruthRow

SKELETON = "imar_25"
IMAGE_SIZE = (900, 900)
VIDEO_HZ = 50
CAMERAS = ("50591643", "58860488", "60457274", "65906101")


@dataclass(frozen=True)
class Recording:
    """An action of a subject (or of a pair of people).

    Attributes:
      n_people: how many are annotated; the joints have a leading axis for them where `has_people`.
      poses_per_frame: 4 in the first release, whose joints run at 200 Hz, else 1.
      has_people: whether the file has the axis of people; the first release has one person only.
    """

    subject: str
    action: str
    n_frames: int
    n_poses: int
    n_people: int = 1
    poses_per_frame: int = 1
    has_people: bool = False
    has_parameters: bool = False


@dataclass(frozen=True)
class Layout:
    """What tells the three datasets apart."""

    name: str
    recordings: tuple[Recording, ...]
    test_recordings: tuple[Recording, ...]
    annotation_file: str


def write(root: Path, layout: Layout, *, seed: int) -> Truth:
    """Writes one of the datasets; its truth are the training subjects: others have no joints."""
    _write_json(root / f"{layout.name}_info.json", _info(layout))
    _write_json(root / "template.json", {})
    rows = []
    for number, recording in enumerate(layout.recordings):
        rows += _write_training(root, recording, number=number, seed=seed)
    for number, recording in enumerate(layout.test_recordings):
        _write_test(root, recording, number=10 + number, seed=seed)
    return Truth(tuple(rows))


def write_annotations(root: Path, layout: Layout, annotations: dict[str, dict]) -> None:
    """Writes each training subject's file of repetitions or contacts (subject -> action -> it)."""
    for subject, content in annotations.items():
        _write_json(root / "train" / subject / layout.annotation_file, content)


def _info(layout: Layout) -> dict:
    actions = {}
    for recording in (*layout.recordings, *layout.test_recordings):
        actions.setdefault(recording.subject, []).append(recording.action)
    return {
        "train_subj_names": list(dict.fromkeys(r.subject for r in layout.recordings)),
        "all_camera_names": list(CAMERAS),
        "subj_to_act": actions,
    }


def _cameras(number: int, *, seed: int) -> list[Camera]:
    return mocap.cameras(
        len(CAMERAS),
        IMAGE_SIZE,
        # k1 k2 p1 p2 k3
        distortion=(-0.146, 0.112, -7e-4, 6e-4, 3.4e-3),
        seed=seed + number,
        focal=1034,
        distance_mm=4600,
    )


def _tracks(recording: Recording, i: int, *, number: int, seed: int) -> np.ndarray:
    """Returns (T, 25, 3) mm of the i-th person of a subject's folder: the same in all actions."""
    person = 10 * int(recording.subject[1:]) + i
    n = recording.n_poses
    return mocap.tracks(SKELETON, n, person=person, start=5 * number, seed=seed)


def _write_training(root: Path, recording: Recording, *, number: int, seed: int) -> list[TruthRow]:
    folder = root / "train" / recording.subject
    people = [_tracks(recording, i, number=number, seed=seed) for i in range(recording.n_people)]
    metres = np.array(people) / 1000
    stored = metres if recording.has_people else metres[0]
    _write_json(folder / "joints3d_25" / f"{recording.action}.json", {"joints3d_25": stored})
    if recording.has_parameters:
        _write_parameters(folder, recording, people, seed=seed)
    rows = []
    shown = [points[:: recording.poses_per_frame] for points in people]
    for name, camera in zip(CAMERAS, _cameras(number, seed=seed), strict=True):
        _write_camera(folder / "camera_parameters" / name / f"{recording.action}.json", camera)
        video = f"videos/{name}/{recording.action}.mp4"
        mocap.video(
            folder / video,
            camera,
            shown,
            SKELETON,
            n_frames=recording.n_frames,
            fps=VIDEO_HZ,
            seed=seed + number,
        )
        for points in shown:
            rows += [
                mocap.row(
                    camera,
                    pose,
                    split="train",
                    skeleton=SKELETON,
                    image=f"train/{recording.subject}/{video}",
                    video_frame=i,
                    frame=i,
                )
                for i, pose in enumerate(points[: recording.n_frames])
            ]
    return rows


def _write_test(root: Path, recording: Recording, *, number: int, seed: int) -> None:
    """Writes what is public of a test subject: a video of one camera, and that camera."""
    folder = root / "test" / recording.subject
    camera = _cameras(number, seed=seed)[0]
    people = [_tracks(recording, i, number=number, seed=seed) for i in range(recording.n_people)]
    path = folder / "videos" / f"{recording.action}.mp4"
    mocap.video(
        path, camera, people, SKELETON, n_frames=recording.n_frames, fps=VIDEO_HZ, seed=seed
    )
    _write_camera(folder / "camera_parameters" / f"{recording.action}.json", camera)


def _write_camera(path: Path, camera: Camera) -> None:
    """Writes a camera: `T` is its centre in metres, not the translation of the equation."""
    K = camera.K
    k1, k2, p1, p2, k3 = camera.distortion[:5]
    focal, center = np.array([K[0, 0], K[1, 1]]), K[:2, 2]
    content = {
        "extrinsics": {"R": camera.R, "T": camera.center[None] / 1000},
        "intrinsics_w_distortion": {
            "f": focal[None],
            "c": center[None],
            "k": [[k1, k2, k3]],
            "p": [[p1, p2]],
        },
        "intrinsics_wo_distortion": {"f": focal * 0.995, "c": [449.5, 449.5]},
    }
    _write_json(path, content)


def _write_parameters(
    folder: Path, recording: Recording, people: list[np.ndarray], *, seed: int
) -> None:
    """Writes SMPL-X and GHUM parameters at video rate (plausible ones, no fit to the joints)."""
    n = recording.n_frames
    identity = np.broadcast_to(np.eye(3), (n, 15, 3, 3))
    smplx = []
    for i, points in enumerate(people):
        turns = matrix_from_axis_angle(scene.smpl_rotations(n, person=i, seed=seed))
        rows = np.minimum(np.arange(n) * recording.poses_per_frame, len(points) - 1)
        smplx.append(
            {
                "transl": points[rows, 0] / 1000,
                "global_orient": turns[:, :1],
                "body_pose": turns[:, 1:22],
                "betas": np.zeros((n, 10)),
                "left_hand_pose": identity,
                "right_hand_pose": identity,
                "jaw_pose": identity[:, :1],
                "leye_pose": identity[:, :1],
                "reye_pose": identity[:, :1],
                "expression": np.zeros((n, 10)),
            }
        )
    ghum = [{"posing_values": np.zeros((n, 381)), "body_code": np.zeros((n, 16))} for _ in people]
    for kind, values in (("smplx", smplx), ("gpp", ghum)):
        joined = {key: np.array([person[key] for person in values]) for key in values[0]}
        if not recording.has_people:
            joined = {key: value[0] for key, value in joined.items()}
        _write_json(folder / kind / f"{recording.action}.json", joined)


def _write_json(path: Path, content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, default=np.ndarray.tolist))
