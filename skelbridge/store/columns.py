"""The columns of a shard: blocks of examples of one skeleton format as plain arrays.

Texts are stored once: a column of ids (`-1`: none) and a vocabulary, which is the UTF-8 bytes of
all texts in a row and where each begins. Everything can so be read in place, without parsing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dataset_adapters.camera import N_DISTORTION, Camera
from dataset_adapters.examples import ExampleBlock

from .silhouettes import silhouette_of
from .tally import Tally

TEXTS = ("sequence", "subject", "camera_name", "person", "image")
#: Where coordinates (mm) are larger than this, float32 alone would lose more than 0.005 mm.
LARGEST_PLAIN_MM = 80_000.0
CAMERA = np.dtype(
    [
        ("R", "<f8", (3, 3)),
        ("t", "<f8", (3,)),
        ("K", "<f8", (3, 3)),
        ("distortion", "<f8", (N_DISTORTION,)),
        ("world_up", "<f8", (3,)),
        ("image_size", "<i8", (2,)),
    ]
)
"""A camera as it is stored; an unknown `world_up` is NaN, an unknown image size 0."""

Place = tuple[int, int]


def columns_of(
    blocks: Sequence[ExampleBlock], places: Sequence[Sequence[Place] | None], tally: Tally
) -> dict[str, np.ndarray]:
    """Returns the columns of blocks of one skeleton format; keys with `/` are in a subgroup.

    Args:
      places: per block the (start, length) of each row's JPEG, or None where it has none.
      tally: remarks on what cannot be stored.
    """
    n = sum(len(block) for block in blocks)
    columns: dict[str, np.ndarray] = {
        "frame": _joined([block.frames for block in blocks], np.int64),
        "validity": _joined([block.validity for block in blocks], bool),
    }
    for name in TEXTS:
        source = "images" if name == "image" else name
        values = [value for block in blocks for value in _values(block, source)]
        _add_texts(columns, name, values)
    if any(block.video_frames is not None for block in blocks):
        columns["video_frame"] = _filled([b.video_frames for b in blocks], blocks, (), -1, np.int64)
    if any(block.mirrored for block in blocks):
        columns["mirrored"] = np.concatenate([np.full(len(b), b.mirrored) for b in blocks])
    if any(block.bayer for block in blocks):
        _add_texts(columns, "bayer", [block.bayer for block in blocks for _ in range(len(block))])
    _add_joints3d(columns, blocks)
    if any(block.joints2d is not None for block in blocks):
        shape = (*blocks[0].validity.shape[1:], 2)
        given = [block.joints2d for block in blocks]
        columns["joints2d"] = _filled(given, blocks, shape, np.nan, np.float32)
    if any(block.boxes is not None for block in blocks):
        given = [block.boxes for block in blocks]
        columns["box"] = _filled(given, blocks, (4,), np.nan, np.float32)
    _add_cameras(columns, [c for block in blocks for c in _values(block, "cameras")])
    sizes = [block.image_size(row) or (0, 0) for block in blocks for row in range(len(block))]
    columns["image_size"] = np.array(sizes, np.int32).reshape(n, 2)
    _add_masks(
        columns, [silhouette_of(b.masks, row, tally) for b in blocks for row in range(len(b))]
    )
    if any(place is not None for place in places):
        jpegs = [p or [(0, 0)] * len(b) for p, b in zip(places, blocks, strict=True)]
        columns["jpeg"] = np.array([p for part in jpegs for p in part], np.int64).reshape(n, 2)
    for name in sorted({name for block in blocks for name in block.extras}):
        _add_extra(columns, name, blocks, tally)
    return columns


def encode_texts(texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the UTF-8 bytes of texts in a row, and the (N + 1,) bounds of each."""
    encoded = [text.encode("utf-8", "replace") for text in texts]
    bounds = np.cumsum([0, *(len(item) for item in encoded)], dtype=np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), bounds


def packed_camera(camera: Camera) -> np.ndarray:
    """Returns the camera as a record of type `CAMERA`."""
    record = np.zeros((), CAMERA)
    for name in ("R", "t", "K"):
        record[name] = getattr(camera, name)
    if camera.distortion is not None:
        record["distortion"] = camera.distortion
    record["world_up"] = np.nan if camera.world_up is None else camera.world_up
    if camera.image_size is not None:
        record["image_size"] = camera.image_size
    return record


def unpacked_camera(record: np.ndarray) -> Camera:
    """Returns the camera of a record.

    Raises:
      ValueError: the record holds no camera.
    """
    up, size = record["world_up"], record["image_size"]
    return Camera(
        R=record["R"],
        t=record["t"],
        K=record["K"],
        distortion=record["distortion"] if record["distortion"].any() else None,
        world_up=None if np.isnan(up).any() else up,
        image_size=tuple(size) if size.all() else None,
    )


