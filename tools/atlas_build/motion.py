"""The motion that poses the atlas' bodies: which files, their licences, and what is held out."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.containers.errors import FileError

from .bvh_motion import read_bvh
from .motion_files import PartMotion, read_acclaim, read_deepmimic, read_poselib

#: Never used to build: these takes say how good the maps are on motion they have not seen.
HELD_OUT_TAKES = (
    "cmu_asfamc/01_10", "cmu_asfamc/02_05", "cmu_asfamc/03_03", "cmu_exercises/14_20",
    "deepmimic/getup_faceup", "deepmimic/spinkick", "deepmimic/dance_b",
)  # fmt: skip

_CMU_LICENCE = "CMU Graphics Lab Motion Capture Database: free for all uses"
#: Folder -> licence of the motion in it.
LICENCES = {
    "cmu_asfamc": _CMU_LICENCE,
    "cmu_bvh_amc_pair": _CMU_LICENCE,
    "cmu_bvh_bvh11": _CMU_LICENCE,
    "bvh_pybvh": _CMU_LICENCE,
    "cmu_exercises": f"{_CMU_LICENCE}; collection BSD-2-Clause",
    "aitviewer_results": "MIT (eth-ait/aitviewer)",
    "deepmimic": "MIT (xbpeng/DeepMimic)",
    "isaac_amp": f"BSD-3-Clause (isaac-sim/IsaacGymEnvs); {_CMU_LICENCE}",
}
#: Subjects 13 and 14 came without a skeleton; rotations need one of the same make only.
_BORROWED_ASF = "cmu_asfamc/02/02.asf"
_AMP_T_POSE = "isaac_amp/isaacgymenvs/tasks/amp/poselib/data/amp_humanoid_tpose.npy"
#: One take in two folders or formats is read once.
_REPEATED = frozenset({"cmu_bvh_amc_pair/01_01", "isaac_amp/backflip"})
#: Motion between 120 and 30 frames per second adds nothing but memory.
MAX_FPS = 30.0


@dataclass(frozen=True, eq=False)
class Motion:
    """One take.

    Attributes:
      name: folder and take, such as `cmu_asfamc/01_10`.
      licence: of the motion.
      split: `"train"`, or `"test"` where the take is held out.
      fps: frames per second.
      rotations: `(T, P, 3, 3)` float32 part rotations relative to the reference T-pose.
    """

    name: str
    licence: str
    split: str
    fps: float
    rotations: np.ndarray

    @property
    def source(self) -> str:
        """The folder the take is from."""
        return self.name.partition("/")[0]


def load_motions(folder: str | os.PathLike) -> list[Motion]:
    """Read all takes that a folder of motion capture collections holds.

    Args:
      folder: with subfolders as in `LICENCES`, each laid out as its owners publish it; any of them
        may be absent. Files may be compressed (`.gz`).

    Returns:
      The takes ordered by name, at most `MAX_FPS` frames per second each.

    Raises:
      FileError: a file is damaged, or none is there.
    """
    root = Path(folder)
    motions = [make_motion(name, motion) for name, motion in sorted(_takes(root), key=_by_name)
               if name not in _REPEATED]  # fmt: skip
    if not motions:
        raise FileError(root, f"expected folders such as {', '.join(LICENCES)}, found none")
    return motions


def make_motion(name: str, motion: PartMotion, *, licence: str = "") -> Motion:
    """Thin out a take and mark whether it is held out.

    Args:
      name: folder and take.
      motion: as read.
      licence: of the motion; may be left out for the folders of `LICENCES`.
    """
    step = max(1, math.ceil(motion.fps / MAX_FPS - 0.05))  # files round frame rates
    return Motion(
        name=name,
        licence=licence or LICENCES[name.partition("/")[0]],
        split="test" if name in HELD_OUT_TAKES else "train",
        fps=motion.fps / step,
        rotations=motion.rotations[::step].astype(np.float32),
    )


def select_takes(motions: Iterable[Motion], takes: str | Iterable[str]) -> list[Motion]:
    """Pick takes by split (`"train"`, `"test"`, `"all"`) or by name.

    Raises:
      ValueError: there are none such.
    """
    motions = list(motions)
    if takes in ("train", "test"):
        chosen = [motion for motion in motions if motion.split == takes]
    elif takes == "all":
        chosen = motions
    else:
        names = {takes} if isinstance(takes, str) else set(takes)
        chosen = [motion for motion in motions if motion.name in names]
        unknown = names - {motion.name for motion in chosen}
        if unknown:
            raise ValueError(f"takes must be train, test, all or names of takes. Received "
                             f"{sorted(unknown)}")  # fmt: skip
    if not chosen:
        raise ValueError(f"motions must have takes of split {takes!r}. Received none")
    return chosen


def _by_name(item: tuple[str, PartMotion]) -> str:
    return item[0]


def _takes(root: Path) -> Iterator[tuple[str, PartMotion]]:
    for amc in _files(root / "cmu_asfamc", "*/*.amc"):
        yield f"cmu_asfamc/{_stem(amc)}", read_acclaim(amc.parent / f"{amc.parent.name}.asf", amc)
    for amc in _files(root / "cmu_bvh_amc_pair", "*.amc"):
        asf = amc.with_name(f"{_stem(amc).partition('_')[0]}.asf")
        yield f"cmu_bvh_amc_pair/{_stem(amc)}", read_acclaim(asf, amc)
    for amc in _files(root / "cmu_exercises", "amc/*.amc"):
        yield f"cmu_exercises/{_stem(amc)}", read_acclaim(root / _BORROWED_ASF, amc)
    for bvh in [*_files(root / "cmu_bvh_bvh11", "131_*.bvh"),
                *_files(root / "bvh_pybvh", "bvh_data/cmu_*.bvh"),
                *_files(root / "aitviewer_results", "bvh/*.bvh")]:  # fmt: skip
        yield f"{bvh.relative_to(root).parts[0]}/{_stem(bvh)}", read_bvh(bvh)
    for clip in _files(root / "deepmimic", "humanoid3d_*.txt"):
        yield f"deepmimic/{_stem(clip).removeprefix('humanoid3d_')}", read_deepmimic(clip)
    for clip in _files(root / "isaac_amp", "assets/amp/motions/amp_humanoid_*.npy"):
        name = _stem(clip).removeprefix("amp_humanoid_")
        yield f"isaac_amp/{name}", read_poselib(clip, root / _AMP_T_POSE)


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted([*folder.glob(pattern), *folder.glob(f"{pattern}.gz")])


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rpartition(".")[0]
