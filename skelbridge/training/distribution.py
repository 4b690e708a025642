"""One run on several devices and machines: replicas that share every batch (`tf.distribute`).

Every replica has all variables and works on its share of the batch: of the examples with 3D labels,
then of those with 2D labels (`Composition.share`). Means are over the whole batch, gradients are
summed, and ghost batch normalisation updates its statistics in the order of the whole batch's
parts: a step does what it does in one process, but for the rounding of sums. Where layers draw
random numbers (stochastic depth) replicas draw others than one process would, of the same
distribution.

The chief writes; all others read its checkpoints, from a file system that all see. A worker that
ends takes the others with it: they end with a message, and all are started again with `--resume`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from skeleton_defs import UserError

from ..data import BatchFeed, BatchPlan
from .cluster import Cluster, meet
from .config import TrainConfig

#: After so long the others are given up: until all have come; without a sign of life; while they
#: wait for each other (data, checkpoints); at the end.
COMING_SECONDS, SILENT_SECONDS, STALLED_SECONDS, LEAVING_SECONDS = 600, 60, 600, 60


@dataclass(frozen=True, eq=False)
class Piece:
    """What goes through the network at once.

    Attributes:
      own: places in this process's share of the batch.
      slots: of all replicas, ascending places in the whole batch.
      place: where in `slots` those of `own` are.
    """

    own: np.ndarray
    slots: np.ndarray
    place: np.ndarray


class OneReplica:
    """One process with one device: everything stays as it is.

    Attributes:
      count: of the replicas.
      is_chief: whether this process writes.
    """

    count, is_chief = 1, True

    def scope(self):
        """Returns the context that variables are created in."""
        return contextlib.nullcontext()

    def messages(self):
        """Returns a context that turns the failure of others into a line for the user."""
        return contextlib.nullcontext()

    def check(self, config: TrainConfig) -> None:
        """Checks that the replicas can share the batches of a configuration."""

    def share(self, feed: BatchFeed, config: TrainConfig) -> BatchFeed:
        """Returns the feed of what this process works on."""
        return feed

    def slots(self, config: TrainConfig) -> np.ndarray:
        """Returns the places in the whole batch that this process works on."""
        batch = config.data.composition()
        return np.arange(batch.n_3d + batch.n_2d)

    def pieces(self, config: TrainConfig) -> list[Piece]:
        """Returns the pieces that the batch goes through the network in."""
        batch, count = config.data.composition(), config.optimizer.accumulate
        own = self.slots(config)
        found = []
        for number in range(count):
            slots = np.sort(batch.share(number, count))
            places = np.flatnonzero(np.isin(own, slots))
            found.append(Piece(places, slots, np.searchsorted(slots, own[places])))
        return found

    def part_sizes(self, config: TrainConfig) -> list[int] | None:
        """Returns the sizes of the parts of batch normalisation; None for Keras' own layers."""
        return _part_sizes(config)

    def prepare(self, model, config: TrainConfig) -> None:
        """Tells a model's layers of the replicas."""

    def compiled(self, function: Callable) -> Callable:
        """Returns a function of tensors, compiled; with replicas each runs it on its share."""
        import tensorflow as tf

        return tf.function(function)

    def tensors(self, arrays: Mapping[str, np.ndarray]) -> dict:
        """Returns the arrays (B, ...) of this process for `compiled` functions."""
        import tensorflow as tf

        return {name: tf.convert_to_tensor(array) for name, array in arrays.items()}

    def gathered(self, terms: dict, per_example, batch: Mapping, place) -> dict:
        """Returns, in a compiled function, what a piece of a batch gives on all replicas.

        Args:
          terms: losses.
          per_example: (B,) of this replica, 0 without labels.
          batch: of this replica.
          place: (B,) of its examples in the piece.
        """
        return terms | {"per_example": per_example}

    def whole(self, batch: Mapping, found: dict, plan: BatchPlan, step: int) -> Mapping:
        """Returns what logs and messages need of the whole batch."""
        return batch

    def of_chief(self, number: int) -> int:
        """Returns the chief's number."""
        return number

    def agree(self, what: str, text: str) -> None:
        """Checks that all have the same text; waits for all."""


