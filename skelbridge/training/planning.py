"""What a training run would be: its data, network, memory and time, before it begins (`--plan`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skeleton_defs import UserError

from ..data.compositions import Composition
from ..data.labels import JointVector
from ..store import Store, open_store
from .config import TrainConfig
from .fine_tuning import STEPS_SHARE
from .gpus import GPUS, UTILISATION, estimated_seconds, find_gpu

if TYPE_CHECKING:
    from .network_costs import MeasuredStep, NetworkCosts


@dataclass(frozen=True)
class DatasetUse:
    """A dataset in the batches of a run.

    Attributes:
      name: of the dataset.
      labels: `3D` or `2D`: which it is drawn for.
      in_batch: examples of it in every batch; 0 where its places went to others.
      examples: of it in the store; 0 where it is missing.
    """

    name: str
    labels: str
    in_batch: int
    examples: int

    def epochs(self, steps: int) -> float | None:
        """Returns how often each of its examples is drawn in so many steps; None if missing."""
        return self.in_batch * steps / self.examples if self.examples else None


@dataclass(frozen=True)
class DataPlan:
    """The data of a run.

    Attributes:
      uses: in the order of the batch, missing datasets included.
      remarks: lines about what will stop the training.
    """

    uses: tuple[DatasetUse, ...]
    remarks: tuple[str, ...] = ()

    @property
    def found(self) -> tuple[str, ...]:
        """Names of the datasets that are there."""
        return tuple(dict.fromkeys(use.name for use in self.uses if use.examples))

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the datasets that are not."""
        return tuple(dict.fromkeys(use.name for use in self.uses if not use.examples))


def data_plan(config: TrainConfig) -> DataPlan:
    """Looks into the store of a configuration; without one, all datasets are missing.

    Raises:
      FileError: the store cannot be read.
    """
    asked = config.data.composition()
    store = open_store(config.store) if config.store else None
    sizes, remarks = _examples(config, asked, store)
    used = asked
    if config.data.allow_missing and sizes:
        try:
            used = asked.restricted(sizes)
        except UserError as error:
            remarks.append(str(error))
    uses = [
        DatasetUse(name, labels, dict(counts).get(name, 0), sizes.get(name, 0))
        for labels, wanted, counts in (
            ("3D", asked.three_d, used.three_d),
            ("2D", asked.two_d, used.two_d),
        )
        for name, _ in wanted
    ]
    return DataPlan(tuple(uses), tuple(remarks))


def _examples(
    config: TrainConfig, composition: Composition, store: Store | None
) -> tuple[dict[str, int], list[str]]:
    """Returns numbers of examples by dataset, and what is wrong with them."""
    vector, three_d = JointVector(config.data.registry()), dict(composition.three_d)
    sizes: dict[str, int] = {}
    remarks = []
    for group, places in store.groups.items() if store is not None else ():
        if group.split != config.data.split or group.dataset not in composition.datasets:
            continue
        if len(places):
            sizes[group.dataset] = sizes.get(group.dataset, 0) + len(places)
            try:
                vector.places(group.skeleton, is_3d=group.dataset in three_d)
            except UserError:
                remarks.append(
                    f"{group.dataset}: {len(places)} examples are labelled in {group.skeleton}, "
                    "of which no joint is predicted; add it to data.formats"
                )
    return sizes, remarks


def print_plan(
    config: TrainConfig, *, gpu: str | None = None, echo: Callable[[str], None] = print
) -> None:
    """Prints what a run would be: data, network and memory, time here, time on a GPU.

    Steps are measured for about half a minute, after the network is built.

    Args:
      config: of the run; datasets, and the store itself, may be missing.
      gpu: name of a GPU to estimate the time of.
      echo: prints a line.

    Raises:
      UserError: the store cannot be read, the network cannot be built, or the GPU is not known.
    """
    if gpu is not None:
        find_gpu(gpu)  # Mistakes show before the work.
    for line in data_lines(config, data_plan(config)):
        echo(line)
    from .network_costs import measured_step, network_costs
    from .trainer import use_threads

    use_threads(config.threads)
    costs = network_costs(config)
    for line in (*network_lines(config, costs), *gpu_lines(config, costs, gpu)):
        echo(line)
    for line in machine_lines(config, costs, measured_step(config, costs)):
        echo(line)


