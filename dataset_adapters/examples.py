"""The record that every dataset is brought to: one person in one image, and blocks of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import skeleton_defs

from .camera import Camera
from .columns import (
    CheckedJoints,
    checked_boxes,
    checked_integers,
    checked_joints,
    is_per_row,
    taken,
)
from .images import BAYER_PATTERNS, ImageRef

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Example:
    """One person in one image (or one moment, where the dataset has no images).

    Units: mm in world coordinates, px in the image as it is stored (with its lens distortion).

    Attributes:
      dataset: name of the adapter.
      split: `train`, `valid` or `test`.
      skeleton: id of the skeleton format; J is its number of joints.
      sequence, subject, camera_name, person: as the dataset names them; "" where it does not.
        `person` tells the people in one image apart.
      frame: number of the annotated moment within the sequence.
      image: where the pixels are; None for data without images.
      camera: calibration; None where it is unknown.
      image_size: (width, height) px, or None.
      box: (4,) left, top, width, height px, or None.
      mask: the person's silhouette as a COCO RLE dictionary, or None.
      joints3d: (J, 3) mm, NaN for missing joints; None for 2D datasets.
      joints2d: (J, 2) px, NaN for missing joints; None where only 3D is annotated: see
        `projected`.
      validity: (J,) bool: the joint has coordinates and the dataset vouches for them.
      extras: whatever else the dataset says of it (visibility, action, ...).
    """

    dataset: str
    split: str
    skeleton: str
    sequence: str = ""
    subject: str = ""
    camera_name: str = ""
    person: str = ""
    frame: int = 0
    image: ImageRef | None = None
    camera: Camera | None = None
    image_size: tuple[int, int] | None = None
    box: np.ndarray | None = None
    mask: Mapping[str, Any] | None = None
    joints3d: np.ndarray | None = None
    joints2d: np.ndarray | None = None
    validity: np.ndarray | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        checked = ExampleBlock.of(self)
        set_field = object.__setattr__
        for name in ("box", "joints3d", "joints2d", "validity"):
            column = getattr(checked, _COLUMN_OF.get(name, name))
            set_field(self, name, None if column is None else column[0])

    @property
    def projected(self) -> np.ndarray | None:
        """(J, 2) px: the annotated 2D joints, else the 3D joints seen by the camera."""
        if self.joints2d is not None or self.joints3d is None or self.camera is None:
            return self.joints2d
        return self.camera.project(self.joints3d)


@dataclass(frozen=True, eq=False)
class ExampleBlock:
    """N examples of one dataset, split and skeleton as columns: how adapters hand them over.

    Text columns and `cameras` are one value for all rows or a sequence of N. Arrays have N rows.
    `block[i]` is an `Example`; `block.select(rows)` a smaller block. The fields mean what they mean
    in `Example`; `images` holds paths, `video_frames` the indices where these are videos. Joints
    that several blocks share are best given as (rows of) one `CheckedJoints`.

    Attributes:
      mirrored, bayer: see `ImageRef`; one for all rows.
      notes: choices that the adapter made on the evidence in the data, one line each.

    Raises:
      ValueError: an unknown split or skeleton, or an array whose shape does not fit.
    """

    dataset: str
    split: str
    skeleton: str
    frames: np.ndarray
    sequence: str | Sequence[str] = ""
    subject: str | Sequence[str] = ""
    camera_name: str | Sequence[str] = ""
    person: str | Sequence[str] = ""
    images: str | Sequence[str] | None = None
    video_frames: np.ndarray | None = None
    cameras: Camera | Sequence[Camera] | None = None
    image_sizes: tuple[int, int] | Sequence[tuple[int, int]] | None = None
    boxes: np.ndarray | None = None
    masks: Sequence[Mapping[str, Any] | None] | None = None
    joints3d: np.ndarray | CheckedJoints | None = None
    joints2d: np.ndarray | CheckedJoints | None = None
    validity: np.ndarray | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    mirrored: bool = False
    bayer: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        if self.split not in SPLITS:
            raise ValueError(f"split must be one of {SPLITS}. Received {self.split!r}")
        if self.bayer and self.bayer not in BAYER_PATTERNS:
            raise ValueError(
                f"bayer must be one of {BAYER_PATTERNS} or ''. Received {self.bayer!r}"
            )
        n_joints = skeleton_defs.get(self.skeleton).n_joints
        set_field = object.__setattr__
        set_field(self, "frames", checked_integers("frames", self.frames))
        n = len(self.frames)
        if self.video_frames is not None:
            set_field(self, "video_frames", checked_integers("video_frames", self.video_frames, n))
        if self.boxes is not None:
            set_field(self, "boxes", checked_boxes(self.boxes, n))
        for name in _ROW_COLUMNS:
            column = getattr(self, name)
            if is_per_row(column) and len(column) != n:
                raise ValueError(f"{name} must have {n} rows. Received {len(column)}")
        for name, column in self.extras.items():
            if len(column) != n:
                raise ValueError(f"extras[{name!r}] must have {n} rows. Received {len(column)}")
        present = self._check_joints(n, n_joints)
        set_field(self, "validity", self._checked_validity(present))

    def _check_joints(self, n: int, n_joints: int) -> np.ndarray:
        """Returns which joints (n, n_joints) have coordinates of either kind."""
        present = None
        for name, n_dims in (("joints3d", 3), ("joints2d", 2)):
            if getattr(self, name) is not None:
                joints = checked_joints(name, getattr(self, name), (n, n_joints, n_dims))
                object.__setattr__(self, name, joints.values)
                present = joints.is_present if present is None else present | joints.is_present
        if present is None:
            raise ValueError("joints3d or joints2d must be given. Received neither")
        return present

    def _checked_validity(self, present: np.ndarray) -> np.ndarray:
        if self.validity is None:
            return present
        validity = np.asarray(self.validity, bool)
        if validity.shape != present.shape:
            raise ValueError(f"validity must have shape {present.shape}. Received {validity.shape}")
        return validity & present

    @classmethod
    def of(cls, example: Example) -> ExampleBlock:
        """Returns the block whose only row is `example`."""
        image = example.image

        def row(value):
            return None if value is None else [value]

        return cls(
            dataset=example.dataset,
            split=example.split,
            skeleton=example.skeleton,
            frames=[example.frame],
            sequence=example.sequence,
            subject=example.subject,
            camera_name=example.camera_name,
            person=example.person,
            images=image and image.path,
            video_frames=row(image and image.video_frame),
            mirrored=bool(image and image.mirrored),
            bayer=image.bayer if image else "",
            cameras=example.camera,
            image_sizes=example.image_size,
            boxes=row(example.box),
            masks=row(example.mask),
            joints3d=row(example.joints3d),
            joints2d=row(example.joints2d),
            validity=row(example.validity),
            extras={name: [value] for name, value in example.extras.items()},
        )

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[Example]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, row: int) -> Example:
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of a block of {len(self)}")

        # The columns were checked as a whole, so that a row needs no second check.
        example = object.__new__(Example)
        values = {
            "dataset": self.dataset,
            "split": self.split,
            "skeleton": self.skeleton,
            "frame": int(self.frames[row]),
            "image": self.image_ref(row),
            "camera": self.value("cameras", row),
            "image_size": self.image_size(row),
            "extras": {name: column[row] for name, column in self.extras.items()},
        }
        for name in ("sequence", "subject", "camera_name", "person"):
            values[name] = self.value(name, row)
        for name in ("box", "mask", "joints3d", "joints2d", "validity"):
            column = getattr(self, _COLUMN_OF.get(name, name))
            values[name] = None if column is None else column[row]
        for name, item in values.items():
            object.__setattr__(example, name, item)
        return example

    def value(self, name: str, row: int) -> Any:
        """Returns the value of column `name` in `row`, whether it is shared or one per row."""
        column = getattr(self, name)
        return column[row] if is_per_row(column) else column

    def image_ref(self, row: int) -> ImageRef | None:
        """Returns where the pixels of `row` are; None for data without images."""
        if self.images is None:
            return None
        index = None if self.video_frames is None else int(self.video_frames[row])
        return ImageRef(self.value("images", row), index, self.mirrored, self.bayer)

    def image_size(self, row: int) -> tuple[int, int] | None:
        """Returns (width, height) of the image of `row`: as stated, else its camera's."""
        size = self.value("image_sizes", row)
        camera = self.value("cameras", row)
        if size is None and camera is not None:
            size = camera.image_size
        return size

    def select(self, rows: np.ndarray) -> ExampleBlock:
        """Returns the block of these rows (indices, or a mask of N)."""
        rows = np.arange(len(self))[rows]
        # Rows of what was checked need no second check.
        block = object.__new__(ExampleBlock)
        for name, column in vars(self).items():
            object.__setattr__(block, name, column)
        for name in (*_ROW_COLUMNS, *_ARRAY_COLUMNS):
            object.__setattr__(block, name, taken(getattr(self, name), rows))
        extras = {name: taken(column, rows) for name, column in self.extras.items()}
        object.__setattr__(block, "extras", extras)
        return block

    def projected(self) -> np.ndarray | None:
        """(N, J, 2) px: the annotated 2D joints, else the 3D joints seen by the cameras."""
        if self.joints2d is not None or self.joints3d is None or self.cameras is None:
            return self.joints2d
        if isinstance(self.cameras, Camera):
            return self.cameras.project(self.joints3d)
        projected = [c.project(j) for c, j in zip(self.cameras, self.joints3d, strict=True)]
        return np.array(projected).reshape(*self.joints3d.shape[:2], 2)


_COLUMN_OF = {"box": "boxes", "mask": "masks"}
_ROW_COLUMNS = (
    "sequence", "subject", "camera_name", "person", "images", "cameras", "image_sizes", "masks",
)  # fmt: skip
_ARRAY_COLUMNS = ("frames", "video_frames", "boxes", "joints3d", "joints2d", "validity")
