"""Which dialect a JSON pose file is written in."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles import alphapose, coco, mediapipe, mpii, openpose, panoptic, plain_json
from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.frame_folders import first_document
from skelbridge.posefiles.json_text import found, load_json

#: In the order in which they are tried: before each dialect those whose files it would take.
DIALECTS: dict[str, ModuleType] = {
    "OpenPose (people)": openpose,
    "CMU Panoptic (bodies with joints19)": panoptic,
    "AlphaPose results": alphapose,
    "COCO ground truth (annotations) or results": coco,
    "MPII (joints, joints_vis)": mpii,
    "MediaPipe or TensorFlow.js landmarks": mediapipe,
    "plain poses (positions, or nested lists, or objects of named joints)": plain_json,
}
_FOLDERS = {openpose: openpose.read_openpose_folder, panoptic: panoptic.read_panoptic_folder}


def sniff(path: str | os.PathLike, document: Any) -> ModuleType:
    """Returns the module of the dialect that a parsed document is written in.

    Raises:
      FileError: if it is none that is known; the message lists them.
    """
    for module in DIALECTS.values():
        if module.matches(document):
            return module
    raise FileError(
        path,
        f"expected poses in a JSON dialect that is understood ({'; '.join(DIALECTS)}), "
        f"found {found(document)}",
    )


def read_json(path: str | os.PathLike, data: bytes, *, key: str | None = None) -> PoseData:
    """Reads poses from a JSON file of any dialect.

    Args:
      path: the file's name, for messages.
      data: its content.
      key: which of several pose arrays to read; what it may be is said by the dialect's `parse`.

    Raises:
      FileError: if the file is not JSON, of no known dialect, or damaged.
    """
    document = load_json(path, data)
    return sniff(path, document).parse(path, document, key=key)


def is_frame_folder(path: str | os.PathLike) -> bool:
    """Whether the first JSON file of a folder is one frame of a dialect with a file per frame."""
    try:
        _, document = first_document(path)
    except FileError:
        return False
    return any(module.matches(document) for module in _FOLDERS)


def read_json_folder(path: str | os.PathLike, *, key: str | None = None) -> PoseData:
    """Reads a folder with one JSON file per frame (OpenPose or Panoptic).

    Raises:
      FileError: if its first file is neither, or any file is damaged.
    """
    file, document = first_document(path)
    module = sniff(file, document)
    if module not in _FOLDERS:
        raise FileError(
            file,
            f"expected one frame of OpenPose or CMU Panoptic, found {found(document)}; "
            "read the file by itself",
        )
    return _FOLDERS[module](path, key=key)
