"""What training costs: the step beside its backbone's, the input pipeline, where the time goes.

    python tools/bench_train.py [--backbone small] [--crop 96] [--batch 36] [--joints 75]
        [--precision float32] [--set model.batch_norm=ghost] [--rounds 25] [--no-pipeline]

1. The trainer's step with the `mini` preset (a numpy batch handed over, forward, all losses,
   backward, two Adam optimisers, losses handed back) against a step of the same backbone with a
   1x1 convolution to as many channels, a mean squared error and one Adam. Also against a
   convolution to one heatmap per joint, the least that predicts anything.
2. `skelbridge.data` against a straightforward OpenCV loader: tools/bench_data.py.
3. Shares of a step. Backbone, head, reconstruction and losses are run alone, forward and backward.

Times are CPU times (by the clock where there is a GPU), taken in turns within this run, so that
other work on the machine hits all sides alike; medians count. Pictures are rendered people.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import bench_data  # noqa: E402
import bench_memory  # noqa: E402
import numpy as np  # noqa: E402

import skeleton_defs  # noqa: E402
from skelbridge.store import open_store  # noqa: E402
from skelbridge.synth import SynthOptions, synthesize  # noqa: E402
from skelbridge.training.config import TrainConfig  # noqa: E402
from skelbridge.training.config_file import as_mapping, config_of  # noqa: E402
from skelbridge.training.presets import MINI_FORMATS, mini  # noqa: E402
from skelbridge.training.run_folder import versions_and_machine  # noqa: E402
from skelbridge.training.trainer import feed_of, prepared_step, use_threads  # noqa: E402

SMALL_LIMIT, PUBLISHED_LIMIT = 1.25, 1.15
PIPELINE_LIMIT = 1.0
WARM_UP = 3
Inputs = dict[str, Any]


def main() -> None:
    """Prints all figures; whether bars are met is in the last lines only, not in the exit code."""
    arguments = parsed()
    verdicts = []
    with tempfile.TemporaryDirectory() as folder:
        config = configuration(arguments, folder)
        use_threads(config.threads)
        facts = versions_and_machine(config)
        print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, "
              + ", ".join(f"{name} {value}" for name, value in facts.items()))  # fmt: skip
        if not arguments.no_pipeline:
            print("\nInput pipeline (tools/bench_data.py)")
            ratio = bench_data.main(["--examples", "128", "--rounds", "5"])["plain"]
            is_met = ratio >= PIPELINE_LIMIT
            verdicts.append(verdict("input pipeline", ratio, PIPELINE_LIMIT, is_met=is_met))
        synthesize(Path(folder), SynthOptions(examples=80, two_d=20, test=0))
        setting = Setting(config, Path(folder))
        limit = SMALL_LIMIT if config.model.backbone == "small" else PUBLISHED_LIMIT
        ratio = compare_steps(setting, arguments.rounds)
        verdicts[:0] = [verdict("training step", ratio, limit, is_met=ratio <= limit)]
        where_the_time_goes(setting, arguments.rounds)
    if arguments.memory:
        bench_memory.table(
            arguments.backbone, arguments.crop, arguments.batch, threads=arguments.threads
        )
    print("\n" + "\n".join(verdicts))


def parsed() -> argparse.Namespace:
    """Returns the options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backbone", default="small")
    parser.add_argument("--crop", type=int, default=96)
    parser.add_argument("--batch", type=int, default=36)
    parser.add_argument("--joints", type=int, default=0, help="at least; more formats for more")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, default=1, help="that TensorFlow uses")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--no-pipeline", action="store_true", help="without part 2")
    parser.add_argument("--memory", action="store_true", help="also memory (bench_memory.py)")
    arguments = parser.parse_args()
    if arguments.batch < len(MINI_FORMATS) + 1:
        parser.error(f"--batch must be at least {len(MINI_FORMATS) + 1}")
    return arguments


def configuration(arguments: argparse.Namespace, store: str) -> TrainConfig:
    """Returns the `mini` preset with the changes that were asked for."""
    base = mini()
    two_d = max(1, round(arguments.batch / 9))  # as in the preset
    each, rest = divmod(arguments.batch - two_d, len(base.data.three_d))
    three_d = {name: each + (i < rest) for i, name in enumerate(base.data.three_d)}
    changed = as_mapping(base)
    changed["store"] = store
    changed["threads"] = arguments.threads
    changed["model"] |= {"backbone": arguments.backbone, "precision": arguments.precision}
    changed["data"] |= {
        "formats": formats_with(arguments.joints), "crop": arguments.crop,
        "three_d": three_d, "two_d": {name: two_d for name in base.data.two_d},
    }  # fmt: skip
    return config_of(changed, changes=arguments.changes)


def formats_with(joints: int) -> list[str]:
    """Returns the preset's formats, and others until there are so many joints."""
    formats = list(MINI_FORMATS)
    others = (name for name in skeleton_defs.list_formats() if name not in MINI_FORMATS)
    while len(skeleton_defs.JointRegistry(formats)) < joints:
        formats.append(next(others))
    return formats


