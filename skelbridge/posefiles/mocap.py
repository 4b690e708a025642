"""Skeletal motion capture files as poses: BVH, and Acclaim ASF/AMC."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NoReturn

import numpy as np

from dataset_adapters.containers.acclaim import Asf, parse_amc, parse_asf
from dataset_adapters.containers.bvh import Bvh, parse_bvh
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import list_names
from skelbridge.posefiles.data import PoseData

#: A skeleton is a few kilobytes.
MAX_ASF_BYTES = 16 << 20


def read_bvh(path: str | os.PathLike, data: bytes, *, end_sites: bool = True) -> PoseData:
    """Read a BVH file.

    BVH states neither its length unit nor which way is up: both are None.

    Args:
      path: the file's name, for messages.
      data: its bytes.
      end_sites: whether to keep the ends of the chains (`Head_End`: the head's top, toe and
        finger tips) as joints.

    Returns:
      Frames of all joints; `extras["parents"]` has each joint's parent index, -1 for a root.

    Raises:
      FileError: the file is no complete BVH, or holds no frame.
    """
    bvh = parse_bvh(path, data)
    if not len(bvh.motion):
        raise FileError(path, "expected a motion, found Frames: 0, a skeleton only; "
                              "give a file with frames")  # fmt: skip
    positions, names, parents = bvh.positions(), bvh.joint_names, bvh.parents
    if not end_sites:
        kept = [joint for joint, is_end_site in enumerate(bvh.end_sites) if not is_end_site]
        positions = positions[:, kept]
        names = tuple(names[joint] for joint in kept)
        renumbered = {joint: k for k, joint in enumerate(kept)}  # end sites are nobody's parents
        parents = tuple(renumbered.get(parents[joint], -1) for joint in kept)
    return PoseData(
        positions=positions,
        joint_names=names,
        fps=bvh.fps,
        extras={"parents": list(parents)},
        notes=bvh.notes + _note_on_cmu(bvh),
    )


def read_amc(
    path: str | os.PathLike, data: bytes, *, asf: str | os.PathLike | None = None
) -> PoseData:
    """Read an Acclaim motion together with its skeleton.

    Joints are the root and the far ends of the bones (`lfemur` is the left knee). The format does
    not state which way is up (CMU's files: y).

    Args:
      path: the `.amc` file; without `asf`, its skeleton is looked for beside it: the `.asf` file of
        the same name, or of the name's beginning (`02.asf` for `02_05.amc`), or the only one.
      data: the file's bytes.
      asf: the skeleton file.

    Returns:
      Frames of all joints, in mm where the skeleton declares its length unit;
      `extras["parents"]` has each joint's parent index, -1 for the root.

    Raises:
      FileError: either file is damaged, they do not match, or there is no skeleton.
    """
    if asf is None:
        asf_path, notes = _find_asf(Path(path))
    else:
        asf_path, notes = Path(asf), ()
    skeleton = _load_asf(asf_path)
    amc = parse_amc(path, data, skeleton)
    if skeleton.mm_per_unit is None:
        notes += (f"{asf_path} declares no length unit: positions are in its own",)
    return PoseData(
        positions=amc.positions() if skeleton.mm_per_unit is None else amc.positions_mm(),
        joint_names=skeleton.joint_names,
        fps=amc.fps,
        units=None if skeleton.mm_per_unit is None else "mm",
        extras={"parents": list(skeleton.parents)},
        notes=notes + skeleton.notes + amc.notes,
    )


def read_asf(path: str | os.PathLike, data: bytes) -> NoReturn:
    """Refuse a skeleton without a motion.

    Raises:
      FileError: always.
    """
    parse_asf(path, data)
    raise FileError(path, "expected a motion, found a skeleton only (.asf); give the .amc file, "
                          "with this one as its --asf FILE")  # fmt: skip


def _find_asf(path: Path) -> tuple[Path, tuple[str, ...]]:
    """Find the skeleton beside a motion; a note tells when its name did not say so."""
    how = "pass --asf FILE"
    if not path.is_file():
        raise FileError(path, f"expected the motion's skeleton (.asf), found none given; {how}")
    stem = re.sub(r"\.amc(\.\w+)?$", "", path.name, flags=re.IGNORECASE)
    try:
        found = sorted(p for p in path.parent.iterdir() if p.suffix.lower() == ".asf")
    except OSError as error:
        raise FileError(path, f"expected to look for its skeleton (.asf) in the folder, found "
                              f"{error.strerror}; {how}") from None  # fmt: skip
    # 02.asf is the skeleton of 02_05.amc, but 0.asf and 02_0.asf are not: a name's part must end.
    named = [p for p in found if stem.startswith(p.stem) and not stem[len(p.stem) :][:1].isalnum()]
    if named:
        return max(named, key=lambda p: len(p.stem)), ()
    if len(found) == 1:
        return found[0], (f"the skeleton is {found[0].name}, the only .asf file beside it; pass "
                          "--asf FILE for another",)  # fmt: skip
    names = list_names((p.name for p in found), most=3)
    raise FileError(path, "expected its skeleton beside it (such as "
                          f"{stem.partition('_')[0]}.asf), found {len(found)} .asf files"
                          + (f" of other names ({names})" if found else "") + f"; {how}"
                    )  # fmt: skip


def _load_asf(path: Path) -> Asf:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_ASF_BYTES + 1)
    except OSError as error:
        raise FileError(path, f"expected a skeleton (.asf), found {error.strerror}; pass --asf FILE"
                        ) from None  # fmt: skip
    if len(data) > MAX_ASF_BYTES:
        raise FileError(path, f"expected a skeleton (.asf), found more than {MAX_ASF_BYTES} bytes; "
                              "pass --asf FILE")  # fmt: skip
    return parse_asf(path, data)


def _note_on_cmu(bvh: Bvh) -> tuple[str, ...]:
    """Tell of the bones that the BVH conversion of CMU's motions lacks.

    Its joints above the thorax bone start at that bone's beginning instead of its end (their OFFSET
    is 0), and likewise the fingers at the wrist bone's: compare the same take's `.amc`.
    """
    if not {"LHipJoint", "RHipJoint"} <= set(bvh.joint_names):
        return ()
    neck = next((k for k, name in enumerate(bvh.joint_names) if name in ("Neck", "lowerneck")), 0)
    if bvh.parents[neck] < 0 or np.any(bvh.offsets[neck]):
        return ()
    return ("this BVH conversion of CMU motion leaves out the thorax and wrist bones: neck, head, "
            "arms sit a thorax length (about 110 mm) low; the .amc is complete",)  # fmt: skip
