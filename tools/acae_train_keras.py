"""Train a pose network with Keras' `fit` and the autoencoder's consistency penalty.

    python tools/acae_train_keras.py ACAE.npz          (TensorFlow, or what KERAS_BACKEND names)

Only the first half of the joints has labels, as if they were one dataset's format; the penalty
teaches the others. Put your own network and poses in place of `network` and `examples`.
"""

import sys

import keras
import numpy as np
from keras import ops

from skelbridge.acae.matrices import Acae
from skelbridge.acae.nn import ACAEConsistency

DISTANCE_MM, SIZE_MM = np.float32([0, 0, 4000]), 300.0


def train(acae: Acae, *, steps: int = 300, weight: float = 1.0) -> float:
    """Returns the mean error in mm of the joints without labels."""
    keras.utils.set_random_seed(0)
    joints, latents = acae.w1.shape
    generator = np.random.default_rng(0)

    def examples(size):
        image = np.float32(generator.normal(size=(size, latents, 3)))  # stands for a camera's
        return image, np.einsum("bld,lj->bjd", image * SIZE_MM + DISTANCE_MM, np.float32(acae.w2))

    def supervised(poses, predicted):
        return ops.mean(ops.absolute(predicted - poses)[:, : joints // 2], axis=(1, 2)) / 1000

    inputs = keras.Input((latents, 3))
    hidden = keras.layers.Dense(256, activation="relu")(keras.layers.Flatten()(inputs))
    # The head and what follows compute in float32 whatever the policy: poses need it.
    head = keras.layers.Dense(3 * joints, dtype="float32")(hidden)
    points = keras.layers.Reshape((joints, 3), dtype="float32")(head)
    poses = keras.layers.Rescaling(SIZE_MM, offset=DISTANCE_MM, dtype="float32")(points)
    network = keras.Model(inputs, ACAEConsistency(acae, weight=weight, unit="mm")(poses))

    network.compile(keras.optimizers.Adam(3e-3), loss=supervised)
    network.fit(*examples(32 * steps), batch_size=32, epochs=1, verbose=2)
    image, poses = examples(500)
    missed = (network.predict(image, batch_size=500, verbose=0) - poses)[:, joints // 2 :]
    return float(np.linalg.norm(missed, axis=-1).mean())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    fitted = Acae.load(sys.argv[1])
    for weight in (0.0, 1.0):
        error = train(fitted, weight=weight)
        print(f"weight {weight}: joints without labels are {error:.0f} mm off")