class Replicas(OneReplica):
    """Several devices, on one machine or with `cluster` on several.

    Args:
      strategy: of `tf.distribute`.
      cluster: None on one machine.
    """

    def __init__(self, strategy, cluster: Cluster | None = None):
        from ..nn.replicas import sum_over_replicas

        self.strategy, self.cluster = strategy, cluster
        self.count = strategy.num_replicas_in_sync
        self._workers, worker = (1, 0) if cluster is None else (cluster.size, cluster.index)
        self.is_chief = worker == 0
        here = self.count // self._workers
        self._own = worker * here + np.arange(here)
        self._sum = self.compiled(lambda values: sum_over_replicas(values["row"][0]))

    def scope(self):
        """Returns the scope of the strategy."""
        return self.strategy.scope()

    @contextlib.contextmanager
    def messages(self) -> Iterator[None]:
        """Turns the failure of other workers into one line."""
        import tensorflow as tf

        try:
            yield
        except tf.errors.OpError as error:
            if self.cluster is None or not isinstance(error, _losses_of_others()):
                raise
            raise UserError(
                f"worker {self.cluster.index} of {self.cluster.size} lost another worker "
                f"({_reason(error)}); when all have ended, start all of them again with --resume"
            ) from error

    def check(self, config: TrainConfig) -> None:
        """Checks the shares, and that ghost parts are whole on replicas."""
        self._parts(config)
        self.slots(config)

    def share(self, feed: BatchFeed, config: TrainConfig) -> BatchFeed:
        """Returns the feed of the shares of the replicas in this process."""
        return feed.share(self.slots(config))

    def slots(self, config: TrainConfig) -> np.ndarray:
        """Returns their places, replica after replica."""
        return np.concatenate([replica_slots(config, i, self.count) for i in self._own])

    def part_sizes(self, config: TrainConfig) -> list[int]:
        """Returns the same, or the whole batch as one part that is spread over replicas."""
        batch, pieces = config.data.composition(), config.optimizer.accumulate
        return _part_sizes(config) or [(batch.n_3d + batch.n_2d) // pieces]

    def prepare(self, model, config: TrainConfig) -> None:
        """Tells batch norm where its parts lie, and makes random numbers those of a replica."""
        from ..nn.ghost_batch_norm import GhostBatchNormalization
        from ..nn.replicas import vary_by_replica

        parts = self._parts(config)
        for layer in model._flatten_layers():
            if isinstance(layer, GhostBatchNormalization):
                layer.replica_parts = parts
            if getattr(layer, "seed_generator", None) is not None:
                vary_by_replica(layer.seed_generator)

    def compiled(self, function: Callable) -> Callable:
        """Returns a function that all replicas run; they must return the same."""
        import tensorflow as tf

        @tf.function
        def run(*arguments, **options):
            return self.strategy.run(function, arguments, options)

        def of_this_process(*arguments, **options):
            found = run(*arguments, **options)
            return tf.nest.map_structure(
                lambda value: self.strategy.experimental_local_results(value)[0], found
            )

        return of_this_process

    def tensors(self, arrays: Mapping[str, np.ndarray]) -> dict:
        """Returns the shares of the replicas in this process."""
        import tensorflow as tf

        here = len(self._own)

        def of_replica(context):
            place = context.replica_id_in_sync_group % here
            return {
                name: tf.convert_to_tensor(np.split(array, here)[place])
                for name, array in arrays.items()
            }

        return self.strategy.experimental_distribute_values_from_function(of_replica)

    def gathered(self, terms: dict, per_example, batch: Mapping, place) -> dict:
        """Sums losses over replicas, and puts those of examples in their places; -1: no labels."""
        import tensorflow as tf

        from ..nn.replicas import sum_over_replicas

        is_labelled = tf.reduce_any(batch["mask3d"], axis=1)
        rows = tf.where(is_labelled, per_example, -1.0)
        rows = tf.scatter_nd(place[:, None], rows, (len(place) * self.count,))
        values = sum_over_replicas(tf.concat([tf.stack(list(terms.values())), rows], axis=0))
        found = dict(zip(terms, tf.unstack(values[: len(terms)]), strict=True))
        return found | {"per_example": values[len(terms) :]}

    def whole(self, batch: Mapping, found: dict, plan: BatchPlan, step: int) -> Mapping:
        """Returns the datasets and numbers of all examples, and which have 3D labels."""
        planned, is_labelled = plan.at(step), found["per_example"] != -1
        found["per_example"] = np.where(is_labelled, found["per_example"], 0)
        return {
            "dataset": planned.dataset, "example": planned.example, "mask3d": is_labelled[:, None],
        }  # fmt: skip

    def of_chief(self, number: int) -> int:
        """Returns the number that the chief gave; waits for all."""
        return int(self._exchanged(number)[0])

    def agree(self, what: str, text: str) -> None:
        """Compares digests."""
        # 52 bits: a float64 holds them exactly.
        number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 12
        found = self._exchanged(number)
        if others := np.flatnonzero(found != found[0]).tolist():
            raise UserError(
                f"{what} must be the same for all workers; of worker "
                f"{', '.join(map(str, others))} it differs from the chief's (worker 0)"
            )

    def _parts(self, config: TrainConfig):
        """Returns where the parts of batch normalisation lie."""
        from ..nn.replicas import ReplicaParts

        sizes = self.part_sizes(config)
        if config.model.batch_norm == "ghost":
            n_3d = config.data.composition().n_3d // config.optimizer.accumulate
            return ReplicaParts.whole(sizes, n_3d, self.count)
        return ReplicaParts.spread(sizes, self.count)

    def _exchanged(self, number: int) -> np.ndarray:
        """Returns the numbers of all workers; waits for all."""
        row = np.zeros((len(self._own), self._workers))
        row[0, self._own[0] // len(self._own)] = number
        return self._sum(self.tensors({"row": row})).numpy()


def replicas_here(cluster: Cluster | None) -> OneReplica:
    """Returns the replicas that train: those of a cluster, or all GPUs of this machine.

    To be called before TensorFlow has begun to compute.

    Raises:
      UserError: the other workers do not come.
    """
    import tensorflow as tf

    if cluster is not None:
        return Replicas(_connected(cluster), cluster)
    devices = [f"GPU:{i}" for i in range(len(tf.config.list_physical_devices("GPU")))]
    return on_devices(devices) if len(devices) > 1 else OneReplica()


def on_devices(devices: list[str]) -> Replicas:
    """Returns replicas on some devices of this machine, e.g. `["GPU:0", "GPU:1"]`."""
    import tensorflow as tf

    return Replicas(tf.distribute.MirroredStrategy(devices))


def replica_slots(config: TrainConfig, number: int, count: int) -> np.ndarray:
    """Returns the places in the whole batch of one of several replicas.

    With accumulated gradients: its share of the first piece of the batch, then of the second, ...

    Raises:
      UserError: the batch cannot be shared equally.
    """
    batch, pieces = config.data.composition(), config.optimizer.accumulate
    # Shares of shares: that of a replica among the examples of a piece.
    n_3d, n_2d = batch.n_3d // pieces, batch.n_2d // pieces
    batch.share(0, pieces * count)
    found = []
    for piece in range(pieces):
        places = batch.share(piece, pieces)
        for places_of_part, size in ((places[:n_3d], n_3d), (places[n_3d:], n_2d)):
            share = size // count
            found.append(places_of_part[number * share : (number + 1) * share])
    return np.concatenate(found)


def _part_sizes(config: TrainConfig) -> list[int] | None:
    """Sizes of the parts of batch normalisation, of a batch or of a piece of it."""
    batch, pieces = config.data.composition(), config.optimizer.accumulate
    return config.model.part_sizes(batch.n_3d // pieces, batch.n_2d // pieces)


def _connected(cluster: Cluster):
    """Waits for the other workers."""
    import tensorflow as tf

    # Not public, but the only way to these times.
    from tensorflow.python.eager import context

    meet(cluster, seconds=COMING_SECONDS)
    jobs = [
        context.coordination_config_pb2.CoordinatedJob(name=name, num_tasks=len(addresses))
        for name, addresses in cluster.jobs.items()
    ]
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=cluster.leader,
        cluster_register_timeout_in_ms=COMING_SECONDS * 1000,
        heartbeat_timeout_in_ms=SILENT_SECONDS * 1000,
        shutdown_barrier_timeout_in_ms=LEAVING_SECONDS * 1000,
        coordinated_jobs=jobs,
    )
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=STALLED_SECONDS)
    # Should another worker die just now, the chief would wait for ever, deaf to Python's signals.
    faulthandler.dump_traceback_later(COMING_SECONDS, exit=True)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    except (tf.errors.OpError, RuntimeError) as error:
        raise UserError(
            f"worker {cluster.index} cannot join the {cluster.size} workers of TF_CONFIG "
            f"({_reason(error)}); when all have ended, start all of them again"
        ) from error
    finally:
        faulthandler.cancel_dump_traceback_later()


def _losses_of_others() -> tuple[type[Exception], ...]:
    from tensorflow import errors

    return (
        errors.UnavailableError, errors.AbortedError, errors.DeadlineExceededError,
        errors.CancelledError, errors.UnknownError, errors.FailedPreconditionError,
    )  # fmt: skip


def _reason(error: Exception) -> str:
    """The line of TensorFlow's long message that tells why."""
    text = str(error)
    found = re.search(r"aborted by: ([^\n]*)", text)
    lines = [line.strip() for line in (found[1] if found else text).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
