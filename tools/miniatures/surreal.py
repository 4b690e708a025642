"""SURREAL in miniature: mirrored 320x240 renderings, SMPL parameters, MATLAB 5 files per clip.

The world is in metres with -y up; every camera looks along -x and only its place differs. The
files' own camera is left-handed, because the renderings show the world in a mirror. The truth is
what is seen after reversing the pixel columns: a proper camera whose principal point is (159, 120),
with the joints' labels as they are. The file's 2D joints are whole numbers, so they are not the
truth. A clip of one frame, whose arrays have lost an axis, is as good as any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import savemat

import skeleton_defs
from dataset_adapters.body_models.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from dataset_adapters.camera import Camera, intrinsics

from . import scene
from ._mocap_scene import row
from ._room_views import WorldFrame
from ._smpl_walkers import Walker, walker
from .truth import Truth, TruthRow

_SKELETON = "surreal_24"
_SIZE, _FPS = (320, 240), 30
_FAR = np.float32(1e10)
#: World to camera after the image is reversed: the released rows with the first one negated.
_VIEW = np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])
#: Overlap of neighbouring clips per cent, of run0, run1 and run2.
_STRIDES = (50, 30, 70)
_SPLITS = {"train": "train", "val": "valid", "test": "test"}


@dataclass(frozen=True)
class _Clip:
    """One clip.

    Attributes:
      person: who is in it; clips of one number are copies of each other.
      left: frames in which the person has left the image.
      zeroed: frames whose joints are all zero.
      is_monster: it belongs to the sequences whose body shapes are known to be bad.
    """

    split: str
    run: int
    sequence: str
    number: int = 1
    n_frames: int = 3
    person: int = 0
    left: tuple[int, ...] = ()
    zeroed: tuple[int, ...] = ()
    is_monster: bool = False

    @property
    def name(self) -> str:
        return f"{self.sequence}_c{self.number:04d}"

    def has_truth(self, frame: int) -> bool:
        return not self.is_monster and frame not in (*self.left, *self.zeroed)


_CLIPS = (
    _Clip("train", 0, "01_01", n_frames=4, left=(3,)),
    _Clip("train", 0, "01_01", number=2, n_frames=1),
    _Clip("train", 1, "143_21", n_frames=2, is_monster=True, person=1),
    _Clip("train", 2, "ung_122_57", person=2, zeroed=(1,)),
    _Clip("val", 0, "40_12", person=3),
    _Clip("test", 0, "40_12", person=3),
    _Clip("test", 1, "75_04", number=11, n_frames=2, person=4),
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes clips of all splits; an odd `seed` leaves out the archive's outermost folder."""
    rows = []
    for clip in _CLIPS:
        folder = f"{clip.split}/run{clip.run}/{clip.sequence}"
        rows += _write_clip(root, folder if seed % 2 else f"cmu/{folder}", clip, seed)
    return Truth(tuple(rows))


def _write_clip(root: Path, folder: str, clip: _Clip, seed: int) -> list[TruthRow]:
    rng = np.random.default_rng([seed, clip.person, 23])
    body = walker(clip.n_frames, WorldFrame.upward("-y"), person=clip.person, seed=seed, scale=1.02)
    place = np.array([100 * rng.normal(), 0, rng.uniform(-2500, 2500)])
    joints = body.joints - body.joints[:1, :1] * [1, 0, 1] + place
    distance, height = rng.uniform(5500, 7500), rng.uniform(900, 1100)
    camera_place = place + np.array([distance, -height, 40 * rng.normal()])
    joints[list(clip.left), :, 2] += 6000
    joints[list(clip.zeroed)] = 0
    # What the file holds is what is true.
    joints = 1000 * (joints / 1000).astype(np.float32).astype(float)
    camera_place = 1000 * (camera_place / 1000).astype(np.float32).astype(float)
    camera = Camera.at(
        camera_place,
        _VIEW,
        intrinsics(600, 600, 159, 120),
        world_up=(0, -1, 0),
        image_size=_SIZE,
    )
    # The person is in the picture even where the joints are missing.
    painted = joints.copy()
    painted[list(clip.zeroed)] = joints[0]
    (root / folder).mkdir(parents=True, exist_ok=True)
    base = root / folder / clip.name
    savemat(f"{base}_info.mat", _info(clip, body, joints, camera, rng), do_compression=True)
    parts = [_mirrored(_parts(camera, pose)) for pose in painted]
    savemat(f"{base}_segm.mat", _numbered("segm", parts), do_compression=True)
    depths = [_depth(camera, pose, part) for pose, part in zip(painted, parts, strict=True)]
    savemat(f"{base}_depth.mat", _numbered("depth", depths), do_compression=True)
    pictures = [
        _mirrored(scene.picture(_SIZE, [camera.project(pose)], _SKELETON, seed=clip.person))
        for pose in painted
    ]
    scene.write_video(Path(f"{base}.mp4"), pictures, fps=_FPS)
    return [
        row(
            camera,
            pose,
            split=_SPLITS[clip.split],
            skeleton=_SKELETON,
            image=f"{folder}/{clip.name}.mp4",
            video_frame=i,
            frame=i,
        )
        for i, pose in enumerate(joints)
        if clip.has_truth(i)
    ]


