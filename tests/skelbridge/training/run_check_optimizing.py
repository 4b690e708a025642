"""Checks of loss scales, accumulated gradients, averages and weight decay in a training step."""

import keras
import numpy as np
import tensorflow as tf
from run_check_trainer import Eagerly
from small_runs import config, folder, store

from skelbridge.data.randomness import uniforms
from skelbridge.nn import recomputation
from skelbridge.store import open_store
from skelbridge.training.checkpoints import load_checkpoint
from skelbridge.training.network import INPUTS, MIXING
from skelbridge.training.optimizing import FIRST_SCALE, Optimization, trained_variables
from skelbridge.training.run_folder import load_run
from skelbridge.training.trainer import feed_of, prepared_step, train, use_threads

use_threads(1)


def prepared(**changes):
    settings = config(**changes)
    step = prepared_step(settings, settings.data.registry(), start_weights=True)
    return step, feed_of(settings, open_store(store()), settings.data.registry()).batch(0)


def weights(step):
    return [v.numpy().copy() for v in trained_variables(step.model)]


def moved(step, batch, number=0):
    """How a step moves the weights, and what it finds."""
    before = weights(step)
    found = step(batch, number)
    return [b - a for a, b in zip(before, weights(step), strict=True)], found


class ByGradient:
    """Takes the place of an optimisation's two optimisers: weights move by minus the gradient."""

    def __init__(self, step):
        self.optimization = step.optimization
        self.gradients = None

    def __enter__(self):
        self._before = self.optimization.apply

        def apply(gradients):
            self.gradients = [g.numpy() for g in gradients]

        self.optimization.apply = apply
        return self

    def __exit__(self, *error):
        self.optimization.apply = self._before


def gradients(step, batch):
    with Eagerly(), ByGradient(step) as kept:
        # Compiled functions hold on to the method that they were made with.
        step._apply = step.optimization.apply
        found = step(batch, 0)
    return kept.gradients, found


def largest_difference(left, right):
    scale = max(np.abs(a).max() for a in left)
    return max(np.abs(a - b).max() for a, b in zip(left, right, strict=True)) / scale


def check_scales_leave_gradients_as_they_are():
    """Two powers of two: the same gradients but for what is too small for float16."""
    plain, batch = prepared()
    dynamic, _ = prepared(model__precision="mixed_float16", optimizer__loss_scale="dynamic")
    static, _ = prepared(model__precision="mixed_float16", optimizer__loss_scale=2048)
    expected, found = gradients(plain, batch)
    ours = {}
    for name, step in (("dynamic", dynamic), ("static", static)):
        ours[name], same = gradients(step, batch)
        np.testing.assert_allclose(same["total"], found["total"], rtol=5e-3)
        assert cosine(expected, ours[name]) > 0.98  # float16 has 3 digits
    difference = largest_difference(ours["dynamic"], ours["static"])
    assert difference < 1e-2  # of numbers with 11 bits, added up
    return {"difference": float(difference), "cosine": float(cosine(expected, ours["static"]))}


def cosine(left, right):
    a, b = (np.concatenate([g.ravel() for g in group]) for group in (left, right))
    return a @ b / np.sqrt((a @ a) * (b @ b))


def check_scale_saves_small_gradients():
    """What float16 loses without a scale, and keeps with it."""
    lost, batch = prepared(model__precision="mixed_float16", optimizer__loss_scale=1e-4)
    kept, _ = prepared(model__precision="mixed_float16", optimizer__loss_scale=1024.0)
    share = []
    for step in (lost, kept):
        found, _ = gradients(step, batch)
        backbone = found[2:]
        share.append(np.mean([np.count_nonzero(g) / g.size for g in backbone]))
    assert share[0] < 0.5 * share[1] and share[1] > 0.5
    return {"without": share[0], "with": share[1]}


def check_overflow_leaves_the_update_out():
    step, batch = prepared(model__precision="mixed_float16", optimizer__loss_scale="dynamic")
    own = step.optimization
    own._scale.assign(1e38)
    with Eagerly():
        change, _ = moved(step, batch)
        assert all((c == 0).all() for c in change)
        assert own._scale.numpy() == np.float32(5e37) and own._since.numpy() == 0
        own._scale.assign(1024.0)
        change, _ = moved(step, batch)
    assert any((c != 0).any() for c in change)
    assert own._scale.numpy() == 1024 and own._since.numpy() == 1
    own._since.assign(1999.0)
    own.update_scale(is_finite=True)
    assert (own._scale.numpy(), own._since.numpy()) == (2048, 0)
    assert FIRST_SCALE == 2.0**15
    assert {id(own._scale), id(own._since)} <= {id(v) for v in step.variables}


def check_float32_has_no_scale():
    step, _ = prepared(optimizer__loss_scale="dynamic")
    assert not step.optimization.is_checked
    loss = tf.constant(3.0)
    assert step.optimization.scaled(loss) is loss


