"""The consistency penalty: value, gradient, routes into Keras, precision, masks."""

from types import SimpleNamespace
from unittest import mock

import keras
import nn_reference as reference
import numpy as np
from keras import ops
from nn_backend import ACAE, BACKEND, POSES, close, losses_of, numpy_of, raises, value_and_gradient

from skelbridge.acae import nn
from skelbridge.acae.nn.precision import combine


def check_value_and_gradient_agree_with_float64():
    expected, gradient = reference.penalty(ACAE, POSES)
    found, found_gradient = value_and_gradient(nn.ACAERegularizer(ACAE), POSES)
    return {
        "value": found,
        "value_error": close(found, expected, 1e-5),
        "gradient_error": close(found_gradient, gradient, 1e-5),
    }


def check_full_size():
    acae = reference.planted(444, 111, 40, 8)
    poses = reference.clear_poses(acae, 2)
    expected, gradient = reference.penalty(acae, poses)
    found, found_gradient = value_and_gradient(nn.ACAERegularizer(acae), poses)
    return {
        "value_error": close(found, expected, 1e-5),
        "gradient_error": close(found_gradient, gradient, 1e-5),
    }


def check_weight_and_unit():
    in_metres = nn.ACAERegularizer(ACAE, weight=3.0, unit="m")
    close(in_metres(POSES / 1000), 3 * reference.penalty(ACAE, POSES)[0], 1e-5)
    raises("unit must be one of mm, cm, m", nn.ACAERegularizer, ACAE, unit="inch")
    raises("weight must be finite", nn.ACAERegularizer, ACAE, weight=-1)


def check_activity_route_equals_layer_route():
    for batch in (1, 8, 32):
        poses = reference.clear_poses(ACAE, batch, seed=batch)
        inputs = keras.Input((len(poses[0]), 3))
        activity = nn.ACAERegularizer(ACAE, 2.0, for_activity=True)
        by_activity = keras.layers.Activation("linear", activity_regularizer=activity)
        expected = 2 * reference.penalty(ACAE, poses)[0]
        for layer in (by_activity, nn.ACAEConsistency(ACAE, weight=2.0)):
            model = keras.Model(inputs, layer(inputs))
            model(poses)
            close(sum(losses_of(model)), expected, 1e-5)
            if batch == 8:  # in training: labels are met exactly, the penalty is all of the loss
                model.compile(loss="mae", jit_compile=BACKEND == "jax")
                close(model.evaluate(poses, poses, verbose=0), expected, 1e-5)
        close(nn.ACAERegularizer(ACAE, 2.0)(poses), expected, 1e-5)


def check_keras_that_does_not_divide():
    """Before 3.14 Keras adds what the regulariser returns: nothing is to be undone."""
    expected = reference.penalty(ACAE, POSES)[0]
    assert nn.keras_divides_by_batch() == (
        tuple(map(int, keras.version().split(".")[:2])) >= (3, 14)
    )
    with mock.patch.object(nn.regularizer, "keras_divides_by_batch", lambda: False):
        close(nn.ACAERegularizer(ACAE, for_activity=True)(POSES), expected, 1e-5)
    with mock.patch.object(nn.regularizer, "keras_divides_by_batch", lambda: True):
        close(nn.ACAERegularizer(ACAE, for_activity=True)(POSES), 8 * expected, 1e-5)


def check_mixed_precision():
    half = POSES.astype(np.float16)
    expected = reference.penalty(ACAE, half.astype(np.float32))[0]
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layer = nn.ACAEConsistency(ACAE)
        passed = layer(ops.convert_to_tensor(half))
        assert keras.backend.standardize_dtype(passed.dtype) == "float32"
        assert np.array_equal(numpy_of(passed), half.astype(np.float32))
        close(layer.losses[0], expected, 1e-5)
        for kind in ("float16", "bfloat16"):
            raises("poses must be float32", nn.ACAERegularizer(ACAE), ops.cast(half, kind))
        activity = nn.ACAERegularizer(ACAE, for_activity=True)
        refused = keras.layers.Activation("linear", activity_regularizer=activity)
        raises("poses must be float32", refused, ops.convert_to_tensor(half))
        accepted = keras.layers.Activation("linear", activity_regularizer=activity, dtype="float32")
        accepted(ops.convert_to_tensor(POSES))
        # The model computes in float32 too: float16 would be off by some millimetres.
        model = nn.AffineCombiningAutoencoder.from_acae(ACAE, lam=0)
        found = numpy_of(model(POSES))
        close(found, reference.project(ACAE, POSES.astype(float)), 1e-6)
        close(numpy_of(model.decode(model.encode(POSES))), found, 1e-6)
        raises("always computes in float32", nn.ACAEConsistency, ACAE, dtype="mixed_float16")
        raises("always computes in float32", nn.AffineCombinationLayer, 3, dtype="float16")
        raises("always computes in float32", nn.AffineCombiningAutoencoder, 3, dtype="float64")
    finally:
        keras.config.set_dtype_policy("float32")


