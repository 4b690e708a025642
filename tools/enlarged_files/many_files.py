"""Enlarged folders with a small file per frame."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from miniatures import write_miniature

from .videos import lengthen_videos

Bare = Callable[[], object]


def panoptic(root: Path, *, times: int = 600) -> Bare:
    """A JSON file per frame, 31 HD cameras with a video each."""
    write_miniature("panoptic", root)
    shutil.rmtree(root / "160906_band3")
    paths = []
    for calibration in sorted(root.glob("*/calibration_*.json")):
        folder = calibration.parent
        document = json.loads(calibration.read_text())
        hd = [entry for entry in document["cameras"] if entry["type"] == "hd"]
        for node in range(len(hd), 31):
            entry = {**hd[node % len(hd)], "name": f"00_{node:02d}", "node": node}
            document["cameras"].append(entry)
        calibration.write_text(json.dumps(document))
        video = min(folder.glob("hdVideos/*.mp4"))
        for node in range(31):
            copied = folder / f"hdVideos/hd_00_{node:02d}.mp4"
            if not copied.exists():
                shutil.copy(video, copied)
        bodies = [p for p in sorted(folder.rglob("body3DScene_*.json")) if _is_json(p)]
        for k in range(times):
            path = bodies[0].with_name(f"body3DScene_{k:08d}.json")
            path.write_bytes(bodies[k % len(bodies)].read_bytes())
            paths.append(path)
    lengthen_videos(root, times)
    return lambda: [json.loads(path.read_bytes()) for path in paths]


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


def ikea_asm(root: Path, *, times: int = 100) -> Bare:
    """A JSON file per annotated frame and device."""
    write_miniature("ikea_asm", root)
    shutil.rmtree(root / "Kallax_Shelf_Drawer")
    paths = []
    for folder in sorted(root.glob("*/0*/dev?/pose3d")):
        files = sorted(folder.glob("*.json"))
        contents = [path.read_bytes() for path in files]
        for k in range(times * len(files)):
            path = folder / f"{k:06d}.json"
            path.write_bytes(contents[k % len(files)])
            paths.append(path)
    lengthen_videos(root, 1000)
    return lambda: [json.loads(path.read_bytes()) for path in paths]


def rich(root: Path, *, times: int = 500) -> Bare:
    """A pickle per frame and person, six cameras with an image per frame."""
    write_miniature("rich", root)
    for folder in sorted(root.glob("scan_calibration/*/calibration")):
        source = min(folder.glob("000.xml"))
        for number in (4, 5, 6, 7):
            shutil.copy(source, folder / f"{number:03d}.xml")
    for sequence in sorted(root.glob("*_body/*")):
        frames = sorted(p for p in sequence.iterdir() if p.is_dir())
        for k in range(times):
            for person in frames[0].glob("*.pkl"):
                copied = sequence / f"{1000 + k:05d}" / person.name
                copied.parent.mkdir(exist_ok=True)
                shutil.copy(person, copied)
        split = sequence.parent.name.removesuffix("_body")
        cameras = sorted(p for p in (root / split / sequence.name).iterdir() if p.name[-2:] != "10")
        image = min(cameras[0].iterdir())
        # The upright cameras of Pavallion have images of their own size.
        more = () if sequence.name.startswith("Pavallion") else (4, 5, 6, 7)
        for number in (*(int(p.name[-2:]) for p in cameras), *more):
            folder = cameras[0].with_name(f"cam_{number:02d}")
            folder.mkdir(exist_ok=True)
            for k in range(times):
                (folder / f"{1000 + k:05d}_{number:02d}{image.suffix}").hardlink_to(image)
    return _pickle_parse(sorted(root.glob("*_body/*/*/*.pkl")))


def behave(root: Path, *, times: int = 50, n_copies: int = 6) -> Bare:
    """A pickle per frame, four cameras with an image per frame; sequences share calibrations."""
    write_miniature("behave", root)
    for sequence in sorted((root / "sequences").iterdir()):
        frame = min(p for p in sequence.iterdir() if p.is_dir())
        for k in range(times):
            shutil.copytree(frame, sequence / f"t{100 + k:04d}.000", copy_function=os.link)
        for k in range(n_copies):
            again = sequence.with_name(f"{sequence.name}_{k}")
            shutil.copytree(sequence, again, copy_function=os.link)
    fits = _pickle_parse(sorted(root.rglob("person_fit.pkl")))
    others = [root / "split.json", *root.glob("calibs/**/*.json"), *root.glob("*/*/info.json")]
    return lambda: [*fits(), *(json.loads(path.read_bytes()) for path in others)]


def _pickle_parse(paths: list[Path]) -> Bare:
    return lambda: [pickle.loads(path.read_bytes(), encoding="latin1") for path in paths]


def humbi(root: Path, *, times: int = 60) -> Bare:
    """Two text files per frame, many images."""
    write_miniature("humbi", root)
    for body in sorted(root.glob("*/body")):
        frame = min(p for p in body.iterdir() if p.is_dir())
        for k in range(times):
            shutil.copytree(frame, body / f"{1000 + k:08d}", copy_function=os.link)
    paths = sorted(root.rglob("reconstruction/*.txt"))
    return lambda: [np.array(path.read_bytes().split(), float) for path in paths]


def human4d(root: Path, *, times: int = 150) -> Bare:
    """A .npy file per frame, three cameras with an image each."""
    write_miniature("human4d", root)
    for take in sorted(root.glob("S*/*/Dump")):
        poses = sorted((take / "gposes3d").glob("*.npy"), key=lambda p: int(p.stem))
        images = sorted((take / "color").glob("*.png"))
        for k in range(len(poses), times):
            shutil.copy(poses[0], take / f"gposes3d/{k}.npy")
        by_camera = {image.name.split("_")[1]: image for image in images}
        for camera, image in by_camera.items():
            shown = {int(path.name.split("_")[0]) for path in images if f"_{camera}_" in path.name}
            for k in set(range(times)) - shown:
                image.with_name(f"{k}_{camera}_color_{k}.png").hardlink_to(image)
    paths = sorted(root.rglob("gposes3d/*.npy"))
    return lambda: [np.load(path) for path in paths]


ENLARGED = {
    "panoptic": panoptic,
    "ikea_asm": ikea_asm,
    "rich": rich,
    "behave": behave,
    "humbi": humbi,
    "human4d": human4d,
}
