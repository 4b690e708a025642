"""What the pure step (Keras on JAX) costs on a GPU, beside the bare backbone; no TensorFlow needed.

    python tools/bench_gpu.py [--backbone efficientnet_v2_s] [--crop 256] [--batch 128]
        [--joints 555] [--precision mixed_float16] [--rounds 20] [--no-parts]

Quick on a CPU: --backbone small --crop 96 --batch 8 --joints 75 --precision float32

1. The pure step (forward, all losses, backward, two Adam optimisers) against a step of the same
   backbone with a 1x1 convolution to as many channels, a mean squared error and one Adam.
2. What is different, alone, forward and backward from the backbone's features: convolution and mean
   squared error against head and heatmaps, reconstruction, losses; two optimisers against one. And
   the hand-over of a batch.

Times are by the clock on a GPU and CPU times elsewhere, taken in turns within this run; medians
count. Both steps reuse the memory of the state before. Pictures and labels are random numbers.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import keras
import numpy as np
from jax import numpy as jnp

import skeleton_defs
from skelbridge.nn.reconstruction import reconstruct_absolute
from skelbridge.training.config import DataConfig, ModelConfig, TrainConfig
from skelbridge.training.losses import per_example_errors
from skelbridge.training.network import build_model
from skelbridge.training.optimizing import adam_optimizers
from skelbridge.training.presets import MINI_FORMATS
from skelbridge.training.pure_step import make_pure_step
from skelbridge.training.variants import objective_of

LIMIT = 1.2
WARM_UP = 3
#: Number of the steps: all phases but the last one have begun.
LATE = 100_000
Ways = dict[str, Callable[[], Any]]


def main() -> None:
    """Prints all figures; the exit code does not tell whether the bar is met."""
    arguments = parsed()
    config = configuration(arguments)
    device = jax.devices()[0]
    print(
        f"{time.strftime('%Y-%m-%d')}, {device.device_kind} ({jax.device_count()} seen), "
        f"keras {keras.__version__}, jax {jax.__version__}, {os.cpu_count()} cores"
    )
    setting = Setting(config)
    ratio = compare_steps(setting, arguments.rounds)
    if not arguments.no_parts:
        where_the_difference_lies(setting, arguments.rounds)
    word = "PASS" if ratio <= LIMIT else "FAIL"
    print(f"\n{word}  pure step: {ratio:.3f}x the bare backbone, at most {LIMIT:g}x")


def parsed() -> argparse.Namespace:
    """Returns the options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backbone", default="efficientnet_v2_s")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--joints", type=int, default=555, help="at least; by more formats")
    parser.add_argument("--precision", default="mixed_float16")
    parser.add_argument("--batch-norm", default="ghost")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--no-parts", action="store_true", help="without part 2")
    arguments = parser.parse_args()
    if arguments.batch < 2:
        parser.error("--batch must be at least 2")
    return arguments


