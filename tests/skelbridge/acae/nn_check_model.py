"""Layer and model: affine, mirrored, seeded, saved, exchanged with numpy."""

import json
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import keras
import nn_reference as reference
import numpy as np
from nn_backend import (
    ACAE,
    BACKEND,
    POSES,
    close,
    losses_of,
    matrix_of,
    numpy_of,
    raises,
    value_and_gradient,
)

from skelbridge.acae import nn
from skelbridge.acae.matrices import Acae
from skeleton_defs import JointRegistry

#: Sided and centre joints, sided and centre latents.
SIZES = ((30, 12, 8, 4), (6, 0, 0, 3), (6, 0, 4, 1), (0, 5, 0, 2), (4, 3, 2, 0), (0, 3, 4, 1))


def check_layer_is_affine_and_mirrors():
    generator = np.random.default_rng(3)
    linear, shift = generator.normal(size=(3, 3)), generator.normal(size=3) * 1000
    # JAX compiles every operation for every size: two sizes must do there.
    for sided, centre, latent_sided, latent_centre in SIZES[: 2 if BACKEND == "jax" else None]:
        flip, _ = reference.registry_flip(sided, centre)
        mirror = reference.latent_flip(latent_sided, latent_centre)
        latents = latent_sided + latent_centre
        encoder = nn.AffineCombinationLayer(latents, flip_in=flip, flip_out=mirror, seed=1)
        decoder = nn.AffineCombinationLayer(len(flip), flip_in=mirror, flip_out=flip, seed=2)
        poses = np.float32(generator.normal([0, 0, 4000], 400, (2, 5, len(flip), 3)))
        codes = encoder(poses)
        assert tuple(codes.shape) == (2, 5, latents, 3)
        assert tuple(decoder(codes).shape) == poses.shape
        assert encoder.compute_output_shape((None, len(flip), 2)) == (None, latents, 2)
        half, other = sided // 2, latent_sided // 2
        free = 2 * half * other + half * latent_centre + centre * other + centre * latent_centre
        assert encoder.count_params() == decoder.count_params() == free
        for layer, points, swap_in, swap_out in (
            (encoder, poses, flip, mirror),
            (decoder, numpy_of(codes), mirror, flip),
        ):
            weights, out = matrix_of(layer), numpy_of(layer(points))
            close(weights[swap_in][:, swap_out], weights, 1e-6)  # sums in another order
            raw = numpy_of(layer.raw_weights())
            assert np.array_equal(raw[swap_in][:, swap_out], raw)
            close(out, np.einsum("...jd,jl->...ld", points.astype(float), weights), 1e-6)
            moved = points @ linear + shift
            close(numpy_of(layer(moved)), out @ linear + shift, 1e-5)
            mirrored = points[:, :, swap_in] * [-1, 1, 1]
            close(numpy_of(layer(mirrored)), out[:, :, swap_out] * [-1, 1, 1], 1e-6)


def check_start_is_the_same_everywhere():
    layer = nn.AffineCombinationLayer(6, seed=7)
    layer.build((None, 50, 3))
    raw = numpy_of(layer.weights[0])
    expected = np.random.default_rng(7).uniform(-0.1, 1, (50, 6))
    assert np.array_equal(raw, expected.astype(np.float32))
    assert -0.1 <= raw.min() < -0.05 and 0.95 < raw.max() <= 1
    close(matrix_of(layer), raw.astype(float) / raw.astype(float).sum(0), 1e-6)
    unseeded = [nn.AffineCombinationLayer(6) for _ in range(2)]
    for layer in unseeded:
        layer.build((None, 50, 3))
    assert not np.array_equal(matrix_of(unseeded[0]), matrix_of(unseeded[1]))
    model = nn.AffineCombiningAutoencoder(5, sided=2, centre=1, seed=3)
    model.build((None, 5, 3))
    w1, w2 = model.matrices()
    for part, layer in enumerate((model.encoder, model.decoder)):
        drawn = np.random.default_rng([3, part]).uniform(-0.1, 1, layer.raw_weights().shape)
        assert np.array_equal(numpy_of(layer.raw_weights()), drawn.astype(np.float32))
    return {"w1": w1.tolist(), "w2": w2.tolist()}


def check_bad_layers():
    layer = nn.AffineCombinationLayer
    raises("given both or not at all", layer, 3, flip_in=[1, 0])
    raises("that undoes itself", layer, 3, flip_in=[0, 1], flip_out=[1, 2, 0])
    raises("that undoes itself", layer(2, flip_in=[0, 5], flip_out=[1, 0]).build, (None, 2, 3))
    raises("permutation of 3 joints", layer, 3, flip_in=[0, 1], flip_out=[1, 0])
    raises("points must be at least 1", layer, 0)
    raises("combines 2 points", layer(2, flip_in=[1, 0], flip_out=[1, 0]).build, (None, 3, 3))
    raises("sided latents come in pairs", nn.AffineCombiningAutoencoder, 4, sided=3)
    raises("permutation of 4 joints", nn.AffineCombiningAutoencoder, 4, flip=[1, 0])
    model = nn.AffineCombiningAutoencoder(4)
    raises("poses must have 4 joints", model.build, (None, 5, 3))
    raises("reg_scale must be mean", nn.AffineCombiningAutoencoder, 4, reg_scale="sum")
    broken = nn.AffineCombiningAutoencoder(2, sided=0, centre=1)
    broken.build((None, 2, 3))
    broken.encoder.weights[0].assign([[1.0], [-1.0]])
    raises("w1 column 0 sums to zero", broken.matrices)
    broken.encoder.weights[0].assign([[np.nan], [1.0]])
    raises("w1 holds numbers that are not finite", broken.to_acae)
    asymmetric = ACAE.w1 + np.eye(*ACAE.w1.shape)
    lopsided = SimpleNamespace(**vars(ACAE) | {"w1": asymmetric / asymmetric.sum(0)})
    raises("left and right are swapped", nn.AffineCombiningAutoencoder.from_acae, lopsided)


