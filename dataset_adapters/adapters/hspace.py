"""HSPACE: crowds of scanned people in rendered scenes, in TFRecord files; joints in camera space.

Bazavan et al., 2021. One file is one sequence of a moving camera, one record one image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..camera import Camera, intrinsics
from ..containers.errors import FileError
from ..containers.file_text import list_names
from ..containers.tfrecord import TfRecordFile
from ..examples import ExampleBlock
from ._hspace_images import frame_size
from ._values import as_numbers, camera_of, natural_key

#: Rows of the joints of `hspace_ghum_35` among the 63 of the files.
KEPT_ROWS = (
    *range(8), 9,  # Pelvis to head, and an end of each eyebrow.
    *range(13, 17), 20, 22, 31,  # Left arm, first and last joint of the middle finger, thumb.
    *range(32, 36), 39, 41, 50,
    *range(51, 63),
)  # fmt: skip
N_ROWS = 63
_COUNT, _LENS = "number_of_rigged_characters", "camera_intrinsics"
_PERSON = re.compile(r"RIGGED_\d+/(joints_3d|mask_id)")
#: More people than this in one image are damage.
_MAX_PEOPLE = 10_000
_NOT_TRAIN = {"test", "val", "valid", "validation", "eval"}

INFO = DatasetInfo(
    name="hspace",
    title="HSPACE",
    kind="3D, synthetic",
    homepage="https://github.com/google-research/google-research/tree/master/hspace",
    licence="in a data card beside the data (not seen); use under Google's AI principles",
    access="request form; then the bucket gs://hspace_public",
    paper="Bazavan, Zanfir, Zanfir, Freeman, Sukthankar, Sminchisescu: HSPACE, 2021",
    skeletons=("hspace_ghum_35",),
    splits=("train",),
    tree="""\
2021_01/train/*.tfrecord
or the folder above: hspace/2021_01/train/*.tfrecord""",
    items=(Item("**/*.tfrecord", "images, cameras and joints", "gs://hspace_public"),),
    defects=(
        Defect("red and blue are exchanged in the stored images", "exchanged back on decoding"),
        Defect(
            "images lie inside of TFRecord files",
            "an example names the file and the number of the record, like a frame of a video",
        ),
        Defect("no camera pose is known", "joints are in camera axes; up is -y of the camera"),
    ),
    thinning=Thinning(distance_mm=100.0, memory=20, keep_newly_valid=True, ignore_missing=True),
    facts=(
        "About 1 million images, 100 scanned people in 16 body shapes, several in an image.",
        "28 of the 63 joints (fingers, eyebrows) are left out, as in the published models.",
        "The published selection takes the box of the silhouette (here: of the joints' part in the "
        "image, expanded) with a shorter side of at least 100 px, and thins the people of a file "
        "together.",
        "Extra mask_id: the person's label in the record's character_masks; label mask_id - 1 "
        "belongs to the person as well.",
        "How the files are called, their image size and their rate are not documented.",
    ),
)


@dataclass(frozen=True)
class HSpace(Adapter):
    """Reads HSPACE."""

    info = INFO

    min_side_px: float = option(100.0, "smallest shorter side of a person's box in the image")

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per file."""
        places = (path.relative_to(root) for path in root.rglob("*.tfrecord"))
        keys = [place.as_posix() for place in places if not _NOT_TRAIN & set(place.parts[:-1])]
        return [Source(split, key) for key in sorted(keys, key=natural_key)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all people, image after image."""
        path = root / source.key
        with TfRecordFile(path) as file:
            if not len(file):
                return
            size = frame_size(file, 0)
            frames, people, joints, lenses, mask_ids = _read_people(file)
        rows = np.flatnonzero(self._is_chosen(joints, lenses, size))
        made = {lens: _camera(path, lens, size) for lens in sorted(set(lenses))}
        yield ExampleBlock(
            dataset="hspace",
            split=source.split,
            skeleton="hspace_ghum_35",
            frames=frames[rows],
            sequence=path.stem,
            person=[people[row] for row in rows],
            images=source.key,
            video_frames=frames[rows],
            cameras=[made[lenses[row]] for row in rows],
            joints3d=joints[rows],
            extras={"mask_id": mask_ids[rows]},
        )

    def _is_chosen(self, joints: np.ndarray, lenses: list[tuple], size: tuple[int, int]):
        """Returns which people (N,) are large enough in the image."""
        if not len(joints) or self.min_side_px <= 0:
            return np.ones(len(joints), bool)
        lens = np.array(lenses)[:, None]
        depth = np.where(joints[..., 2:] > 0, joints[..., 2:], np.nan)
        pixels = lens[..., :2] * joints[..., :2] / depth + lens[..., 2:]
        pixels = np.clip(pixels, -0.5, np.array(size) - 0.5)
        low = np.where(np.isnan(pixels), np.inf, pixels).min(1)
        high = np.where(np.isnan(pixels), -np.inf, pixels).max(1)
        return INFO.box_expansion * (high - low).min(1) >= self.min_side_px


def _read_people(file: TfRecordFile):
    """Returns frames (N,), person ids, joints (N, 35, 3) mm, intrinsics, and mask ids (N,)."""
    frames, people, joints, lenses, mask_ids = [], [], [], [], []
    for frame in range(len(file)):
        values = file.features(
            frame, lambda key: key in (_COUNT, _LENS) or _PERSON.fullmatch(key) is not None
        )
        lens = tuple(_numbers(file, frame, values, _LENS, 4).tolist())
        (count,) = _numbers(file, frame, values, _COUNT, 1)
        if not 0 <= count <= _MAX_PEOPLE:
            raise FileError(file.path, f"record {frame + 1}: {_COUNT} is {count:g}")
        for person in range(int(count)):
            name = f"RIGGED_{person}"
            joints.append(_numbers(file, frame, values, f"{name}/joints_3d", 3 * N_ROWS))
            mask_id = values.get(f"{name}/mask_id", ())
            mask_ids.append(int(mask_id[0]) if len(mask_id) == 1 else -1)
            frames.append(frame)
            people.append(str(person))
            lenses.append(lens)
    # Metres.
    positions = 1000 * np.array(joints, np.float64).reshape(-1, N_ROWS, 3)[:, KEPT_ROWS]
    return np.array(frames, int), people, positions, lenses, np.array(mask_ids, int)


def _numbers(file: TfRecordFile, frame: int, values: dict, key: str, count: int) -> np.ndarray:
    if not isinstance(values.get(key), np.ndarray):
        raise FileError(
            file.path,
            f"record {frame + 1}: expected the feature {key!r} with numbers, found "
            f"{list_names(sorted(values))}",
        )
    return as_numbers(file.path, f"record {frame + 1}, {key}", values[key], count)


def _camera(path: Path, lens: tuple[float, ...], size: tuple[int, int]) -> Camera:
    return camera_of(
        path,
        "camera_intrinsics",
        R=np.eye(3),
        t=np.zeros(3),
        K=intrinsics(*lens),
        world_up=(0, -1, 0),
        image_size=size,
    )