def configuration(arguments: argparse.Namespace) -> TrainConfig:
    """Returns a configuration with a quarter of 2D examples, as the published ones."""
    two_d = max(1, arguments.batch // 4)
    data = DataConfig(
        formats=formats_with(arguments.joints),
        three_d={"synth_a": arguments.batch - two_d},
        two_d={"synth_2d": two_d},
        crop=arguments.crop,
    )
    model = ModelConfig(
        backbone=arguments.backbone,
        precision=arguments.precision,
        batch_norm=arguments.batch_norm,
    )
    return TrainConfig(data=data, model=model)


def formats_with(joints: int) -> tuple[str, ...]:
    """Returns formats that have so many joints together."""
    formats = list(MINI_FORMATS)
    others = (name for name in skeleton_defs.list_formats() if name not in MINI_FORMATS)
    while len(skeleton_defs.JointRegistry(formats)) < joints:
        formats.append(next(others))
    return tuple(formats)


class Setting:
    """What is measured: a configuration, its network and a batch, on the device."""

    def __init__(self, config: TrainConfig):
        self.config, self.registry = config, config.data.registry()
        self.model = build_model(config, self.registry, None)
        self.batch = random_batch(config, len(self.registry))
        self.placed = jax.device_put(self.batch)

    def ours(self) -> Callable[[], Any]:
        """Returns the pure step, which goes on from its last state."""
        state, step = make_pure_step(self.config, self.registry, self.model)
        number = jnp.int32(LATE)
        train = jax.jit(functools.partial(step, uses_stored_statistics=False), donate_argnums=0)
        return going_on("pure step", train, state, self.placed, number)

    def bare(self) -> Callable[[], Any]:
        """Returns a step of the backbone, a 1x1 convolution and a mean squared error."""
        network = build_model(self.config, self.registry, None).backbone
        policy = self.config.model.precision
        maps = keras.layers.Conv2D(self.channels, 1, dtype=policy)(network.output)
        model = keras.Model(network.input, maps)
        optimizer = keras.optimizers.Adam(1e-4, weight_decay=0.02)
        optimizer.build(model.trainable_variables)
        target = jax.random.uniform(jax.random.key(0), (len(self.batch["image"]), *maps.shape[1:]))

        def loss(trainable, others, image, target):
            found, others = model.stateless_call(
                trainable, others, image.astype("float32") / 255, training=True
            )
            return jnp.mean(jnp.square(found.astype("float32") - target)), others

        def step(state, image, target):
            trainable, others, own = state
            (found, others), gradients = jax.value_and_grad(loss, has_aux=True)(
                trainable, others, image, target
            )
            trainable, own = optimizer.stateless_apply(own, gradients, trainable)
            return (trainable, others, own), found

        parts = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
        state = tuple([jnp.copy(v.value) for v in part] for part in parts)
        train = jax.jit(step, donate_argnums=0)
        return going_on("bare backbone", train, state, self.placed["image"], target)

    @property
    def channels(self) -> int:
        """Of the head's convolution."""
        return (1 + self.config.model.depth) * len(self.registry)


def random_batch(config: TrainConfig, joints: int) -> dict[str, np.ndarray]:
    """Returns people in front of noise; a tenth of the joints is labelled, as by one of many."""
    rng = np.random.default_rng(0)
    composition, side = config.data.composition(), config.data.crop
    size = composition.n_3d + composition.n_2d
    is_3d = np.arange(size) < composition.n_3d
    poses = rng.normal([0, 0, 4000], [300, 500, 200], (size, joints, 3)).astype(np.float32)
    middle, focal = (side - 1) / 2, 1.8 * side
    k = np.float32([[focal, 0, middle], [0, focal, middle], [0, 0, 1]])
    labelled = rng.random((size, joints)) < 0.1
    return {
        "image": rng.integers(0, 256, (size, side, side, 3), dtype=np.uint8),
        "K": np.tile(k, (size, 1, 1)),
        "joints3d": poses,
        "mask3d": labelled & is_3d[:, None],
        "joints2d": middle + focal * poses[..., :2] / poses[..., 2:],
        "mask2d": labelled,
        "is_3d": is_3d,
    }


def going_on(name: str, step: Callable, state, *arguments) -> Callable[[], Any]:
    """Compiles a step that gives and takes a state; says how long it took, and the memory."""
    start = time.perf_counter()
    compiled = step.lower(state, *arguments).compile()
    memory = compiled.memory_analysis()
    needed = "" if memory is None else f", {memory.temp_size_in_bytes / 2**30:.2f} GiB beside state"
    print(f"compiled {name} in {time.perf_counter() - start:.0f} s{needed}", flush=True)
    held = [state]

    def once():
        held[0], found = compiled(held[0], *arguments)
        return found

    return once


def compare_steps(setting: Setting, rounds: int) -> float:
    """Prints times and the ratio, and returns that."""
    found = in_turns({"ours": setting.ours(), "bare": setting.bare()}, rounds)
    config, batch = setting.config, len(setting.batch["image"])
    ours, bare = (statistics.median(found[name]) for name in ("ours", "bare"))
    ratios = np.divide(found["ours"], found["bare"])
    low, high = np.quantile(ratios, [0.25, 0.75])
    print(
        f"\nTraining step: {config.model.backbone} at {config.data.crop} px, batch {batch}, "
        f"{len(setting.registry)} joints, {config.model.precision}, batch norm "
        f"{config.model.batch_norm}; medians of {rounds}\n"
        f"  {'pure step':44}{1e3 * ours:9.2f} ms {batch / ours:8.0f} images/s\n"
        f"  {f'1x1 convolution to {setting.channels} channels, MSE':44}{1e3 * bare:9.2f} ms "
        f"{batch / bare:8.0f} images/s\n"
        f"  ratio {ours / bare:.3f} (quartiles of rounds {low:.3f} to {high:.3f})"
    )
    setting.times = {"ours": ours, "bare": bare}
    return ours / bare


def in_turns(ways: Ways, rounds: int) -> dict[str, list[float]]:
    """Returns seconds of each way and round."""
    is_cpu = jax.default_backend() == "cpu"
    clock = time.process_time if is_cpu else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-WARM_UP, rounds):
        for name, way in ways.items():
            start = clock()
            jax.block_until_ready(way())
            if number >= 0:
                seconds[name].append(clock() - start)
    return seconds


