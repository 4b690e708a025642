import numpy as np
import pytest

import skeleton_defs
from skelbridge import AffineMap, UserError
from skelbridge.conversion.offsets import known_offset

ALL = skeleton_defs.list()


def by_names(source, target, **options):
    return AffineMap.between(source, target, **{"method": "names"} | options)


def row(affine_map, joint):
    i = affine_map.target.joints.index(joint)
    used = np.flatnonzero(np.nan_to_num(affine_map.weights[i]))
    sources = {affine_map.source.joints[j]: affine_map.weights[i, j] for j in used}
    return affine_map.status[i], sources, affine_map.expected_error_mm[i]


def test_within_a_family_everything_is_copied():
    for a, b in [
        ("surreal", "smpl"),
        ("smpl_45", "3dpw"),
        ("h36m_32", "h36m_17"),
        ("imar", "h36m"),
    ]:
        affine_map = by_names(a, b)
        assert set(affine_map.status) == {"copied"}, affine_map
        assert (affine_map.expected_error_mm == 0).all()


@pytest.mark.parametrize("name", ALL)
def test_a_format_maps_to_itself_by_the_identity(name):
    skeleton = skeleton_defs.get(name)
    affine_map = by_names(name, name)
    assert set(affine_map.status) == {"copied"}
    repeated = {skeleton.point_of(j) for j in skeleton.joints}
    if len(repeated) == len(skeleton):
        np.testing.assert_array_equal(affine_map.weights, np.eye(len(skeleton)))


def test_smpl_to_h36m_states_the_known_offsets():
    affine_map = by_names("smpl", "h36m")
    status, sources, error = row(affine_map, "left_hip")
    assert (status, sources) == ("named", {"left_hip": 1})
    # 134 mm by regression, 137 mm by the decoder.
    assert 134 <= error <= 138
    assert row(affine_map, "left_shoulder")[2] == pytest.approx((30.4 + 37.3) / 2, abs=0.5)
    assert row(affine_map, "head_top")[0] == "unavailable"
    # Matching equal canonical names alone, as other tools do, finds one joint of 17 here.
    smpl, h36m = affine_map.source, affine_map.target
    assert len(set(smpl.canonical.values()) & set(h36m.canonical.values())) == 1


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [
        (("coco", "right_shoulder"), ("smpl", "right_shoulder"), 34),
        (("smpl", "left_hip_smpl"), ("coco", "left_hip"), 61),
        (("h36m", "right_hip_h36m"), ("smpl", "right_hip_smpl"), 136),
        (("lsp", "head_top"), ("h36m", "head_top_h36m"), 80.9),
        (("coco", "left_hip"), ("opensim", "left_hip_osim"), 27.5),
    ],
)
def test_measured_offsets(first, second, distance):
    assert known_offset(first, second)[0] == pytest.approx(distance, abs=1)
    assert known_offset(second, first)[0] == pytest.approx(distance, abs=1)


def test_offsets_of_a_pair_that_nobody_measured_are_differences():
    distance, origin = known_offset(("h36m", "left_hip_h36m"), ("coco", "left_hip"))
    # (76, 114, 9) - (32, 52, -3) in the decoder's T-pose.
    assert distance == pytest.approx(np.linalg.norm([44, 62, 12]))
    assert "difference" in origin
    assert known_offset(("gpa", "left_hip_gpa"), ("coco", "left_hip")) is None


def test_documented_definitions():
    affine_map = by_names("coco", "openpose")
    assert row(affine_map, "mid_hip") == ("copied", {"left_hip": 0.5, "right_hip": 0.5}, 0)
    # The neck is trained as the shoulder midpoint, but was measured 4-14 mm from it.
    status, sources, error = row(affine_map, "neck")
    assert (status, sources) == ("named", {"left_shoulder": 0.5, "right_shoulder": 0.5})
    assert 4 <= error <= 14
    no_pelvis = by_names(
        "h36m", "h36m", observed=[j for j in skeleton_defs.get("h36m").joints if j != "pelvis"]
    )
    assert row(no_pelvis, "pelvis") == ("copied", {"left_hip": 0.5, "right_hip": 0.5}, 0)


def test_loose_groups_are_not_taken_for_places():
    affine_map = by_names("smpl", "coco_wholebody")
    for joint in ("face-0", "left_hand_root"):
        assert joint in affine_map.target.joints
    by_joint = dict(zip(affine_map.target.joints, affine_map.status, strict=True))
    assert by_joint["face-0"] == "unavailable"
    assert not [j for j, s in by_joint.items() if "index" in j and s != "unavailable"]
    markers = by_names("bmlmovi", "berkeley_mhad")
    assert "combined" not in markers.status


# The one hand of a MANO format is its own mirror image, so it breaks left-right symmetry.
@pytest.mark.parametrize("name", [name for name in ALL if not name.startswith("mano")])
def test_maps_of_any_two_formats_are_valid_and_left_right_symmetric(name):
    for other in ("smpl_24", "h36m_17", "coco_17", "mpii_16", "kinectv2_25", "mixamo_65"):
        affine_map = by_names(other, name)
        flipped = affine_map.flip()
        np.testing.assert_array_equal(flipped.weights, affine_map.weights)
        sides = affine_map.source.sides
        for joint, side in enumerate(affine_map.target.sides):
            used = {sides[i] for i in np.flatnonzero(np.nan_to_num(affine_map.weights[joint]))}
            opposite = {"left": "right", "right": "left", "centre": "none"}[side]
            assert used != {opposite}, affine_map.target.joints[joint]


def test_unknown_method_is_explained():
    with pytest.raises(UserError, match="auto, names or the file"):
        by_names("smpl", "h36m", method="magic")
