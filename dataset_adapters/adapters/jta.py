"""JTA (Joint Track Auto): crowds in the streets of a video game, 22 joints each, in camera space.

Fabbri et al., ECCV 2018. One JSON file per video: a row of ten numbers per joint, person and frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..camera import Camera, intrinsics
from ..containers.errors import FileError
from ..examples import SPLITS, ExampleBlock
from ..images import video_size
from ._values import as_array, camera_of, check_choice, natural_key, read_json

IMAGE_SIZE = (1920, 1080)
CENTER_PX = np.array([960.0, 540.0])
#: The README's focal length, and the one that fits distant people better (issue 13).
FOCALS_PX = {"1167": 1167.0, "1158": 1158.0}
N_JOINTS = 22
_NECK, _ANKLES = 2, (18, 21)
_PARTS = {"train": "train", "valid": "val", "test": "test"}
#: Unit vectors nearer than this to the median count as being that far away.
_MEDIAN_EPSILON = 0.01
_MEDIAN_STEPS = 30
_ROWS_PER_BLOCK = 20_000
_PEOPLE_AS_EVIDENCE = 2000

INFO = DatasetInfo(
    name="jta",
    title="JTA, Joint Track Auto",
    kind="3D, synthetic",
    homepage="https://aimagelab.ing.unimore.it/go/JTA",
    licence="CC BY-NC 4.0",
    access="form: research or education, and a statement that one owns Grand Theft Auto V",
    paper="Fabbri, Lanzi, Calderara, Palazzi, Vezzani, Cucchiara: JTA, ECCV 2018",
    skeletons=("jta_22",),
    splits=SPLITS,
    tree="""\
