"""AGORA in miniature: pandas frames with one row per image, cameras told by the images' names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera

from . import _mocap_scene as mocap
from . import scene
from ._agora_scene import PICTURES, SIZE, Picture, Scan, camera_of, in_world, scans_of
from ._old_pickle import write_pickle
from .truth import Truth, TruthRow

_SKELETON = "agora_smpl_24"
#: Pictures and masks are painted in blocks of so many pixels.
_BLOCK = 16
_MOST_OCCLUDED = 75.0
#: Kind of data frame -> skeleton of its joints, number of its vertices.
_KINDS = {"SMPL": ("smpl_45", 6890), "SMPLX": ("smplx_127", 10475)}
#: Colours of the people in the label image, in the order of the people.
_LABELS = ((55, 181, 57), (153, 108, 6), (112, 105, 191), (89, 121, 72))
_BACKGROUND = (255, 0, 0)
#: Classes of pandas -> the modules that they were in when the dataset was written.
_PANDAS_1 = {
    "DataFrame": "pandas.core.frame",
    "Index": "pandas.core.indexes.base",
    "RangeIndex": "pandas.core.indexes.range",
}
#: Person who is a child.
_KID = 2


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes five pictures with data frames and parameters; masks of the validation set."""
    rows = []
    frames: dict[str, list[tuple[Picture, Camera, list[Scan]]]] = {}
    for i, picture in enumerate(PICTURES):
        camera = camera_of(picture.view)
        scans = scans_of(picture, seed + i)
        frames.setdefault(picture.frame, []).append((picture, camera, scans))
        rows += _write_picture(root, picture, camera, scans, seed + i)
    for frame, content in frames.items():
        base = [_row(*entry) for entry in content]
        _write_frame(root / f"Cam/{frame}.pkl", base)
        for kind, (skeleton, n_vertices) in _KINDS.items():
            values = [
                row | _with_joints(camera, scans, skeleton, n_vertices)
                for row, (_, camera, scans) in zip(base, content, strict=True)
            ]
            _write_frame(root / f"{kind}/{frame}_withjv.pkl", values)
    return Truth(tuple(rows))


def _write_picture(root, picture: Picture, camera: Camera, scans, seed) -> list[TruthRow]:
    people = [in_world(scan, "smpl_24") for scan in scans]
    image = f"{picture.folder}/{picture.name}.png"
    shown = mocap.image(camera, people, "smpl_24", seed=seed, reduce=_BLOCK)
    scene.write_image(root / image, shown)
    if picture.split == "valid":
        _write_masks(root, picture, camera, people)
    for k, scan in enumerate(scans):
        write_pickle(root / f"smplx_gt/{_scan_name(picture, k)}.pkl", _smplx_parameters(scan, k))
    return [
        mocap.row(camera, pose, split=picture.split, skeleton=_SKELETON, image=image)
        for pose, occlusion, is_valid in zip(people, picture.occlusion, picture.valid, strict=True)
        if is_valid and occlusion <= _MOST_OCCLUDED
    ]


