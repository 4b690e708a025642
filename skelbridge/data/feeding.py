"""Batches in order, made by several threads ahead of their use.

The work on pixels is OpenCV's, which lets other Python threads run meanwhile. Every example is a
function of the seed, the step and its place in the batch alone: the batches are bitwise the same
for any number of threads, and any step may be the first.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from skeleton_defs import JointRegistry, UserError

from ..store import Store
from .batch_plan import BatchPlan, PlannedExamples
from .compositions import Composition
from .loading import Arrays, ExampleLoader
from .options import Augmentation

if TYPE_CHECKING:
    import tensorflow as tf

#: Examples that a thread makes in one go: enough to share what is computed for several at once.
_PART = 8


class BatchFeed:
    """Yields the batches of a plan.

    Args:
      plan: which examples.
      loader: what makes them.
      workers: threads; None: as many as there are cores for this process.
      ahead: batches that may be in the making or finished before they are asked for.
      slots: places of the whole batch that are wanted (`Composition.share`); None: all.
    """

    def __init__(
        self,
        plan: BatchPlan,
        loader: ExampleLoader,
        *,
        workers: int | None = None,
        ahead: int = 2,
        slots: np.ndarray | None = None,
    ):
        self.plan = plan
        self.loader = loader
        self.workers = len(os.sched_getaffinity(0)) if workers is None else workers
        if self.workers < 1 or ahead < 1:
            raise UserError(f"workers and ahead must be 1 or more. Received {workers}, {ahead}")
        self._ahead = ahead
        self._slots = slots

    def share(self, slots: np.ndarray) -> BatchFeed:
        """Returns the feed of some places of every batch, e.g. those of a replica."""
        return BatchFeed(
            self.plan, self.loader, workers=self.workers, ahead=self._ahead, slots=slots
        )

    def batches(self, start: int = 0, stop: int | None = None) -> Iterator[Arrays]:
        """Yields the batches of steps start, start + 1, ...; endless without `stop`.

        OpenCV's own threads are off meanwhile. Close the iterator, or leave it to its end, to stop
        the work.

        Raises:
          FileError: a picture is damaged.
          UserError: an example cannot be trained on.
        """
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="skelbridge-data")
        pending: deque[tuple[Arrays, list[Future]]] = deque()
        step = start
        try:
            with _opencv_without_threads():
                while True:
                    while len(pending) < self._ahead and (stop is None or step < stop):
                        pending.append(self._begun(pool, step))
                        step += 1
                    if not pending:
                        return
                    arrays, parts = pending.popleft()
                    for part in parts:
                        part.result()
                    yield arrays
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def batch(self, step: int) -> Arrays:
        """Returns the batch of one step."""
        (arrays,) = self.batches(step, step + 1)
        return arrays

    def as_tf_dataset(self, start: int = 0, stop: int | None = None) -> tf.data.Dataset:
        """Returns the batches as a `tf.data.Dataset` of dictionaries, in order."""
        import tensorflow as tf

        n = self.plan.batch_size if self._slots is None else len(self._slots)
        signature = {
            name: tf.TensorSpec((n, *array.shape[1:]), array.dtype)
            for name, array in self.loader.empty_batch(0).items()
        }
        dataset = tf.data.Dataset.from_generator(
            lambda: self.batches(start, stop), output_signature=signature
        )
        if stop is not None:
            dataset = dataset.apply(tf.data.experimental.assert_cardinality(max(0, stop - start)))
        return dataset.prefetch(1)

    def _begun(self, pool: ThreadPoolExecutor, step: int) -> tuple[Arrays, list[Future]]:
        planned = self.plan.at(step, self._slots)
        arrays = self.loader.empty_batch(len(planned))
        parts = [
            pool.submit(self.loader.fill, arrays, planned, slice(i, min(i + _PART, len(planned))))
            for i in range(0, len(planned), _PART)
        ]
        return arrays, parts


def training_feed(
    store: Store,
    registry: JointRegistry,
    composition: Composition | str,
    *,
    seed: int,
    split: str = "train",
    allow_missing: bool = False,
    workers: int | None = None,
    ahead: int = 2,
    **loading: Any,
) -> BatchFeed:
    """Returns the feed of a training run; `loading` goes to `ExampleLoader`.

    >>> feed = training_feed(store, registry, "small", seed=1)  # doctest: +SKIP
    >>> for batch in feed.batches(start=1000):
    ...     ...  # doctest: +SKIP
    """
    plan = BatchPlan.of_store(
        store, composition, seed=seed, split=split, allow_missing=allow_missing
    )
    loader = ExampleLoader(store, registry, seed=seed, **loading)
    return BatchFeed(plan, loader, workers=workers, ahead=ahead)


def evaluation_batches(
    store: Store,
    registry: JointRegistry,
    examples: np.ndarray | range,
    *,
    batch_size: int = 64,
    flip: bool = False,
    workers: int | None = None,
    **loading: Any,
) -> Iterator[Arrays]:
    """Yields examples of a store in order, once, without augmentation; the last batch is smaller.

    `dataset` is -1 throughout, `is_3d` tells whether there are 3D labels.

    Args:
      examples: indices in the store.
      flip: show them mirrored, for averaging over both.
      loading: goes to `ExampleLoader` (`crop`).
    """
    loader = ExampleLoader(store, registry, augmentation=Augmentation.none(flip=flip), **loading)
    plan = _InOrder(np.asarray(examples, np.int64), batch_size)
    feed = BatchFeed(plan, loader, workers=workers)
    for arrays in feed.batches(0, plan.n_batches):
        arrays["is_3d"][:] = arrays["mask3d"].any(1)
        yield arrays


class _InOrder:
    """A plan that shows given examples once."""

    def __init__(self, examples: np.ndarray, batch_size: int):
        self._examples = examples
        self.batch_size = batch_size
        self.n_batches = -(-len(examples) // batch_size)

    def at(self, step: int, slots: np.ndarray | None = None) -> PlannedExamples:
        examples = self._examples[step * self.batch_size : (step + 1) * self.batch_size]
        n = len(examples)
        zeros = np.zeros(n, np.int64)
        return PlannedExamples(
            step=step,
            slots=np.arange(n),
            dataset=np.full(n, -1, np.int32),
            # Nothing is missing for the rule of 2D datasets: this is no training.
            is_3d=np.ones(n, bool),
            epoch=zeros,
            place=zeros,
            example=examples,
        )


_opencv_users = 0
_opencv_threads = 0
_opencv_lock = threading.Lock()


@contextlib.contextmanager
def _opencv_without_threads() -> Iterator[None]:
    """Turns OpenCV's own threads off while any feed is at work: ours use the cores already."""
    global _opencv_users, _opencv_threads
    import cv2

    with _opencv_lock:
        if _opencv_users == 0:
            _opencv_threads = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _opencv_users += 1
    try:
        yield
    finally:
        with _opencv_lock:
            _opencv_users -= 1
            if _opencv_users == 0:
                cv2.setNumThreads(_opencv_threads)
