"""Human3.6M in miniature: CDF poses, videos, HDF5 box masks, metadata.xml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera

from . import _h36m_calibration as calibration
from . import _mocap_scene as mocap
from ._h36m_metadata import write_metadata
from ._mocap_matlab73 import write_cell
from .truth import Truth, TruthRow

FPS = 50
#: The 32 stored joints that make the 25 without repetitions, pelvis last.
H36M_25 = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 17, 18, 19, 21, 22, 25, 26, 27, 29, 30, 0]
#: Stored joint -> the one whose place it repeats.
REPEATED = {11: 0, 16: 13, 24: 13, 20: 19, 28: 27, 23: 22, 31: 30}
#: The mistake in some takes of S9: all joints lie too far along the world's x axis.
SHIFT_MM = np.array([200.0, 0, 0])


@dataclass(frozen=True)
class Take:
    """A recording: how many poses are stored, and how many frames the four videos have."""

    split: str
    subject: str
    name: str
    n_poses: int
    video_frames: tuple[int, int, int, int]
    is_shifted: bool = False


TAKES = (
    Take("train", "S1", "Directions 1", 3, (4, 6, 6, 4)),
    Take("train", "S1", "Sitting 2", 2, (2, 3, 3, 2)),
    Take("train", "S5", "SittingDown", 2, (3, 4, 4, 3)),
    Take("test", "S9", "Greeting", 2, (5, 6, 6, 5), is_shifted=True),
    Take("test", "S9", "Directions", 2, (2, 2, 2, 2)),
    Take("test", "S11", "Directions", 2, (3, 3, 3, 3)),
)
#: Recordings for calibration are in the folders too; they are no examples.
CALIBRATION_TAKE = Take("train", "S1", "_ALL 1", 1, (1, 1, 1, 1))


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes Human3.6M in miniature: four subjects, six takes, four cameras.

    All joints of S9's `Greeting` are stored 200 mm off, as in the dataset; the truth is where the
    person really was.
    """
    rows, counts = [], {}
    for number, take in enumerate((*TAKES, CALIBRATION_TAKE)):
        person = int(take.subject[1:])
        joints = _joints(take.n_poses, person=person, start=4 * number, seed=seed)
        counts[take.subject, take.name] = [*take.video_frames, 4 * take.n_poses + 3]
        made = _write_take(root / take.subject, take, joints, seed=seed + number)
        if take is not CALIBRATION_TAKE:
            rows += made
    write_metadata(root / "Release-v1.2" / "metadata.xml", counts)
    return Truth(tuple(rows))


def _joints(n_frames: int, *, person: int, start: int, seed: int) -> np.ndarray:
    """Returns (T, 32, 3) mm of one person, some joints repeated as in the dataset."""
    joints = mocap.tracks("h36m_32", n_frames, person=person, start=start, seed=seed)
    for joint, source in REPEATED.items():
        joints[:, joint] = joints[:, source]
    return joints


def _write_take(folder: Path, take: Take, joints: np.ndarray, *, seed: int) -> list[TruthRow]:
    stored = joints + SHIFT_MM if take.is_shifted else joints
    features = folder / "MyPoseFeatures"
    _write_cdf(features / "D3_Positions" / f"{take.name}.cdf", stored)
    rows = []
    for index, camera_name in enumerate(calibration.IMAGE_SIZES):
        camera = calibration.camera(take.subject, index)
        name = f"{take.name}.{camera_name}"
        in_camera = camera.to_camera(stored)
        _write_cdf(features / "D2_Positions" / f"{name}.cdf", camera.project(stored))
        _write_cdf(features / "D3_Positions_mono" / f"{name}.cdf", in_camera)
        # Bones of average length: a body of another size about the same pelvis.
        universal = in_camera[:, :1] + 0.97 * (in_camera - in_camera[:, :1])
        _write_cdf(features / "D3_Positions_mono_universal" / f"{name}.cdf", universal)
        _write_masks(folder / "MySegmentsMat", name, camera, stored)
        mocap.video(
            folder / "Videos" / f"{name}.mp4",
            camera,
            [joints],
            "h36m_32",
            n_frames=take.video_frames[index],
            fps=FPS,
            seed=seed,
        )
        rows += [
            mocap.row(
                camera,
                pose,
                split=take.split,
                skeleton="h36m_25",
                image=f"{take.subject}/Videos/{name}.mp4",
                video_frame=i,
                frame=i,
            )
            for i, pose in enumerate(joints[:, H36M_25])
        ]
    return rows


def _write_cdf(path: Path, values: np.ndarray) -> None:
    """Writes the variable `Pose`, (1, T, J * D) of single precision."""
    import cdflib

    path.parent.mkdir(parents=True, exist_ok=True)
    rows = values.reshape(len(values), -1)
    cdf = cdflib.cdfwrite.CDF(str(path))
    specification = {
        "Variable": "Pose",
        "Data_Type": 21,
        "Num_Elements": 1,
        "Rec_Vary": True,
        "Var_Type": "zVariable",
        "Dim_Sizes": list(rows.shape),
    }
    cdf.write_var(specification, var_data=rows[None].astype(np.float32))
    cdf.close()


def _write_masks(folder: Path, name: str, camera: Camera, joints: np.ndarray) -> None:
    """Writes the boxes (and one silhouette per take) as masks, one more than there are poses."""
    width, height = camera.image_size
    masks = []
    for pixels in camera.project(joints):
        left, top = np.floor(pixels.min(axis=0) - 20).astype(int).clip(0)
        right, bottom = np.ceil(pixels.max(axis=0) + 20).astype(int)
        mask = np.zeros((height, width), np.uint8)
        mask[top:bottom, left:right] = 1
        masks.append(mask)
    write_cell(folder / "ground_truth_bb" / f"{name}.mat", "Masks", [*masks, masks[-1]])
    body = mocap.silhouette(camera, joints[0], "h36m_32").astype(np.uint8)
    write_cell(folder / "ground_truth_bs" / f"{name}.mat", "Masks", [body] * len(masks))