# 1. The step --------------------------------------------------------------------------------------


class Setting:
    """What is measured: a configuration, its trainer's step, batches and a folder to write to."""

    def __init__(self, config: TrainConfig, folder: Path):
        self.config, self.folder = config, folder
        self.registry = config.data.registry()
        self.feed = feed_of(config, open_store(config.store), self.registry)
        self.batch = self.feed.batch(0)
        self.step = prepared_step(config, self.registry, start_weights=True)
        self.number = 0

    def train(self) -> Inputs:
        """Does a step as the trainer does."""
        self.number += 1
        return self.step(self.batch, self.number)

    def plain(self, channels: int) -> Callable[[], Any]:
        """Returns a step of the backbone, a 1x1 convolution and a mean squared error."""
        import keras
        import tensorflow as tf

        from skelbridge.training.network import build_model

        config = self.config
        backbone = build_model(config, self.registry, None).backbone
        convolution = keras.layers.Conv2D(channels, 1, dtype=config.model.precision)
        model = keras.Model(backbone.input, convolution(backbone.output))
        optimizer = keras.optimizers.Adam(
            config.rates.base, weight_decay=config.rates.weight_decay or None
        )
        optimizer.build(model.trainable_variables)
        shape = (len(self.batch["image"]), *model.output_shape[1:])
        target = tf.random.stateless_uniform(shape, (0, 0))

        @tf.function
        def step(image):
            with tf.GradientTape() as tape:
                maps = model(tf.cast(image, tf.float32) / 255, training=True)
                loss = tf.reduce_mean(tf.square(tf.cast(maps, tf.float32) - target))
            gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
            optimizer.apply(gradients, model.trainable_variables)
            return loss

        return lambda: float(step(tf.convert_to_tensor(self.batch["image"])))


def compare_steps(setting: Setting, rounds: int) -> float:
    """Prints times and ratios, and returns that against as many channels."""
    config, joints = setting.config, len(setting.registry)
    channels = (1 + config.model.depth) * joints
    plain = {n: setting.plain(n) for n in (channels, joints)}
    found = in_turns({"ours": setting.train, **plain}, rounds)
    own, batch = statistics.median(found["ours"]), len(setting.batch["image"])
    print(
        f"\nTraining step: {config.model.backbone} at {config.data.crop} px, batch {batch}, "
        f"{joints} joints, {config.model.precision}, batch norm {config.model.batch_norm}; "
        f"medians of {rounds}\n"
        f"  {'skelbridge':40}{1e3 * own:9.1f} ms {batch / own:8.0f} images/s"
    )
    for n in plain:
        ratios = np.divide(found["ours"], found[n])
        median = statistics.median(found[n])
        print(
            f"  {f'1x1 convolution to {n} channels, MSE':40}{1e3 * median:9.1f} ms: "
            f"ratio {own / median:.3f} (quartiles of rounds "
            f"{np.quantile(ratios, 0.25):.3f} to {np.quantile(ratios, 0.75):.3f})"
        )
    return own / statistics.median(found[channels])


def in_turns(ways: dict[Any, Callable[[], Any]], rounds: int) -> dict[Any, list[float]]:
    """Returns seconds of each way and round."""
    import tensorflow as tf

    clock = time.perf_counter if tf.config.list_physical_devices("GPU") else time.process_time
    seconds: dict[Any, list[float]] = {name: [] for name in ways}
    for number in range(-WARM_UP, rounds):
        for name, way in ways.items():
            start = clock()
            way()
            tf.test.experimental.sync_devices()
            if number >= 0:
                seconds[name].append(clock() - start)
    return seconds


# 3. Where the time goes ---------------------------------------------------------------------------


def where_the_time_goes(setting: Setting, rounds: int) -> None:
    """Prints the parts of a step and their shares."""
    parts, config = compiled_parts(setting), setting.config
    found = in_turns(
        {"step": setting.train} | parts | {"hand-over": hand_over(setting)}
        | {"batch": lambda: setting.feed.loader.load(setting.feed.plan.at(setting.number))},
        rounds,
    )  # fmt: skip
    kept = in_turns(log_and_checkpoint(setting), 2)
    ms = {name: 1e3 * statistics.median(times) for name, times in (found | kept).items()}
    rows = {
        "batch making (a thread of its own)": ms["batch"],
        "hand-over (tensors, rates, losses back)": ms["hand-over"],
        "backbone, forward and backward": ms["backbone"],
        "head and heatmaps": ms["heatmaps"],
        "absolute reconstruction": ms["reconstruction"] - ms["heatmaps"],
        "losses": ms["losses"] - ms["reconstruction"],
        "two optimisers": ms["optimisers"],
    }
    inside = sum(rows.values()) - ms["batch"]
    rows["rest of the step (not in the parts alone)"] = ms["step"] - inside
    rows[f"log (a line every {config.log_every} steps)"] = ms["log"] / config.log_every
    rows[f"checkpoint (every {config.checkpoint_every})"] = (
        ms["checkpoint"] / config.checkpoint_every
    )
    total = sum(rows.values())
    print(f"\nWhere the time of a training step goes ({total:.1f} ms, batch making included)")
    for name, value in rows.items():
        print(f"  {name:44}{value:9.2f} ms {100 * value / total:6.1f} %")


