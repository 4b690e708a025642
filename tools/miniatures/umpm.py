"""UMPM in miniature: two people's virtual markers in one C3D file, four cameras per room."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.body_models.rotations import axis_angle_from_matrix
from dataset_adapters.camera import Camera

from . import _mocap_c3d as c3d
from . import _mocap_scene as mocap
from .truth import Truth, TruthRow

SKELETON = "umpm_15"
IMAGE_SIZE = (644, 486)
MOCAP_HZ, VIDEO_HZ = 100, 50
VIEWS = ("f", "l", "r", "s")
JOINTS = "pelv neck head rsho relb rwri lsho lelb lwri rhip lhip rkne lkne rank lank".split()


@dataclass(frozen=True)
class Sequence:
    """A recording, and the calibration that it really has (`stated` is what its JSON says).

    `n_people` are in the room, `n_annotated` of them have markers.
    """

    name: str
    n_people: int
    n_annotated: int
    n_rows: int
    calibration: str
    stated: str
    is_unusable: bool = False


SEQUENCES = (
    Sequence("p1_grab_3", 1, 1, 5, "calib_l06", "calib_l06"),
    Sequence("p2_chair_1", 2, 2, 4, "calib_n27", "calib_n27"),
    Sequence("p2_free_1", 2, 2, 4, "calib_n27", "calib_l06"),
    Sequence("p3_circle_2", 3, 2, 3, "calib_l06", "calib_n27"),
    Sequence("p2_free_2", 2, 2, 2, "calib_n27", "calib_n27", is_unusable=True),
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes UMPM in miniature: five sequences, two calibrations of four cameras.

    Two JSON files name the wrong calibration, as in the dataset, and `p2_free_2` is of no use: it
    is not in the truth.
    """
    cameras = {}
    for i, name in enumerate(("calib_l06", "calib_n27")):
        cameras[name] = mocap.cameras(
            len(VIEWS),
            IMAGE_SIZE,
            distortion=(-0.21, 0.14, 7e-4, -1.1e-3),
            seed=seed + i,
            focal=600,
            distance_mm=4200,
        )
        _write_calibration(root / "Calib", name, cameras[name])
    rows = []
    for sequence in SEQUENCES:
        made = _write_sequence(root, sequence, cameras[sequence.calibration], seed=seed)
        if not sequence.is_unusable:
            rows += made
    return Truth(tuple(rows))


def _write_sequence(
    root: Path, sequence: Sequence, cameras: list[Camera], *, seed: int
) -> list[TruthRow]:
    number = SEQUENCES.index(sequence)
    people = [
        mocap.tracks(SKELETON, sequence.n_rows, person=10 * number + i, seed=seed)
        for i in range(sequence.n_people)
    ]
    annotated = people[: sequence.n_annotated]
    if sequence.n_annotated == 2:
        annotated[1] = annotated[1].copy()
        annotated[1][0, JOINTS.index("rsho")] = np.nan
        annotated[1][-2:, JOINTS.index("lhip")] = np.nan
    _write_json(root / f"{sequence.name}.json", sequence)
    truth = root / "Groundtruth"
    stored = np.concatenate(annotated, axis=1)
    labels = [f"{name}{i + 1}" for i in range(sequence.n_annotated) for name in JOINTS]
    # One file has its gaps as capture systems write them, the others as NaN.
    c3d.write_c3d(
        truth / f"{sequence.name}_vm.c3d",
        stored,
        labels=labels,
        rate=MOCAP_HZ,
        vicon_gaps=number == 1,
    )
    # The markers themselves, of which there are more.
    raw = np.repeat(stored, 2, axis=1)
    raw_labels = [f"m{i}" for i in range(raw.shape[1])]
    c3d.write_c3d(truth / f"{sequence.name}.c3d", raw, labels=raw_labels, rate=MOCAP_HZ)
    rows = []
    step = MOCAP_HZ // VIDEO_HZ
    for view, camera in zip(VIEWS, cameras, strict=True):
        video = f"Video/{sequence.name}_{view}.avi"
        shown = [points[::step] for points in people]
        mocap.video(
            root / video,
            camera,
            shown,
            SKELETON,
            n_frames=len(shown[0]),
            fps=VIDEO_HZ,
            seed=seed + number,
        )
        for points in annotated:
            rows += [
                mocap.row(
                    camera,
                    pose,
                    split="train",
                    skeleton=SKELETON,
                    image=video,
                    video_frame=i,
                    frame=i,
                )
                for i, pose in enumerate(points[::step])
            ]
    return rows


def _write_json(path: Path, sequence: Sequence) -> None:
    """Writes the description; the comma before the brace is the dataset's."""
    room = sequence.stated.removeprefix("calib")
    fields = {
        "id": sequence.name,
        "bg": f"backgr{room}_1",
        "calib": sequence.stated,
        "video_dir": "Video",
        "gt_dir": "Groundtruth",
        "bg_dir": "Background",
        "calib_dir": "Calib",
    }
    lines = [f'  "{key}":"{value}",' for key, value in fields.items()]
    path.write_text("\n".join(["{", *lines, "}"]) + "\n")


def _write_calibration(folder: Path, name: str, cameras: list[Camera]) -> None:
    folder.mkdir(exist_ok=True)
    for view, camera in zip(VIEWS, cameras, strict=True):
        rows = [*camera.K, camera.distortion[:4], axis_angle_from_matrix(camera.R), camera.t]
        lines = ["".join(f"{x:16.8f}" for x in row) for row in rows]
        (folder / f"{name}_{view}.ini").write_text("\n".join(lines) + "\n")