def _info(clip: _Clip, body: Walker, joints: np.ndarray, camera: Camera, rng) -> dict:
    n = clip.n_frames
    turns = np.full(n, rng.uniform(0, 2 * np.pi))
    joints3d = joints.transpose(2, 1, 0) / 1000
    joints2d = _released_pixels(camera, joints).round().transpose(2, 1, 0)
    joints2d[:, :, list(clip.zeroed)] = 0
    if n == 1:
        # MATLAB keeps no trailing axis of length one.
        joints3d, joints2d = joints3d[..., 0], joints2d[..., 0]
    is_male = clip.person % 2
    return {
        "sequence": clip.name,
        "clipNo": float(clip.number),
        "source": "cmu",
        "bg": _cells(n, f"LSUN/img/kitchen_tr_img/{rng.bytes(20).hex()}.jpg"),
        "cloth": _cells(n, f"nongrey_{('female', 'male')[is_male]}_0346.jpg"),
        "gender": np.full((n, 1), is_male, np.uint8),
        "light": rng.uniform(-0.7, 0.7, (9, 100)).astype(np.float32),
        "stride": np.array([[_STRIDES[clip.run]]], np.uint8),
        "camDist": np.array([[np.linalg.norm(camera.center) / 1000]], np.float32),
        "camLoc": (camera.center / 1000).astype(np.float32)[:, None],
        "joints2D": joints2d.astype(np.float32),
        "joints3D": joints3d.astype(np.float32),
        "pose": _pose(body, turns).reshape(n, 72).T.astype(np.float32),
        "shape": np.repeat(rng.normal(0, 1, (10, 1)), n, axis=1).astype(np.float32),
        "zrot": turns[:, None].astype(np.float32),
    }


def _released_pixels(camera: Camera, joints: np.ndarray) -> np.ndarray:
    """Returns where the stored image shows joints (..., 3): its columns are the reversed ones."""
    pixels = camera.project(joints)
    return np.stack([_SIZE[0] - 1 - pixels[..., 0], pixels[..., 1]], axis=-1)


def _pose(body: Walker, turns: np.ndarray) -> np.ndarray:
    """Returns (T, 24, 3): the root's rotation lacks the turn about z and the step from z to -y."""
    root = WorldFrame.upward("-y").R.T @ matrix_from_axis_angle(body.rotations[:, 0])
    unturn = matrix_from_axis_angle(-turns[:, None] * np.array([0, 0, 1.0]))
    pose = body.rotations.copy()
    pose[:, 0] = axis_angle_from_matrix(unturn @ root)
    return pose


def _parts(camera: Camera, joints: np.ndarray) -> np.ndarray:
    """Paints the body's parts as the reversed image shows them: 1 + number of the part's joint."""
    import cv2

    image = np.zeros(_SIZE[::-1], np.uint8)
    pixels = camera.project(joints).round().astype(int)
    for a, b in skeleton_defs.get(_SKELETON).edges:
        cv2.line(image, tuple(map(int, pixels[a])), tuple(map(int, pixels[b])), a + 1, 9)
    return image


def _depth(camera: Camera, joints: np.ndarray, parts: np.ndarray) -> np.ndarray:
    z = camera.to_camera(joints)[:, 2].mean() / 1000
    return np.where(parts > 0, np.float32(z), _FAR)


def _numbered(name: str, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}_{i}": array for i, array in enumerate(arrays, 1)}


def _mirrored(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


def _cells(n: int, text: str) -> np.ndarray:
    cells = np.empty((1, n), object)
    cells[:] = text
    return cells
