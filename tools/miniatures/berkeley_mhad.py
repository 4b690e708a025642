"""Berkeley MHAD in miniature: C3D markers, Bayer images of camera clusters, Kinect colour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import skeleton_defs
from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from dataset_adapters.camera import Camera

from . import _mocap_c3d as c3d
from . import _mocap_scene as mocap
from . import scene
from .truth import Truth, TruthRow

SKELETON = "berkeley_mhad_43"
IMAGE_SIZE = (640, 480)
MOCAP_HZ = 480
CLUSTERS = {"l01": 4, "l02": 4, "l03": 2, "l04": 2, "k01": 1, "k02": 1}
#: World of the cameras (y up) from the axes of the C3D files.
WORLD_FROM_C3D = np.array([[-1, 0, 0], [0, 0, 1], [0, 1, 0.0]])


@dataclass(frozen=True)
class Recording:
    """One repetition of an action, and the cameras of which the miniature holds images."""

    subject: int
    action: int
    repetition: int
    mocap_frames: tuple[int, ...]
    cameras: tuple[tuple[str, int], ...]


RECORDINGS = (
    Recording(1, 1, 1, (12, 34), (("l01", 1), ("l01", 2), ("l03", 2), ("k01", 1))),
    # Clusters 3 and 4 have no images of this one.
    Recording(5, 2, 5, (3, 25), (("l02", 3),)),
    # Nothing exists of this one but the motion.
    Recording(4, 8, 5, (), ()),
)
#: Kinects run at another rate: their only image here belongs to this moment.
KINECT_FRAME = 21


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes Berkeley MHAD in miniature: two recordings with images, five of the 14 cameras."""
    cameras = _write_calibration(root / "Calibration", seed=seed)
    rows = []
    for person, recording in enumerate(RECORDINGS):
        n = max(recording.mocap_frames, default=4) + 9
        points = _points(n, person=person, seed=seed)
        _write_motion(root / "Mocap" / "OpticalData", recording, points)
        _write_correspondences(root, recording)
        for cluster, number in recording.cameras:
            camera = cameras[cluster, number]
            moments = (KINECT_FRAME,) if cluster[0] == "k" else recording.mocap_frames
            for i, moment in enumerate(moments):
                path = _image_path(recording, cluster, number, i)
                _write_image(root / path, camera, points[moment], seed=seed + i)
                rows.append(_row(camera, points[moment], path, i))
    return Truth(tuple(rows))


def _points(n_frames: int, *, person: int, seed: int) -> np.ndarray:
    """Returns (T, 43, 3) mm in the cameras' world; some markers are out of sight."""

    rng = np.random.default_rng([seed, person, 5])
    points = scene.in_axes("y", mocap.tracks(SKELETON, n_frames, person=person, seed=seed))
    points[:, rng.integers(43)] = np.nan
    points[: n_frames // 2, rng.integers(43)] = np.nan
    return points


def _row(camera: Camera, points: np.ndarray, path: str, frame: int) -> TruthRow:
    return mocap.row(camera, points, split="train", skeleton=SKELETON, image=path, frame=frame)


def _code(recording: Recording) -> str:
    return f"s{recording.subject:02}_a{recording.action:02}_r{recording.repetition:02}"


def _image_path(recording: Recording, cluster: str, number: int, index: int) -> str:
    code = _code(recording)
    folders = code.upper().replace("_", "/")
    if cluster[0] == "k":
        name = f"kin_{cluster}_{code}_color_{index:05}.ppm"
        return f"Kinect/Kin{cluster[1:]}/{folders}/{name}"
    name = f"img_{cluster}_c{number:02}_{code}_{index:05}.pgm"
    return f"Camera/Cluster{cluster[1:]}/Cam{number:02}/{folders}/{name}"


def _write_image(path: Path, camera: Camera, points: np.ndarray, *, seed: int) -> None:
    image = mocap.image(camera, [points], SKELETON, seed=seed, reduce=2)
    height, width = image.shape[:2]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".ppm":
        path.write_bytes(b"P6\n%d %d\n255\n" % (width, height) + image.tobytes())
        return
    # Mosaic GRBG: green and red in the first row, blue and green in the second.
    mosaic = image[..., 1].copy()
    mosaic[0::2, 1::2] = image[0::2, 1::2, 0]
    mosaic[1::2, 0::2] = image[1::2, 0::2, 2]
    path.write_bytes(b"P5\n%d %d\n255\n" % (width, height) + mosaic.tobytes())


def _write_motion(folder: Path, recording: Recording, points: np.ndarray) -> None:
    """Writes the markers as C3D in its own axes, and as text in those of the cameras."""
    folder.mkdir(parents=True, exist_ok=True)
    c3d.write_c3d(
        folder / f"moc_{_code(recording)}.c3d",
        points @ WORLD_FROM_C3D,
        labels=list(skeleton_defs.get(SKELETON).joints),
        rate=MOCAP_HZ,
    )
    lines = []
    for i, frame in enumerate(np.nan_to_num(points, nan=0.0).reshape(len(points), -1)):
        lines.append(" ".join(f"{x:.6f}" for x in frame) + f" {i} {i / MOCAP_HZ:.6f}\n")
    (folder / f"moc_{_code(recording)}.txt").write_text("".join(lines))


def _write_correspondences(root: Path, recording: Recording) -> None:
    lines = {"Camera/Correspondences/corr_moc_img": recording.mocap_frames}
    for cluster in ("k01", "k02"):
        moments = (KINECT_FRAME,) if (cluster, 1) in recording.cameras else ()
        lines[f"Kinect/Correspondences/corr_moc_kin{cluster[1:]}"] = moments
    for start, moments in lines.items():
        if not moments:
            continue
        path = root / f"{start}_{_code(recording)}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{i} {i / 22:.6f} {moment}\n" for i, moment in enumerate(moments))
        path.write_text(text)