def check_exchange_with_the_numpy_twin():
    model = nn.AffineCombiningAutoencoder.from_acae(ACAE)
    w1, w2 = model.matrices()
    close(w1, ACAE.w1, 1e-6)
    close(w2, ACAE.w2, 1e-6)
    close(numpy_of(model(POSES)), reference.project(ACAE, POSES.astype(float)), 1e-6)
    published = Acae(ACAE.w1, ACAE.w2)
    free = nn.AffineCombiningAutoencoder.from_acae(published)
    assert free.count_params() == 2 * ACAE.w1.size
    close(free.matrices()[0], ACAE.w1, 1e-6)
    names = tuple(f"some:{i}" for i in range(42))
    twin = model.to_acae(names, facts={"epochs": 3})
    assert isinstance(twin, Acae) and twin.facts["epochs"] == 3
    close(twin.project(POSES), numpy_of(model(POSES)), 1e-6)
    with TemporaryDirectory() as folder:
        twin.save(f"{folder}/acae.npz")
        back = Acae.load(f"{folder}/acae.npz")
    assert back.joint_names == names and back.latent_sides == ACAE.latent_sides
    close(nn.AffineCombiningAutoencoder.from_acae(back).matrices()[1], w2, 1e-6)
    expected, gradient = reference.penalty(ACAE, POSES)
    found, found_gradient = value_and_gradient(nn.ACAERegularizer(back), POSES)
    close(found, expected, 1e-5)
    close(found_gradient, gradient, 1e-5)


def check_registry_and_names_of_sides():
    registry = JointRegistry(["smpl", "h36m_17"])
    model = nn.AffineCombiningAutoencoder.from_registry(registry, sided=4, centre=2)
    model.build((None, len(registry), 3))
    mirror = reference.latent_flip(4, 2)
    w1, w2 = model.matrices()
    assert np.array_equal(w1[registry.flip][:, mirror], w1)
    assert np.array_equal(w2[mirror][:, registry.flip], w2)
    # Whatever training made of them, a latent called left stands for the left side.
    left, right = (np.array([s == side for s in registry.sides]) for side in ("left", "right"))
    carried = w2[:, left].sum(1) - w2[:, right].sum(1)
    assert (carried[:2] > 0).all() and (carried[2:4] < 0).all()
    raw = matrix_of(model.decoder)
    assert not np.allclose(raw, w2), "no pair was exchanged: the check checks nothing"
    poses = np.random.default_rng(0).normal([0, 0, 4], 1, (2, len(registry), 3))
    close(np.einsum("bjd,jl,lk->bkd", poses, w1, w2), numpy_of(model(poses)), 1e-6)
    free = nn.AffineCombiningAutoencoder.from_registry(registry, chiral=False, sided=4, centre=2)
    free.build((None, len(registry), 3))
    assert free.count_params() == 2 * len(registry) * 6


def check_saving():
    inputs = keras.Input((42, 3))
    activity = nn.ACAERegularizer(ACAE, 0.5, for_activity=True)
    codes = nn.AffineCombinationLayer(5, seed=[1, 2])(inputs)
    poses = nn.AffineCombinationLayer(42, activity_regularizer=activity)(codes)
    consistent = nn.ACAEConsistency(ACAE, weight=2.0, unit="cm", stop_gradient="projection")
    network = keras.Model(inputs, consistent(poses))
    autoencoder = nn.AffineCombiningAutoencoder(
        42, sided=8, centre=4, flip=ACAE.flip, lam=0.1, reg_scale="reference", seed=9
    )
    autoencoder(POSES)
    for model in (network, autoencoder):
        before, losses = numpy_of(model(POSES)), losses_of(model)
        assert losses
        with TemporaryDirectory() as folder:
            model.save(f"{folder}/model.keras")
            copy = keras.models.load_model(f"{folder}/model.keras")
        assert np.array_equal(numpy_of(copy(POSES)), before)
        assert losses_of(copy) == losses
        assert json.dumps(copy.get_config()) == json.dumps(model.get_config())
    loss = nn.ReconstructionLoss("plain", joint_weights=np.arange(42), unit="m")
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert copy.get_config() == loss.get_config()
    loss = nn.ConsistencyLoss(ACAE, weight=2.0, stop_gradient="poses")
    assert nn.ConsistencyLoss.from_config(loss.get_config()).get_config() == loss.get_config()
    config = json.loads(json.dumps(activity.get_config()))
    assert np.array_equal(
        nn.ACAERegularizer.from_config(config).loss.acae.w1, activity.loss.acae.w1
    )