def check_products_keep_their_precision():
    """Settings that make the backend's own float32 products coarse do not reach ours."""
    expected, gradient = reference.penalty(ACAE, POSES)
    regularizer = nn.ACAERegularizer(ACAE)
    if BACKEND == "torch":
        import torch

        with torch.autocast("cpu", dtype=torch.bfloat16):
            coarse = torch.tensor(POSES[0]).T @ torch.tensor(ACAE.w1, dtype=torch.float32)
            assert coarse.dtype == torch.bfloat16, "autocast is off: the check checks nothing"
            found, found_gradient = value_and_gradient(regularizer, POSES)
        close(found, expected, 1e-5)
        close(found_gradient, gradient, 1e-5)
    elif BACKEND == "jax":
        import jax

        with jax.default_matmul_precision("bfloat16"):
            text = str(jax.make_jaxpr(jax.grad(regularizer))(POSES))
        assert text.count("dot_general[") == 4, text
        assert text.count("precision=(Precision.HIGHEST, Precision.HIGHEST)") == 4, text
    else:
        import tensorflow as tf

        graph = (
            tf.function(regularizer)
            .get_concrete_function(tf.TensorSpec((None, 42, 3), tf.float32))
            .graph
        )
        products = [
            op for op in graph.get_operations() if op.type in ("Einsum", "MatMul", "BatchMatMulV2")
        ]
        assert len(products) == 2
        assert all(op.outputs[0].dtype == tf.float64 for op in products)


def check_float64_poses_are_taken():
    expected, gradient = reference.penalty(ACAE, POSES)
    found, found_gradient = value_and_gradient(nn.ACAERegularizer(ACAE), POSES.astype(float))
    close(found, expected, 1e-6)
    close(found_gradient, gradient, 1e-6)
    assert found_gradient.dtype == (np.float32 if BACKEND == "jax" else np.float64)


def check_stop_gradient():
    poses = POSES.astype(np.float64)
    residual = poses - reference.project(ACAE, poses)
    direct = np.sign(residual) / residual.size / 1000
    through = -np.einsum("jk,bkd->bjd", ACAE.w1 @ ACAE.w2, direct)
    value = reference.penalty(ACAE, POSES)[0]
    for option, gradient in (
        ("none", direct + through),
        ("projection", direct),
        ("poses", through),
    ):
        loss = nn.ConsistencyLoss(ACAE, stop_gradient=option)
        found, found_gradient = value_and_gradient(loss, POSES)
        close(found, value, 1e-5)
        close(found_gradient, gradient, 1e-5)
    raises("stop_gradient must be one of", nn.ConsistencyLoss, ACAE, stop_gradient="both")


def check_masks():
    loss = nn.ConsistencyLoss(ACAE)
    by_pose = np.array([True, False] * 4)
    poses = np.where(by_pose[:, None, None], POSES, np.nan).astype(np.float32)
    expected, gradient = reference.penalty(ACAE, POSES[by_pose])
    found, found_gradient = value_and_gradient(lambda p: loss(p, by_pose), poses)
    close(found, expected, 1e-5)
    close(found_gradient[by_pose], gradient, 1e-5)
    assert (found_gradient[~by_pose] == 0).all()
    by_joint = np.random.default_rng(0).random(POSES.shape[:2]) < 0.6
    residual = np.abs(POSES - reference.project(ACAE, POSES.astype(float)))
    close(loss(POSES, by_joint), residual[by_joint].mean() / 1000, 1e-5)
    for nothing in (np.zeros(8), np.zeros((8, 42), bool)):
        found, found_gradient = value_and_gradient(lambda p, mask=nothing: loss(p, mask), POSES)
        assert found == 0 and (found_gradient == 0).all()
    assert float(numpy_of(loss(POSES[:0]))) == 0


def check_bad_input():
    raises("(..., 42, D) (42 joints)", nn.ACAERegularizer(ACAE), POSES[:, :40])
    good = {"w1": ACAE.w1, "w2": ACAE.w2}
    for change, fragment in (
        ({"w2": ACAE.w1}, "w2 must have the transposed shape of w1"),
        ({"w1": np.zeros(3)}, "w1 must be a matrix"),
        ({"w1": ACAE.w1 * 1.01}, "w1 must have columns that sum to 1"),
        ({"w2": np.where(ACAE.w2 > 0.3, np.nan, ACAE.w2)}, "w2 holds numbers that are not finite"),
    ):
        raises(fragment, nn.FixedAcae, good | change)


def check_projection_twin():
    acae = nn.FixedAcae(ACAE)
    poses = np.stack([POSES, POSES + 1])
    for found, expected in (
        (acae.encode(poses), np.einsum("abjd,jl->abld", poses.astype(float), ACAE.w1)),
        (acae.project(poses), np.einsum("abjd,jk->abkd", poses.astype(float), ACAE.w1 @ ACAE.w2)),
    ):
        close(numpy_of(found), expected, 1e-6)
    rough = SimpleNamespace(w1=np.float32(ACAE.w1), w2=np.float32(ACAE.w2) * (1 + 1e-5))
    assert np.abs(nn.FixedAcae(rough).w2.sum(0) - 1).max() < 1e-12
    whole = ops.convert_to_tensor(np.arange(126).reshape(1, 42, 3))
    close(numpy_of(acae.encode(whole)), np.einsum("bjd,jl->bld", numpy_of(whole), ACAE.w1), 1e-6)
    weights = ops.convert_to_tensor(np.float32(ACAE.w1))
    assert tuple(combine(ops.convert_to_tensor(POSES[0]), weights).shape) == (12, 3)
