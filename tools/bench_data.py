"""Times the training crops of `skelbridge.data` against a plain OpenCV loader, in one run.

    python tools/bench_data.py [--examples 256] [--rounds 7] [--side 256] [--masks]

Crops are those of `prepare` (the person's box 384 px, quality 95). Both sides make the same crops
from the same bytes in memory, by the same operations with the same random parameters: decode, turn
the camera to the box, shift, zoom, roll, flip, resample once, cover, change colours, float32. CPU
times are compared in turns within this run, so that other work on the machine hits both sides
alike; of several rounds the median ratio counts. OpenCV's own threads are off, so that numbers are
per core.

Two loaders are written here:
plain      as one writes it: an example at a time, RGB, colours in float32 by way of HSV
optimised  the same, but with all changes of colour in one `cv2.transform` of bytes
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1])]

from dataset_adapters.camera import Camera, intrinsics  # noqa: E402
from dataset_adapters.examples import ExampleBlock  # noqa: E402
from skelbridge import data as skelbridge_data  # noqa: E402
from skelbridge.data import colour, loading, occluders, pictures  # noqa: E402
from skelbridge.data.randomness import Purpose, generator, uniforms  # noqa: E402
from skelbridge.store import open_store, rle, write_blocks  # noqa: E402
from skeleton_defs import JointRegistry  # noqa: E402

SKELETON, N_JOINTS = "h36m_17", 17
STORED_SIDE = 620
BATCH = 64
SEED = 1


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Writes a store, times its crops, and returns how many times faster than other loaders."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--masks", action="store_true", help="replace backgrounds too (ours only)")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder), options.examples, with_masks=options.masks)
        store = open_store(folder)
        registry = JointRegistry([SKELETON])
        feed = skelbridge_data.training_feed(
            store, registry, skelbridge_data.Composition({"bench": BATCH}), seed=SEED, workers=1,
            crop=skelbridge_data.CropOptions(side=options.side),
        )  # fmt: skip
        n_steps = max(1, options.examples // BATCH)
        print(f"{n_steps * BATCH} crops of {options.side} px from {STORED_SIDE} px JPEGs")
        found = {} if options.masks else compare(feed, store, registry, options, n_steps)
        where_the_time_goes(feed, n_steps)
        scaling(feed, n_steps)
    return found


def write_pictures(folder: Path, n: int, *, with_masks: bool) -> None:
    """Writes a store with photograph-like crops (about as many bytes as such have)."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(min(n, 64)):
        coarse = rng.integers(0, 256, (40, 40, 3), np.uint8)
        picture = cv2.resize(coarse, (STORED_SIDE, STORED_SIDE), interpolation=cv2.INTER_CUBIC)
        grain = rng.normal(0, 4, picture.shape)
        made.append(np.clip(picture + grain, 0, 255).astype(np.uint8))
    center = (STORED_SIDE - 1) / 2
    cameras, joints = [], []
    for i in range(n):
        camera = Camera(
            R=np.eye(3), t=(0, 0, 100.0 * (i % 7)), K=intrinsics(1000, 1000, center, center),
            world_up=(0, -1, 0.1), image_size=(STORED_SIDE, STORED_SIDE),
        )  # fmt: skip
        cameras.append(camera)
        places = rng.uniform((240, 130), (380, 490), (N_JOINTS, 2))
        joints.append(camera.unproject(places, rng.uniform(3900, 4100, N_JOINTS)))
    masks = None
    if with_masks:
        rows, columns = np.mgrid[:STORED_SIDE, :STORED_SIDE]
        shape = ((columns - center) / 80) ** 2 + ((rows - center) / 190) ** 2 < 1
        masks = [rle.encode(shape)] * n
    block = ExampleBlock(
        "bench", "train", SKELETON, np.arange(n), cameras=cameras, joints3d=np.array(joints),
        boxes=np.tile([center - 75, center - 192, 150, 384], (n, 1)), masks=masks,
    )  # fmt: skip
    write_blocks(folder, "bench", [(block, [made[i % len(made)] for i in range(n)])])


# The loaders to compare with ----------------------------------------------------------------------


