"""Ghost batch normalisation: exact against splitting by hand."""

from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
from keras import layers, ops
from keras_numbers import BACKEND, close, numpy_of, raises, value_and_gradient

from skelbridge.nn import GhostBatchNormalization

IMAGES = np.float32(np.random.default_rng(0).normal(3, 2, (14, 4, 5, 3)) * [1, 5, 0.1])
SIZES = [8, 2, 4]
PARTS = [IMAGES[:8], IMAGES[8:10], IMAGES[10:]]


def pair(momentum=0.9):
    """Both layers with the same weights that are not those of the start."""
    made = (
        GhostBatchNormalization(SIZES, momentum=momentum),
        layers.BatchNormalization(momentum=momentum),
    )
    rng = np.random.default_rng(1)
    weights = [np.float32(rng.uniform(0.5, 2, 3)) for _ in range(4)]
    for layer in made:
        layer.build((None, 4, 5, 3))
        layer.set_weights(weights)
    return made


def check_equals_splitting_by_hand():
    ghost, plain = pair()
    found = numpy_of(ghost(IMAGES, training=True))
    expected = np.concatenate([numpy_of(plain(part, training=True)) for part in PARTS])
    assert np.array_equal(found, expected)
    for one, other in zip(ghost.weights, plain.weights, strict=True):
        assert np.array_equal(numpy_of(one), numpy_of(other)), one.name


def check_statistics_are_updated_once_per_part_in_order():
    ghost, _ = pair(momentum=0.9)
    mean, variance = (numpy_of(w).astype(float) for w in ghost.weights[2:])
    numpy_of(ghost(IMAGES, training=True))
    for part in PARTS:
        mean = 0.9 * mean + 0.1 * part.astype(float).mean(axis=(0, 1, 2))
        variance = 0.9 * variance + 0.1 * part.astype(float).var(axis=(0, 1, 2))
    close(ghost.moving_mean, mean, 1e-6)
    close(ghost.moving_variance, variance, 1e-6)


def check_gradients_equal_splitting_by_hand():
    ghost, plain = pair()
    weights = np.float32(np.random.default_rng(2).normal(size=IMAGES.shape))
    if BACKEND == "jax":  # statistics are state there, which value_and_grad must not leak
        return
    _, found = value_and_gradient(
        lambda x: ops.sum(ops.multiply(ghost(x, training=True), weights)), IMAGES
    )

    def by_hand(x):
        parts = [plain(x[:8], training=True), plain(x[8:10], training=True)]
        parts.append(plain(x[10:], training=True))
        return ops.sum(ops.multiply(ops.concatenate(parts), weights))

    _, expected = value_and_gradient(by_hand, IMAGES)
    assert np.array_equal(found, expected)


def check_stored_statistics_serve_every_batch_size():
    ghost, plain = pair()
    for images in (IMAGES, IMAGES[:5]):
        for options in ({"training": False}, {}):
            assert np.array_equal(numpy_of(ghost(images, **options)), numpy_of(plain(images)))
    before = [numpy_of(w).copy() for w in ghost.weights]
    ghost.trainable = False
    assert np.array_equal(numpy_of(ghost(IMAGES[:5], training=True)), numpy_of(plain(IMAGES[:5])))
    assert all(np.array_equal(a, numpy_of(b)) for a, b in zip(before, ghost.weights, strict=True))


def check_wrong_sizes():
    ghost, _ = pair()
    raises("batches of 14 examples. Received 13", ghost, IMAGES[:13], training=True)
    for sizes in ([], [4, 0], [-1]):
        raises("part_sizes must be positive", GhostBatchNormalization, sizes)


def check_config_and_saving():
    ghost, _ = pair(momentum=0.7)
    again = GhostBatchNormalization.from_config(ghost.get_config())
    assert again.part_sizes == SIZES and again.momentum == 0.7
    model = keras.Sequential([keras.Input((4, 5, 3)), ghost])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        loaded = keras.saving.load_model(path)
    assert np.array_equal(numpy_of(loaded(IMAGES)), numpy_of(model(IMAGES)))
    assert np.array_equal(
        numpy_of(loaded(IMAGES, training=True)), numpy_of(model(IMAGES, training=True))
    )


def check_mixed_precision_keeps_statistics_fine():
    ghost = GhostBatchNormalization(SIZES, dtype="mixed_float16")
    out = ghost(ops.cast(IMAGES, "float16"), training=True)
    assert keras.backend.standardize_dtype(out.dtype) == "float16"
    assert {keras.backend.standardize_dtype(w.dtype) for w in ghost.weights} == {"float32"}
    moved = numpy_of(ghost.moving_mean)
    assert np.isfinite(moved).all() and not np.array_equal(moved, moved.astype(np.float16))
