"""One file's worth of synthetic people, made again the same whenever it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dataset_adapters.examples import SPLITS, ExampleBlock

from ..atlas.low_poly import default_body
from ..store import rle
from .looks import LOOKS
from .options import point_rows
from .pictures import PER_PERSON, Chances, Photographer, Shot

#: Pictures of a file: whole people, and enough files for the workers to share.
PER_SHARD = 512
#: Name of the extra column with the true places of points of the body, mm in the world.
POINTS = "points"


@dataclass(frozen=True)
class PeopleShard:
    """Makes the pictures `first` to `first + count` of a look's split; a `store.ShardSource`.

    Attributes:
      look: name of the pseudo-dataset.
      split: `train`, `valid` or `test`.
      skeleton: format of the labels.
      first, count: which pictures; `first` is a multiple of `PER_SHARD`.
      seed, size, facing: see `SynthOptions`.
      images: folder and names of the user's backgrounds, or None.
      points: which points of the body go into the extras; None: all.
      is_flat: whether camera and 3D are withheld.
    """

    look: str
    split: str
    skeleton: str
    first: int
    count: int
    seed: int
    size: int
    facing: float
    images: tuple[str, tuple[str, ...]] | None = None
    points: tuple[int, ...] | None = None
    is_flat: bool = False

    @property
    def key(self) -> str:
        """Which pictures it makes."""
        return f"{self.first}-{self.first + self.count - 1}"

    def blocks(self) -> Iterator[tuple[ExampleBlock, list[np.ndarray]]]:
        """Yields the people one by one, with their pictures."""
        body = default_body()
        rows = np.array(point_rows(self.skeleton))
        named = np.arange(len(body.points)) if self.points is None else np.array(self.points, int)
        wanted = np.union1d(rows, named)
        photographer = Photographer(
            body, LOOKS[self.look], seed=self.seed, split=SPLITS.index(self.split), size=self.size,
            points=wanted, chances=Chances(facing_degrees=self.facing), images=self.images,
        )  # fmt: skip
        labels, extra = np.searchsorted(wanted, rows), np.searchsorted(wanted, named)
        per_person = PER_PERSON[self.split]
        for start in range(self.first, self.first + self.count, per_person):
            indices = range(start, min(start + per_person, self.first + self.count))
            number = start // per_person
            shots = photographer.shots(photographer.person(number), indices)
            yield (
                self._block(number, indices, shots, labels, extra),
                [shot.picture for shot in shots],
            )

    def _block(self, number: int, indices: range, shots: list[Shot], labels, extra) -> ExampleBlock:
        joints = np.stack([shot.points[labels] for shot in shots])
        given = {"joints3d": joints, "cameras": [shot.camera for shot in shots]}
        if self.is_flat:
            seen = [shot.camera.project(shot.points[labels]) for shot in shots]
            given = {"joints2d": np.stack([_within(pixels, self.size) for pixels in seen])}
        extras = {
            "seen": np.stack([shot.seen[labels] for shot in shots]),
            "activity": [shot.activity for shot in shots],
        }
        if len(extra):
            points = np.stack([shot.points[extra] for shot in shots])
            extras[POINTS] = points.astype(np.float32)
        return ExampleBlock(
            dataset=self.look, split=self.split, skeleton=self.skeleton, frames=np.array(indices),
            subject=f"{self.split}-{number:05d}", image_sizes=(self.size, self.size),
            boxes=np.stack([shot.box for shot in shots]),
            masks=[rle.encode(shot.silhouette) for shot in shots], extras=extras, **given,
        )  # fmt: skip


def _within(pixels: np.ndarray, size: int) -> np.ndarray:
    """Returns pixels (J, 2), NaN where they are not in the picture: nobody could annotate them."""
    inside = ((pixels >= -0.5) & (pixels <= size - 0.5)).all(axis=1)
    return np.where(inside[:, None], pixels, np.nan)
