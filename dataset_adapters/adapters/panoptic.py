"""CMU Panoptic Studio: groups of people in a dome of cameras, markerless.

Joo et al., Panoptic Studio: A Massively Multiview System, TPAMI 2017.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..camera import Camera
from ..columns import CheckedJoints, NumberedPaths
from ..containers.errors import FileError
from ..examples import ExampleBlock
from ..images import video_header
from ._inside import SeenJoints
from ._values import as_array, camera_of, member, read_json, rows_of

_BODY_FOLDERS = ("hdPose3d_stage1_coco19", "hdPose3d_stage1_coco19/hd")
_BODY_FILE = re.compile(r"body3DScene_(\d{1,12})\.json")
_BROKEN_VIDEOS = {("160906_band3", "00_03")}
_CHILDREN = ("_ian", "_toddler")
_MM_PER_CM = 10


@dataclass(frozen=True)
class Panoptic(Adapter):
    """Reads the HD cameras of CMU Panoptic."""

    info = DatasetInfo(
        name="panoptic",
        title="CMU Panoptic Studio",
        kind="3D, markerless",
        homepage="http://domedb.perception.cs.cmu.edu",
        licence="non-commercial and research use",
        access="free download by the panoptic-toolbox (scripts/getData.sh)",
        paper="Joo et al.: Panoptic Studio, TPAMI 2017",
        skeletons=("cmu_panoptic_19",),
        splits=("train",),
        tree="""\
