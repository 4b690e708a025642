"""Times `prepare` and the store against the bare libraries, in one run on one machine.

    python tools/bench_prepare.py [parse] [images] [workers] [reads]

All comparisons are ratios of times measured in turns within this run (CPU time in one process,
wall-clock time with workers), so that other work on the machine hits both sides alike; of several
rounds the median ratio counts.

parse    an adapter's blocks against the bare parse of the same files (json, cdflib, pickle, scipy)
images   pictures -> crops in shards against reading, decoding, resizing, encoding by OpenCV
workers  one process against two
reads    batches of 128 random examples from a store of 100 000
"""

from __future__ import annotations

import itertools
import json
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from enlarged_files.whole_arrays import tiled, unpickled  # noqa: E402

from dataset_adapters import get_adapter  # noqa: E402
from dataset_adapters.adapter import Adapter, DatasetInfo, Source  # noqa: E402
from dataset_adapters.camera import Camera, intrinsics  # noqa: E402
from dataset_adapters.examples import ExampleBlock  # noqa: E402
from skelbridge.store import open_store, prepare, write_blocks  # noqa: E402

SKELETON = "h36m_17"
N_JOINTS = 17
LENS = (-0.2, 0.24, -0.001, -0.002, -0.002)


def main() -> None:
    """Runs the parts that are named, or all."""
    parts = {"parse": parse, "images": images, "workers": workers, "reads": reads}
    for name in sys.argv[1:] or parts:
        with tempfile.TemporaryDirectory() as folder:
            parts[name](Path(folder))


# Parsing ------------------------------------------------------------------------------------------


def parse(folder: Path) -> None:
    """Adapters on miniatures whose annotation files were made as long as real ones."""
    from miniatures import write_miniature

    print("parse: time of the adapter's blocks / bare parse of the same files (at most 2)")
    for label, (name, options, split, enlarge) in ENLARGED.items():
        root = folder / label
        root.mkdir()
        write_miniature(name, root)
        bare = enlarge(root)
        adapter = get_adapter(name, **options)

        def ours(adapter=adapter, root=root, split=split):
            forget_files()
            return sum(len(block) for block in adapter.blocks(root, split=split))

        n = ours()
        ratio, a, b = in_turns(ours, bare)
        print(
            f"  {label:22}{n:7} examples  {a * 1e3:8.1f} ms / {b * 1e3:8.1f} ms = {ratio:.2f}"
            f"   ({n / a:,.0f} examples/s)"
        )


def forget_files() -> None:
    """Empties what the adapters' modules remember of files."""
    for name, module in list(sys.modules.items()):
        if name.startswith("dataset_adapters"):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear") and not isinstance(value, type):
                    value.cache_clear()


def longer_h36m(root: Path, times: int = 60) -> Callable[[], object]:
    """Makes the takes of S1 longer; the bare parse opens the videos too, whose length counts."""
    import cdflib
    import cv2

    for subject in root.glob("S[59]*"):
        shutil.rmtree(subject)
    shutil.rmtree(root / "S11")
    paths = sorted(root.glob("S1/MyPoseFeatures/D3_Positions/[!_]*.cdf"))
    for path in paths:
        poses = cdflib.CDF(path).varget("Pose")
        path.unlink()
        writer = cdflib.cdfwrite.CDF(path)
        longer = np.tile(poses.reshape(-1, poses.shape[-1]), (times, 1))[None]
        spec = {"Variable": "Pose", "Data_Type": 21, "Num_Elements": 1, "Rec_Vary": True}
        spec |= {"Var_Type": "zVariable", "Dim_Sizes": list(longer.shape[1:])}
        writer.write_var(spec, var_data=longer.astype(np.float32))
        writer.close()
    videos = sorted(root.glob("S1/Videos/[!_]*.mp4"))
    for path in videos:
        lengthen_video(path, times)

    def bare():
        for path in paths:
            cdflib.CDF(path).varget("Pose")
        for path in videos:
            capture = cv2.VideoCapture(str(path))
            capture.get(cv2.CAP_PROP_FRAME_COUNT)
            capture.release()

    return bare


