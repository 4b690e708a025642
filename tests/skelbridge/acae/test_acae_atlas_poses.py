"""Poses of all body formats before a camera."""

import acae_atlas_poses as tool
import numpy as np

from skeleton_defs import JointRegistry, list_formats


def test_all_formats_with_a_body():
    formats = tool.body_formats()
    assert set(list_formats()) - set(formats) >= {"mano_21", "interhand26m_42"}
    assert {"smpl_24", "berkeley_mhad_43", "coco_wholebody_133", "lsp_14"} <= set(formats)
    assert len(JointRegistry(formats)) > 1000


def test_people_stand_upright_before_the_camera():
    """A rigid move: nobody is mirrored, up is up, everyone is in front."""
    rng = np.random.default_rng(0)
    points = np.concatenate([np.zeros((200, 1, 3)), np.tile(np.eye(3), (200, 1, 1))], axis=1)
    seen = tool.seen(points, rng)
    axes = (seen[:, 1:] - seen[:, :1]) / 1000
    np.testing.assert_allclose(axes @ np.swapaxes(axes, 1, 2), np.tile(np.eye(3), (200, 1, 1)),
                               atol=1e-9)  # fmt: skip
    np.testing.assert_allclose(np.linalg.det(axes), 1)
    np.testing.assert_allclose(axes[:, 1], np.tile([0, -1, 0], (200, 1)), atol=1e-9)
    assert seen[..., 2].min() > 2000
    # They look everywhere.
    assert np.abs(axes[:, 2].mean(axis=0)).max() < 0.2
