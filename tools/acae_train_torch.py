"""Train a pose network in plain PyTorch with the autoencoder's consistency penalty.

    python tools/acae_train_torch.py ACAE.npz

Only the first half of the joints has labels, as if they were one dataset's format; the penalty
teaches the others. Put your own network and batches in place of `network` and `batch`.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import torch

from skelbridge.acae.matrices import Acae
from skelbridge.acae.nn import ConsistencyLoss

DISTANCE_MM, SIZE_MM = torch.tensor([0.0, 0.0, 4000.0]), 300.0


def train(acae: Acae, *, steps: int = 300, weight: float = 1.0) -> float:
    """Returns the mean error in mm of the joints without labels."""
    torch.manual_seed(0)
    joints, latents = acae.w1.shape
    decoder = torch.tensor(acae.w2, dtype=torch.float32)
    consistency = ConsistencyLoss(acae, weight=weight, unit="mm")
    network = torch.nn.Sequential(
        torch.nn.Linear(3 * latents, 256), torch.nn.ReLU(), torch.nn.Linear(256, 3 * joints)
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)

    def batch(size):
        image = torch.randn(size, latents, 3)  # stands for what a camera sees
        return image.flatten(1), torch.einsum("bld,lj->bjd", image * SIZE_MM + DISTANCE_MM, decoder)

    def predict(image):
        return network(image).unflatten(1, (joints, 3)) * SIZE_MM + DISTANCE_MM

    for step in range(steps):
        image, poses = batch(32)
        predicted = predict(image)
        supervised = (predicted - poses)[:, : joints // 2].abs().mean() / 1000
        loss = supervised + consistency(predicted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.4f} m")
    with torch.no_grad():
        image, poses = batch(500)
        return (predict(image) - poses)[:, joints // 2 :].norm(dim=-1).mean().item()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    fitted = Acae.load(sys.argv[1])
    for weight in (0.0, 1.0):
        error = train(fitted, weight=weight)
        print(f"weight {weight}: joints without labels are {error:.0f} mm off")