def lengthen_video(path: Path, times: int) -> None:
    """Replaces a video by a black one of so many times the frames."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    capture.release()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 50, size)
    black = np.zeros((size[1], size[0], 3), np.uint8)
    for _ in range(count * times):
        writer.write(black)
    writer.release()


def longer_coco(root: Path, times: int = 1000) -> Callable[[], object]:
    """Repeats images and annotations under new ids."""
    paths = sorted(root.rglob("person_keypoints*.json"))
    for path in paths:
        tree = json.loads(path.read_text())
        pictures, people = tree["images"], tree["annotations"]
        step = 1 + max(item["id"] for item in [*pictures, *people])
        tree["images"] = [{**p, "id": p["id"] + k * step} for k in range(times) for p in pictures]
        tree["annotations"] = [
            {**a, "id": a["id"] + k * step, "image_id": a["image_id"] + k * step}
            for k in range(times)
            for a in people
        ]
        path.write_text(json.dumps(tree))
    return lambda: [json.loads(path.read_bytes()) for path in paths]


def longer_mpii(root: Path, times: int = 500) -> Callable[[], object]:
    """Repeats the images of the .mat file."""
    import scipy.io

    (path,) = root.rglob("mpii_human_pose_*.mat")
    release = scipy.io.loadmat(path)["RELEASE"]
    record = release[0, 0]
    for name in ("annolist", "img_train"):
        record[name] = np.concatenate([record[name]] * times, axis=1)
    for name in ("single_person", "act"):
        record[name] = np.concatenate([record[name]] * times, axis=0)
    scipy.io.savemat(path, {"RELEASE": release}, do_compression=True)
    return lambda: scipy.io.loadmat(path)


def longer_3dhp(root: Path, times: int = 2000) -> Callable[[], object]:
    """Makes the test sequences longer (MATLAB 7.3, which is HDF5)."""
    import h5py

    paths = sorted(root.rglob("annot_data.mat"))
    for path in paths:
        with h5py.File(path, "r+") as file:
            for name, values in [(k, v[()]) for k, v in file.items() if hasattr(v, "shape")]:
                attributes = dict(file[name].attrs)
                del file[name]
                # As MATLAB writes it: compressed.
                made = file.create_dataset(
                    name, data=np.concatenate([values] * times), compression="gzip",
                    compression_opts=3,
                )  # fmt: skip
                made.attrs.update(attributes)

    def bare():
        for path in paths:
            with h5py.File(path) as file:
                [item[()] for item in file.values() if hasattr(item, "shape")]

    return bare


def longer_3dpw(root: Path, times: int = 300) -> Callable[[], object]:
    """Makes all sequences longer."""
    paths = sorted(root.rglob("*.pkl"))
    for path in paths:
        tree = unpickled(path)
        n = len(tree["img_frame_ids"])
        for key, value in tree.items():
            if key != "cam_intrinsics":
                tree[key] = tiled(value, n, times)
        tree["img_frame_ids"] = np.arange(n * times)
        path.write_bytes(pickle.dumps(tree, protocol=2))
    return lambda: [unpickled(path) for path in paths]


#: Label -> adapter, its options, split, and what makes its files longer and returns a bare parse.
ENLARGED = {
    "coco (json)": ("coco", {}, None, longer_coco),
    "mpii (scipy)": ("mpii", {}, "train", longer_mpii),
    "mpi_inf_3dhp (h5py)": ("mpi_inf_3dhp", {}, "test", longer_3dhp),
    "3dpw (pickle)": ("3dpw", {}, None, longer_3dpw),
    "h36m (cdflib)": ("h36m", {"boxes": "none"}, "train", longer_h36m),
}


# Pictures -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Walkers(Adapter):
    """People of different sizes in textured pictures; written by `write_walkers`."""

    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="walkers", title="Walkers", kind="3D, synthetic", homepage="", licence="", access="",
        paper="", skeletons=(SKELETON,), splits=("train",), tree="", items=(),
    )  # fmt: skip

    flat: bool = False

    def sources(self, root: Path, split: str):
        """Returns one source per annotation file."""
        return [Source(split, path.stem) for path in sorted(root.glob("*.npz"))]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Reads an annotation file."""
        with np.load(root / f"{source.key}.npz") as file:
            joints, size, lens = file["joints"], file["size"], file["lens"]
        n = len(joints)
        camera = walkers_camera(size, lens)
        video = root / f"{source.key}.mp4"
        images, frames = [f"{source.key}/{i:03d}.jpg" for i in range(n)], None
        if video.exists():
            images, frames = video.name, EVERY * np.arange(n)
        seen = {"cameras": camera, "joints3d": joints}
        if self.flat:
            seen = {"joints2d": camera.project(joints), "image_sizes": camera.image_size}
        yield ExampleBlock(
            "walkers", "train", SKELETON, np.arange(n), images=images, video_frames=frames, **seen
        )


def walkers_camera(size, lens) -> Camera:
    """Returns a camera 5 m from the people."""
    width, height = (int(n) for n in size)
    return Camera(
        np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]]),
        (0, 1000, 5000),
        intrinsics(1.1 * width, 1.1 * width, width / 2, height / 2),
        distortion=lens,
        world_up=(0, 0, 1),
        image_size=(width, height),
    )


