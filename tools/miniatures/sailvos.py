"""SAIL-VOS in miniature: bones of a game's people as text, in metres kilometres from the origin.

One sequence is as it was released: bitmaps, arrays of object ids, and no cameras; they are to be
found from the bones. The other one is prepared as in the published pipeline: JPEG, compressed
arrays, and a camera per person and frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import skeleton_defs
from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from dataset_adapters.camera import Camera, intrinsics

from . import scene
from ._game_bones import bones_of, write_bones
from ._mocap_scene import cameras, image, row, silhouette, tracks
from ._room_views import WorldFrame
from .truth import Truth, TruthRow

_SKELETON = "sailvos_26"
_SIZE = (1280, 800)
_N_SHOWN_OF_FEW = 4


@dataclass(frozen=True)
class _Person:
    """Someone in a sequence.

    Attributes:
      folder: object id, class and number, as the folder is called.
      place: (right, forward) mm from the middle of the scene.
      missing: joints of which no bone is known.
      has_few_bones: hardly any bone is known: too few for a camera.
      is_broken: all bones are in one place.
      is_tiny: the shorter side in the picture is below the 50 px of the published selection.
      frames: those with a pose; the silhouette is always there.
    """

    folder: str
    place: tuple[float, float]
    missing: tuple[str, ...] = ()
    has_few_bones: bool = False
    is_broken: bool = False
    is_tiny: bool = False
    frames: tuple[int, ...] = (12, 47)

    @property
    def id(self) -> int:
        return int(self.folder.split("_")[0])

    @property
    def is_usable(self) -> bool:
        return not (self.has_few_bones or self.is_broken or self.is_tiny)


@dataclass(frozen=True)
class _Sequence:
    """A sequence; `origin` is where in the game's world it takes place, metres."""

    name: str
    frames: tuple[int, ...]
    people: tuple[_Person, ...]
    origin: tuple[float, float, float]
    n_bones: int
    focal: float
    is_prepared: bool = False
    things: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)


