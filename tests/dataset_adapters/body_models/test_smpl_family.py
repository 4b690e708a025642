"""Forward kinematics against a chain of 4x4 matrices, and against joints of real SMPL results."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from dataset_adapters.body_models.smpl_family import (
    FAMILIES,
    SMPL,
    SMPLH,
    SMPLX,
    ignored_shape_error_mm,
    joint_positions,
    neutral_rest_joints,
    rotation_layout,
    transfer_rotations,
)
from dataset_adapters.containers.npz import open_npz
from dataset_adapters.containers.safe_pickle import load_object_npz, load_pickle


def chain_of_transforms(rotations, rest, parents, translation):
    """The textbook form, joint by joint with 4x4 matrices; one pose."""
    positions = []
    for joint in range(len(parents)):
        transform = np.eye(4)
        while joint >= 0:
            step = np.eye(4)
            step[:3, :3] = rotations[joint]
            parent = parents[joint]
            step[:3, 3] = rest[joint] - (rest[parent] if parent >= 0 else 0)
            transform = step @ transform
            joint = parent
        positions.append(transform[:3, 3] + translation)
    return np.array(positions)


@pytest.mark.parametrize("name", ["smpl", "smplh", "smplx"])
def test_positions_are_those_of_a_chain_of_transforms(name):
    family = FAMILIES[name]
    rng = np.random.default_rng(1)
    rotations = Rotation.random(3 * family.n_joints, rng=rng).as_matrix()
    rotations = rotations.reshape(3, family.n_joints, 3, 3)
    rest, translation = rng.normal(size=(3, family.n_joints, 3)), rng.normal(size=(3, 3))
    positions = joint_positions(rotations, rest, family.parents, translation=translation)
    for i in range(3):
        expected = chain_of_transforms(rotations[i], rest[i], family.parents, translation[i])
        np.testing.assert_allclose(positions[i], expected, atol=1e-12)


def test_the_zero_pose_is_the_rest_skeleton_and_the_pelvis_is_not_at_the_translation():
    rest = neutral_rest_joints()
    rotations = np.tile(np.eye(3), (24, 1, 1))
    positions = joint_positions(
        rotations, rest, SMPL.parents, translation=np.array([1.0, 2.0, 3.0])
    )
    np.testing.assert_allclose(positions, rest + np.array([1, 2, 3]))
    np.testing.assert_allclose(positions[0], [0.9982, 1.7767, 3.0282])


def test_bending_the_left_elbow_moves_the_forearm_only():
    pose = np.zeros((24, 3))
    pose[18] = [0, np.pi / 2, 0]  # left elbow, about the vertical
    rest = neutral_rest_joints()
    moved = joint_positions(matrix_from_axis_angle(pose), rest, SMPL.parents) - rest
    joints = [SMPL.joints[i] for i in np.flatnonzero(np.abs(moved).max(axis=1) > 1e-9)]
    assert joints == ["left_wrist", "left_hand"]
    # The forearm pointed left (+x, 249.2 mm); a quarter turn about +y takes +x to -z.
    forearm = moved[20] + rest[20] - rest[18]
    np.testing.assert_allclose(forearm, [-0.0012, 0.009, -0.2492], atol=1e-6)


def test_a_missing_rotation_hides_only_what_is_below_it():
    rotations = np.tile(np.eye(3), (52, 1, 1))
    rotations[22:] = np.nan
    rest = np.random.default_rng(0).normal(size=(52, 3))
    is_missing = np.isnan(joint_positions(rotations, rest, SMPLH.parents)).any(axis=1)
    seen = {name for name, missing in zip(SMPLH.joints, is_missing, strict=True) if not missing}
    fingers = ["index", "middle", "pinky", "ring", "thumb"]
    first = {f"{side}_{finger}1" for side in ("left", "right") for finger in fingers}
    assert seen == {*SMPLH.joints[:22], *first}


def test_the_three_models_share_the_body():
    assert SMPL.joints[:22] == SMPLH.joints[:22] == SMPLX.joints[:22]
    assert SMPL.parents[:22] == SMPLH.parents[:22] == SMPLX.parents[:22]
    assert (SMPL.n_joints, SMPLH.n_joints, SMPLX.n_joints) == (24, 52, 55)
    for family in FAMILIES.values():
        assert all(parent < joint for joint, parent in enumerate(family.parents))


@pytest.mark.parametrize(
    ("columns", "name", "first", "last"),
    [
        (72, "smpl", "pelvis", "right_hand"),
        (69, "smpl", "left_hip", "right_hand"),
        (66, "smpl", "pelvis", "right_wrist"),
        (63, "smpl", "left_hip", "right_wrist"),
        (156, "smplh", "pelvis", "right_thumb3"),
        (165, "smplx", "pelvis", "right_thumb3"),
    ],
)
def test_column_counts_name_the_model_and_its_joints(columns, name, first, last):
    family, joints = rotation_layout(columns // 3)
    assert family.name == name
    assert (family.joints[joints[0]], family.joints[joints[-1]]) == (first, last)


def test_other_column_counts_are_unknown():
    assert rotation_layout(25) is None


def test_fingers_keep_their_names_between_smplh_and_smplx():
    rotations = np.arange(52.0)[:, None, None] * np.ones((52, 3, 3))
    moved = transfer_rotations(rotations, SMPLH, SMPLX)
    assert moved[25, 0, 0] == 22 and moved[54, 0, 0] == 51  # left index1, right thumb3
    assert np.isnan(moved[22:25]).all()  # jaw and eyes
    np.testing.assert_array_equal(transfer_rotations(moved, SMPLX, SMPLH), rotations)
    assert transfer_rotations(rotations, SMPLH, SMPLH) is rotations


def test_neutral_body_against_a_real_result_of_zero_shape(samples):
    """ROMP stores the 24 joints beside the pose; its template is male."""
    result = load_object_npz(samples / "aitviewer_results/romp/romp_output.npz", "results").item()
    assert np.linalg.norm(result["smpl_betas"]) < 0.03
    rotations = matrix_from_axis_angle(result["smpl_thetas"][0].reshape(24, 3).astype(np.float64))
    ours = joint_positions(rotations, neutral_rest_joints(), SMPL.parents)
    theirs = result["joints"][0, :24].astype(np.float64)
    error = np.linalg.norm((ours - ours[0]) - (theirs - theirs[0]), axis=-1) * 1000
    assert error.mean() == pytest.approx(25.2, abs=0.1)
    assert error.max() == pytest.approx(42.7, abs=0.1)
    assert ignored_shape_error_mm(result["smpl_betas"]) == pytest.approx(error.mean(), abs=1)
    # With ROMP's own rest skeleton, found by undoing its rotations, the pose is met to rounding.
    rest, turned = theirs.copy(), rotations.copy()
    for joint, parent in enumerate(SMPL.parents[1:], start=1):
        turned[joint] = turned[parent] @ rotations[joint]
        rest[joint] = rest[parent] + turned[parent].T @ (theirs[joint] - theirs[parent])
    np.testing.assert_allclose(joint_positions(rotations, rest, SMPL.parents), theirs, atol=1e-6)
    # A wrong rotation convention would not give a skeleton with mirror symmetry.
    left, right = rest[[1, 4, 7, 16, 18, 20]] - rest[0], rest[[2, 5, 8, 17, 19, 21]] - rest[0]
    assert np.abs(left * [-1, 1, 1] - right).max() < 0.015


#: Human3.6M's 17 joints that lie near a joint of SMPL, by index.
H36M_NEAR = {
    "right_knee": 2, "right_ankle": 3, "left_knee": 5, "left_ankle": 6, "spine2": 7, "neck": 8,
    "left_shoulder": 11, "left_elbow": 12, "left_wrist": 13,
    "right_shoulder": 14, "right_elbow": 15, "right_wrist": 16,
}  # fmt: skip


def test_neutral_body_against_human36m_joints_of_the_same_frames(samples):
    with open_npz(samples / "mmpose_tests/h36m/test_h36m.npz") as arrays:
        pose = arrays["pose"].reshape(4, 24, 3)
    with open_npz(samples / "mmpose_tests/h36m/test_h36m_body3d.npz") as arrays:
        theirs = arrays["S"][:, :, :3]
    ours = joint_positions(matrix_from_axis_angle(pose), neutral_rest_joints(), SMPL.parents)
    ours, theirs = ours - ours[:, :1], theirs - theirs[:, :1]
    joints = [SMPL.joints.index(name) for name in H36M_NEAR]
    error = np.linalg.norm(ours[:, joints] - theirs[:, list(H36M_NEAR.values())], axis=-1) * 1000
    # Per frame 31, 57, 35 and 35 mm; joint definitions alone differ by about 30 mm.
    np.testing.assert_allclose(error.mean(axis=1), [31.3, 56.9, 34.8, 35.3], atol=0.1)
    assert error.max() < 85
    # Left for right, or rotations inverted, would be several times as far off.
    inverted = np.swapaxes(matrix_from_axis_angle(pose), -1, -2)
    wrong = joint_positions(inverted, neutral_rest_joints(), SMPL.parents)
    wrong = (wrong - wrong[:, :1])[:, joints]
    assert np.linalg.norm(wrong - theirs[:, list(H36M_NEAR.values())], axis=-1).mean() > 0.3


def test_ignored_shape_of_a_person_seen_by_a_camera(samples):
    """GLAMR stores the projection of its own shaped joints; ours miss it as the estimate says."""
    tree = load_pickle(samples / "aitviewer_results/glamr/running_seed1.pkl")
    person, pose_of_camera = tree["person_data"][0], tree["cam_pose"].astype(np.float64)
    pose = np.concatenate([person["smpl_orient_world"], person["smpl_pose"]], axis=1)
    matrices = matrix_from_axis_angle(pose.reshape(203, 24, 3).astype(np.float64))
    world = joint_positions(matrices, neutral_rest_joints(), SMPL.parents)
    world = world - world[:, :1] + person["root_trans_world"][:, None]
    camera = world @ np.swapaxes(pose_of_camera[:, :3, :3], 1, 2) + pose_of_camera[:, None, :3, 3]
    pixels = camera @ np.swapaxes(person["cam_K"], 1, 2)
    pixels = pixels[..., :2] / pixels[..., 2:]
    names = {0: 0, 4: 4, 5: 5, 7: 7, 8: 8, 18: 22, 19: 23, 20: 24, 21: 25}  # SMPL: their index
    seen = person["kp_2d_pred"][:, list(names.values())]
    error = np.linalg.norm(pixels[:, list(names)] - seen, axis=-1) * camera[:, list(names), 2]
    error_mm = np.median(error, axis=0)  # focal length 1000 px, metres: mm at the joint's depth
    assert error_mm[0] < 0.01  # root_trans_world is where the pelvis is
    assert error_mm[1:].mean() == pytest.approx(42.6, abs=0.2)
    assert ignored_shape_error_mm(person["smpl_beta"]) == pytest.approx(42.6, abs=1)


def test_shape_error_without_betas_is_that_of_gender():
    assert ignored_shape_error_mm(None) == 25
