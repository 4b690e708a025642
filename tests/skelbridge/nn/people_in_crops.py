"""People in front of crop cameras, and what a perfect network would say of them."""

import numpy as np

CROP = 96


def intrinsics(count, focal=150.0, crop=CROP):
    centre = (crop - 1) / 2
    return np.tile(np.float64([[focal, 0, centre], [0, focal, centre], [0, 0, 1]]), (count, 1, 1))


def people(count=12, joints=72, *, depths=(2500, 8000), shift=(0.0, 0.0), seed=0):
    """(B, J, 3) mm around a person's axis, about 500 wide and deep and 1700 high."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(-1, 1, (count, joints, 3)) * [450, 850, 350]
    place = np.zeros((count, 1, 3))
    place[:, 0, 2] = np.geomspace(*depths, count)
    place[..., :2] = np.asarray(shift) * place[..., 2:]
    return spread + place


def filling_crop(poses, crop=CROP, share=0.75):
    """Cameras whose crop of `crop` px the person fills to a share; principal point centred."""
    extent = np.abs(poses[..., :2] / poses[..., 2:]).max(axis=(1, 2))
    k = intrinsics(len(poses), 1.0, crop)
    k[:, 0, 0] = k[:, 1, 1] = share * crop / 2 / extent
    return k


def projected(poses, k):
    homogeneous = np.einsum("bij,bkj->bki", k, poses)
    return homogeneous[..., :2] / homogeneous[..., 2:]
