"""From image files and a trained run to predictions."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dataset_adapters.camera import Camera
from skeleton_defs import JointRegistry, UserError, get

from ..data import CropOptions
from .boxes import check_boxes, read_boxes, whole_image
from .crops import camera_from_fov, check_fov, person_crops
from .images import check_is_file, read_upright
from .poses import Predictor, Seen, absolute_poses
from .result import ImagePoses, ModelFacts, Predictions
from .targets import TargetFormat, target_formats


class TrainedPoses(Predictor, Protocol):
    """What is asked of a trained run; `skelbridge.training` loads them."""

    config: Any
    registry: JointRegistry
    is_synthetic_only: bool
    trained_on: tuple[str, ...]
    step: int
    path: str | os.PathLike


@dataclass(frozen=True)
class PredictOptions:
    """How to predict.

    Attributes:
      formats: names or aliases; empty for all that the run predicts.
      boxes: file of the people's boxes, see `read_boxes`; None: one person per picture.
      min_score: of boxes that have scores.
      fov_degrees: assumed field of view along the larger side of the pictures. Distances from the
        camera are as wrong as this is.
      mirror_averaged: average over the picture and its mirror image.

    Raises:
      UserError: a format is unknown or the field of view impossible.
    """

    formats: tuple[str, ...] = ()
    boxes: str | os.PathLike | None = None
    min_score: float = 0.5
    fov_degrees: float = 55.0
    mirror_averaged: bool = True

    def __post_init__(self):
        check_fov(self.fov_degrees)
        object.__setattr__(self, "formats", tuple(get(name).name for name in self.formats))


@dataclass(frozen=True, eq=False)
class _Scene:
    """A picture whose people are known, but not their poses."""

    path: str
    camera: Camera
    boxes: np.ndarray


def predict(
    run: TrainedPoses,
    images: Sequence[str | os.PathLike],
    options: PredictOptions | None = None,
    *,
    shows_progress: bool = False,
) -> Predictions:
    """Predicts the poses of the people in image files.

    Args:
      run: a trained run, as `skelbridge.training.run_folder.load_run` gives it.
      images: paths.
      options: see `PredictOptions`.
      shows_progress: on a terminal.

    Raises:
      UserError: an image, the file of boxes or a box is unfit, or a format cannot be had.
    """
    options = options or PredictOptions()
    images = [os.fspath(image) for image in images]
    targets = target_formats(run.registry, options.formats)
    boxes, notes = boxes_of_images(images, options)
    notes = [*_notes_on(run), *notes]
    flip = None
    if options.mirror_averaged:
        try:
            flip = run.registry.flip
        except UserError as error:
            notes.append(f"not averaged over mirror images: {error}")
    crop = run.config.data.crop_options(image_dtype="float32")
    scenes: list[_Scene] = []

    def seen() -> Iterator[Seen]:
        for place, path in enumerate(_progress(images, shows_progress)):
            picture = read_upright(path)
            scene = _scene(path, picture, None if boxes is None else boxes[place], options)
            scenes.append(scene)
            yield from _seen(picture, scene, crop, averages=flip is not None)

    poses = list(absolute_poses(run, seen(), flip))
    return Predictions(
        model=ModelFacts(
            run=os.fspath(run.path),
            step=int(run.step),
            formats=tuple(skeleton.name for skeleton in run.registry.skeletons),
            trained_on=tuple(run.trained_on),
            is_synthetic_only=bool(run.is_synthetic_only),
        ),
        targets=targets,
        images=tuple(_with_poses(scenes, poses, len(run.registry), targets)),
        fov_degrees=float(options.fov_degrees),
        is_mirror_averaged=flip is not None,
        notes=tuple(notes),
    )


def check_inputs(images: Sequence[str | os.PathLike], options: PredictOptions) -> None:
    """Raises `UserError` for what can be told without reading pictures or loading a model."""
    for image in images:
        check_is_file(image)
    boxes_of_images([os.fspath(image) for image in images], options)


def boxes_of_images(
    images: Sequence[str], options: PredictOptions
) -> tuple[list[np.ndarray] | None, tuple[str, ...]]:
    """Returns the boxes (P, 4) of each image, or None for whole images, and remarks."""
    if options.boxes is not None:
        return read_boxes(options.boxes, images, min_score=options.min_score)
    return None, ("no --boxes given: every image is taken for the box of one person",)


def _notes_on(run: TrainedPoses) -> list[str]:
    if not run.is_synthetic_only:
        return []
    return [
        f"the model was trained on synthetic people only ({', '.join(run.trained_on)}): expect it "
        "to fail on photographs"
    ]


def _scene(
    path: str, picture: np.ndarray, boxes: np.ndarray | None, options: PredictOptions
) -> _Scene:
    size = picture.shape[1], picture.shape[0]
    boxes = whole_image(size)[None] if boxes is None else boxes
    check_boxes(path, size, boxes)
    return _Scene(path, camera_from_fov(size, options.fov_degrees), boxes)


def _seen(
    picture: np.ndarray, scene: _Scene, crop: CropOptions, *, averages: bool
) -> Iterator[Seen]:
    plain = person_crops(picture, scene.camera, scene.boxes, crop=crop)
    mirrored: list = [None] * len(plain)
    if averages:
        mirrored = person_crops(picture, scene.camera, scene.boxes, crop=crop, is_mirrored=True)
    return zip(plain, mirrored, strict=True)


def _with_poses(
    scenes: list[_Scene],
    poses: list[np.ndarray],
    n_joints: int,
    targets: tuple[TargetFormat, ...],
) -> Iterator[ImagePoses]:
    first = 0
    for scene in scenes:
        last = first + len(scene.boxes)
        own = np.array(poses[first:last]).reshape(-1, n_joints, 3)
        first = last
        joints3d = {target.name: target.take(own) for target in targets}
        joints2d = {name: scene.camera.image_from_camera(j) for name, j in joints3d.items()}
        yield ImagePoses(scene.path, scene.camera, scene.boxes, joints3d, joints2d)


def _progress(images: list[str], is_shown: bool) -> Iterable[str]:
    if not (is_shown and len(images) > 1 and sys.stderr.isatty()):
        return images
    from tqdm import tqdm

    return tqdm(images, unit="image", dynamic_ncols=True)
