"""Files of predictions: JSON to read, npz to go on with.

The JSON object (`"format": "skelbridge-predictions"`, `"version": 1`) tells the model, the formats
with their joint names, and per image its size, camera matrix and people: box, and per format
`joints3d` (mm, camera frame) and `joints2d` (px); null where there is none.

The npz file holds, per format, `FORMAT/joints3d` (N, J, 3), `FORMAT/joints2d` (N, J, 2) and
`FORMAT/joint_names`; and per person `image` (index into `image_paths`), `boxes` (N, 4), and
`intrinsics` (N, 3, 3). It is a pose file for the other commands, `--key` choosing among formats.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dataset_adapters.containers.npz import write_npz_archive
from skeleton_defs import UserError

from .. import posefiles
from ..atomic import atomic_path
from ..posefiles.json_values import number_lists
from .result import ImagePoses, Predictions

FORMAT, VERSION = "skelbridge-predictions", 1
#: Digits after the point: a hundredth of a millimetre, of a pixel.
_DECIMALS = 2


def check_output(path: str | os.PathLike) -> None:
    """Raises `UserError` where no predictions could be written, before work is done."""
    if Path(path).suffix.lower() not in (".json", ".npz"):
        raise UserError(
            f"{os.fspath(path)}: the output must end in .json or .npz. "
            f"Found suffix '{Path(path).suffix}'"
        )
    posefiles.check_output(path)


def write_predictions(path: str | os.PathLike, predictions: Predictions) -> None:
    """Writes predictions as `.json` or `.npz`; the file appears when it is complete.

    Raises:
      UserError: the suffix is another, or the file cannot be written.
    """
    check_output(path)
    try:
        with atomic_path(path) as temporary:
            if Path(path).suffix.lower() == ".npz":
                write_npz_archive(temporary, _arrays(predictions))
            else:
                with open(temporary, "w", encoding="utf-8") as file:
                    file.writelines(_json_pieces(predictions))
    except OSError as error:
        raise UserError(
            f"{os.fspath(path)}: cannot be written ({error.strerror or error})"
        ) from None


def _facts(predictions: Predictions) -> dict[str, Any]:
    model = predictions.model
    return {
        "model": {
            "run": model.run,
            "step": model.step,
            "formats": list(model.formats),
            "trained_on": list(model.trained_on),
            "is_synthetic_only": model.is_synthetic_only,
        },
        "notes": list(predictions.notes),
        "is_mirror_averaged": predictions.is_mirror_averaged,
        "frame": "of each image's camera: x right, y down, z forward; the centre of the first "
        "pixel is (0, 0)",
        "units": {"joints3d": "mm", "joints2d": "px"},
    }


def _json_pieces(predictions: Predictions) -> Iterator[str]:
    """Yields the text, one image per line."""
    head = {"format": FORMAT, "version": VERSION, **_facts(predictions)}
    head["formats"] = {target.name: target.to_dict() for target in predictions.targets}
    yield "{"
    for key, value in head.items():
        yield f"{_text(key)}: {_text(value)},\n"
    yield '"images": ['
    for place, image in enumerate(predictions.images):
        yield f"{',' if place else ''}\n{_text(_image_dict(image, predictions))}"
    yield "]}\n"


def _image_dict(image: ImagePoses, predictions: Predictions) -> dict[str, Any]:
    people = [
        {
            "box": image.boxes[row].tolist(),
            "poses": {
                target.name: {
                    "joints3d": _numbers(image.joints3d[target.name][row]),
                    "joints2d": _numbers(image.joints2d[target.name][row]),
                }
                for target in predictions.targets
            },
        }
        for row in range(len(image.boxes))
    ]
    return {
        "path": image.path,
        "size": list(image.size),
        "fov_degrees": predictions.fov_degrees,
        "K": image.camera.K.tolist(),
        "people": people,
    }


def _arrays(predictions: Predictions) -> dict[str, np.ndarray]:
    images = predictions.images
    counts = [len(image.boxes) for image in images]
    arrays = {}
    for target in predictions.targets:
        for what in ("joints3d", "joints2d"):
            values = [getattr(image, what)[target.name] for image in images]
            arrays[f"{target.name}/{what}"] = np.concatenate(values)
        arrays[f"{target.name}/joint_names"] = np.array(target.skeleton.joints)
    if len(predictions.targets) == 1:  # The file tells its format then.
        (target,) = predictions.targets
        arrays["skeleton"] = np.array(target.name)
        arrays["joint_names"] = arrays[f"{target.name}/joint_names"]
    arrays |= {
        "units": np.array("mm"),
        "leading": np.array(["instance"]),
        "image": np.repeat(np.arange(len(images)), counts),
        "image_paths": np.array([_plain(image.path) for image in images], str),
        "boxes": np.concatenate([image.boxes for image in images]),
        "intrinsics": np.repeat([image.camera.K for image in images], counts, axis=0),
        "about": np.array(_text(_facts(predictions))),
    }
    return arrays


def _numbers(values: np.ndarray) -> list:
    return number_lists(np.round(np.where(np.isfinite(values), values, np.nan), _DECIMALS))


def _plain(path: str) -> str:
    # File names may hold bytes that are no text.
    return path.encode("utf-8", "replace").decode("utf-8")


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False)