def write_walkers(
    root: Path, *, size, lens=(), n_sources: int, n_pictures: int, video: bool = False
) -> None:
    """Writes pictures with the detail of photographs (about 2 bits per pixel as JPEG).

    Args:
      video: write every `EVERY`-th frame of a video instead of JPEG files.
    """
    import cv2

    rng = np.random.default_rng(0)
    for s in range(n_sources):
        (root / f"s{s:02d}").mkdir(parents=True)
        places = rng.uniform([-900, -500, 0], [900, 2500, 300], (n_pictures, 1, 3))
        body = rng.uniform([-350, -200, 0], [350, 200, 1750], (n_pictures, N_JOINTS, 3))
        np.savez(root / f"s{s:02d}.npz", joints=body + places, size=size, lens=lens)
        writer = None
        if video:
            codec = cv2.VideoWriter_fourcc(*"mp4v")
            writer = cv2.VideoWriter(str(root / f"s{s:02d}.mp4"), codec, 50, size)
        for i in range(n_pictures):
            image = textured(rng, size)
            if writer is not None:
                for k in range(EVERY):
                    writer.write(np.roll(image, k, axis=1))
                continue
            path = str(root / f"s{s:02d}" / f"{i:03d}.jpg")
            cv2.imwrite(path, image, [cv2.IMWRITE_JPEG_QUALITY, 90])
        if writer is not None:
            writer.release()


def textured(rng, size) -> np.ndarray:
    """Returns a picture (height, width, 3) of blurred blobs and some noise."""
    import cv2

    width, height = size
    rough = rng.integers(0, 255, (height // 12, width // 12, 3), np.uint8)
    image = cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC)
    noise = rng.integers(-6, 7, image.shape, np.int8)
    return np.clip(image.astype(np.int16) + noise, 0, 255).astype(np.uint8)


#: Kind of pictures -> how they are written, and whether as a 2D dataset.
PICTURES = {
    "640 x 480, 2D": ({"size": (640, 480)}, True),
    "1000 x 1000, lens": ({"size": (1000, 1000), "lens": LENS}, False),
    "1000 x 1000, lens, video": ({"size": (1000, 1000), "lens": LENS, "video": True}, False),
    "1920 x 1080": ({"size": (1920, 1080)}, False),
    "1920 x 1080, lens": ({"size": (1920, 1080), "lens": LENS}, False),
    "2048 x 2048, lens": ({"size": (2048, 2048), "lens": LENS}, False),
}
#: Frames of a video from one annotated frame to the next.
EVERY = 5


def images(folder: Path) -> None:
    """One process, one thread on both sides."""
    import cv2

    cv2.setNumThreads(1)
    print("images: time of prepare / OpenCV's decode + resize + encode (at most 1.3)")
    sums = np.zeros(2)
    for label, (written, flat) in PICTURES.items():
        root = folder / label.replace(" ", "")
        write_walkers(root, n_sources=1, n_pictures=120, **written)
        adapter = Walkers(flat=flat)
        jobs = bare_jobs(adapter, root, written["size"])
        numbers = itertools.count()

        def ours(root=root, adapter=adapter, numbers=numbers):
            store = root.with_name(f"{root.name}-{next(numbers)}")
            prepare(adapter, root, store, plausibility=False)

        ratio, a, b = in_turns(ours, lambda j=jobs: bare_images(j, folder / "out.bin"), rounds=5)
        n = sum(len(people) for people in jobs.values())
        sums += a / n, b / n
        print(
            f"  {label:26}{n:4} people  {a / n * 1e3:6.1f} ms / {b / n * 1e3:6.1f} ms = {ratio:.2f}"
        )
    a, b = 1e3 * sums
    print(f"  one of each {a:33.1f} ms / {b:6.1f} ms = {a / b:.2f}")


def bare_jobs(adapter: Walkers, root: Path, size) -> dict[tuple, list]:
    """Returns (path, frame or None) -> people: (part of the image, size) as the crops have them."""
    from skelbridge.store.crops import CropRule, flat_crop, turned_crop
    from skelbridge.store.selection import boxes_of, seen_joints

    jobs: dict[tuple, list] = {}
    for block in adapter.blocks(root):
        for row, box in enumerate(boxes_of(block, seen_joints(block), 1.15)):
            if adapter.flat:
                crop = flat_crop(box, size, CropRule())
            else:
                crop = turned_crop(block.cameras, box, size, CropRule())
            if crop is not None:
                half = CropRule().side(*box[2:]) / 2
                center = box[:2] + box[2:] / 2
                low = np.maximum(center - half, 0).astype(int)
                high = np.minimum(center + half + 1, size).astype(int)
                image = block[row].image
                key = root / image.path, image.video_frame
                jobs.setdefault(key, []).append(((*low, *high), crop.size))
    return jobs


def bare_images(jobs: dict[tuple, list], out_path: Path) -> None:
    """Cuts the same parts out of the same images by plain OpenCV calls."""
    import cv2

    with open(out_path, "wb") as out:
        capture = opened = None
        at = 0
        for (path, frame), people in jobs.items():
            if frame is None:
                image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
            else:
                if opened != path:
                    capture, opened, at = cv2.VideoCapture(str(path)), path, 0
                while at <= frame:
                    capture.grab()
                    at += 1
                image = capture.retrieve()[1]
            for (left, top, right, bottom), target in people:
                part = image[top:bottom, left:right]
                how = cv2.INTER_AREA if part.shape[1] > target[0] else cv2.INTER_CUBIC
                small = cv2.resize(part, target, interpolation=how)
                out.write(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])


