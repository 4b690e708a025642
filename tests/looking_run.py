"""A stand-in for a trained run that really looks: at two bright dots, a left and a right one."""

from pathlib import Path

import numpy as np

import skeleton_defs
from skelbridge.training.config import DataConfig, TrainConfig

DEPTH_MM = 4000.0
FORMATS = ("smpl_24", "h36m_17")


def picture_of_dots(size, dots, *, sigma=3.0):
    """Returns (height, width, 3) uint8: bright dots at sub-pixel places (N, 2) on black."""
    rows, columns = np.mgrid[: size[1], : size[0]]
    light = np.zeros((size[1], size[0]))
    for x, y in dots:
        light += np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return np.repeat(np.rint(255 * light.clip(0, 1))[..., None], 3, axis=-1).astype(np.uint8)


class LookingRun:
    """Takes people for facing it: their left joints are at the right dot.

    All joints are `DEPTH_MM` in front of the crop's camera. A mirrored picture of such a person
    looks like another such person, as with real people.
    """

    def __init__(self, *, formats=FORMATS, crop=96, is_synthetic_only=True):
        data = DataConfig(formats=formats, three_d={"synth_a": 8}, crop=crop)
        self.config = TrainConfig(data=data)
        self.registry = skeleton_defs.JointRegistry(formats)
        self.is_synthetic_only = is_synthetic_only
        self.trained_on = ("synth_a",)
        self.step = 7
        self.path = Path("RUN")
        self.batches = []

    def poses(self, batch):
        """See `TrainedRun.poses`."""
        assert batch["image"].dtype == batch["K"].dtype == np.float32
        self.batches.append(batch)
        poses = []
        for image, K in zip(batch["image"], batch["K"], strict=True):
            left, right = self._dots(image[..., 0])
            pixels = {"left": left, "right": right, "centre": (left + right) / 2}
            points = np.array([[*pixels[side], 1.0] for side in self.registry.sides])
            poses.append(points @ np.linalg.inv(K).T * DEPTH_MM)
        return np.float32(poses).reshape(len(poses), len(self.registry), 3)

    @staticmethod
    def _dots(light):
        rows, columns = np.mgrid[: light.shape[0], : light.shape[1]]
        middle = (light * columns).sum() / light.sum()
        found = []
        for part in (columns > middle, columns <= middle):
            weight = light * part
            found.append([(weight * axis).sum() / weight.sum() for axis in (columns, rows)])
        return np.array(found)
