"""Train a pose network in plain JAX with the autoencoder's consistency penalty.

    python tools/acae_train_jax.py ACAE.npz

Only the first half of the joints has labels, as if they were one dataset's format; the penalty
teaches the others. Put your own network and batches in place of `predict` and `batch`.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp

from skelbridge.acae.matrices import Acae
from skelbridge.acae.nn import ConsistencyLoss

DISTANCE_MM, SIZE_MM = jnp.array([0.0, 0.0, 4000.0]), 300.0


def train(acae: Acae, *, steps: int = 300, weight: float = 1.0) -> float:
    """Returns the mean error in mm of the joints without labels."""
    joints, latents = acae.w1.shape
    decoder = jnp.array(acae.w2, dtype=jnp.float32)
    consistency = ConsistencyLoss(acae, weight=weight, unit="mm")

    def layer(key, fan_in, fan_out):
        return jax.random.normal(key, (fan_in, fan_out)) / fan_in**0.5, jnp.zeros(fan_out)

    def batch(key, size):
        image = jax.random.normal(key, (size, latents, 3))  # stands for what a camera sees
        return image, jnp.einsum("bld,lj->bjd", image * SIZE_MM + DISTANCE_MM, decoder)

    def predict(network, image):
        (w, b), (out, bias) = network
        hidden = jax.nn.relu(image.reshape(len(image), -1) @ w + b)
        return (hidden @ out + bias).reshape(-1, joints, 3) * SIZE_MM + DISTANCE_MM

    def loss(network, image, poses):
        predicted = predict(network, image)
        supervised = jnp.abs((predicted - poses)[:, : joints // 2]).mean() / 1000
        return supervised + consistency(predicted)

    @jax.jit
    def update(network, moments, step, image, poses):  # Adam
        value, slope = jax.value_and_grad(loss)(network, image, poses)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], slope)
        second = jax.tree.map(lambda m, g: 0.999 * m + 0.001 * g * g, moments[1], slope)
        rate = 3e-3 * jnp.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        network = jax.tree.map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), network, first, second
        )
        return network, (first, second), value

    *keys, first, second, last = jax.random.split(jax.random.key(0), steps + 3)
    network = layer(first, 3 * latents, 256), layer(second, 256, 3 * joints)
    moments = (jax.tree.map(jnp.zeros_like, network),) * 2
    for step, key in enumerate(keys, start=1):
        network, moments, value = update(network, moments, step, *batch(key, 32))
        if step % 100 == 1:
            print(f"step {step}: loss {value:.4f} m")
    image, poses = batch(last, 500)
    missed = (predict(network, image) - poses)[:, joints // 2 :]
    return float(jnp.linalg.norm(missed, axis=-1).mean())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    fitted = Acae.load(sys.argv[1])
    for weight in (0.0, 1.0):
        error = train(fitted, weight=weight)
        print(f"weight {weight}: joints without labels are {error:.0f} mm off")
