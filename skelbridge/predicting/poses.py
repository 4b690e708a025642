"""From crops to poses in the frames of their pictures' cameras."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from .crops import PersonCrop

#: A person's crop, and the same in a mirror where predictions are averaged over both.
Seen = tuple[PersonCrop, PersonCrop | None]

BATCH_SIZE = 32


class Predictor(Protocol):
    """What turns crops into poses, e.g. a `TrainedRun`."""

    def poses(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Returns (B, J, 3) mm in the frame of the crop cameras, given `image` and `K`."""


def absolute_poses(
    predictor: Predictor,
    seen: Iterable[Seen],
    flip: np.ndarray | None,
    *,
    batch_size: int = BATCH_SIZE,
) -> Iterator[np.ndarray]:
    """Yields each person's pose (J, 3) mm, float64, in the frame of the picture's camera.

    Args:
      seen: may be read while predicting: pictures need not be held together.
      flip: (J,) permutation that swaps left and right; needed for mirrored crops only.
      batch_size: crops that the network sees at once.
    """
    seen = iter(seen)
    while some := list(itertools.islice(seen, batch_size)):
        poses = _poses(predictor, [plain for plain, _ in some])
        mirrored = [crop for _, crop in some if crop is not None]
        if mirrored:
            # In a mirror a left hand looks like a right one.
            again = iter(_poses(predictor, mirrored)[:, flip])
            for row, (_, crop) in enumerate(some):
                if crop is not None:
                    poses[row] = (poses[row] + next(again)) / 2
        yield from poses


def _poses(predictor: Predictor, crops: list[PersonCrop]) -> np.ndarray:
    batch = {name: np.stack([getattr(crop, name) for crop in crops]) for name in ("image", "K")}
    in_crop = np.asarray(predictor.poses(batch), float)
    # Rows are points: x @ R is the inverse of the rotation (or reflection) R.
    return in_crop @ np.stack([crop.R for crop in crops])
