"""Enlarged files of text: tables of numbers, and JSON documents that hold everything."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from miniatures import write_miniature

from .videos import lengthen_videos

Bare = Callable[[], object]


def totalcapture(root: Path, *, times: int = 1500) -> Bare:
    """A table of 63 columns per sequence, eight videos."""
    write_miniature("totalcapture", root)
    paths = sorted(root.rglob("gt_skel_gbl_pos.txt"))
    for path in paths:
        head, *lines = path.read_text().strip().splitlines()
        path.write_text("\n".join([head, *lines * times]) + "\n")
    lengthen_videos(root, times)
    return lambda: [np.loadtxt(path, skiprows=1) for path in paths]


def fit3d(root: Path, *, times: int = 400) -> Bare:
    """A JSON file per action with nested lists of joints, four videos."""
    write_miniature("fit3d", root)
    paths = sorted(root.glob("train/*/joints3d_25/*.json"))
    for path in paths:
        joints = json.loads(path.read_text())["joints3d_25"]
        path.write_text(json.dumps({"joints3d_25": joints * times}))
    lengthen_videos(root, times)
    cameras = sorted(root.glob("train/*/camera_parameters/*/*.json"))
    return _json_parse([*paths, *cameras])


def gpa(root: Path, *, times: int = 1000) -> Bare:
    """One JSON file of 6000 images."""
    write_miniature("gpa", root)
    path = root / "xyz_gpa12_mdp_cntind_crop_cam_c2g.json"
    document = json.loads(path.read_text())
    images, rows = document["images"], document["annotations"]
    path.write_text(
        json.dumps({
            "images": [
                {"file_name": f"img_jpg/{len(images) * k + i:010}.png"}
                for k in range(times) for i in range(len(images))
            ],
            "annotations": rows * times,
        })
    )  # fmt: skip
    (root / "Sequence_ids/cam_ids_750k.npy").unlink()
    return _json_parse([path])


def threedoh50k(root: Path, *, times: int = 1500) -> Bare:
    """One JSON file per split with thousands of images."""
    write_miniature("3doh50k", root)
    paths = sorted(root.glob("*/annots.json"))
    for path in paths:
        entries = list(json.loads(path.read_text()).values())
        many = {f"{i:05d}": entries[i % len(entries)] for i in range(times * len(entries))}
        path.write_text(json.dumps(many))
    return _json_parse(paths)


def coco(root: Path, *, times: int = 1000) -> Bare:
    """One JSON file per split; images and people under new ids."""
    write_miniature("coco", root)
    paths = sorted(root.rglob("person_keypoints*.json"))
    for path in paths:
        document = json.loads(path.read_text())
        step = 1 + max(item["id"] for item in [*document["images"], *document["annotations"]])
        copies = {"images": [], "annotations": []}
        for k in range(times):
            for key, entries in copies.items():
                for old in document[key]:
                    new = copy.deepcopy(old)
                    for name in ("id", "image_id"):
                        if name in new:
                            new[name] += k * step
                    entries.append(new)
        path.write_text(json.dumps(document | copies))
    return _json_parse(paths)


def _json_parse(paths: list[Path]) -> Bare:
    return lambda: [json.loads(path.read_bytes()) for path in paths]


ENLARGED = {
    "totalcapture": totalcapture,
    "fit3d": fit3d,
    "gpa": gpa,
    "3doh50k": threedoh50k,
    "coco": coco,
}
