"""A fitted ACAE as a method of conversion."""

import numpy as np
import pytest

import skelbridge as sb
from skelbridge.acae import FitOptions, fit_acae
from skeleton_defs import JointRegistry


@pytest.fixture(scope="module")
def acae_file(tmp_path_factory):
    """Two formats whose joints hang on the same few points, fitted and saved."""
    registry = JointRegistry(["smpl_24", "coco_17"])
    rng = np.random.default_rng(0)
    smpl, coco = registry.indices("smpl_24"), registry.indices("coco_17")
    poses = np.empty((400, len(registry), 3))
    poses[:, smpl] = rng.normal((0, 0, 4000), 300, (400, 24, 3))
    bridge = sb.AffineMap.between("smpl", "coco", method="auto", max_error_mm=1e6)
    poses[:, coco] = bridge.apply(poses[:, smpl])
    fit = fit_acae(
        poses,
        flip=registry.flip,
        sides=registry.sides,
        joint_names=registry.names,
        options=FitOptions(loss="plain", seeds=1),
    )
    path = tmp_path_factory.mktemp("acae") / "acae.npz"
    fit.acae.save(path)
    return path, poses[:, smpl], poses[:, coco]


def test_convert_by_a_fitted_file(acae_file):
    path, smpl, coco = acae_file
    bridge = sb.AffineMap.between("smpl", "coco", method=path)
    np.testing.assert_allclose(bridge.weights.sum(axis=1), 1, atol=1e-6)
    error = np.linalg.norm(bridge.apply(smpl) - coco, axis=-1).mean()
    by_nothing = np.linalg.norm(coco - coco.mean(axis=1, keepdims=True), axis=-1).mean()
    assert error < 0.5 * by_nothing
    assert bridge.method != "names"


def test_a_format_that_it_does_not_hold_is_explained(acae_file):
    with pytest.raises(sb.UserError, match="kinectv2_25|acae.npz"):
        sb.AffineMap.between("smpl", "kinectv2_25", method=acae_file[0])
