"""MPI-INF-3DHP: markerless joints of 8 actors in 14 views, and 6 test sequences.

Mehta et al., Monocular 3D Human Pose Estimation in the Wild, 3DV 2017.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..camera import Camera, intrinsics
from ..columns import NumberedPaths
from ..containers.errors import FileError
from ..containers.mat import read_mat
from ..examples import ExampleBlock
from ..images import video_size
from ._folders import names_in
from ._inside import joints_inside
from ._pinhole_fit import fit_intrinsics, reprojection_error_px
from ._tdhp import (
    RELEVANT_17,
    WORLD_UP,
    nearest_rotation,
    read_annotation,
    read_cameras,
    sequence_folders,
    to_world,
)
from ._values import as_array, check_choice, natural_key, rows_of, shown_count

#: Rows beyond have annotation, but no video: (Seq1, Seq2) per subject.
_FRAME_COUNTS = {
    "S1": (6416, 12430), "S2": (6502, 6081), "S3": (12488, 12283), "S4": (6171, 6675),
    "S5": (12820, 12312), "S6": (6188, 6145), "S7": (6239, 6320), "S8": (6468, 6054),
}  # fmt: skip
_VIDEO = re.compile(r"video_(0|[1-9]\d{0,3})\.avi")
_TEST_FOLDERS = ("mpi_inf_3dhp_test_set/mpi_inf_3dhp_test_set", "mpi_inf_3dhp_test_set", ".")
_ACTIVITIES = ("stand/walk", "exercise", "sit", "reach/crouch", "on floor", "sports", "misc")
#: Median distance of projected and annotated joints above which a camera is not believed.
_MAX_REPROJECTION_PX = 2.0
_MAX_CHECKED_FRAMES = 500


def _test_camera(center, up, right, K, size, distortion=None) -> Camera:
    up, right = np.array(up), np.array(right)
    R = nearest_rotation(np.stack([right, -up, np.cross(up, right)]))
    return Camera.at(center, R, K, distortion=distortion, world_up=WORLD_UP, image_size=size)


#: Published with PosePile (sensor, focal length, offsets), as the test files have none. The
#: vertical centre is the sensor's middle plus the offset: with PosePile's own formula, which scales
#: both by the pixel aspect, joints of TS1 project 0.46 px too low, with this one less than 0.05 px.
_STUDIO = _test_camera(
    (3427.28, 1387.86, 309.42),
    up=(-0.208215, 0.976233, 0.06014),
    right=(0.000575281, 0.0616098, -0.9981),
    K=intrinsics(1500.172, 1500.832, 1017.387, 1043.032),
    size=(2048, 2048),
)
_OUTDOORS = _test_camera(
    (-2104.3074, 1038.6707, -4596.6367),
    up=(0.025272345, 0.995038509, 0.096227370),
    right=(-0.939647257, -0.009210289, 0.342020929),
    K=intrinsics(1683.983, 1672.594, 939.858, 560.141),
    size=(1920, 1080),
    distortion=(-0.276859611, 0.131125256, -0.000360494, -0.001149441, -0.049318332),
)


@dataclass(frozen=True)
class MpiInf3dhp(Adapter):
    """Reads MPI-INF-3DHP."""

    info = DatasetInfo(
        name="mpi_inf_3dhp",
        title="MPI-INF-3DHP",
        kind="3D, markerless",
        homepage="http://gvv.mpi-inf.mpg.de/3dhp-dataset",
        licence="non-commercial research only, citation required, no redistribution",
        access="download script on the site, which asks to accept the licence",
        paper="Mehta et al.: Monocular 3D Human Pose Estimation in the Wild, 3DV 2017",
        skeletons=("mpi_inf_3dhp_28", "mpi_inf_3dhp_17"),
        splits=("train", "test"),
        tree="""\
