import numpy as np
import pytest

import skeleton_defs
from skeleton_defs import JointRegistry, UserError

# The formats of the 28 training datasets; HUMBI and BEHAVE contribute OpenPose's 25 keypoints.
TRAINING_FORMATS = (
    "smpl_24 surreal_24 agora_smpl_24 spec_smpl behave_smpl h36m_25 imar_25 sailvos_26 coco_19 "
    "aist_coco_17 openpose_25 mpi_inf_3dhp_28 muco_28_posepile gpa_34 aspset_17 3doh_14 "
    "3dpeople_29 bmlmovi_87 mads_19 umpm_15 berkeley_mhad_43 totalcapture_21 jta_22 ikea_asm_17 "
    "human4d_32 smplx_42 hspace_ghum_35"
).split()
# Published counts per skeleton; coco is 19 and the six foot joints.
FAMILY_COUNTS = {
    "smpl": 24, "h36m": 25, "sailvos": 26, "coco": 19 + 6, "3dhp": 28, "gpa": 34, "aspset": 17,
    "3doh": 14, "3dpeople": 29, "bmlmovi": 87, "mads": 19, "umpm": 15, "berkeley_mhad": 43,
    "totalcapture": 21, "jta": 22, "ikea_asm": 17, "human4d": 32, "smplx": 42, "ghum": 35,
}  # fmt: skip


@pytest.fixture(scope="module")
def union():
    return JointRegistry(TRAINING_FORMATS)


def test_the_union_of_the_28_datasets_has_555_joints(union):
    assert len(union) == 555
    assert union.side_counts == (222, 222, 111)
    assert union.family_counts == FAMILY_COUNTS


def test_slices_bring_each_format_into_place(union):
    for name in TRAINING_FORMATS:
        skeleton = skeleton_defs.get(name)
        points = [union.points[i] for i in union.indices(name)]
        assert points == [skeleton.point_of(joint) for joint in skeleton.joints]


def test_channels_are_shared_within_a_family_only(union):
    np.testing.assert_array_equal(union.indices("smpl_24"), union.indices("surreal_24"))
    pelvis = union.channel("h36m", "pelvis_h36m")
    assert union.formats_of(pelvis) == ["h36m_25", "imar_25"]
    assert not set(union.indices("ikea_asm_17")) & set(union.indices("aist_coco_17"))


def test_flip_and_chiral_order(union):
    flip, order = union.flip, union.chiral_order
    np.testing.assert_array_equal(flip[flip], np.arange(555))
    np.testing.assert_array_equal(np.sort(order), np.arange(555))
    np.testing.assert_array_equal(flip[order[:222]], order[222:444])
    np.testing.assert_array_equal(flip[order[444:]], order[444:])
    assert {union.sides[i] for i in order[:222]} == {"left"}


def test_coincident_joints_of_one_format_share_a_channel():
    registry = JointRegistry(["h36m_32"])
    # 32 rows, of which spine1, both clavicles, both thumb bases and both wrist ends double others.
    assert len(registry) == 25
    assert len(registry.indices("h36m_32")) == 32


def test_registry_errors():
    with pytest.raises(UserError, match="twice"):
        JointRegistry(["smpl", "smpl_24"])
    registry = JointRegistry(["smpl"])
    with pytest.raises(UserError, match="not in this joint registry"):
        registry.indices("coco")
    with pytest.raises(UserError, match="no point"):
        registry.channel("coco", "nose")
    with pytest.raises(UserError, match="one side"):
        _ = JointRegistry([skeleton_defs.get("smpl").select(["left_hip"])]).flip
