"""MPII annotations as the HRNet and mmpose tools distribute them: a list of people.

Source: http://human-pose.mpi-inf.mpg.de and https://github.com/open-mmlab/mmpose (docs of the MPII
data set): per person `joints` (16 x, y), `joints_vis` (1 or 0), `image`, `center` and `scale`.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.json_text import found, number_array
from skelbridge.posefiles.json_values import columns

PER_INSTANCE = {"image": "image_id", "center": "center", "scale": "scale"}


def matches(document: Any) -> bool:
    """Says whether a parsed document looks like such a list."""
    first = document[0] if isinstance(document, list) and document else None
    return isinstance(first, dict) and "joints" in first and "joints_vis" in first


def parse(path: str | os.PathLike, document: Any, *, key: str | None = None) -> PoseData:
    """Reads instances `(N, 16, 2)` in pixels, NaN where `joints_vis` is 0.

    Raises:
      FileError: naming the person at fault.
    """
    del key  # there is one array only
    if not isinstance(document, list) or not document:
        raise FileError(path, f"expected a list of people with joints, found {found(document)}")
    joints, visible = [], []
    for i, person in enumerate(document):
        if not isinstance(person, dict):
            raise FileError(path, f"[{i}]: expected an object, found {found(person)}")
        joints.append(number_array(path, f"[{i}].joints", person.get("joints"), shape=(None, 2)))
        count = len(joints[0])
        if len(joints[i]) != count:
            raise FileError(
                path, f"[{i}].joints has {len(joints[i])} joints where [0].joints has {count}"
            )
        flags = person.get("joints_vis")
        visible.append(number_array(path, f"[{i}].joints_vis", flags, shape=(count,)))
    confidence = np.stack(visible)
    positions = np.stack(joints)
    positions[~(confidence > 0)] = np.nan
    return PoseData(
        positions=positions,
        confidence=confidence,
        leading=("instance",),
        skeleton="mpii_16" if positions.shape[1] == 16 else None,
        units="px",
        extras={PER_INSTANCE[k]: values for k, values in columns(document, PER_INSTANCE).items()},
        notes=("MPII counts pixels from 1: the first pixel's centre is (1, 1)",),
    )
