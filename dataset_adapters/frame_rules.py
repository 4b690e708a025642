"""Rules for what `prepare` keeps of a dataset, stated by its adapter: thinning, limits of bones."""

from __future__ import annotations

from dataclasses import dataclass

from .examples import SPLITS

#: What motion in the image can be measured by: the diagonal of the extra `head_box`, and the larger
#: side of the box around the joints (enlarged by the dataset's `box_expansion`).
IMAGE_SCALES = ("head_box", "joint_box")


@dataclass(frozen=True)
class Thinning:
    """Which frames of a sequence are worth storing: the published sampling rules.

    A pose is kept when some joint has moved at least `distance_mm` against every one of the last
    `memory` kept poses (world coordinates, per sequence and person). PosePile, adaptive sampling.

    Attributes:
      every: only every n-th frame is looked at.
      distance_mm: None keeps them all.
      memory: number of kept poses to compare with; None compares with all of the sequence.
      keep_newly_valid: a joint that was missing in the last kept pose and is there now keeps it.
      ignore_missing: missing joints do not count as moved.
      carry_missing: with `ignore_missing`, joints that are missing in a kept pose stay where they
        were in the one before it; else only joints that both poses have are compared.
      moved_joints: so many joints must have moved.
      centered: compare poses moved to their own mean.
      joints: the extra whose joints are compared, where these are not the examples' own.
      image_distance: for motion in the image instead of in the world (`distance_mm` is None then):
        a joint must have moved by this share of the person's size there.
      image_scale: what the size is: one of `IMAGE_SCALES`. A person without it is kept.
      splits: where the rule applies; other splits keep every `every_elsewhere`-th frame.
      every_elsewhere: for the other splits.

    Raises:
      ValueError: motion in the world and in the image are both asked for, or the scale is unknown.
    """

    every: int = 1
    distance_mm: float | None = 100.0
    memory: int | None = 1
    keep_newly_valid: bool = False
    ignore_missing: bool = False
    carry_missing: bool = True
    moved_joints: int = 1
    centered: bool = False
    joints: str = ""
    image_distance: float | None = None
    image_scale: str = "joint_box"
    splits: tuple[str, ...] = ("train",)
    every_elsewhere: int = 1

    def __post_init__(self):
        if self.distance_mm is not None and self.image_distance is not None:
            raise ValueError("distance_mm must be None where image_distance is given")
        if self.image_scale not in IMAGE_SCALES:
            raise ValueError(
                f"image_scale must be one of {IMAGE_SCALES}. Received {self.image_scale!r}"
            )

    @property
    def reason(self) -> str:
        """What is said of poses that the rule for motion leaves out."""
        if self.image_distance is not None:
            size = {"head_box": "head box's diagonal", "joint_box": "joint box's larger side"}
            return f"moved less than {self.image_distance:g} of the {size[self.image_scale]}"
        if self.moved_joints > 1:
            return f"fewer than {self.moved_joints} joints moved {self.distance_mm:g} mm"
        return f"moved less than {self.distance_mm:g} mm"


@dataclass(frozen=True)
class BoneLimits:
    """Bones of training examples whose end joints `prepare` takes for missing.

    A bone is wrong when its length divided by the usual one is out of the range, and differs from
    it by more than `difference_mm`. Usual is the median of the same person in the same source:
    that needs no other source, and is the body's own size (PosePile: the mean of the dataset).

    Attributes:
      min_ratio, max_ratio: of the length to the usual one.
      difference_mm: shorter differences never count.
    """

    min_ratio: float
    max_ratio: float
    difference_mm: float


#: Every example is kept.
NO_THINNING = Thinning(distance_mm=None, splits=SPLITS)