_SEQUENCES = (
    _Sequence(
        "tonya_mcs_1",
        (12,),
        (
            _Person("37_Ped_5", (-500.0, 0.0), missing=("nose", "right_hand")),
            _Person("112_Ped_9", (600.0, 400.0)),
            _Person("140_Ped_2", (1300.0, 900.0), has_few_bones=True),
        ),
        (-1034.221, -2731.87, 20.713),
        n_bones=343,
        focal=1100.0,
        things={"9_Car_1": (40, 500, 220, 160)},
    ),
    _Sequence(
        "ah_1_mcs_1",
        (12, 47),
        (
            # The second is partly behind the first.
            _Person("8_Ped_1", (0.0, -300.0)),
            _Person("21_Ped_3", (350.0, 900.0), missing=("left_ankle", "left_toe")),
            _Person("30_Ped_3", (-1100.0, 800.0), is_broken=True),
            _Person("44_Ped_7", (800.0, 400.0), frames=(47,)),
            _Person("71_Ped_4", (-5000.0, 35000.0), is_tiny=True),
            _Person("305_Ped_11", (-1200.0, 3000.0)),
        ),
        (2189.402, 3467.05, 54.2),
        n_bones=356,
        focal=1466.7,
        is_prepared=True,
    ),
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes two sequences; an odd `seed` puts them below one more folder."""
    rows = []
    for i, sequence in enumerate(_SEQUENCES):
        folder = f"sailvos/{sequence.name}" if seed % 2 else sequence.name
        rows += _write_sequence(root, folder, sequence, seed + 10 * i)
    return Truth(tuple(rows))


def _write_sequence(root: Path, folder: str, sequence: _Sequence, seed: int) -> list[TruthRow]:
    world = WorldFrame(np.eye(3), 1000 * np.array(sequence.origin))
    views = [world.camera(camera) for camera in _moving_camera(sequence, seed)]
    poses = {
        person: world.points(_in_room(person, views[0], len(sequence.frames), seed))
        for person in sequence.people
    }
    rows = []
    for i, (frame, camera) in enumerate(zip(sequence.frames, views, strict=True)):
        picture_path = f"{folder}/images/{frame:06d}.{'jpg' if sequence.is_prepared else 'bmp'}"
        now = _farthest_first(camera, {p: joints[i] for p, joints in poses.items()})
        shown = image(camera, list(now.values()), _SKELETON, seed=seed)
        scene.write_image(root / picture_path, shown)
        _write_silhouettes(root / folder, sequence, frame, camera, now)
        for person, joints in now.items():
            if frame not in person.frames:
                continue
            base = root / folder / person.folder / f"{frame:06d}"
            known = _write_person(base, sequence, person, camera, joints, [seed, person.id, frame])
            if person.is_usable:
                rows.append(
                    row(
                        camera,
                        np.where(known[:, None], joints, np.nan),
                        split="train",
                        skeleton=_SKELETON,
                        image=picture_path,
                        sequence=sequence.name,
                        frame=frame,
                    )
                )
    return rows


def _write_person(
    base: Path, sequence: _Sequence, person: _Person, camera: Camera, joints: np.ndarray, seed
) -> np.ndarray:
    """Writes the files of a person in a frame; returns (26,) bool, which joints they hold."""
    rng = np.random.default_rng(seed)
    known = _known(person, rng)
    bones, has_pixel = bones_of(
        joints,
        known,
        n_bones=sequence.n_bones,
        others=not person.has_few_bones,
        noise_mm=0.2 if person.is_broken else 12.0,
        rng=rng,
    )
    write_bones(base, camera, bones, has_pixel, rng=rng)
    if sequence.is_prepared:
        _write_camera(Path(f"{base}_camera.npz"), camera, person)
    return known


def _moving_camera(sequence: _Sequence, seed: int) -> list[Camera]:
    """Returns the camera of each frame in the room: it goes around the people."""
    first = cameras(1, _SIZE, seed=seed, distance_mm=4300.0)[0]
    K = intrinsics(sequence.focal, sequence.focal, _SIZE[0] / 2, _SIZE[1] / 2)
    moved = []
    for i in range(len(sequence.frames)):
        turn = matrix_from_axis_angle(np.array([0, 0, 0.09 * i]))
        moved.append(
            Camera.at(
                turn @ first.center, first.R @ turn.T, K, world_up=(0, 0, 1), image_size=_SIZE
            )
        )
    return moved


def _in_room(person: _Person, camera: Camera, n_frames: int, seed: int) -> np.ndarray:
    """Returns (T, 26, 3) mm: the person at a place that the first camera's direction gives."""
    joints = tracks(_SKELETON, n_frames, person=person.id, seed=seed)
    joints[..., :2] -= joints[:1, :1, :2]
    right, forward = person.place
    ahead = camera.R[2] * [1, 1, 0]
    ahead /= np.linalg.norm(ahead)
    joints += right * np.cross(ahead, [0, 0, 1]) + forward * ahead
    if person.is_broken:
        joints = joints.mean(axis=1, keepdims=True) + 0.02 * (joints - joints[:, :1])
    return joints


def _farthest_first(camera: Camera, people: dict[_Person, np.ndarray]) -> dict:
    def depth(person: _Person) -> float:
        return -camera.to_camera(people[person])[:, 2].mean()

    return {person: people[person] for person in sorted(people, key=depth)}


def _known(person: _Person, rng) -> np.ndarray:
    """Returns (26,) bool: joints of which at least one bone is known."""
    skeleton = skeleton_defs.get(_SKELETON)
    if person.has_few_bones:
        return rng.permutation(skeleton.n_joints) < _N_SHOWN_OF_FEW
    return np.array([name not in person.missing for name in skeleton.joints])


def _write_camera(path: Path, camera: Camera, person: _Person) -> None:
    """Writes what somebody found from the bones; a number that is none where they did not do."""
    extrinsics = np.concatenate([camera.R, camera.t[:, None] / 1000], axis=1)
    found = {"intrinsics": camera.K, "extrinsics": extrinsics}
    if person.has_few_bones or person.is_broken:
        found = {"intrinsics": np.nan, "extrinsics": np.nan}
    np.savez(path, **found)


def _write_silhouettes(
    folder: Path, sequence: _Sequence, frame: int, camera: Camera, now: dict[_Person, np.ndarray]
) -> None:
    """Writes every object's whole silhouette, and which object is seen at each pixel."""
    visible = np.zeros(_SIZE[::-1], np.uint16)
    masks = {}
    for name, (left, top, width, height) in sequence.things.items():
        masks[name] = np.zeros(_SIZE[::-1], bool)
        masks[name][top : top + height, left : left + width] = True
    for person, joints in now.items():
        masks[person.folder] = silhouette(camera, joints, _SKELETON)
    for name, mask in masks.items():
        visible[mask] = int(name.split("_")[0])
        scene.write_image(folder / name / f"{frame:06d}.png", mask.astype(np.uint8) * 255)
    path = folder / f"visible/{frame:06d}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if sequence.is_prepared:
        np.savez_compressed(path.with_suffix(".npz"), visible_ids=visible)
    else:
        np.save(path.with_suffix(".npy"), visible)
        ids = sorted(int(name.split("_")[0]) for name in masks)
        np.save(folder / "visible_objects.npy", np.array([0, *ids]))
