"""Checks of the trainer that need TensorFlow; see `keras_backends`."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import small_runs
import tensorflow as tf
from small_runs import config, copied, files, folder, store, whole

from dataset_adapters.containers.npz import open_npz
from skelbridge.nn.backbones import small_cnn
from skelbridge.store import open_store
from skelbridge.training import resuming, schedules, trainer
from skelbridge.training.checkpoints import checkpoint_path, checkpoint_steps
from skelbridge.training.config_file import write_config
from skelbridge.training.non_finite import NonFiniteLossError
from skelbridge.training.run_log import read_log
from skelbridge.training.trainer import feed_of, prepared_step, train
from skeleton_defs import UserError

LAST = "checkpoints/step_000000008.npz"


def message_of(kind, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except kind as error:
        assert "\n" not in str(error), error
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


def weights(run, step):
    """Name -> array of a checkpoint."""
    with open_npz(checkpoint_path(run / "checkpoints", step)) as arrays:
        names = json.loads(str(arrays["header"]))["names"]
        return {(i, name): arrays[f"v{i:05d}"] for i, name in enumerate(names)}


def is_statistic(name):
    return "moving_" in name[1] and "adam" not in name[1]


class Eagerly:
    """Runs steps without compiling them, which takes longer than a few steps."""

    def __enter__(self):
        tf.config.run_functions_eagerly(True)

    def __exit__(self, *_):
        tf.config.run_functions_eagerly(False)


def without_seconds(run):
    return [{k: v for k, v in record.items() if k != "seconds"} for record in read_log(run)]


def same_result(run):
    assert files(run)[LAST] == files(whole())[LAST]
    assert without_seconds(run) == without_seconds(whole())
    assert not [name for name in files(run) if "/." in name or name.startswith(".")]


def check_stopped_and_resumed_with_other_workers():
    run = folder() / "stopped"
    path = train(config(workers=2), run, stop=4)
    assert path == checkpoint_path(run / "checkpoints", 4) and path.exists()
    # Again to the same step: there is nothing to do.
    before = files(run)
    train(config(workers=2), run, resume=True, stop=4)
    assert files(run) == before
    train(config(), run, resume=True)
    same_result(run)


def killed(run, at_step, seconds):
    """Trains in another process, which is killed a while after a checkpoint has appeared."""
    command = [sys.executable, small_runs.__file__, str(store()), str(run), "0.15"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 120
        while not checkpoint_path(run / "checkpoints", at_step).exists():
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < end
            time.sleep(0.01)
        time.sleep(seconds)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL


def check_killed_in_the_middle_of_a_step():
    run = folder() / "killed"
    killed(run, 2, 0.2)
    assert max(checkpoint_steps(run / "checkpoints")) < 8
    # What a kill while a checkpoint is written leaves.
    (run / "checkpoints" / ".step_000000004.0123456789ab.npz").write_bytes(b"half")
    with (run / "log.jsonl").open("a") as log:
        log.write('{"step": 6, "ima')
    train(config(), run, resume=True)
    same_result(run)


def check_killed_before_anything_was_kept():
    run = folder() / "early"
    run.mkdir()
    (run / ".config.0123456789ab.yaml").write_text("data:")
    with Eagerly():
        train(config(steps=1, phases__stored_statistics_last=0), run, resume=True)
    assert checkpoint_steps(run / "checkpoints") == [1]


def check_which_checkpoints_stay():
    # The last two, and the one from before the steps with stored statistics, though 5 is odd.
    assert checkpoint_steps(whole() / "checkpoints") == [5, 6, 8]


def check_facts_and_configuration():
    facts = json.loads((whole() / "facts.json").read_text())
    assert facts["datasets"] == ["synth_a", "synth_b", "synth_2d"]
    assert facts["is_synthetic_only"] is True
    assert facts["made_with"]["tensorflow"] == tf.__version__
    assert facts["made_with"]["threads"] == 1
    from skelbridge.training.run_folder import read_run

    assert read_run(whole())[0] == config()


def check_last_phase():
    """Stored statistics stay, weights go on; before, both change."""
    start = trainer.prepared_step(config(), config().data.registry(), start_weights=True)
    before, middle, end = weights(whole(), 5), weights(whole(), 6), weights(whole(), 8)
    assert sum(map(is_statistic, end)) == 10  # five layers
    for place, (name, value) in enumerate(end.items()):
        if is_statistic(name):
            assert (value == before[name]).all() and (value == middle[name]).all(), name
            assert (value != start.variables[place].numpy()).any(), name
        elif "kernel" in name[1]:
            assert (value != middle[name]).any() and (middle[name] != before[name]).any(), name


def check_rates():
    records = read_log(whole())
    assert [record["step"] for record in records] == [3, 6, 8]
    for record in records:
        expected = schedules.rate_with_drop(record["step"] - 1, 8, base=1e-3)
        for part in ("head", "backbone"):
            np.testing.assert_allclose(record[f"rate/{part}"], expected, rtol=1e-5)
    # Adam's own variable holds the rate of the last step.
    last = [v for (_, name), v in weights(whole(), 8).items() if name.endswith("learning_rate")]
    np.testing.assert_allclose(last, schedules.rate_with_drop(7, 8, base=1e-3), rtol=1e-6)


def check_tensorboard():
    found = {}
    for file in sorted((whole() / "tensorboard").iterdir()):
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found[event.step, value.tag] = tf.make_ndarray(value.tensor).item()
    for record in read_log(whole()):
        for name in ("total", "dataset/synth_a", "rate/head"):
            np.testing.assert_allclose(found[record["step"], name], record[name], rtol=1e-5)


def check_log_is_of_what_the_batches_hold():
    """The first line's losses per dataset against steps by hand."""
    settings = config()
    step = prepared_step(settings, settings.data.registry(), start_weights=True)
    feed = feed_of(settings, open_store(store()), settings.data.registry())
    sums, counts, totals = np.zeros(3), np.zeros(3), []
    with Eagerly():
        for number in range(3):
            batch = feed.batch(number)
            found = step(batch, number)
            totals.append(found["total"])
            for i in range(8):
                if batch["mask3d"][i].any():
                    sums[batch["dataset"][i]] += found["per_example"][i]
                    counts[batch["dataset"][i]] += 1
    assert counts.tolist() == [9, 9, 0]
    (record, *_) = read_log(whole())
    assert record["images"] == 24 and "dataset/synth_2d" not in record
    # Compiled and uncompiled steps differ in the last bits.
    np.testing.assert_allclose(record["total"], np.mean(totals), rtol=1e-3)
    for i, name in enumerate(("synth_a", "synth_b")):
        np.testing.assert_allclose(record[f"dataset/{name}"], sums[i] / counts[i], rtol=1e-3)


