"""AMASS: motion capture of many archives as SMPL-H and SMPL-X parameters.

Mahmood et al., ICCV 2019. Metres, z up; no images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..body_models.parameters import SmplParameters, read_parameters
from ..body_models.smpl_family import SMPL, SMPLH
from ..containers.npz import open_npz
from ..examples import ExampleBlock
from ._smpl_bodies import OPTION_HELP, posed_joints
from ._values import check_choice, natural_key

#: Folder names, with those that later downloads use for the same sets.
_VALID = {"HumanEva", "MPI_HDM05", "HDM05", "SFU", "MPI_mosh", "MoSh"}
_TEST = {"Transitions_mocap", "Transitions", "SSM_synced", "SSM"}
_SUFFIXES = {"smplh": ("_poses.npz",), "smplx": ("_stageii.npz",)}
_SUFFIXES["all"] = (*_SUFFIXES["smplh"], *_SUFFIXES["smplx"])
_FRAMES_AT_ONCE = 2000
#: The joints that all models of the family begin with: all but hands, jaw and eyes.
_N_BODY = 22

INFO = DatasetInfo(
    name="amass",
    title="AMASS",
    kind="motion",
    homepage="https://amass.is.tue.mpg.de",
    licence="non-commercial scientific research",
    access="registration",
    paper="Mahmood, Ghorbani, Troje, Pons-Moll, Black: AMASS, ICCV 2019",
    skeletons=("amass_smplh_52", "smplx_55", "smpl_24"),
    splits=("train", "valid", "test"),
    tree="""\
ACCAD/Female1General_c3d/A1 - Stand_poses.npz            SMPL-H release
ACCAD/Female1General_c3d/shape.npz                       (passed over)
ACCAD/Female1General_c3d/A1_-_Stand_stageii.npz          SMPL-X release""",
    items=(
        Item("**/*_poses.npz", "SMPL-H motions", "<set>.tar.bz2 (SMPL+H G)", required=False),
        Item("**/*_stageii.npz", "SMPL-X motions", "<set>.tar.bz2 (SMPL-X G)", required=False),
        Item("*/**/*.npz", "motions of one of the two releases", "the archives of the sets"),
    ),
    defects=(
        Defect("files of two models in mixed collections", "told apart by the number of columns"),
        Defect(
            "the two releases hold the same motions",
            "both are read where both are there (option release reads one of them)",
        ),
        Defect("shape.npz and *_stagei.npz hold no motion", "passed over"),
        Defect("frame rates differ and are not whole", "in the extras, as stated"),
        Defect("keys differ between the releases, one holds Python objects", "read by either name"),
        Defect("wrong frames exist (flying markers)", "kept; thin and validate"),
    ),
    thinning=Thinning(
        distance_mm=100.0, memory=1, ignore_missing=True, splits=("train", "valid", "test")
    ),
    has_images=False,
    facts=(
        "Joints by our forward kinematics: exact with your model files (option body_models), else "
        "those of the neutral body of zero shape, without fingers.",
        "Splits as in the owners' code, by folder names of both downloads: valid HumanEva, HDM05, "
        "SFU, MoSh; test Transitions and SSM; all other folders train (the owners' code leaves "
        "ACCAD out).",
        "Joints are in the files' world: mm, z up. No cameras, so that no up direction is recorded "
        "with the examples.",
        "smpl_24 takes the first joints of the index fingers for SMPL's hands, as is custom.",
        "The owners' code trains on a random 1 % of the middle 80 % of each motion; here every "
        "frame is an example and `prepare` thins by motion.",
    ),
)


@dataclass(frozen=True)
class Amass(Adapter):
    """Reads AMASS motions as joint positions."""

    info = INFO

    skeleton: str = option("auto", "auto (that of the file's model), or smpl_24")
    release: str = option("all", "smplh (*_poses.npz), smplx (*_stageii.npz) or all")
    body_models: str = option("", OPTION_HELP)

    def __post_init__(self):
        check_choice(self, "skeleton", ("auto", "smpl_24"))
        check_choice(self, "release", tuple(_SUFFIXES))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per motion."""
        names = [
            path.relative_to(root).as_posix()
            for path in root.rglob("*.npz")
            if path.name.endswith(_SUFFIXES[self.release])
        ]
        chosen = [name for name in names if _split_of(name) == split]
        return [Source(split, name) for name in sorted(chosen, key=natural_key)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields blocks of up to 2000 frames of a motion."""
        with open_npz(root / source.key) as arrays:
            parameters = read_parameters(root / source.key, arrays)
        place = PurePosixPath(source.key)
        fps = parameters.fps
        for start in range(0, parameters.n_frames, _FRAMES_AT_ONCE):
            frames = np.arange(start, min(start + _FRAMES_AT_ONCE, parameters.n_frames))
            skeleton, joints, notes = self._joints(parameters, slice(start, start + len(frames)))
            yield ExampleBlock(
                dataset="amass",
                split=source.split,
                skeleton=skeleton,
                sequence=place.with_suffix("").as_posix(),
                subject="/".join(place.parts[:-1]),
                frames=frames,
                joints3d=joints,
                extras={} if fps is None else {"fps": np.full(len(frames), fps)},
                notes=(*parameters.notes, *notes),
            )

    def _joints(
        self, parameters: SmplParameters, rows: slice
    ) -> tuple[str, np.ndarray, tuple[str, ...]]:
        """Returns skeleton, joints (n, J, 3) mm and notes of some frames."""
        in_smpl = self.skeleton == "smpl_24"
        if self.body_models:
            # The shape coefficients are those of the file's own model.
            family = parameters.family
        else:
            parameters = _body_of(parameters)
            family = SMPL if in_smpl else parameters.family
        if family is SMPL and not in_smpl:
            family = SMPLH
        betas, translation = parameters.betas, parameters.translation
        joints, notes = posed_joints(
            parameters.matrices(rows, family),
            family,
            models=self.body_models,
            gender=parameters.gender if parameters.gender in ("male", "female") else "neutral",
            betas=betas[rows] if betas is not None and betas.ndim == 2 else betas,
            translation=None if translation is None else translation[rows],
        )
        if in_smpl and family is not SMPL:
            hands = [family.joints.index(f"{side}_index1") for side in ("left", "right")]
            joints, family = joints[:, [*range(_N_BODY), *hands]], SMPL
        return family.skeleton, joints, notes


def _split_of(name: str) -> str:
    folders = set(PurePosixPath(name).parts[:-1])
    return "valid" if folders & _VALID else "test" if folders & _TEST else "train"


def _body_of(parameters: SmplParameters) -> SmplParameters:
    """Leaves out hands, jaw and eyes: the neutral body has none, and they are half of the work."""
    return replace(
        parameters,
        rotations=tuple(
            (range(joints.start, min(joints.stop, _N_BODY)), array[:, : _N_BODY - joints.start])
            for joints, array in parameters.rotations
            if joints.start < _N_BODY
        ),
    )