def data_lines(config: TrainConfig, data: DataPlan) -> Iterator[str]:
    """Yields lines about the data of a run."""
    composition, steps = config.data.composition(), config.steps
    size = composition.n_3d + composition.n_2d
    # A dataset may be drawn both for its 3D and for its 2D labels.
    examples = {use.name: use.examples for use in data.uses}
    yield (
        f"Batches: {size} examples, {composition.n_3d} with 3D labels and {composition.n_2d} with "
        f"2D labels; {steps:,} steps, {size * steps:,} images"
    )
    yield f"  {'dataset':20}{'labels':>6}{'a batch':>9}{'examples':>12}{'epochs':>12}"
    for use in data.uses:
        epochs = use.epochs(steps)
        told = f"{use.examples:>12,}{epochs:>12,.1f}" if epochs is not None else f"{'missing':>12}"
        yield f"  {use.name:20}{use.labels:>6}{use.in_batch or '-':>9}{told}"
    yield (
        f"  {len(data.found)} of {len(examples)} datasets are in the store; an epoch of each is "
        f"{sum(examples.values()):,} images"
    )
    if data.missing:
        yield f"  missing: {', '.join(data.missing)}; prepare them, or --allow-missing"
    yield from (f"  {remark}" for remark in data.remarks)
    if config.fine_tuning is None:
        yield f"  then fine-tuning: {max(1, round(steps * STEPS_SHARE)):,} steps"


def network_lines(config: TrainConfig, costs: NetworkCosts) -> Iterator[str]:
    """Yields lines about the network and its memory."""
    registry, model = config.data.registry(), config.model
    yield (
        f"Network: {model.backbone} at {config.data.crop} px, stride {costs.stride}, "
        f"{model.precision}; {len(registry.skeletons)} formats, {len(registry)} joints"
    )
    yield (
        f"  parameters: {costs.backbone_parameters:,} of the backbone, "
        f"{costs.head_parameters:,} of the head"
    )
    yield f"  a step takes {_flops(config, costs) / 1e12:.3g} x 10^12 operations"
    yield (
        f"  memory: {gigabytes(costs.memory)}: weights {gigabytes(costs.weight_bytes)}, optimiser "
        f"{gigabytes(costs.optimizer_bytes)}, {costs.examples} examples at once and gradients "
        f"{gigabytes(costs.working_bytes)} (activations {gigabytes(costs.kept_bytes)}); "
        "workspace of convolutions comes on top"
    )


def machine_lines(
    config: TrainConfig, costs: NetworkCosts, measured: MeasuredStep
) -> Iterator[str]:
    """Yields lines about the time that the run would take here."""
    size = _batch_size(config)
    seconds = measured.seconds * size / measured.examples
    scaled = "" if size == measured.examples else f", scaled from {measured.examples} examples"
    yield (
        f"This machine ({measured.device}): {seconds:.3g} s a step{scaled}, "
        f"{duration(seconds * config.steps)} for {config.steps:,} steps, without making batches"
    )
    if measured.device == "CPU":
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        yield f"  {_fits(costs.memory, memory)}"


def gpu_lines(config: TrainConfig, costs: NetworkCosts, gpu: str | None) -> Iterator[str]:
    """Yields lines about the time that the run would take on a GPU of that name."""
    if gpu is None:
        yield f"For an estimate of a GPU's time: --gpu NAME ({', '.join(GPUS)})"
        return
    name, facts = find_gpu(gpu)
    seconds = estimated_seconds(_flops(config, costs), facts, precision=config.model.precision)
    yield (
        f"{name} (a rough estimate, {UTILISATION:.0%} of the peak as in the published training on "
        f"an A40): {seconds:.2g} s a step, {duration(seconds * config.steps)}"
    )
    yield f"  {_fits(costs.memory, facts.gigabytes * 1e9)}"


def _fits(needed: float, memory: float) -> str:
    told = f"{gigabytes(needed)} of {gigabytes(memory)} of memory"
    if needed < memory:
        return told
    return (
        f"{told}: too much; model.recompute=true or optimizer.accumulate=2 takes less, as do "
        "several devices"
    )


def _batch_size(config: TrainConfig) -> int:
    composition = config.data.composition()
    return composition.n_3d + composition.n_2d


def _flops(config: TrainConfig, costs: NetworkCosts) -> float:
    return costs.flops * _batch_size(config) / costs.examples


def gigabytes(size: float) -> str:
    """Returns a number of bytes for people."""
    return f"{size / 1e9:.3g} GB"


def duration(seconds: float) -> str:
    """Returns a time for people.

    >>> [duration(s) for s in (50, 5000, 500_000)]
    ['50 s', '1.4 hours', '5.8 days']
    """
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size or (unit == "hours" and seconds >= size):
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