def _write_masks(root: Path, picture: Picture, camera: Camera, people) -> None:
    """Writes the label image and a mask of everybody, hidden parts included."""
    parts = picture.name.split("_")
    number, kept = int(parts[-1]), parts[:-1]
    view = f"{kept.pop()}_" if kept[-1].startswith("cam") else ""
    stem = f"{'_'.join(kept)}_mask_{view}{number:06d}"
    folder = root / ("train" if picture.split == "train" else "validation") / "_".join(parts[:5])
    # One pixel per painted block, until it is written.
    labels = np.full((SIZE[1] // _BLOCK, SIZE[0] // _BLOCK, 3), _BACKGROUND, np.uint8)
    depths = [camera.to_camera(pose)[:, 2].mean() for pose in people]
    for k in np.argsort(depths)[::-1]:
        mask = mocap.silhouette(camera, people[k], "smpl_24", reduce=_BLOCK)[::_BLOCK, ::_BLOCK]
        labels[mask] = _LABELS[k]
        alone = np.where(mask[..., None], np.array(_LABELS[k], np.uint8), np.uint8(0))
        _write_blocks(folder / f"{stem}_{k + 1:05d}.png", alone)
    _write_blocks(folder / f"{stem}_00000.png", labels)


def _write_blocks(path: Path, blocks: np.ndarray) -> None:
    scene.write_image(path, blocks.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1))


def _scan_name(picture: Picture, person: int) -> str:
    phase = picture.name.split("_")[1]
    return f"{phase}_renderpeople_adults_bfh/rp_{picture.name[-5:]}_{person}_0"


def _smplx_parameters(scan: Scan, person: int) -> dict[str, np.ndarray]:
    rotations = scan.rotations.astype(np.float32)
    zeros = {
        "left_hand_pose": 45, "right_hand_pose": 45, "jaw_pose": 3, "leye_pose": 3,
        "reye_pose": 3, "expression": 10, "betas": 11 if person == _KID else 10,
    }  # fmt: skip
    return {
        "global_orient": rotations[:1].reshape(1, 3),
        "body_pose": rotations[1:22].reshape(1, 63),
        "transl": scan.translation.astype(np.float32)[None],
        **{name: np.zeros((1, n), np.float32) for name, n in zeros.items()},
    }


def _row(picture: Picture, camera: Camera, scans: list[Scan]) -> dict:
    view = picture.view
    names = [_scan_name(picture, k) for k in range(len(scans))]
    return {
        "imgPath": f"{picture.name}.png",
        "X": [float(scan.place[0]) for scan in scans],
        "Y": [float(scan.place[1]) for scan in scans],
        "Z": [float(scan.place[2]) for scan in scans],
        "Yaw": [scan.yaw for scan in scans],
        # Of the scenes with fixed cameras these are not to be used.
        "camX": float(view.place[0] if view.shift else 0),
        "camY": float(view.place[1] if view.shift else 0),
        "camZ": float(view.place[2] if view.shift else 0),
        "camYaw": float(view.yaw if view.shift else 0),
        "gender": [("male", "female", "neutral")[k] for k in range(len(scans))],
        "kid": [k == _KID for k in range(len(scans))],
        "age": ["31-50"] * len(scans),
        "ethnicity": ["white"] * len(scans),
        "occlusion": list(picture.occlusion),
        "isValid": list(picture.valid),
        "gt_path_smpl": [f"smpl_gt/{name}.obj" for name in names],
        "gt_path_smplx": [f"smplx_gt/{name}.obj" for name in names],
    }


def _with_joints(camera: Camera, scans: list[Scan], skeleton: str, n_vertices: int) -> dict:
    """Returns the columns of joints (m, before the camera) and vertices, all in one place."""
    joints = [camera.to_camera(in_world(scan, skeleton)) for scan in scans]
    return {
        "gt_joints_2d": [camera.image_from_camera(pose) for pose in joints],
        "gt_joints_3d": [pose / 1000 for pose in joints],
        "gt_verts": [
            np.full((n_vertices, 3), pose.mean(axis=0) / 1000, np.float32) for pose in joints
        ],
    }


def _write_frame(path: Path, rows: list[dict]) -> None:
    """Writes a pandas data frame with texts as objects, as pandas had them at the time."""
    import pandas

    columns = {}
    for name in rows[0]:
        dtype = float if isinstance(rows[0][name], float) else object
        columns[name] = pandas.Series([row[name] for row in rows], dtype=dtype)
    frame = pandas.DataFrame(columns)
    frame.columns = pandas.Index(list(columns), dtype=object)
    write_pickle(path, frame)
    data = path.read_bytes()
    for name, module in _PANDAS_1.items():
        data = data.replace(f"cpandas\n{name}\n".encode(), f"c{module}\n{name}\n".encode())
    path.write_bytes(data)