def compiled_parts(setting: Setting) -> dict[str, Callable[[], Any]]:
    """Returns the parts of the compiled step; those after the backbone begin with its features."""
    import tensorflow as tf

    from skelbridge.nn.reconstruction import reconstruct_absolute
    from skelbridge.training.body_parts import body_part_averages
    from skelbridge.training.losses import per_example_errors
    from skelbridge.training.objectives import PoseLosses, separate_heads

    step, config, model = setting.step, setting.config, setting.step.model
    inputs = {
        name: tf.convert_to_tensor(setting.batch[name])
        for name in ("image", "K", "joints3d", "mask3d", "joints2d", "mask2d", "is_3d")
    }
    averages = body_part_averages(setting.registry, rule=config.data.body_parts)
    losses = PoseLosses(model.grid, averages, config.losses)
    mix = tf.random.stateless_uniform([len(setting.batch["image"])], (0, 0))
    head_weights, backbone_weights = (
        [v.value for v in part.trainable_variables] for part in (model.head, model.backbone)
    )

    @tf.function
    def backbone(image):
        with tf.GradientTape() as tape:
            features = model.backbone(tf.cast(image, tf.float32) / 255, training=True)
            size = tf.reduce_mean(tf.square(tf.cast(features, tf.float32)))
        return features, tape.gradient(size, backbone_weights)

    features = backbone(inputs["image"])[0]

    def after_backbone(until):
        @tf.function
        def compute(features, inputs):
            with tf.GradientTape() as tape:
                tape.watch(features)
                value, others = scalar(features, inputs)
            return others, tape.gradient(value, [features, *head_weights])

        def scalar(features, inputs):
            joints2d, relative = model.head(features)
            if until == "heatmaps":
                return tf.reduce_mean(joints2d) + tf.reduce_mean(relative), ()
            poses = reconstruct_absolute(
                joints2d, relative, inputs["K"], crop=model.grid.crop, zone=model.grid.zone,
                mix=mix, is_full_perspective=tf.constant(True),
            )  # fmt: skip
            if until == "reconstruction":
                return tf.reduce_mean(poses), ()
            terms = separate_heads(poses, inputs, losses, step=tf.constant(1 << 20))
            return terms["total"], (terms, per_example_errors(poses, inputs))

        return lambda: compute(features, inputs)

    gradients = [tf.zeros(v.shape) for v in step.optimization.trained]
    optimise = tf.function(step.optimization.apply)
    afterwards = {n: after_backbone(n) for n in ("heatmaps", "reconstruction", "losses")}
    return {
        "backbone": lambda: backbone(inputs["image"]),
        **afterwards,
        "optimisers": lambda: optimise(gradients),
    }


def hand_over(setting: Setting) -> Callable[[], Any]:
    """Returns a step whose compiled part only returns what it found before."""
    step, compiled = setting.step, setting.step._train
    kept = []

    def computed(*arguments, **options):
        kept[:] = [compiled(*arguments, **options)]
        return kept[0]

    def without_computing():
        step._train = (lambda *_, **__: kept[0]) if kept else computed
        try:
            setting.train()
        finally:
            step._train = compiled

    without_computing()
    return without_computing


def log_and_checkpoint(setting: Setting) -> dict[str, Callable[[], Any]]:
    """Returns what writes a line of the log and all before it, and what writes a checkpoint."""
    from skelbridge.training.checkpoints import checkpoint_path, save_checkpoint
    from skelbridge.training.run_log import RunLog

    config, found = setting.config, setting.train()
    run = setting.folder / "run"
    run.mkdir()

    def log():
        own = RunLog(
            run, setting.feed.plan.datasets, first=0, total=config.steps, every=config.log_every,
            shown=False,
        )  # fmt: skip
        with contextlib.closing(own):
            for number in range(1, config.log_every + 1):
                own.add(number, setting.batch, found, config.rates_at(number))

    def checkpoint():
        save_checkpoint(checkpoint_path(run, 1), setting.step.variables, {"step": 1, "seed": 0})

    return {"log": log, "checkpoint": checkpoint}


def verdict(name: str, ratio: float, limit: float, *, is_met: bool) -> str:
    """Returns a line about a bar."""
    bound = "at least" if limit == PIPELINE_LIMIT else "at most"
    return f"{'PASS' if is_met else 'FAIL'}  {name}: {ratio:.3f}x, {bound} {limit:g}x"


if __name__ == "__main__":
    main()
