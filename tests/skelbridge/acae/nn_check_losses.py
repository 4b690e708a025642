"""The autoencoder's losses, their gradients, and training with them."""

import keras
import nn_reference as reference
import numpy as np
from keras import ops
from nn_backend import (
    ACAE,
    BACKEND,
    POSES,
    close,
    gradients_by_variables,
    losses_of,
    numpy_of,
    raises,
    value_and_gradient,
)

from skelbridge.acae import nn
from skelbridge.acae.objective import Objective


def check_losses_against_loops():
    generator = np.random.default_rng(8)
    poses = generator.normal([0, 0, 3500], 400, (4, 6, 3))
    copies = poses + generator.normal(0, 60, poses.shape)
    some = generator.random((4, 6)) < 0.7
    unequal = generator.uniform(0.2, 3, 6)
    found = {}
    for kind, loop in (("projected", reference.projected_loss), ("plain", reference.plain_loss)):
        for observed, weights in ((None, None), (some, unequal)):
            every = np.ones((4, 6), bool) if observed is None else observed
            expected = loop(poses, copies, every, np.ones(6) if weights is None else weights)
            gaps = np.where(every[..., None], poses, np.nan).astype(np.float32)
            value, gradient = value_and_gradient(
                lambda r, p=gaps, w=weights, k=kind: nn.main_loss(p, r, kind=k, joint_weights=w),
                copies.astype(np.float32),
            )
            close(value, expected, 1e-5)
            assert np.isfinite(gradient).all() and (gradient[~every] == 0).all()
            in_fit = nn.ReconstructionLoss(kind, joint_weights=weights, unit="m")
            close(in_fit(np.float32(gaps / 1000), np.float32(copies / 1000)), expected, 1e-5)
        found[kind] = value
    # A reconstruction behind the camera counts as 5 % of the mean depth.
    behind, clipped = copies.copy(), copies.copy()
    behind[0, 0, 2], clipped[0, 0, 2] = -5, 0.05 * poses[0, :, 2].mean()
    whole = np.ones((4, 6), bool)
    value, gradient = value_and_gradient(
        lambda r: nn.main_loss(np.float32(poses), r), np.float32(behind)
    )
    close(value, reference.projected_loss(poses, clipped, whole, np.ones(6)), 1e-5)
    assert np.isfinite(gradient).all() and gradient[0, 0, 2] == 0
    nothing = np.full((4, 6, 3), np.nan, np.float32)
    value, gradient = value_and_gradient(lambda r: nn.main_loss(nothing, r), np.float32(copies))
    assert value == 0 and (gradient == 0).all()
    raises("loss must be projected or plain", nn.main_loss, poses, copies, kind="l2")
    raises("loss must be projected or plain", nn.ReconstructionLoss, "l2")
    return found


def check_sparsity():
    w1, w2 = (np.float32(w) for w in (ACAE.w1, ACAE.w2))
    expected = np.abs(ACAE.w1).mean() + np.abs(ACAE.w2).mean()
    value, gradient = value_and_gradient(lambda w: nn.sparsity(w, ops.convert_to_tensor(w2)), w1)
    close(value, expected, 1e-5)
    close(gradient, np.sign(w1) / w1.size, 1e-6)
    # Each column's norm is 1 + 2 |negative weights|; the floor is 1/J + 1/L.
    negative = [-w[w < 0].sum() for w in (ACAE.w1, ACAE.w2)]
    assert min(negative) > 0
    floor = 1 / 42 + 1 / 12
    close(expected, floor + 2 * sum(negative) / w1.size, 1e-12)
    # Scale-free: each column's negative weights cost the same at every size.
    free = float(
        nn.sparsity(ops.convert_to_tensor(w1), ops.convert_to_tensor(w2), reg_scale="reference")
    )
    norms = np.abs(ACAE.w1).sum(0).mean() / 555 + np.abs(ACAE.w2).sum(0).mean() / 48
    close(free, norms, 1e-5)
    full = [ops.ones((555, 48)) / 555, ops.ones((48, 555)) / 48]
    close(nn.sparsity(*full, reg_scale="reference"), nn.sparsity(*full), 1e-6)


def check_gradient_by_weights():
    """Autodiff through blocks, orders and normalisation against the numpy objective's formulas."""
    flip, _ = reference.registry_flip(30, 12)
    mask = np.random.default_rng(0).random(POSES.shape[:2]) < 0.8
    for kind, reg_scale in (("projected", "mean"), ("plain", "reference")):
        options = {"lam": 0.6, "reg_scale": reg_scale}
        model = nn.AffineCombiningAutoencoder(42, sided=8, centre=4, flip=flip, **options)
        model.build((None, 42, 3))

        def loss(copies, kind=kind):
            return nn.main_loss(POSES, copies, kind=kind, mask=mask)

        objective = Objective(loss=kind, **options)
        raws = [numpy_of(x.raw_weights()).astype(float) for x in (model.encoder, model.decoder)]
        value, *gradients = objective.value_and_gradient(*raws, POSES, mask=mask)
        found_value, found = gradients_by_variables(model, POSES, loss)
        close(found_value, value, 1e-5)
        left = np.flatnonzero(flip > np.arange(42))
        joints = left, flip[left], np.flatnonzero(flip == np.arange(42))
        latents = np.split(np.arange(12), [4, 8])
        # Encoder (joints in, latents out), decoder the other way round.
        expected = [
            block
            for gradient, (rows, columns) in zip(
                gradients, ((joints, latents), (latents, joints)), strict=True
            )
            for block in reference.folded(gradient, rows, columns)
        ]
        assert len(found) == len(expected) == 10
        for one, other in zip(found, expected, strict=True):
            close(one, other, 1e-4)


def check_training():
    """A planted model is learned from incomplete poses, filled, and stays symmetric."""
    flip, sides = reference.registry_flip(8, 4)
    truth = reference.planted(8, 4, 4, 2)
    generator = np.random.default_rng(0)
    latents = generator.normal([0, 0, 4000], 400, (256, 6, 3))
    poses = np.einsum("bld,lj->bjd", latents, truth.w2).astype(np.float32)
    gaps = np.where(generator.random((256, 12, 1)) < 0.05, np.nan, poses)
    model = nn.AffineCombiningAutoencoder(12, sided=4, centre=2, flip=flip, sides=sides, lam=1e-3)
    model.compile(
        keras.optimizers.Adam(3e-2), nn.ReconstructionLoss(), jit_compile=BACKEND == "jax"
    )
    fit = model.fit(poses, gaps, batch_size=32, epochs=5, shuffle=False, verbose=0)
    history = fit.history["loss"]
    assert history[-1] < 0.6 * history[0], history
    mirror = reference.latent_flip(4, 2)
    for layer, swap_in, swap_out in ((model.encoder, flip, mirror), (model.decoder, mirror, flip)):
        raw = numpy_of(layer.raw_weights())
        assert np.array_equal(raw[swap_in][:, swap_out], raw)
    w1, w2 = model.matrices()
    main = nn.main_loss(poses, model(poses))
    objective = Objective(lam=1e-3)
    close(main, objective.main(w1, w2, poses), 1e-5)
    close(numpy_of(main) + losses_of(model)[0], objective.value(w1, w2, poses), 1e-5)
    return {"history": history}