def _write_calibration(folder: Path, *, seed: int) -> dict[tuple[str, int], Camera]:
    """Writes the calibration of all 14 cameras and returns them."""
    rng = np.random.default_rng([seed, 23])
    folder.mkdir(parents=True)
    firsts = mocap.cameras(
        len(CLUSTERS), IMAGE_SIZE, up="y", seed=seed, focal=524, distance_mm=3600
    )
    cameras = {}
    for (cluster, count), first in zip(CLUSTERS.items(), firsts, strict=True):
        blocks = ["%YAML:1.0", f"Number of cameras: {count}"]
        for number in range(1, count + 1):
            place = np.zeros(6)
            if number > 1:
                place = np.concatenate(
                    [[-113.2 * (number - 1), *rng.uniform(-8, 8, 2)], rng.uniform(-0.1, 0.1, 3)]
                )
            dist = np.array([-0.307, 0.1196, 8e-4, -1.8e-3]) * rng.uniform(0.8, 1.2, 4)
            K = first.K + np.diag([*rng.uniform(-3, 3, 2), 0])
            relative = matrix_from_axis_angle(place[3:])
            cameras[cluster, number] = Camera(
                relative @ first.R,
                relative @ first.t + place[:3],
                K,
                dist,
                first.world_up,
                IMAGE_SIZE,
            )
            blocks.append(f"Camera_{number}:")
            blocks += _matrix("K", K) + _matrix("Dist", dist[:, None])
            blocks += _matrix("PosRel", place[:, None])
        (folder / f"camcfg_{cluster}.yml").write_text("\n".join(blocks) + "\n")
        # Both lines of this file end with a blank.
        text = f"Rw={_numbers(first.R)} \nTw={_numbers(first.t)} \n"
        (folder / f"RwTw_{cluster}.txt").write_text(text)
    return cameras


def _matrix(name: str, values: np.ndarray) -> list[str]:
    """Returns the lines of a matrix as OpenCV's FileStorage writes it, long ones broken."""
    numbers = [_yaml_number(x) for x in values.reshape(-1)]
    data = ", ".join(numbers)
    if len(numbers) > 4:
        data = ", ".join(numbers[:4]) + ",\n          " + ", ".join(numbers[4:])
    rows, columns = values.shape
    return [
        f"   {name}: !!opencv-matrix",
        f"      rows: {rows}",
        f"      cols: {columns}",
        "      dt: f",
        f"      data: [ {data} ]",
    ]


def _yaml_number(x: float) -> str:
    return f"{x:.0f}." if x == int(x) else f"{x:.9e}"


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{x:.9f}" for x in values.reshape(-1))