annotations/{train,val,test}/seq_0.json
videos/{train,val,test}/seq_0.mp4""",
    items=(
        Item("annotations/*/seq_*.json", "joints", "annotations of JTA-Dataset"),
        Item("videos/*/seq_*.mp4", "videos", "the form on the homepage"),
    ),
    defects=(
        Defect(
            "the game bends images near their border, the stated camera does not: 2D joints of "
            "distant people are off",
            "a focal length of 1167 px instead of the stated 1158 where it fits better (option "
            "focal); 2D joints are the file's own",
        ),
        Defect(
            "early releases have y and z exchanged with a sign",
            "told by the 2D joints and put right (option axes)",
        ),
        Defect(
            "no camera pose: nobody knows where up is",
            "up is estimated per frame as the geometric median of people's directions from ankles "
            "to neck",
        ),
        Defect("people all of whose joints are occluded", "left out, as the official tools do"),
        Defect("people partly behind the camera", "2D of joints behind it is missing"),
    ),
    thinning=Thinning(distance_mm=100.0, memory=1, splits=SPLITS),
    facts=(
        "256, 128 and 128 sequences of 900 frames at 30 Hz, 1920 x 1080 px.",
        "A person counts with 5 joints that are in the image and not occluded (option "
        "min_visible_joints). Occluded joints have coordinates and are kept; extras tell them.",
        "PosePile keeps people whose detector box has a larger side of 100 px.",
        "The paper tests on validation and test split together.",
    ),
)


@dataclass(frozen=True)
class Jta(Adapter):
    """Reads JTA."""

    info = INFO

    focal: str = option("auto", "focal length, px: auto (by the 2D joints), 1167 or 1158")
    axes: str = option("auto", "order of 3D columns: auto (by the 2D joints), new or old")
    min_visible_joints: int = option(5, "fewest joints inside of the image and not occluded")

    def __post_init__(self):
        check_choice(self, "focal", ("auto", *FOCALS_PX))
        check_choice(self, "axes", ("auto", "new", "old"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per video."""
        folder = root / "annotations" / _PARTS[split]
        names = sorted((path.stem for path in folder.glob("seq_*.json")), key=natural_key)
        return [Source(split, f"{_PARTS[split]}/{name}") for name in names]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields blocks of people, frame after frame."""
        path = root / "annotations" / f"{source.key}.json"
        video = f"videos/{source.key}.mp4"
        if not (root / video).is_file():
            raise FileError(root / video, "expected a video, found none; unpack the videos")
        people = _people(path)
        joints, notes = self._right_axes(people)
        focal, more = self._focal(joints, people.pixels)
        up = _upward(people.frames, joints)
        n_frames = video_size(root / video)[2]
        pixels = np.where(joints[..., 2:] > 0, people.pixels, np.nan)
        is_visible = _is_in_image(pixels) & ~people.is_occluded
        enough = is_visible.sum(1) >= max(self.min_visible_joints, 1)
        rows = np.flatnonzero(enough & ((people.frames <= n_frames) | (n_frames <= 0)))
        cameras = {
            frame: _camera(path, frame, focal, up[frame])
            for frame in np.unique(people.frames[rows]).tolist()
        }
        for start in range(0, len(rows), _ROWS_PER_BLOCK):
            part = rows[start : start + _ROWS_PER_BLOCK]
            frames = people.frames[part]
            yield ExampleBlock(
                dataset="jta",
                split=source.split,
                skeleton="jta_22",
                frames=frames,
                sequence=path.stem,
                person=[str(number) for number in people.ids[part].tolist()],
                images=video,
                # Rows count frames from 1.
                video_frames=frames - 1,
                cameras=[cameras[frame] for frame in frames.tolist()],
                joints3d=joints[part],
                joints2d=pixels[part],
                extras={
                    "occluded": people.is_occluded[part],
                    "self_occluded": people.is_self_occluded[part],
                },
                notes=notes + more,
            )

    def _right_axes(self, people: _People) -> tuple[np.ndarray, tuple[str, ...]]:
        """Returns joints (N, 22, 3) mm in camera axes, and a note."""
        x, y, z = np.moveaxis(1000 * people.joints, -1, 0)
        new, old = np.stack([x, y, z], -1), np.stack([x, -z, y], -1)
        if self.axes != "auto":
            return (new if self.axes == "new" else old), ()
        off = {is_old: _off_px(joints, people.pixels, 1167.0) for is_old, joints in
               ((False, new), (True, old))}  # fmt: skip
        if not off[True] < off[False]:
            return new, ()
        return old, (
            f"3D columns in the order of early releases: {off[True]:.1f} px off the 2D joints "
            f"instead of {off[False]:.1f}",
        )

    def _focal(self, joints: np.ndarray, pixels: np.ndarray) -> tuple[float, tuple[str, ...]]:
        if self.focal != "auto":
            return FOCALS_PX[self.focal], ()
        off = {name: _off_px(joints, pixels, focal) for name, focal in FOCALS_PX.items()}
        best = min(off, key=off.get)
        shown = ", ".join(f"{value:.2f} px off with {name}" for name, value in off.items())
        return FOCALS_PX[best], (f"focal length {best} px: 3D and 2D joints are {shown}",)


@dataclass(frozen=True, eq=False)
class _People:
    """The rows of a file by person and frame, N of them: frames count from 1, joints in metres."""

    frames: np.ndarray
    ids: np.ndarray
    pixels: np.ndarray
    joints: np.ndarray
    is_occluded: np.ndarray
    is_self_occluded: np.ndarray


def _people(path: Path) -> _People:
    document = read_json(path)
    # An empty list has no second axis.
    rows = as_array(path, "the rows", np.empty((0, 10)) if document == [] else document, (None, 10))
    frames, ids, kinds = keys = np.rint(rows[:, :3]).astype(np.int64).T
    is_odd = (rows[:, :3] != keys.T).any(1) | (frames < 1) | (kinds < 0) | (kinds >= N_JOINTS)
    if is_odd.any():
        row = int(is_odd.argmax())
        raise FileError(
            path,
            f"row {row + 1}: expected frame (from 1), person and joint (0 to 21), found "
            f"{rows[row, :3].tolist()}",
        )
    # Both are below 1e7, so that this order of frame and person fits into 64 bits.
    order, place = np.unique((frames << 32) + ids, return_inverse=True)
    values = np.full((len(order), N_JOINTS, 7), np.nan)
    values[place, kinds] = rows[:, 3:]
    is_missing = np.isnan(values[..., 0])
    return _People(
        frames=(order + (1 << 31)) >> 32,
        ids=((order + (1 << 31)) & 0xFFFFFFFF) - (1 << 31),
        pixels=values[..., :2],
        joints=values[..., 2:5],
        is_occluded=is_missing | (values[..., 5] != 0),
        is_self_occluded=~is_missing & (values[..., 6] != 0),
    )


def _off_px(joints: np.ndarray, pixels: np.ndarray, focal: float) -> float:
    """Returns the mean distance of 2D joints in the image from projected 3D joints, px."""
    some = slice(None, None, 1 + len(joints) // _PEOPLE_AS_EVIDENCE)
    joints, pixels = joints[some], pixels[some]
    is_used = (np.abs(pixels - CENTER_PX) < CENTER_PX).all(-1) & (joints[..., 2] > 0)
    points = joints[is_used]
    if not len(points):
        return np.inf
    projected = focal * points[:, :2] / points[:, 2:] + CENTER_PX
    return float(np.linalg.norm(projected - pixels[is_used], axis=-1).mean())


def _is_in_image(pixels: np.ndarray) -> np.ndarray:
    # Pixel centres are at integers. Comparisons with NaN are false.
    return ((pixels >= -0.5) & (pixels < np.array(IMAGE_SIZE) - 0.5)).all(-1)


def _upward(frames: np.ndarray, joints: np.ndarray) -> dict[int, np.ndarray]:
    """Returns by frame the geometric median of people's upward directions; camera axes.

    Args:
      frames: (N,) ascending.
      joints: (N, 22, 3).
    """
    bodies = joints[:, _NECK] - joints[:, _ANKLES].mean(1)
    length = np.linalg.norm(bodies, axis=-1)
    is_known = length > 0
    found = dict.fromkeys(np.unique(frames).tolist(), np.array([0, -1.0, 0]))
    if not is_known.any():
        return found
    directions = bodies[is_known] / length[is_known, None]
    numbers, starts, counts = np.unique(frames[is_known], return_index=True, return_counts=True)
    median = np.add.reduceat(directions, starts) / counts[:, None]
    for _ in range(_MEDIAN_STEPS):
        apart = np.linalg.norm(directions - np.repeat(median, counts, axis=0), axis=-1)
        weight = 1 / np.maximum(apart, _MEDIAN_EPSILON)
        total = np.add.reduceat(weight, starts)
        median = np.add.reduceat(weight[:, None] * directions, starts) / total[:, None]
    for number, direction in zip(numbers.tolist(), median, strict=True):
        if np.linalg.norm(direction) > 1e-6:
            found[number] = direction
    return found


def _camera(path: Path, frame: int, focal: float, up: np.ndarray) -> Camera:
    return camera_of(
        path,
        f"frame {frame}",
        R=np.eye(3),
        t=np.zeros(3),
        K=intrinsics(focal, focal, *CENTER_PX),
        world_up=up,
        image_size=IMAGE_SIZE,
    )
