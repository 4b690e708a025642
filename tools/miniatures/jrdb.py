"""JRDB in miniature: a robot's five cameras, labels that are two frames late."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from dataset_adapters.camera import Camera, intrinsics

from . import scene
from ._room_views import WorldFrame, draw
from .truth import Truth, TruthRow

_SKELETON = "jrdb_17"
_JOINTS = (
    "head", "right eye", "left eye", "right shoulder", "neck", "left shoulder", "right elbow",
    "left elbow", "tailbone", "right hand", "right hip", "left hip", "left hand", "right knee",
    "left knee", "right foot", "left foot",
)  # fmt: skip
_SIZE, _PANORAMA = (752, 480), (3760, 480)
#: The picture that a label belongs to is so many frames later than the label says.
_DELAY = 2
_N_IMAGES = 5
#: Where the cameras of a ring look, degrees to the right.
_YAWS = (0, 72, 144, -144, -72)
_RING_DISTANCE_MM, _RING_RADIUS_MM = 120.0, 55.0
_AHEAD_MM, _CAMERA_HEIGHT_MM = 3600.0, 1050.0
_ROOT = "train_dataset"


@dataclass(frozen=True)
class _Scene:
    """A scene: its cameras (N of image_N), people, and joints that are invisible.

    Attributes:
      invisible: (person, label) -> joints with v = 0.
      has_boxes: whether the pose labels state box and area.
    """

    name: str
    images: tuple[int, ...]
    n_people: int
    invisible: dict[tuple[int, int], tuple[int, ...]]
    has_boxes: bool


_SCENES = (
    _Scene("bytes-cafe-2019-02-07_0", (0, 2), 2, {(0, 0): (9,), (1, 2): (13, 14, 15, 16)}, False),
    _Scene("clark-center-2019-02-28_0", (8,), 1, {(0, 1): (1, 2)}, True),
)
#: The last label belongs to a picture that does not exist.
_LABELS = range(_N_IMAGES - _DELAY + 1)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes two scenes with one or two of the robot's five cameras."""
    sensors = _sensors(seed)
    _write_calibration(root / _ROOT / "calibration", sensors)
    rows = []
    for i, place in enumerate(_SCENES):
        for image in place.images:
            rows += _write_view(root / _ROOT, place, image, sensors[image // 2], seed + i)
        _write_panorama(root / _ROOT, place)
    return Truth(tuple(rows))


def _sensors(seed: int) -> list[Camera]:
    """Returns the ten cameras in the axes of the robot: x right, y down, z forward."""
    rng = np.random.default_rng([seed, 23])
    made = []
    for number in range(10):
        ring, place = divmod(number, 5)
        turn = matrix_from_axis_angle(np.deg2rad([0, -_YAWS[place], 0]))
        tilt = matrix_from_axis_angle(rng.uniform(-0.02, 0.02, 3))
        R = (tilt @ turn).round(6)
        T = (-R @ [0, -_RING_DISTANCE_MM * ring, 0] - [0, 0, _RING_RADIUS_MM]).round(4)
        focal, middle = rng.uniform(476, 486), rng.uniform((350, 198), (369, 223))
        K = intrinsics(focal, focal * 1.006, *middle).round(3)
        lens = rng.uniform((-0.341, 0.14, -4e-4, -1e-4, -0.05), (-0.331, 0.17, 2e-4, 6e-4, -0.03))
        made.append(
            Camera(R, T, K, distortion=lens.round(7), world_up=(0, -1, 0), image_size=_SIZE)
        )
    return made


def _write_view(folder, place: _Scene, image: int, camera: Camera, seed: int) -> list[TruthRow]:
    frame = WorldFrame(
        scene.AXES["-y"], _AHEAD_MM * camera.R[2] * [1, 0, 1] + [0, _CAMERA_HEIGHT_MM, 0]
    )
    people = np.stack(
        [
            frame.points(scene.poses(_SKELETON, len(_LABELS), person=k, seed=seed + image))
            for k in range(place.n_people)
        ],
        axis=1,
    )
    for number in range(_N_IMAGES):
        shown = people[max(0, number - _DELAY)]
        path = folder / f"images/image_{image}/{place.name}/{number:06d}.jpg"
        scene.write_image(path, draw(camera, list(shown), _SKELETON, seed=seed))
    pixels = camera.project(people).round(2)
    images, annotations, rows = [], [], []
    for label in _LABELS:
        file = f"image_{image}/{place.name}/{label:06d}.jpg"
        images.append({"id": label + 1, "width": _SIZE[0], "height": _SIZE[1], "file_name": file})
        for person in range(place.n_people):
            invisible = list(place.invisible.get((person, label), ()))
            joints = pixels[label, person].copy()
            annotations.append(
                _annotation(place, label, person, joints, invisible, 14000 + len(annotations))
            )
            if label + _DELAY >= _N_IMAGES:
                continue
            joints[invisible] = np.nan
            rows.append(
                TruthRow(
                    "train",
                    _SKELETON,
                    f"{_ROOT}/images/image_{image}/{place.name}/{label + _DELAY:06d}.jpg",
                    joints2d=joints,
                    up=camera.up,
                    sequence=place.name,
                    frame=label,
                )
            )
    path = folder / f"labels/labels_2d_pose_coco/{place.name}_image{image}.json"
    _write_pose_labels(path, images, annotations)
    _write_box_labels(folder, place, image, annotations)
    return rows


def _annotation(place: _Scene, label, person, joints, invisible, number) -> dict:
    visibility = np.full(17, 2)
    visibility[(person + label) % 17] = 1
    visibility[invisible] = 0
    annotation = {
        "id": number,
        "track_id": 6 + person,
        "image_id": label + 1,
        "category_id": 1,
        "num_keypoints": 17,
        "keypoints": [
            value
            for (x, y), v in zip(joints.tolist(), visibility.tolist(), strict=True)
            for value in (x, y, v)
        ],
    }
    if place.has_boxes:
        box = scene.box_of(joints)
        annotation["bbox"], annotation["area"] = box.tolist(), float(box[2] * box[3])
    return annotation


def _write_pose_labels(path: Path, images: list[dict], annotations: list[dict]) -> None:
    category = {"id": 1, "name": "person", "keypoints": _JOINTS}
    _write_json(path, {"images": images, "annotations": annotations, "categories": [category]})


def _write_box_labels(folder: Path, place: _Scene, image: int, annotations: list[dict]) -> None:
    labels: dict[str, list[dict]] = {}
    for annotation in annotations:
        label = annotation["image_id"] - 1
        joints = np.reshape(annotation["keypoints"], (17, 3))[:, :2]
        box = scene.box_of(joints).round().astype(int).tolist()
        labels.setdefault(f"{label:06d}.jpg", []).append(
            {
                "attributes": {
                    "area": box[2] * box[3],
                    "interpolated": False,
                    "no_eval": False,
                    "occlusion": "Fully_visible",
                    "truncated": "false",
                },
                "box": box,
                "file_id": f"{label + _DELAY:06d}.jpg",
                "label_id": f"pedestrian:{annotation['track_id']}",
            }
        )
    _write_json(folder / f"labels/labels_2d/{place.name}_image{image}.json", {"labels": labels})


def _write_panorama(folder: Path, place: _Scene) -> None:
    """Writes one stitched picture and its labels, which nobody reads by default."""
    name = f"image_stitched/{place.name}/000000.jpg"
    scene.write_image(folder / "images" / name, np.full((*_PANORAMA[::-1], 3), 90, np.uint8))
    # The width is that of a single camera, as in the dataset's files.
    image = {"id": 1, "width": _SIZE[0], "height": _SIZE[1], "file_name": name}
    joints = np.column_stack([np.linspace(2480, 2540, 17), np.linspace(90, 400, 17)])
    annotation = _annotation(place, 0, 0, joints, [], 1)
    path = folder / f"labels/labels_2d_pose_stitched_coco/{place.name}.json"
    _write_pose_labels(path, [image], [annotation])


def _write_calibration(folder: Path, sensors: list[Camera]) -> None:
    folder.mkdir(parents=True)
    lines = ["cameras:"]
    for number, camera in enumerate(sensors):
        lines += [
            f"  sensor_{number}:",
            f"    width: {_SIZE[0]}",
            f"    height: {_SIZE[1]}",
            f"    D: {_text(camera.distortion[:5])}",
            f"    K: {_text(camera.K)}",
            f"    R: {_text(camera.R)}",
            f"    T: {_text(camera.t)}",
        ]
    lines += ["stitching:", "  radius: 3360000", "  scalewidth: 1831"]
    (folder / "cameras.yaml").write_text("\n".join(lines) + "\n")
    (folder / "defaults.yaml").write_text("image:\n  width: 3760\n  height: 480\n")
    (folder / "lidars.yaml").write_text(
        "lidar:\n  upper2ego:\n  - [1.0, 0.0, 0.0, 0.0]\n  - [0.0, 1.0, 0.0, 0.0]\n"
        "  - [0.0, 0.0, 1.0, 0.33529]\n  - [0.0, 0.0, 0.0, 1.0]\n"
    )


def _text(values: np.ndarray) -> str:
    return " ".join(f"{value:.10g}" for value in np.ravel(values))


def _write_json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