def check_accumulated_gradients_are_those_of_the_pieces():
    """Against each piece by itself, with one piece's ghost parts."""
    options = {"model__batch_norm": "normal", "data__three_d": {"synth_a": 2, "synth_b": 2}}
    step, batch = prepared(**options, optimizer__accumulate=2)
    assert [piece.slots.tolist() for piece in step._pieces] == [[0, 1, 4], [2, 3, 5]]
    together, found = gradients(step, batch)
    apart, totals = [], []
    whole, _ = prepared(**options)
    for piece in step._pieces:
        cut = {name: np.asarray(batch[name])[piece.slots] for name in batch}
        # The random mix of two reconstructions depends on the place in the batch.
        own = step_with_mix(whole, cut, piece)
        apart.append(own[0])
        totals.append(own[1])
    mean = [(a + b) / 2 for a, b in zip(*apart, strict=True)]
    assert largest_difference(mean, together) < 1e-5
    np.testing.assert_allclose(found["total"], np.mean(totals), rtol=1e-5)
    assert found["per_example"].shape == (6,)


def step_with_mix(step, cut, piece):
    mix = uniforms(step.config.seed, 0, piece.slots, MIXING, 1)[:, 0].astype(np.float32)
    inputs = {name: tf.convert_to_tensor(cut[name]) for name in INPUTS}
    inputs |= {"mix": tf.constant(mix), "place": tf.range(len(mix))}
    with Eagerly():
        terms, found = step._differentiated(
            inputs, tf.constant(0, tf.int64), tf.constant(False), training=True
        )
    return [g.numpy() for g in found], terms["total"].numpy()


def check_averages():
    step, batch = prepared(optimizer__average=0.75)
    start = weights(step)
    with Eagerly():
        step(batch, 0)
        first = weights(step)
        step(batch, 1)
    second = weights(step)
    for average, a, b, c in zip(step.optimization.averages, start, first, second, strict=True):
        expected = 0.75 * (0.75 * a + 0.25 * b) + 0.25 * c
        np.testing.assert_allclose(average.numpy(), expected, rtol=1e-4, atol=1e-7)


def check_averages_predict_and_resume():
    settings = config(optimizer__average=0.5, steps=4, phases__stored_statistics_last=0)
    with Eagerly():
        train(settings, folder() / "averaged")
        train(settings, folder() / "averaged_again", stop=2)
        train(settings, folder() / "averaged_again", resume=True)
    last = "checkpoints/step_000000004.npz"
    both = [(folder() / name / last).read_bytes() for name in ("averaged", "averaged_again")]
    assert both[0] == both[1]
    loaded = load_run(folder() / "averaged")
    step, _ = prepared(optimizer__average=0.5, steps=4, phases__stored_statistics_last=0)
    load_checkpoint(folder() / "averaged" / last, step.variables)
    averages = [v.numpy() for v in step.optimization.averages]
    last_ones = weights(step)
    for found, average in zip(trained_variables(loaded.model), averages, strict=True):
        np.testing.assert_array_equal(found.numpy(), average)
    assert any((a != b).any() for a, b in zip(averages, last_ones, strict=True))


def check_decay_is_decoupled_and_leaves_nothing_out():
    """Without a gradient every weight shrinks by rate times decay; biases and norms, too."""
    step, _ = prepared(rates__weight_decay=0.5, rates__base=0.01)
    own = Optimization(step.config, step.model)
    for v in own.trained:
        v.assign(np.ones(v.shape, np.float32))
    own.set_rates({"head": 0.01, "backbone": 0.002})
    own.apply([tf.zeros(v.shape) for v in own.trained])
    head = len(step.model.head.trainable_variables)
    for place, v in enumerate(own.trained):
        rate = 0.01 if place < head else 0.002
        np.testing.assert_allclose(v.numpy(), 1 - 0.5 * rate, rtol=1e-6, err_msg=v.path)
    names = " ".join(v.path for v in own.trained)
    assert "gamma" in names and "beta" in names and "bias" in names


def check_adam_by_hand():
    """Two updates against the equations of arXiv 1412.6980 with decoupled decay."""
    step, _ = prepared(rates__weight_decay=0.1, optimizer__epsilon=1e-3)
    own = Optimization(step.config, step.model)
    rng = np.random.default_rng(0)
    place = 0
    value = own.trained[place].numpy().astype(float)
    m = v = 0.0
    for t in (1, 2):
        own.set_rates({"head": 0.02, "backbone": 0.02})
        given = [rng.normal(size=x.shape).astype(np.float32) for x in own.trained]
        own.apply([tf.constant(g) for g in given])
        g = given[place].astype(float)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        value = value * (1 - 0.1 * 0.02)
        root = np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        value = value - 0.02 * root * m / (np.sqrt(v) + 1e-3)
    np.testing.assert_allclose(own.trained[place].numpy(), value, rtol=2e-4, atol=1e-6)
    assert isinstance(own.trained[place], keras.Variable)


def check_passes_that_undo_recomputation_are_turned_off():
    """Not done here: it would change the last bits of what this process trains afterwards."""
    called, original = [], recomputation.keep_recomputation
    recomputation.keep_recomputation = lambda: called.append(True)
    try:
        prepared()
        assert not called
        prepared(model__recompute=True)
        assert called == [True]
    finally:
        recomputation.keep_recomputation = original
