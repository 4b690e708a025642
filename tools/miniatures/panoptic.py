"""CMU Panoptic in miniature: three sequences, HD cameras only, joints in centimetres."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera

from . import scene
from ._room_views import WorldFrame, draw, seen
from .truth import Truth, TruthRow

_SKELETON = "cmu_panoptic_19"
_HD, _VGA = (1920, 1080), (640, 480)
_DISTORTION = (-0.251, 0.142, -0.0006, 0.0004, -0.0312)
_N_VIDEO_FRAMES = 6
#: Sequence -> (folder of the body files, number of people, HD nodes with a video, annotated frames)
_SEQUENCES = {
    "171204_pose1": ("hdPose3d_stage1_coco19", 1, (0, 3), (1, 2, 4)),
    "160422_haggling1": ("hdPose3d_stage1_coco19/hd", 3, (1, 7), (0, 2, 3, 5)),
    "160906_band3": ("hdPose3d_stage1_coco19", 2, (0, 3), (2, 3)),
}
#: The video of this HD node is known to be broken.
_BROKEN_VIDEO = ("160906_band3", 3)
#: In this sequence one file is damaged and one has no bodies.
_SEQUENCE_WITH_GAPS, _DAMAGED_FRAME, _EMPTY_FRAME = "160422_haggling1", 3, 5
#: (frame, person, joint) of joints of that sequence that are missing, or too uncertain to count.
_MISSING_JOINTS = ((0, 0, 18), (0, 2, 5), (2, 1, 8))
_UNCERTAIN_JOINTS = ((0, 1, 11), (2, 1, 14))


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes the sequences."""
    rows = []
    for i, name in enumerate(_SEQUENCES):
        rows += _write_sequence(root, name, seed + i)
    return Truth(
        tuple(rows),
        rounding="coordinates have six significant digits of a centimetre, as in the real files",
    )


def _write_sequence(root: Path, name: str, seed: int) -> list[TruthRow]:
    folder, n_people, nodes, frames = _SEQUENCES[name]
    frame = WorldFrame.upward("-y")
    hd = [
        frame.camera(camera)
        for camera in scene.cameras(8, _HD, seed=seed, focal=1400.0, distortion=_DISTORTION)
    ]
    people = np.stack(
        [scene.poses(_SKELETON, _N_VIDEO_FRAMES, person=k, seed=seed) for k in range(n_people)], 1
    )
    # What the cameras see is what the files can say: centimetres with six digits.
    people = 10 * _six_digits(frame.points(people) / 10)
    _write_calibration(root / name / f"calibration_{name}.json", hd, frame, seed)
    for node in nodes:
        video = root / name / f"hdVideos/hd_00_{node:02d}.mp4"
        if (name, node) == _BROKEN_VIDEO:
            video.parent.mkdir(parents=True, exist_ok=True)
            video.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500))
            continue
        scene.write_video(
            video, [draw(hd[node], list(pose), _SKELETON, seed=seed) for pose in people]
        )
    rows = []
    for number in frames:
        bodies = people[number].copy()
        confidences = np.random.default_rng([seed, number]).uniform(0.15, 0.73, (n_people, 19))
        path = root / name / folder / f"body3DScene_{number:08d}.json"
        if name == _SEQUENCE_WITH_GAPS:
            for at, k, joint in _MISSING_JOINTS + _UNCERTAIN_JOINTS:
                if at == number:
                    is_missing = (at, k, joint) in _MISSING_JOINTS
                    confidences[k, joint] = -1 if is_missing else 0.06
        _write_bodies(path, number, bodies, confidences, name == _SEQUENCE_WITH_GAPS)
        if name == _SEQUENCE_WITH_GAPS and number in (_DAMAGED_FRAME, _EMPTY_FRAME):
            continue
        bodies[confidences <= 0.1] = np.nan
        rows += [
            seen(
                hd[node],
                pose,
                split="train",
                skeleton=_SKELETON,
                image=f"{name}/hdVideos/hd_00_{node:02d}.mp4",
                video_frame=number,
                sequence=name,
                frame=number,
            )
            for node in nodes
            if (name, node) != _BROKEN_VIDEO
            for pose in bodies
        ]
    return rows


def _write_bodies(path: Path, number: int, bodies, confidences, has_gaps: bool) -> None:
    """Writes one file in the text layout of the real ones."""
    lines = []
    for k, (joints, scores) in enumerate(zip(bodies, confidences, strict=True)):
        if has_gaps and number == _EMPTY_FRAME:
            break
        numbers = []
        for joint, score in zip(joints / 10, scores, strict=True):
            is_missing = score < 0
            numbers += ["0", "0", "0", "-1"] if is_missing else [f"{v:g}" for v in (*joint, score)]
        # Identities stay the same over time; they need not count from 0.
        lines.append(f'{{ "id": {k + 2},\n"joints19": [{", ".join(numbers)}]\n}}')
    text = (
        f'{{ "version": 0.7, \n"univTime" :{33.367 * number + 5000:.3f},\n'
        f'"fpsType" :"hd_29_97",\n"bodies" :\n[\n' + ",\n".join(lines) + "\n] }\n"
    )
    if has_gaps and number == _DAMAGED_FRAME:
        text = text[: len(text) // 2]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _write_calibration(path: Path, hd: list[Camera], frame: WorldFrame, seed: int) -> None:
    vga = [frame.camera(c) for c in scene.cameras(2, _VGA, seed=seed + 50, focal=745.7)]
    kinect = [frame.camera(c) for c in scene.cameras(1, _HD, seed=seed + 60, focal=1050.0)]
    cameras = [_camera_entry("vga", 1, i + 1, camera) for i, camera in enumerate(vga)]
    cameras += [_camera_entry("hd", 0, i, camera) for i, camera in enumerate(hd)]
    cameras += [_camera_entry("kinect-color", 50, i + 1, c) for i, c in enumerate(kinect)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"calibDataSource": "synthetic", "cameras": cameras}, indent="\t"))


def _camera_entry(kind: str, panel: int, node: int, camera: Camera) -> dict:
    distortion = np.zeros(5) if camera.distortion is None else camera.distortion[:5]
    return {
        "name": f"{panel:02d}_{node:02d}",
        "type": kind,
        "resolution": list(camera.image_size),
        "panel": panel,
        "node": node,
        "K": camera.K.round(6).tolist(),
        "distCoef": distortion.tolist(),
        "R": camera.R.round(10).tolist(),
        "t": (camera.t[:, None] / 10).round(8).tolist(),
    }


def _six_digits(values: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda value: float(f"{value:g}"), otypes=[float])(values)
