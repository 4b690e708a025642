"""The low-poly body against the whole rig that it is made from."""

import numpy as np
import pytest

from skelbridge.atlas.body_parts import PARTS
from skelbridge.atlas.low_poly import LowPolyBody, body_path


@pytest.fixture(scope="module")
def shipped():
    return LowPolyBody.load(body_path())


@pytest.mark.slow
def test_posed_points_are_near_those_of_the_whole_rig(samples, shipped):
    """No fingers, no twist, ten shapes: what that costs against what the atlas is made of."""
    pytest.importorskip("anny")
    from atlas_build import low_poly_build as build
    from atlas_build.body import PosedBodies, make_bodies, pose
    from atlas_build.moments_build import default_placements_folder
    from atlas_build.motion import load_motions
    from atlas_build.placement import load_placements, place

    placements = load_placements(default_placements_folder())
    bodies = make_bodies(40, seed=9)
    body = build.make_low_poly_body(bodies, placements)
    frames = np.concatenate([motion.rotations for motion in load_motions(samples)])
    parts = frames[np.random.default_rng(0).integers(0, len(frames), 40)].astype(np.float64)
    anchors, rotations = pose(bodies, np.arange(40), parts)
    posed = PosedBodies(
        anchors=anchors, anchor_names=bodies.anchors.names, rotations=rotations,
        reference=bodies.reference, stature=bodies.stature, body=np.arange(40),
        take=np.zeros(40, int), take_names=("mixed",),
    )  # fmt: skip
    truth, names = place(posed, placements)
    order = [names.index(name) for name in body.points]
    # The shapes of the very bodies that it was made of.
    shapes = np.linalg.lstsq(
        body.entry_shapes.reshape(10, -1).T,
        (_entries_of(build, bodies, placements) - body.entries).reshape(40, -1).T, rcond=None,
    )[0].T  # fmt: skip
    errors = [1000 * np.linalg.norm(body.posed(one, shape)[1] - points[order], axis=-1)
              for one, shape, points in zip(parts, shapes, truth, strict=True)]  # fmt: skip
    print(f"low-poly body: {np.mean(errors):.1f} mm from the whole rig")
    assert np.mean(errors) < 9


def _entries_of(build, bodies, placements):
    from atlas_build.posing import bone_transforms, bone_turns

    rig = bodies.model.rig
    upright = np.broadcast_to(np.eye(3), (len(bodies.stature), len(PARTS), 3, 3))
    transforms = bone_transforms(rig, bodies.frames.heads, bone_turns(rig, bodies.frames, upright))
    return build._entries(bodies, placements, transforms, build.shares_of_parts(rig))["entries"]