def check_moving_statistics_are_updated_once_per_part():
    settings = config(
        model__batch_norm="ghost", model__ghost_part=2, steps=1, phases__stored_statistics_last=0
    )
    registry = settings.data.registry()
    step = prepared_step(settings, registry, start_weights=True)
    network = step.model.backbone
    layers = [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert all(layer.part_sizes == [2, 2, 2, 2] for layer in layers)
    batch = feed_of(settings, open_store(store()), registry).batch(0)
    features = keras.Model(network.input, layers[0].input)(np.float32(batch["image"]) / 255).numpy()
    mean = layers[0].moving_mean.numpy()
    for part in np.split(features, 4):
        mean = small_cnn.MOMENTUM * mean + (1 - small_cnn.MOMENTUM) * part.mean((0, 1, 2))
    with Eagerly():
        step(batch, 0)
    np.testing.assert_allclose(layers[0].moving_mean.numpy(), mean, rtol=1e-4, atol=1e-7)


def with_labels(change):
    """Lets `change(step, batch)` change batches before they are trained on."""
    original = trainer.feed_of

    def changed(*arguments):
        feed = original(*arguments)
        batches = feed.batches

        def iterate(start, stop):
            for number, batch in enumerate(batches(start, stop), start=start):
                change(number, batch)
                yield batch

        feed.batches = iterate
        return feed

    return changed


def check_a_label_that_is_not_finite():
    for kind, value in (("nan", np.nan), ("huge", 1e38)):
        run = folder() / kind
        planted = {}

        def plant(number, batch, value=value, planted=planted):
            if number == 2:
                batch["joints3d"][4] = value
                batch["mask3d"][4, :3] = True
                planted["index"] = int(batch["example"][4])

        trainer.feed_of, original = with_labels(plant), trainer.feed_of
        try:
            with Eagerly():
                message = message_of(NonFiniteLossError, train, config(), run)
        finally:
            trainer.feed_of = original
        example = open_store(store())[planted["index"]]
        assert f"{run}: the loss of step 2 is not finite" in message
        assert "1 of 8 examples" in message
        assert f"{planted['index']}: {example.dataset} " in message, message
        assert f"frame {example.frame}" in message
        assert example.dataset == "synth_b"
        assert checkpoint_steps(run / "checkpoints") == [2]
        assert not [name for name in files(run) if "/." in name]
        assert all(np.isfinite(value).all() for value in weights(run, 2).values())


def check_a_rate_that_is_too_large():
    run = folder() / "rate"
    with Eagerly():
        message = message_of(NonFiniteLossError, train, config(rates__base=1e38), run)
    assert "is not finite" in message and "lower rates.base" in message
    for step in checkpoint_steps(run / "checkpoints"):
        assert all(np.isfinite(value).all() for value in weights(run, step).values())


def check_weights_that_are_not_finite_are_not_saved():
    """The loss of the step was: only the next one would tell."""
    run = folder() / "weights"
    original = trainer.prepared_step

    def breaking(*arguments, **options):
        step = original(*arguments, **options)
        call = type(step).__call__

        class Breaking(type(step)):
            def __call__(self, batch, number):
                found = call(self, batch, number)
                if number == 3:
                    self.model.head.bias.assign(self.model.head.bias.value * np.nan)
                return found

        step.__class__ = Breaking
        return step

    trainer.prepared_step = breaking
    try:
        with Eagerly():
            message = message_of(NonFiniteLossError, train, config(), run)
    finally:
        trainer.prepared_step = original
    assert "bias is not finite after step 3" in message
    assert checkpoint_steps(run / "checkpoints") == [2]


def check_other_configurations_are_named():
    before = files(whole())
    message = message_of(UserError, train, config(), whole())
    assert "holds a run already; go on with --resume" in message
    for change, named in (
        ({"rates__base": 2e-3}, "rates.base = 0.001, now it is 0.002"),
        ({"data__three_d": {"synth_a": 4, "synth_b": 2}}, "data.three_d.synth_"),
        ({"steps": 9}, "steps = 8, now it is 9"),
    ):
        message = message_of(UserError, train, config(**change), whole(), resume=True)
        assert named in message, message
    assert files(whole()) == before


def check_another_store_of_that_name():
    other = small_runs.made(folder() / "other_store", examples=30)
    message = message_of(UserError, train, config(other), copied(whole(), "moved"), resume=True)
    assert "holds other examples than when the run was begun" in message
    # The same pictures elsewhere are welcome.
    same = Path(shutil.copytree(store(), folder() / "same store"))
    train(config(same), folder() / "moved", resume=True)


def check_foreign_files_are_left_alone():
    run = folder() / "holiday"
    run.mkdir()
    (run / "picture.jpg").write_text("sea")
    for resume in (False, True):
        message = message_of(UserError, train, config(), run, resume=resume)
        assert "found other files in it" in message
    assert files(run) == {"picture.jpg": b"sea"}
    message = message_of(UserError, train, config(), run / "picture.jpg")
    assert "picture.jpg" in message


def check_mistakes_leave_no_folder():
    for change, named in (
        ({"data__crop": 100}, "must be a multiple of 16"),
        ({"model__backbone": "smal"}, "Did you mean small"),
        ({"model__output_stride": 7}, "output stride"),
        ({"model__weights": "none.h5"}, "none.h5: no such file"),
        ({"data__backgrounds": "none"}, "none: expected a folder of background images"),
        ({"data__formats": ["h36m"]}, "no joint of 'coco_17' is in the joint registry"),
        ({"data__three_d": {"synth_c": 1}}, "not in the store: synth_c"),
        ({"data__split": "trian"}, "not in the store"),
    ):
        if named.startswith("no joint"):
            small_runs.made(folder() / "apart", examples=4)
        run = folder() / "mistake" / "run"
        run.parent.mkdir(exist_ok=True)
        message = message_of(UserError, train, config(**change), run)
        assert named in message, message
        assert not list(run.parent.iterdir()), change


def check_a_file_of_weights_is_not_needed_later():
    run = copied(whole(), "without_weights")
    settings = config(model__weights=str(folder() / "gone.h5"))
    write_config(run / "config.yaml", settings)
    checkpoint_path(run / "checkpoints", 8).unlink()
    train(settings, run, resume=True)
    assert files(run)[LAST] == files(whole())[LAST]


def check_damaged_checkpoints():
    run = copied(whole(), "damaged")
    for step in (6, 8):
        checkpoint_path(run / "checkpoints", step).unlink()
    path = checkpoint_path(run / "checkpoints", 5)
    good = path.read_bytes()
    for damage in (good[:-1000], good[:100], b"garbage", b""):
        path.write_bytes(damage)
        before = files(run)
        message = message_of(UserError, train, config(), run, resume=True)
        assert str(path) in message
        assert files(run) == before


def check_one_process_at_a_time():
    run = copied(whole(), "busy")
    number = os.open(run, os.O_RDONLY)
    fcntl.flock(number, fcntl.LOCK_EX)
    message = message_of(UserError, train, config(), run, resume=True)
    assert "is being trained by another process" in message
    os.close(number)
    train(config(), run, resume=True)


def check_another_machine_is_warned_of():
    run = copied(whole(), "machine")
    facts = json.loads((run / "facts.json").read_text())
    facts["made_with"] |= {"processor": "Abacus", "threads": 7}
    (run / "facts.json").write_text(json.dumps(facts))
    checkpoint_path(run / "checkpoints", 8).unlink()
    with warnings.catch_warnings(record=True) as caught, Eagerly():
        warnings.simplefilter("always")
        train(config(), run, resume=True)
    (warning,) = [str(w.message) for w in caught if w.category is UserWarning]
    assert "not 'Abacus'" in warning and "threads 1, not 7" in warning and "\n" not in warning
    # What it was begun with stays on record, and what it went on with.
    facts = json.loads((run / "facts.json").read_text())
    assert facts["made_with"]["processor"] == "Abacus"
    assert [other["threads"] for other in facts["resumed_with"]] == [1]


def check_no_facts_no_warning():
    run = copied(whole(), "no_facts")
    (run / "facts.json").unlink()
    train(config(), run, resume=True)


def check_two_threads_are_no_mistake_but_a_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(config(threads=2), copied(whole(), "threads"), resume=True)
    texts = [str(w.message) for w in caught if w.category is UserWarning]
    assert any("threads 2, not 1" in text for text in texts)
    # This process computes with one already.
    assert any("runs with 1 threads already, not with 2" in text for text in texts)
    assert "threads" in resuming.FREE
