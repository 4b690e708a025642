"""Reading a store: random access to 14 million examples without taking memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataset_adapters import adapter_class, list_adapters
from dataset_adapters.containers.errors import FileError
from dataset_adapters.examples import Example
from dataset_adapters.images import ImageRef, load

from .batch import Batch, gather
from .catalogue import Catalogue, Group
from .columns import unpacked_camera
from .manifest import NAME, read_manifest
from .mapped_shard import MappedShard, damage_told
from .own_skeletons import register_manifest
from .resampling import from_jpeg

MAX_OPEN_SHARDS = 256


class Store:
    """A store, opened for reading; use `open_store`.

    `store[i]` is an `Example`, `store.image(i)` its picture, `store.batch(indices)` many of them as
    columns. The pixels of a stored crop are not those of the original image: box, joints, mask and
    camera are given for the crop; `example.image` tells where the original is. What `extras` says
    in pixels is about the original.

    A store holds no HDF5 handle and at most `max_open` mapped files; it may be used after a fork,
    and pickled. Skeleton formats that it defines are registered for the process.

    Attributes:
      path: its folder.
      manifest: what its `manifest.json` says.
      groups: (dataset, split, skeleton) -> the range of its examples.

    Args:
      path: its folder.
      roots: dataset -> folder of its images, where images were left in place and have moved since.

    Raises:
      FileError: there is no finished store, a file of it is missing or truncated, or it defines
        another skeleton format than the one that the process knows by that name.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        roots: Mapping[str, str | os.PathLike] | None = None,
        max_open: int = MAX_OPEN_SHARDS,
    ):
        self.path = Path(path)
        self.manifest = read_manifest(path)
        register_manifest(self.path / NAME, self.manifest)
        self._roots = dict(roots or {})
        self._max_open = max_open
        self._catalogue = Catalogue(self.path, self.manifest, max_open)
        self.groups: dict[Group, range] = self._catalogue.groups

    @classmethod
    def open(cls, path: str | os.PathLike, **options: Any) -> Store:
        """Opens a store."""
        return cls(path, **options)

    def __reduce__(self):
        return _reopened, (self.path, self._roots, self._max_open)

    def __len__(self) -> int:
        return len(self._catalogue)

    def __iter__(self) -> Iterator[Example]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Example:
        """Returns one example; a picture is read by `image`."""
        group, shard, row = self._find(index)
        with damage_told(shard.path):
            return _example(group, shard, row)

    def image_bytes(self, index: int) -> bytes | None:
        """Returns the bytes of a stored crop's JPEG; None where none is stored."""
        group, shard, row = self._find(index)
        with damage_told(shard.path):
            places = shard.column(group.skeleton, "jpeg")
            if places is None or places[row, 1] == 0:
                return None
            return shard.picture(int(places[row, 0]), int(places[row, 1]))

    def image(self, index: int) -> np.ndarray | None:
        """Returns the picture (height, width, 3) uint8 RGB of an example; None where there is none.

        Raises:
          FileError: it is damaged, or an image that was left in place is not there.
        """
        data = self.image_bytes(index)
        if data is not None:
            picture = from_jpeg(data)
            if picture is None:
                _, shard, row = self._find(index)
                raise FileError(shard.path, f"row {row}: the picture does not decode")
            return picture
        example = self[index]
        stated = self.manifest["datasets"][example.dataset].get("root")
        root = self._roots.get(example.dataset, stated)
        if example.image is None or root is None:
            return None
        if example.dataset in list_adapters():
            # Importing an adapter makes known how its dataset keeps its pictures.
            adapter_class(example.dataset)
        return load(root, example.image)

    def batch(self, indices: Sequence[int] | np.ndarray) -> Batch:
        """Returns examples as columns, in the order of `indices`; joints padded with NaN."""
        return gather(self._catalogue, np.asarray(indices, np.int64))

    def files(self) -> list[tuple[Path, int, str]]:
        """Returns (path, bytes, sha256) of all data files that the manifest lists."""
        return self._catalogue.files

    def _find(self, index: int) -> tuple[Group, MappedShard, int]:
        (number,), (row,) = self._catalogue.locate(np.array([index], np.int64))
        return self._catalogue.group(number), self._catalogue.shard(number), int(row)


def open_store(path: str | os.PathLike, **options: Any) -> Store:
    """Opens a store for reading; see `Store`."""
    return Store(path, **options)


def _reopened(path: Path, roots: dict, max_open: int) -> Store:
    return Store(path, roots=roots, max_open=max_open)


def _example(group: Group, shard: MappedShard, row: int) -> Example:
    skeleton = group.skeleton

    def value(name: str):
        column = shard.column(skeleton, name)
        return None if column is None else column[row]

    def text(name: str) -> str:
        number = value(name)
        return "" if number is None else shard.text(skeleton, name, int(number)) or ""

    joints3d = _known(value("joints3d"))
    if joints3d is not None and (offset := value("offset")) is not None:
        joints3d += offset
    camera, size = value("camera"), value("image_size")
    is_known = camera is not None and camera >= 0
    return Example(
        dataset=group.dataset,
        split=group.split,
        skeleton=skeleton,
        sequence=text("sequence"),
        subject=text("subject"),
        camera_name=text("camera_name"),
        person=text("person"),
        frame=int(value("frame")),
        image=_image_ref(value, text),
        camera=unpacked_camera(shard.column(skeleton, "cameras")[camera]) if is_known else None,
        image_size=(int(size[0]), int(size[1])) if size.all() else None,
        box=_known(value("box")),
        mask=_mask(shard, skeleton, row),
        joints3d=joints3d,
        joints2d=_known(value("joints2d")),
        validity=np.array(value("validity")),
        extras=_extras(shard, skeleton, row),
    )


def _image_ref(value, text) -> ImageRef | None:
    if value("image") < 0:
        return None
    frame = value("video_frame")
    is_video = frame is not None and frame >= 0
    return ImageRef(
        text("image"),
        int(frame) if is_video else None,
        mirrored=bool(value("mirrored")),
        bayer=text("bayer"),
    )


def _mask(shard: MappedShard, skeleton: str, row: int) -> dict[str, Any] | None:
    sizes = shard.column(skeleton, "mask_size")
    if sizes is None or not sizes[row].all():
        return None
    start, stop = shard.column(skeleton, "mask_bounds")[row : row + 2]
    counts = shard.column(skeleton, "mask_counts")[start:stop].tobytes().decode("ascii")
    return {"size": sizes[row].tolist(), "counts": counts}


def _extras(shard: MappedShard, skeleton: str, row: int) -> dict[str, Any]:
    extras = {}
    columns = shard.columns(skeleton)
    for name in columns:
        if name.startswith("extras/"):
            value = shard.column(skeleton, name)[row]
            if f"texts/{name}" in columns:
                value = shard.text(skeleton, name, int(value))
            elif isinstance(value, np.ndarray):
                value = value.copy()
            extras[name.removeprefix("extras/")] = value
    return extras


def _known(value: np.ndarray | None) -> np.ndarray | None:
    return None if value is None or np.isnan(value).all() else np.array(value, float)