def _values(block: ExampleBlock, name: str) -> list[Any]:
    return [block.value(name, row) for row in range(len(block))]


def _joined(arrays: Sequence[np.ndarray], dtype) -> np.ndarray:
    return np.concatenate(arrays).astype(dtype, copy=False)


def _filled(given, blocks, shape, missing, dtype) -> np.ndarray:
    """Returns the blocks' arrays one after the other, `missing` where a block has none."""
    return _joined(
        [
            np.full((len(block), *shape), missing) if array is None else array
            for array, block in zip(given, blocks, strict=True)
        ],
        dtype,
    )


def _add_texts(columns: dict, name: str, values: Sequence[str | None]) -> None:
    ids: dict[str, int] = {}
    numbers = [-1 if value is None else ids.setdefault(value, len(ids)) for value in values]
    columns[name] = np.array(numbers, np.int32)
    columns[f"texts/{name}"], columns[f"texts/{name}_bounds"] = encode_texts(ids)


def _add_joints3d(columns: dict, blocks: Sequence[ExampleBlock]) -> None:
    if all(block.joints3d is None for block in blocks):
        return
    shape = (*blocks[0].validity.shape[1:], 3)
    given = [block.joints3d for block in blocks]
    largest = [np.nanmax(np.abs(j), initial=0) for j in given if j is not None]
    if max(largest) <= LARGEST_PLAIN_MM:
        columns["joints3d"] = _filled(given, blocks, shape, np.nan, np.float32)
        return
    joints = _filled(given, blocks, shape, np.nan, np.float64)
    present = ~np.isnan(joints[..., 0])
    mean = np.nansum(joints, axis=1) / np.maximum(present.sum(1), 1)[:, None]
    columns["offset"] = np.round(mean)
    columns["joints3d"] = (joints - columns["offset"][:, None]).astype(np.float32)


def _add_cameras(columns: dict, cameras: Sequence[Camera | None]) -> None:
    known: dict[bytes, int] = {}
    records, ids = [], []
    by_object: dict[int, int] = {}
    for camera in cameras:
        if camera is None:
            ids.append(-1)
            continue
        if id(camera) not in by_object:
            record = packed_camera(camera)
            if known.setdefault(record.tobytes(), len(records)) == len(records):
                records.append(record)
            by_object[id(camera)] = known[record.tobytes()]
        ids.append(by_object[id(camera)])
    if records:
        columns["camera"] = np.array(ids, np.int32)
        columns["cameras"] = np.array(records, CAMERA)


def _add_masks(columns: dict, masks: Sequence[dict | None]) -> None:
    if all(mask is None for mask in masks):
        return
    from . import rle

    texts, sizes = [], []
    for mask in masks:
        if mask is None:
            texts.append("")
            sizes.append((0, 0))
            continue
        counts = mask["counts"]
        if not isinstance(counts, (str, bytes)):
            counts = rle.encode(rle.decode(mask))["counts"]
        texts.append(counts.decode("ascii") if isinstance(counts, bytes) else counts)
        sizes.append(tuple(mask["size"]))
    columns["mask_counts"], columns["mask_bounds"] = encode_texts(texts)
    columns["mask_size"] = np.array(sizes, np.int32).reshape(len(masks), 2)


def _add_extra(columns: dict, name: str, blocks: Sequence[ExampleBlock], tally: Tally) -> None:
    parts = [block.extras.get(name) for block in blocks]
    key = name.replace("/", "_").strip(".") or "_"
    if all(isinstance(part, np.ndarray) and part.dtype.kind in "biuf" for part in parts) and (
        len({part.shape[1:] for part in parts}) == 1
    ):
        columns[f"extras/{key}"] = np.concatenate(parts)
        return
    values = [v for p, b in zip(parts, blocks, strict=True) for v in _as_rows(p, len(b))]
    if all(value is None or isinstance(value, str) for value in values):
        _add_texts(columns, f"extras/{key}", values)
        return
    arrays = [None if value is None else np.asarray(value) for value in values]
    kinds = {(array.shape, array.dtype.kind in "biuf") for array in arrays if array is not None}
    if len(kinds) != 1 or not next(iter(kinds))[1]:
        tally.note(f"extras {name!r} left out: neither numbers of one shape nor text")
        return
    shape = next(iter(kinds))[0]
    missing = np.full(shape, np.nan)
    columns[f"extras/{key}"] = np.array([missing if a is None else a for a in arrays])


def _as_rows(part, n: int) -> Sequence:
    return [None] * n if part is None else part
