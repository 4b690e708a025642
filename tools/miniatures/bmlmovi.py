"""BML-MoVi in miniature: markers in MATLAB structs at 120 Hz, videos at 30 Hz, two cameras."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera, intrinsics

from . import _mocap_scene as mocap
from . import scene
from .truth import Truth, TruthRow

SKELETON = "bmlmovi_87"
MOCAP_HZ, VIDEO_HZ = 120, 30
IMAGE_SIZE = (800, 600)
N_MARKERS, N_VIRTUAL = 67, 20
#: The two fixed cameras of the dataset, as its calibration files state them: fx fy cx cy (pixels
#: counted from 1), k1 k2, rotation for row vectors, translation in mm.
CAMERAS = {
    "PG1": (
        (979.179, 978.102, 408.027, 291.170),
        (-0.18236, 0.18389),
        ((0.03052, 0.06319, -0.99753), (0.99942, 0.01303, 0.03140), (0.01499, -0.99792, -0.06275)),
        (-177.23, 1030.56, 4999.32),
    ),
    "PG2": (
        (980.043, 980.699, 392.275, 309.911),
        (-0.22932, 0.35465),
        (
            (0.99887, -0.00493, -0.04733),
            (0.04569, -0.17839, 0.98290),
            (-0.01328, -0.98395, -0.17796),
        ),
        (-243.68, 672.57, 4050.87),
    ),
}
#: The 17 points of the rounds S1 and S2 as numbers of the 87; None for the two that have none.
S_ROUND_POINTS = (5, 6, 12, 13, 20, None, 36, 37, 43, 44, 51, None, 67, 71, 77, 79, 85)
S_ROUND_VIRTUAL = (0, 4, 10, 12, 18)
_PARENTS = (4, 3, 1, 2, 7, 10, 2, 11, 5, 4, 6, 5, 15, 18, 2, 19, 13, 4, 14)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes BML-MoVi in miniature: round F of two actors, rounds S1 and S2 of one.

    The videos of uncalibrated phones are there too; nothing can be projected into them, so the
    truth leaves them out.
    """
    _write_calibration(root / "Calib")
    rows = []
    # 87 columns of points: 67 markers, then the 20 joint centres.
    first = _points(21, subject=1, seed=seed)
    _write_subject(root / "F_Subjects_1_45" / "F_v3d_Subject_1.mat", "Subject_1_F", [first])
    rows += _write_videos(root, "F", 1, first, n_frames=7, seed=seed)
    # Only the markers in the first array; the joint centres have their own.
    second = _points(14, subject=46, seed=seed)
    path = root / "F_Subjects_46_90" / "F_v3d_Subject_46.mat"
    _write_subject(path, "Subject_46_F", [second], n_columns=N_MARKERS)
    rows += _write_videos(root, "F", 46, second, n_frames=3, seed=seed + 1)
    moves = [_reduced(_points(9, subject=1, start=start, seed=seed)) for start in (30, 45)]
    _write_subject(root / "S" / "S_v3d_Subject_1.mat", "Subject_1_S", moves)
    for name, move in zip(("S1", "S2"), moves, strict=True):
        rows += _write_videos(root, name, 1, move, n_frames=2, seed=seed + 2)
    for name in ("F_CP1", "S1_CP1", "I1_CP1"):
        phone = scene.cameras(1, (1920, 1080), seed=seed, focal=1508.7)[0]
        path = root / f"{name}_Subject_1.mp4"
        mocap.video(path, phone, [first], SKELETON, n_frames=2, fps=30, seed=seed)
    return Truth(tuple(rows))