S{1..8}/Seq{1,2}/annot.mat
S{1..8}/Seq{1,2}/camera.calibration
S{1..8}/Seq{1,2}/imageSequence/video_{0..13}.avi      (the cameras that you downloaded)
mpi_inf_3dhp_test_set/mpi_inf_3dhp_test_set/TS{1..6}/annot_data.mat
mpi_inf_3dhp_test_set/mpi_inf_3dhp_test_set/TS{1..6}/imageSequence/img_{000001..}.jpg
(the TS folders may also lie one or two levels higher)""",
        items=(
            Item("S*/Seq*/annot.mat", "training annotation", "get_dataset.sh"),
            Item("S*/Seq*/camera.calibration", "training cameras", "get_dataset.sh"),
            Item("S*/Seq*/imageSequence/video_*.avi", "training videos", "get_dataset.sh"),
            Item("**/TS*/annot_data.mat", "test annotation", "get_testset.sh", required=False),
            Item("**/TS*/imageSequence/*.jpg", "test images", "get_testset.sh", required=False),
        ),
        defects=(
            Defect(
                "more annotated rows than video frames; the video of S6/Seq2, camera 2, ends early",
                "rows end with the published frame counts and with the video",
            ),
            Defect(
                "univ_annot3 (limbs of an average person) does not project onto annot2",
                "annot3 is read; the universal joints are an extra (test; train by option)",
            ),
            Defect(
                "the test files have no cameras",
                "published values; where these do not project onto annot2, intrinsics are fitted",
            ),
            Defect("test frames with valid_frame 0 are not part of the protocol", "left out"),
        ),
        thinning=Thinning(distance_mm=100.0, memory=1),
        box_expansion=1.05,
        facts=(
            "25 frames per second; 50 in S1/Seq2 and all of S3 and S5.",
            "PosePile's 17-joint variant takes S8 for validation; the full one trains on all.",
            "Official evaluation: universal joints, PCK at 150 mm and AUC on the first 14 joints.",
        ),
    )

    skeleton: str = option("mpi_inf_3dhp_28", "joints of train: mpi_inf_3dhp_28, mpi_inf_3dhp_17")
    universal: bool = option(False, "train too gets the universal joints as an extra")
    min_joints_inside: int = option(9, "training poses with fewer joints in the image go")
    test_cameras: str = option("auto", "auto (by reprojection), published or fitted intrinsics")

    def __post_init__(self):
        check_choice(self, "skeleton", self.info.skeletons)
        check_choice(self, "test_cameras", ("auto", "published", "fitted"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per sequence: all of its cameras share an annotation file."""
        if split == "train":
            return [Source(split, key) for key in sequence_folders(root)]
        names = [p.parent.name for p in _test_base(root).glob("TS[0-9]*/annot_data.mat")]
        return [Source(split, key) for key in sorted(names, key=natural_key)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per camera."""
        if source.split == "train":
            yield from self._train(root, source)
        else:
            yield self._test(root, source)

    def _train(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        folder = root / source.key
        subject, _, name = source.key.partition("/")
        matches = map(_VIDEO.fullmatch, names_in(folder / "imageSequence"))
        filmed = {int(match[1]) for match in matches if match}
        annotation = read_annotation(
            folder / "annot.mat",
            ("annot2", "annot3", *["univ_annot3"] * self.universal),
            cameras=filmed,
        )
        cameras = read_cameras(folder / "camera.calibration")
        joints = list(RELEVANT_17) if self.skeleton == "mpi_inf_3dhp_17" else slice(None)
        for number, in_camera in annotation["annot3"].items():
            video = folder / "imageSequence" / f"video_{number}.avi"
            if number not in cameras:
                raise FileError(
                    folder / "camera.calibration", f"expected a camera {number}, found none"
                )
            n = shown_count(len(in_camera), video_size(video)[2], _published_count(subject, name))
            camera, shown = cameras[number], annotation["annot2"][number][:n]
            inside = joints_inside(shown.values, camera.image_size)
            is_chosen = inside >= self.min_joints_inside
            rows, chosen = np.flatnonzero(is_chosen), rows_of(is_chosen)
            yield ExampleBlock(
                dataset=self.info.name,
                split=source.split,
                skeleton=self.skeleton,
                frames=rows,
                sequence=source.key,
                subject=subject,
                camera_name=str(number),
                images=video.relative_to(root).as_posix(),
                video_frames=rows,
                cameras=camera,
                joints3d=to_world(camera, in_camera[:n][chosen].of_joints(joints)),
                joints2d=shown[chosen].of_joints(joints),
                extras=self._universal(annotation, number, n, chosen, joints),
            )

    def _universal(self, annotation, number: int, n: int, chosen, joints) -> dict[str, np.ndarray]:
        if not self.universal:
            return {}
        universal = annotation["univ_annot3"][number].values
        return {"universal_joints": universal[:n][chosen][:, joints]}

    def _test(self, root: Path, source: Source) -> ExampleBlock:
        folder = _test_base(root) / source.key
        path = folder / "annot_data.mat"
        keys = ("annot2", "annot3", "univ_annot3", "valid_frame", "activity_annotation")
        values = read_mat(path, keys=keys)
        valid = as_array(path, "valid_frame", np.ravel(values["valid_frame"]), (None,)) > 0
        activity = as_array(
            path, "activity_annotation", np.ravel(values["activity_annotation"]), valid.shape
        )
        rows, frames = rows_of(valid), np.flatnonzero(valid)
        joints2d, in_camera, universal = (
            _coordinate_major(path, key, values[key], n_dims, len(valid), rows)
            for key, n_dims in (("annot2", 2), ("annot3", 3), ("univ_annot3", 3))
        )
        camera = _OUTDOORS if source.key in ("TS5", "TS6") else _STUDIO
        camera, notes = self._checked_camera(camera, in_camera, joints2d)
        images = (folder / "imageSequence").relative_to(root).as_posix()
        return ExampleBlock(
            dataset=self.info.name,
            split=source.split,
            skeleton="mpi_inf_3dhp_17",
            frames=frames,
            sequence=source.key,
            subject=source.key,
            images=NumberedPaths(f"{images}/img_", frames + 1, width=6, suffix=".jpg"),
            cameras=camera,
            joints3d=camera.to_world(in_camera),
            joints2d=joints2d,
            extras={
                "universal_joints": universal,
                "activity": _activities(activity[rows].astype(int)),
            },
            notes=notes,
        )

    def _checked_camera(
        self, camera: Camera, in_camera, joints2d
    ) -> tuple[Camera, tuple[str, ...]]:
        """Returns the published camera, or one with fitted intrinsics where it does not project."""
        if not len(in_camera) or self.test_cameras == "published":
            return camera, ()
        # Some hundred frames tell as much as thousands.
        some = slice(None, None, -(-len(in_camera) // _MAX_CHECKED_FRAMES))
        off = reprojection_error_px(camera, in_camera[some], joints2d[some])
        if self.test_cameras == "auto" and off <= _MAX_REPROJECTION_PX:
            return camera, ()
        fitted = fit_intrinsics(in_camera, joints2d)
        if fitted is None:
            return camera, (f"published camera, {off:.1f} px off annot2: no other could be fitted",)
        made = Camera(camera.R, camera.t, fitted, world_up=WORLD_UP, image_size=camera.image_size)
        left = reprojection_error_px(made, in_camera[some], joints2d[some])
        return made, (
            f"intrinsics fitted to annot2 and annot3: {left:.1f} px off, the published camera is "
            f"{off:.1f} px off",
        )


def _published_count(subject: str, sequence: str) -> int:
    counts = _FRAME_COUNTS.get(subject, ())
    index = {"Seq1": 0, "Seq2": 1}.get(sequence, 2)
    return counts[index] if index < len(counts) else 1 << 40


def _test_base(root: Path) -> Path:
    for folder in _TEST_FOLDERS:
        if (root / folder).is_dir() and any((root / folder).glob("TS[0-9]*/annot_data.mat")):
            return root / folder
    return root


def _coordinate_major(path, key: str, value, n_dims: int, n: int, rows) -> np.ndarray:
    """Returns rows of (n, 17, D) of MATLAB's D x 17 x 1 x n."""
    if not isinstance(value, np.ndarray) or value.shape[:2] != (n_dims, 17):
        found = value.shape if isinstance(value, np.ndarray) else type(value).__name__
        raise FileError(path, f"{key}: expected {n_dims} x 17 x 1 x N numbers, found {found}")
    frames = value.reshape((n_dims, 17, -1), order="F").transpose(2, 1, 0)
    if len(frames) != n:
        raise FileError(path, f"{key}: expected {n} frames as in valid_frame, found {len(frames)}")
    return as_array(path, key, frames[rows], (None, 17, n_dims))


def _activities(numbers: np.ndarray) -> np.ndarray:
    """Returns the names of activities (N,); unknown ones keep their number."""
    known = dict(enumerate(_ACTIVITIES, 1))
    found, rows = np.unique(numbers, return_inverse=True)
    return np.array([known.get(n, str(n)) for n in found.tolist()], object)[rows]