def workers(folder: Path) -> None:
    """The same work by one process and by two; what two plain loops gain tells the machine's part.

    On a machine that others use too, two processes may get no more time than one: then the loops
    gain as little, and the last number (2 is perfect) is the one that speaks about us.
    """
    print("workers: time with one process / with two (at least 1.7 on an idle machine)")
    write_walkers(folder / "data", size=(1920, 1080), lens=LENS, n_sources=16, n_pictures=30)
    numbers = itertools.count()

    def with_workers(count: int) -> float:
        start = time.perf_counter()
        store = folder / f"store{next(numbers)}"
        prepare(Walkers(), folder / "data", store, workers=count)
        return time.perf_counter() - start

    with_workers(1)
    rounds = []
    for _ in range(3):
        first = loops(1)
        times = with_workers(1), with_workers(2)
        rounds.append((*times, first, loops(2), loops(1)))
    one, two, *_ = (statistics.median(column) for column in zip(*rounds, strict=True))
    gain = statistics.median(row[0] / row[1] for row in rounds)
    offered = statistics.median((row[2] + row[4]) / row[3] for row in rounds)
    print(
        f"  480 pictures  {one:.1f} s / {two:.1f} s = {gain:.2f}; two plain loops gain "
        f"{offered:.2f}, so of two free cores we would gain {2 * gain / offered:.2f}"
    )


def loops(count: int) -> float:
    """Returns how long `count` processes take to count to the same number at the same time, s."""
    command = [sys.executable, "-S", "-c", "for _ in range(60_000_000): pass"]
    start = time.perf_counter()
    running = [subprocess.Popen(command) for _ in range(count)]
    for process in running:
        process.wait()
    return time.perf_counter() - start


# Reading ------------------------------------------------------------------------------------------


def reads(folder: Path) -> None:
    """Random batches; memory is what this process has for itself, without mapped files."""
    print("reads: batches of 128 random examples of 100 000 (at least 20 000 examples/s)")
    rng = np.random.default_rng(0)
    n, part = 100_000, 5_000
    camera = walkers_camera((1000, 1000), LENS)

    def blocks():
        for start in range(0, n, part):
            cameras = [
                Camera(camera.R, camera.t + i, camera.K, world_up=(0, 0, 1)) for i in range(part)
            ]
            block = ExampleBlock(
                "walkers", "train", SKELETON, np.arange(part) + start,
                sequence=[f"sequence {i % 50}" for i in range(part)], cameras=cameras,
                joints3d=rng.normal(size=(part, N_JOINTS, 3)) * 500,
                boxes=rng.uniform(0, 300, (part, 4)),
            )  # fmt: skip
            yield block, None

    write_blocks(folder / "store", "walkers", blocks(), rows_per_shard=part)
    store = open_store(folder / "store")
    order = rng.integers(0, n, (1500, 128))
    for indices in order[:300]:
        store.batch(indices)
    before, start = own_memory(), time.perf_counter()
    for indices in order[300:]:
        store.batch(indices)
    seconds, after = time.perf_counter() - start, own_memory()
    print(
        f"  {1200 * 128 / seconds:,.0f} examples/s from 20 shards; "
        f"own memory {before / 1e6:.1f} -> {after / 1e6:.1f} MB"
    )


def own_memory() -> int:
    """Returns the bytes that this process has written to and nobody else uses."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("this system does not tell a process's own memory")


def in_turns(
    ours: Callable, theirs: Callable, *, rounds: int = 7, clock: Callable = time.process_time
) -> tuple[float, float, float]:
    """Returns the median ratio of times measured in turns, and the median times, s.

    Args:
      clock: CPU time, which other work on the machine does not lengthen; or wall-clock time.
    """
    pairs = []
    ours()
    theirs()
    for i in range(rounds):
        times = {}
        for function in (ours, theirs) if i % 2 else (theirs, ours):
            start = clock()
            function()
            times[function] = clock() - start
        pairs.append((times[ours], times[theirs]))
    ratio = statistics.median(a / b for a, b in pairs)
    return ratio, *(statistics.median(column) for column in zip(*pairs, strict=True))


if __name__ == "__main__":
    main()