def _points(n_rows: int, *, subject: int, start: int = 0, seed: int = 0) -> np.ndarray:
    """Returns (T, 87, 3) mm at 120 Hz; a marker is lost at times, a joint centre once."""
    rng = np.random.default_rng([seed, subject, start, 3])
    points = mocap.tracks(SKELETON, n_rows, person=subject, start=start, seed=seed)
    points[:, rng.integers(N_MARKERS)] = np.nan
    points[n_rows // 2 :, rng.integers(N_MARKERS)] = np.nan
    points[0, N_MARKERS + rng.integers(N_VIRTUAL)] = np.nan
    return points


def _reduced(points: np.ndarray) -> np.ndarray:
    """Returns the points that the rounds S1 and S2 record; NaN for the others."""
    kept = [i for i in S_ROUND_POINTS if i is not None]
    reduced = np.full_like(points, np.nan)
    reduced[:, kept] = points[:, kept]
    return reduced


def _write_subject(
    path: Path, variable: str, moves: list[np.ndarray], *, n_columns: int = 87
) -> None:
    from scipy.io import savemat

    cell = np.empty((1, len(moves)), object)
    for i, points in enumerate(moves):
        is_reduced = variable.endswith("_S")
        if is_reduced:
            # The two columns that belong to none of the 87 points hold other places of the body.
            columns = [points[:, 36 if j is None else j] + 40 * (j is None) for j in S_ROUND_POINTS]
            markers = np.stack(columns, axis=1)
            virtual = points[:, [N_MARKERS + j for j in S_ROUND_VIRTUAL]]
        else:
            markers, virtual = points[:, :n_columns], points[:, N_MARKERS:]
        n = len(points)
        # Two motions, as first and last frame from 1, at 30 and at 120 Hz.
        half = 4 * (n // 8)
        cell[0, i] = {
            "markerLocation": np.nan_to_num(markers, nan=0.0),
            "virtualMarkerLocation": np.nan_to_num(virtual, nan=0.0),
            "markerGaps": np.isnan(markers[..., 0]).astype(float),
            "virtualMarkerParent": np.array(_PARENTS, float)[:, None],
            "motions_list": np.array(["walking", "kicking_rm"], object)[:, None],
            "flags30": np.array([[1, half // 4], [half // 4 + 1, -(-n // 4)]], float),
            "flags120": np.array([[1, half], [half + 1, n]], float),
            "jointsTranslation_v3d": np.zeros((n, 15, 3)),
        }
    path.parent.mkdir(parents=True)
    subject = {"id": variable.split("_")[1]}
    savemat(path, {variable: {"subject": subject, "move": cell}})


def _write_videos(
    root: Path, prefix: str, subject: int, points: np.ndarray, *, n_frames: int, seed: int
) -> list[TruthRow]:
    """Writes a round's videos and returns its truth: every fourth pose belongs to a frame."""
    step = MOCAP_HZ // VIDEO_HZ
    shown = points[::step]
    rows = []
    for name in CAMERAS:
        camera = _camera(name)
        video = f"{prefix}_{name}_Subject_{subject}_L.avi"
        mocap.video(
            root / video, camera, [shown], SKELETON, n_frames=n_frames, fps=VIDEO_HZ, seed=seed
        )
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
            for i, pose in enumerate(shown[:n_frames])
        ]
    return rows


def _camera(name: str) -> Camera:
    """Returns a camera; its pixels count from 0, those in the calibration files from 1."""
    (fx, fy, cx, cy), (k1, k2), rotation, translation = CAMERAS[name]
    return Camera(
        _orthonormal(rotation).T,
        translation,
        intrinsics(fx, fy, cx - 1, cy - 1),
        distortion=(k1, k2),
        world_up=(0, 0, 1),
        image_size=IMAGE_SIZE,
    )


def _orthonormal(rotation) -> np.ndarray:
    """Returns the nearest rotation: the numbers above are rounded."""
    u, _, vt = np.linalg.svd(rotation)
    return u @ vt


def _write_calibration(folder: Path) -> None:
    """Writes what MATLAB calls the matrices: all of them for row vectors."""
    folder.mkdir()
    for name, ((fx, fy, cx, cy), radial, rotation, translation) in CAMERAS.items():
        np.savez(
            folder / f"cameraParams_{name}.npz",
            IntrinsicMatrix=intrinsics(fx, fy, cx, cy).T,
            RadialDistortion=np.array(radial),
        )
        np.savez(
            folder / f"Extrinsics_{name}.npz",
            rotationMatrix=_orthonormal(rotation),
            translationVector=np.array(translation),
        )