<sequence>/calibration_<sequence>.json
<sequence>/hdPose3d_stage1_coco19/body3DScene_{00000000..}.json     (or in its subfolder hd)
<sequence>/hdVideos/hd_00_{00..30}.mp4                              (those that you want)
<sequence>/hdImgs/00_{00..30}/00_{00..30}_{00000000..}.jpg          (instead of a video)""",
        items=(
            Item("*/calibration_*.json", "cameras", "getData.sh"),
            Item(
                "*/hdPose3d_stage1_coco19/**/body3DScene_*.json",
                "3D joints",
                "hdPose3d_stage1_coco19.tar",
            ),
            Item("*/hdVideos/hd_00_*.mp4", "HD videos", "getData.sh", required=False),
            Item("*/hdImgs/*/*.jpg", "HD images", "hdImgsExtractor.sh", required=False),
        ),
        defects=(
            Defect("some body files are no JSON", "left out; their number is noted"),
            Defect("the video of camera 3 of 160906_band3 is broken", "left out"),
            Defect("videos of some cameras are missing", "these cameras are left out"),
            Defect("missing joints are 0, 0, 0 with confidence -1", "missing, as are those <= 0.1"),
            Defect(
                "PosePile drops all of 161029_piano1 unless told otherwise, for no stated reason",
                "kept, as in its published merges",
            ),
            Defect(
                "some occluded joints keep the same coordinates over frames",
                "kept: nothing in the files marks them",
            ),
        ),
        thinning=Thinning(
            distance_mm=100.0, memory=1, ignore_missing=True, carry_missing=False, moved_joints=3
        ),
        box_expansion=1.25,
        facts=(
            "World: centimetres in the files, y down. HD: 29.97 frames per second, 1920x1080.",
            "Thinning compares joints that both poses have. It follows the files' ids (a track has "
            "one; who comes back may get another, and is new then), where PosePile links people by "
            "position; and it runs per camera, on the poses with enough joints in its image, where "
            "PosePile thins a sequence before it looks at cameras.",
            "PosePile's limited variant: cameras 3,5,9,15,18,20,22,23,24, no children.",
        ),
    )

    cameras: str = option("", "HD cameras to read, as 3,6,12; empty: all that have images")
    children: bool = option(True, "read the sequences of children too (_ian, _toddler)")
    min_confidence: float = option(0.1, "joints of no more confidence are missing")
    min_joints: int = option(6, "bodies with fewer joints are left out")
    min_joints_inside: int = option(6, "bodies with fewer joints in the image are left out")

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per sequence: its cameras share the body files."""
        names = sorted(p.parent.name for p in root.glob("*/calibration_*.json"))
        return [
            Source(split, name)
            for name in dict.fromkeys(names)
            if self.children or not any(mark in name for mark in _CHILDREN)
        ]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per camera."""
        folder = root / source.key
        cameras = _read_cameras(folder / f"calibration_{source.key}.json")
        frames, people, joints, notes = self._bodies(folder)
        seen, joints = SeenJoints(joints), CheckedJoints(joints)
        for name, camera in cameras.items():
            shown = self._frames_with_images(folder, name, frames)
            if shown is None:
                continue
            images, is_video, has_image = shown
            rows = rows_of(has_image & (seen.count(camera) >= self.min_joints_inside))
            base = images.relative_to(root).as_posix()
            yield ExampleBlock(
                dataset=self.info.name,
                split=source.split,
                skeleton="cmu_panoptic_19",
                frames=frames[rows],
                sequence=source.key,
                camera_name=name,
                person=people[rows],
                images=base if is_video else NumberedPaths(
                    f"{base}/{name}_", frames[rows], width=8, suffix=".jpg"
                ),
                video_frames=frames[rows] if is_video else None,
                cameras=camera,
                joints3d=joints[rows],
                notes=notes,
            )  # fmt: skip

    def _frames_with_images(self, folder: Path, name: str, frames: np.ndarray):
        """Returns video or image folder, which of both, and for which frames it has an image."""
        chosen = {int(n) for n in re.findall(r"\d+", self.cameras)}
        if (chosen and int(name[-2:]) not in chosen) or (folder.name, name) in _BROKEN_VIDEOS:
            return None
        video = folder / "hdVideos" / f"hd_{name}.mp4"
        if video.is_file():
            return video, True, frames < video_header(video).n_frames
        images = folder / "hdImgs" / name
        if images.is_dir():
            present = {path.name for path in images.glob("*.jpg")}
            return images, False, np.array(
                [f"{name}_{frame:08d}.jpg" in present for frame in frames.tolist()], bool
            )  # fmt: skip
        return None

    def _bodies(self, folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
        """Returns frame numbers (N,), person ids, joints (N, 19, 3) mm, and notes."""
        frames, people, values, n_bad = [], [], [], 0
        files = _body_files(folder)
        for frame, path in files:
            try:
                document = read_json(path)
            except FileError:
                n_bad += 1
                continue
            for body in _listed_bodies(path, document):
                frames.append(frame)
                people.append(str(body.get("id", "")))
                values.append(member(path, body, "joints19"))
        if files and n_bad == len(files):
            raise FileError(files[0][1], "expected JSON, found damage in this and all body files")
        numbers = _joint_numbers(folder, frames, values)
        positions, confidence = numbers[..., :3] * _MM_PER_CM, numbers[..., 3]
        joints = np.where((confidence > self.min_confidence)[..., None], positions, np.nan)
        enough = np.count_nonzero(~np.isnan(joints[..., 0]), axis=-1) >= self.min_joints
        kept = np.flatnonzero(enough)
        notes = (f"{n_bad} of {len(files)} body files are no JSON: left out",) if n_bad else ()
        return np.array(frames, int)[kept], np.array(people, object)[kept], joints[kept], notes


def _body_files(folder: Path) -> list[tuple[int, str]]:
    """Returns frame numbers and paths; text, as there are many thousands of them."""
    for name in _BODY_FOLDERS:
        names = os.listdir(folder / name) if (folder / name).is_dir() else []
        place = f"{folder}/{name}"
        found = [
            (int(match[1]), f"{place}/{file}")
            for file, match in zip(names, map(_BODY_FILE.fullmatch, names), strict=True)
            if match
        ]
        if found:
            return sorted(found)
    raise FileError(
        folder / _BODY_FOLDERS[0],
        "expected files body3DScene_*.json, found none; unpack hdPose3d_stage1_coco19.tar",
    )


def _listed_bodies(path: str, document) -> list[dict]:
    bodies = member(path, document, "bodies")
    if not isinstance(bodies, list) or not all(isinstance(body, dict) for body in bodies):
        raise FileError(path, "bodies: expected a list of objects")
    return bodies


def _joint_numbers(folder: Path, frames: list[int], values: list) -> np.ndarray:
    """Returns (N, 19, 4) cm and confidence; an error names the file that has something else."""
    if not values:
        return np.zeros((0, 19, 4))
    where = folder / _BODY_FOLDERS[0]
    for frame, numbers in zip(frames, values, strict=True):
        if not isinstance(numbers, list) or len(numbers) != 76:
            raise FileError(
                where / f"body3DScene_{frame:08d}.json", "joints19: expected a list of 76 numbers"
            )
    return as_array(where, "joints19", values, (len(values), 76)).reshape(-1, 19, 4)


def _read_cameras(path: Path) -> dict[str, Camera]:
    """Returns the HD cameras by name."""
    cameras = {}
    entries = member(path, read_json(path), "cameras")
    if not isinstance(entries, list):
        raise FileError(path, "cameras: expected a list")
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("type") != "hd":
            continue
        name = str(member(path, entry, "name"))
        if not re.fullmatch(r"\d\d_\d\d", name):
            raise FileError(path, f"expected a camera name as 00_03, found {name[:40]!r}")
        what = f"camera {name}: "
        width, height = as_array(
            path, f"{what}resolution", member(path, entry, "resolution"), (2,)
        )  # fmt: skip
        t = np.ravel(np.asarray(member(path, entry, "t"), object)).tolist()
        cameras[name] = camera_of(
            path,
            what[:-2],
            R=as_array(path, f"{what}R", member(path, entry, "R"), (3, 3)),
            t=_MM_PER_CM * as_array(path, f"{what}t", t, (3,)),
            K=as_array(path, f"{what}K", member(path, entry, "K"), (3, 3)),
            distortion=as_array(path, f"{what}distCoef", member(path, entry, "distCoef"), (5,)),
            world_up=(0, -1, 0),
            image_size=(int(width), int(height)),
        )
    return dict(sorted(cameras.items()))