class PlainLoader:
    """Loads a batch of the same examples with the same parameters, one by one.

    Args:
      fused_colour: change colours in one pass over bytes.
    """

    def __init__(self, store, registry, *, side: int, fused_colour: bool):
        self.side = side
        self.fused_colour = fused_colour
        self.examples = [store[i] for i in range(len(store))]
        self.jpegs = [store.image_bytes(i) for i in range(len(store))]
        self.flip = registry.flip
        self.augmentation = skelbridge_data.Augmentation()
        self.occluders = occluders.Occluders()

    def load(self, planned) -> dict[str, np.ndarray]:
        """Returns the arrays of a batch."""
        made = [
            self.one(int(i), planned.step, int(slot))
            for i, slot in zip(planned.example, planned.slots, strict=True)
        ]
        return {name: np.stack([one[name] for one in made]) for name in made[0]}

    def one(self, index: int, step: int, slot: int) -> dict[str, np.ndarray]:
        """Returns the arrays of one example."""
        example, camera, side = self.examples[index], self.examples[index].camera, self.side
        shift, zoom, roll, flips = self.geometry(step, slot)
        left, top, width, height = example.box
        larger = max(width, height)
        center = np.array([left + width / 2, top + height / 2]) + shift * larger
        half = np.array([0, height / 2]) if height >= width else np.array([width / 2, 0])
        K_inverse = np.linalg.inv(camera.K)
        rays = [K_inverse @ [*p, 1] for p in (center, center - half, center + half)]
        forward = rays[0] / np.linalg.norm(rays[0])
        right = np.cross(forward, camera.R @ camera.world_up)
        right /= np.linalg.norm(right)
        view = np.stack([right, np.cross(forward, right), forward])
        ends = [view @ ray for ray in rays[1:]]
        focal = (camera.K[0, 0] + camera.K[1, 1]) / 2
        length = focal * np.linalg.norm(ends[1][:2] / ends[1][2] - ends[0][:2] / ends[0][2])
        zoom *= side / length
        c, s = np.cos(roll), np.sin(roll)
        view = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ view
        if flips:
            view[0] *= -1
        K = intrinsics(focal * zoom, focal * zoom, (side - 1) / 2, (side - 1) / 2)
        R = view @ camera.R
        joints3d = (example.joints3d - camera.center) @ R.T
        if flips:
            joints3d = joints3d[self.flip]
        projected = joints3d @ K.T
        joints2d = projected[:, :2] / projected[:, 2:]
        homography = camera.K @ view.T @ np.linalg.inv(K)
        return {
            "image": self.pixels(index, homography, step, slot),
            "K": K.astype(np.float32),
            "R_world": R.astype(np.float32),
            "joints3d": joints3d.astype(np.float32),
            "joints2d": joints2d.astype(np.float32),
            "mask3d": example.validity,
        }

    def geometry(self, step: int, slot: int) -> tuple:
        """Returns shift, zoom, roll and flip: the very same as skelbridge draws."""
        u = uniforms(SEED, step, np.array([slot]), Purpose.GEOMETRY, 8)[0]
        a = self.augmentation
        radius, angle = np.sqrt(u[0]) * a.shift, 2 * np.pi * u[1]
        zoom = a.zoom[0] + (a.zoom[1] - a.zoom[0]) * u[2]
        roll = np.deg2rad(a.rotation_degrees * (2 * u[3] - 1))
        return radius * np.array([np.cos(angle), np.sin(angle)]), zoom, roll, u[4] < a.flip

    def pixels(self, index: int, homography: np.ndarray, step: int, slot: int) -> np.ndarray:
        """Returns (S, S, 3) float32 RGB."""
        bgr = cv2.imdecode(np.frombuffer(self.jpegs[index], np.uint8), cv2.IMREAD_COLOR)
        image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop = cv2.warpPerspective(image, homography, (self.side, self.side), flags=flags)
        kind, happens = uniforms(SEED, step, np.array([slot]), Purpose.OCCLUSION, 2)[0]
        is_occluded = happens < self.augmentation.occlusion
        random = generator(SEED, step, slot, Purpose.OCCLUSION)
        if is_occluded and kind < 0.5:
            self.paste(crop, random)
        u = uniforms(SEED, step, np.array([slot]), Purpose.COLOUR, colour.N_DRAWS)
        if self.fused_colour:
            crop = cv2.transform(crop, colour.colour_maps(u, self.augmentation)[0])
        else:
            crop = self.recoloured(crop, u[0])
        if is_occluded and kind >= 0.5:
            occluders.erase(crop, random)
        return crop * np.float32(1 / 255) if self.fused_colour else crop

    def paste(self, crop: np.ndarray, random: np.random.Generator) -> None:
        """Pastes objects on an image without alpha."""
        rgba = cv2.cvtColor(crop, cv2.COLOR_RGB2RGBA)
        self.occluders.paste(rgba, random)
        cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB, crop)

    def recoloured(self, crop: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Changes brightness, contrast, hue and saturation one after the other, in float32."""
        a = self.augmentation
        image = crop.astype(np.float32) * np.float32(1 / 255)
        for change in np.argsort(u[4:8]):
            if change == 0:
                image += np.float32(a.brightness * (2 * u[0] - 1))
            elif change == 1:
                factor = np.float32(a.contrast[0] + (a.contrast[1] - a.contrast[0]) * u[1])
                image = (image - np.float32(0.5)) * factor + np.float32(0.5)
            else:
                hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
                if change == 2:
                    hsv[..., 0] = (hsv[..., 0] + a.hue_degrees * (2 * u[2] - 1)) % 360
                else:
                    hsv[..., 1] *= a.saturation[0] + (a.saturation[1] - a.saturation[0]) * u[3]
                image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
        return np.clip(image, 0, 1, out=image)


# Measuring ----------------------------------------------------------------------------------------


def compare(feed, store, registry, options, n_steps: int) -> dict[str, float]:
    """Prints crops per second of CPU time and the ratios, which are returned too."""
    plain, optimised = (
        PlainLoader(store, registry, side=options.side, fused_colour=fused)
        for fused in (False, True)
    )
    check_same(feed, optimised)

    def plainly(loader):
        return lambda: [loader.load(feed.plan.at(step)) for step in range(n_steps)]

    ways = {
        "skelbridge": lambda: list(one_at_a_time(feed, n_steps)),
        "plain": plainly(plain),
        "optimised": plainly(optimised),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for name in ways:
        ways[name]()
    for _ in range(options.rounds):
        for name, way in ways.items():
            begun = time.process_time()
            way()
            seconds[name].append(time.process_time() - begun)
    n = n_steps * BATCH
    for name, times in seconds.items():
        print(f"  {name:12}{n / statistics.median(times):8.0f} crops/s per core")
    found = {}
    for name in ("plain", "optimised"):
        ratios = [t / o for t, o in zip(seconds[name], seconds["skelbridge"], strict=True)]
        found[name] = statistics.median(ratios)
        print(
            f"  against {name:10} {found[name]:.2f}x "
            f"({min(ratios):.2f} to {max(ratios):.2f}; at least 1.0)"
        )
    return found


def one_at_a_time(feed, n_steps: int):
    """Yields nothing of the batches, so that both sides keep as much memory."""
    for batch in feed.batches(0, n_steps):
        yield batch["image"].shape


def check_same(feed, loader) -> None:
    """Stops unless both sides make the same crops."""
    ours, theirs = feed.batch(0), loader.load(feed.plan.at(0))
    for name in theirs:
        gap = np.abs(ours[name].astype(float) - theirs[name].astype(float))
        limit = {"image": 0.02, "mask3d": 0}.get(name, 0.05)
        if (np.mean(gap) if name == "image" else gap.max()) > limit:
            sys.exit(f"Error: {name} differs by {gap.max():.3f}; the comparison would be unfair")


def where_the_time_goes(feed, n_steps: int) -> None:
    """Prints the CPU time of each part of a crop."""
    spent: dict[str, float] = defaultdict(float)
    parts = {
        "decode, to RGBA": (pictures.PictureSource, "rgba"),
        "silhouette": (pictures.PictureSource, "silhouette"),
        "resample": (loading, "resampled"),
        "background": (skelbridge_data.Backgrounds, "behind"),
        "paste objects": (occluders.Occluders, "paste"),
        "erase": (loading, "erase"),
        "colours": (colour, "recoloured"),
        "to float32 in place": (loading, "_store_pixels"),
        "read annotations": (feed.loader._pictures.store, "batch"),
        "cameras": (loading, "crop_views"),
        "labels": (loading, "crop_labels"),
        "chances": (feed.loader, "_chances"),
        "plan": (feed.plan, "at"),
    }
    with timed(parts, spent):
        begun = time.process_time()
        for step in range(n_steps):
            feed.loader.load(feed.plan.at(step))
        total = time.process_time() - begun
    n = n_steps * BATCH
    spent["rest"] = total - sum(spent.values())
    print(f"where the time goes ({1e6 * total / n:.0f} us per crop)")
    for name, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {name:22}{1e6 * seconds / n:8.0f} us {100 * seconds / total:6.1f} %")


@contextmanager
def timed(parts, spent):
    """Adds up the CPU time of some functions meanwhile."""
    originals = {}
    for name, (owner, attribute) in parts.items():
        original = originals[name] = getattr(owner, attribute)

        def wrapped(*args, _original=original, _name=name, **options):
            begun = time.process_time()
            try:
                return _original(*args, **options)
            finally:
                spent[_name] += time.process_time() - begun

        setattr(owner, attribute, wrapped)
    try:
        yield
    finally:
        for name, (owner, attribute) in parts.items():
            setattr(owner, attribute, originals[name])


def scaling(feed, n_steps: int) -> None:
    """Prints wall-clock crops per second of 1, 2 and 4 threads (other work disturbs this)."""
    n = n_steps * BATCH
    for workers in (1, 2, 4):
        feed.workers = workers
        begun = time.perf_counter()
        for _ in one_at_a_time(feed, n_steps):
            pass
        print(f"  {workers} threads: {n / (time.perf_counter() - begun):.0f} crops/s by the clock")


if __name__ == "__main__":
    main()