def where_the_difference_lies(setting: Setting, rounds: int) -> None:
    """Prints what the parts take that the two steps do not share."""
    found = in_turns(heads(setting) | optimisers(setting) | hand_over(setting), rounds)
    ms = {name: 1e3 * statistics.median(times) for name, times in found.items()}
    rows = {
        "head and heatmaps, less 1x1 convolution and MSE": ms["heatmaps"] - ms["plain"],
        "absolute reconstruction": ms["reconstruction"] - ms["heatmaps"],
        "losses": ms["losses"] - ms["reconstruction"],
        "two optimisers, less one": ms["two"] - ms["one"],
    }
    whole = 1e3 * (setting.times["ours"] - setting.times["bare"])
    rows["rest (not in the parts alone)"] = whole - sum(rows.values())
    print(f"\nWhere the difference of {whole:.2f} ms lies")
    for name, value in rows.items():
        print(f"  {name:50}{value:9.2f} ms")
    print("Alone: " + ", ".join(f"{name} {value:.2f} ms" for name, value in ms.items()))


def heads(setting: Setting) -> Ways:
    """Returns what follows the backbone's features, forward and backward, up to some point.

    All arrays are arguments: of constants the compiler would compute in advance.
    """
    model, head = setting.model, setting.model.head
    trainable = [v.value for v in head.trainable_variables]
    shape = (len(setting.batch["image"]), *model.backbone.output_shape[1:])
    features = jax.random.normal(jax.random.key(1), shape, model.backbone.output.dtype)
    target = jax.random.uniform(jax.random.key(2), (*shape[:3], setting.channels))
    arguments = setting.placed, target, jnp.int32(LATE)
    objective = objective_of(setting.config, setting.registry, model.grid, None)

    def scalar(weights, features, inputs, target, number, until):
        with keras.StatelessScope(zip(head.trainable_variables, weights, strict=True)):
            if until == "plain":
                maps = head.convolution(features).astype("float32")
                return jnp.mean(jnp.square(maps - target)), ()
            joints2d, relative = head(features)
        if until == "heatmaps":
            return joints2d.mean() + relative.mean(), ()
        poses = reconstruct_absolute(
            joints2d, relative, inputs["K"], crop=model.grid.crop, zone=model.grid.zone,
            is_full_perspective=number > 0,
        )  # fmt: skip
        if until == "reconstruction":
            return poses.mean(), ()
        terms, poses = objective(poses, inputs, number)
        return terms["total"], (terms, per_example_errors(poses, inputs))

    def way(until):
        differentiated = jax.jit(
            jax.value_and_grad(functools.partial(scalar, until=until), (0, 1), has_aux=True)
        )
        return lambda: differentiated(trainable, features, *arguments)

    return {name: way(name) for name in ("plain", "heatmaps", "reconstruction", "losses")}


def optimisers(setting: Setting) -> Ways:
    """Returns updates by one optimiser of all weights, and by the two of head and backbone."""
    one = keras.optimizers.Adam(1e-4, weight_decay=0.02)
    one.build(setting.model.trainable_variables)
    pairs = {
        "one": [(one, setting.model.trainable_variables)],
        "two": adam_optimizers(setting.config, setting.model),
    }

    def way(optimizers):
        weights = [[jnp.copy(v.value) for v in variables] for _, variables in optimizers]
        own = [[jnp.copy(v.value) for v in optimizer.variables] for optimizer, _ in optimizers]
        gradients = jax.tree.map(jnp.ones_like, weights)

        def update(state):
            found = [
                optimizer.stateless_apply(variables, gradient, values)
                for (optimizer, _), values, variables, gradient in zip(
                    optimizers, *state, gradients, strict=True
                )
            ]
            return tuple(zip(*found, strict=True)), ()

        update, held = jax.jit(update, donate_argnums=0), [(weights, own)]

        def once():
            held[0], _ = update(held[0])
            return held[0]

        return once

    return {name: way(optimizers) for name, optimizers in pairs.items()}


def hand_over(setting: Setting) -> Ways:
    """Returns the copy of a batch to the device."""
    return {"batch to the device": lambda: jax.device_put(setting.batch)}


if __name__ == "__main__":
    main()
