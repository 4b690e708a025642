import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from miniature_copies import overwrite

from dataset_adapters import get_adapter
from dataset_adapters.adapters.spec import COMMON, ROWS_OF_S
from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from dataset_adapters.body_models.smpl_family import SMPL, joint_positions, neutral_rest_joints
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

TRAIN = "spec-syn/annotations/train.npz"
K = np.array([[1500, 0, 960], [0, 1500, 540], [0, 0, 1.0]])
PITCH = matrix_from_axis_angle(np.array([0.2, 0, 0]))


def people(n=3, *, seed=0, scale=1.07, depth=4.0):
    """Poses, and where the bodies are (n, 24, 3) in camera axes, metres."""
    rng = np.random.default_rng(seed)
    pose = rng.normal(0, 0.25, (n, 24, 3))
    # Upright in a camera whose y points down.
    pose[:, 0] = [np.pi, 0, 0]
    body = joint_positions(matrix_from_axis_angle(pose), neutral_rest_joints(), SMPL.parents)
    place = rng.uniform(-0.5, 0.5, (n, 1, 3)) + np.array([0, 0, depth])
    return pose.reshape(n, 72), scale * (body - body[:, :1]) + place


def arrays(poses, joints, **changes):
    n = len(poses)
    pixels = joints @ K.T
    pixels = pixels[..., :2] / pixels[..., 2:]
    keypoints = np.zeros((n, 25, 3))
    keypoints[:, list(COMMON.values()), :2] = pixels[:, list(COMMON)]
    keypoints[:, list(COMMON.values()), 2] = 1
    S = np.zeros((n, 24, 4))
    S[:, :12, :3] = (joints @ PITCH)[:, ROWS_OF_S] - 7
    S[:, :12, 3] = 1
    values = {
        "imgname": np.array([f"images/ag_trainset_x_{i // 2:05d}.png" for i in range(n)]),
        "center": np.full((n, 2), 500.0), "scale": np.full(n, 2.5),
        "pose": poses, "shape": np.zeros((n, 10)), "S": S, "openpose_gt": keypoints,
        "cam_rotmat": np.tile(PITCH, (n, 1, 1)), "cam_int": np.tile(K, (n, 1, 1)),
        "cam_pitch": np.full(n, 0.2), "cam_roll": np.zeros(n), **changes,
    }  # fmt: skip
    return {key: value for key, value in values.items() if value is not None}


def write(root, values, name=TRAIN):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **values)
    return root


def read(root, split="train", **options):
    return list(get_adapter("spec", **options).blocks(root, split=split))


def test_people_are_placed_by_their_2d_joints_and_their_size(tmp_path):
    pose, joints = people()
    (block,) = read(write(tmp_path, arrays(pose, joints)))
    in_camera = [c.to_camera(j) for c, j in zip(block.cameras, block.joints3d, strict=True)]
    np.testing.assert_allclose(in_camera, 1000 * joints, rtol=0, atol=0.01)
    assert block.images[2] == "spec-syn/images/ag_trainset_x_00001.png"
    assert block.person == ["0", "1", "0"] and block.cameras[0] is block.cameras[2]
    np.testing.assert_allclose(block.cameras[0].up, PITCH @ [0, -1, 0])
    np.testing.assert_array_equal(block.cameras[0].center, [0, 0, 0])
    assert block.cameras[0].image_size == (1920, 1080)
    assert "scaled by 1.070 to 1.070" in block.notes[1] and "3 of 3 people" in block.notes[2]


def test_how_the_body_is_turned_is_found_anew(tmp_path):
    pose, joints = people()
    pose[:, :3] = [0.3, -2, 1]
    (block,) = read(write(tmp_path, arrays(pose, joints)))
    in_camera = block.joints3d @ PITCH.T
    np.testing.assert_allclose(in_camera, 1000 * joints, rtol=0, atol=0.01)


def test_sizes(tmp_path):
    pose, joints = people()
    values = arrays(pose, joints)
    (block,) = read(write(tmp_path / "12", {**values, "S": values["S"][:, :12]}))
    np.testing.assert_allclose(block.joints3d @ PITCH.T, 1000 * joints, rtol=0, atol=0.01)
    # Without S the body keeps its size and comes nearer, as it is seen as large.
    (block,) = read(write(tmp_path / "none", arrays(pose, joints, S=None)))
    in_camera = block.joints3d @ PITCH.T
    np.testing.assert_allclose(in_camera, 1000 * joints / 1.07, rtol=0, atol=0.01)
    assert "no S" in block.notes[1]


def test_people_without_enough_2d_joints_or_too_small_are_left_out(tmp_path):
    pose, joints = people()
    values = arrays(pose, joints)
    values["openpose_gt"][1, 6:, 2] = 0
    joints[2] += [0, 0, 30]
    small = arrays(pose, joints)["openpose_gt"][2]
    values["openpose_gt"][2] = small
    values["S"][2, :12, :3] = (joints[2] @ PITCH)[list(ROWS_OF_S)]
    root = write(tmp_path, values)
    (block,) = read(root)
    assert block.frames.tolist() == [0] and "2 of 3 people placed" in block.notes[2]
    assert read(root, min_side_px=10)[0].frames.tolist() == [0, 2]


def test_bodies_of_no_use_and_names_as_objects(tmp_path):
    pose, joints = people()
    values = arrays(pose, joints, has_smpl=np.array([1, 0, 1]))
    values["imgname"] = values["imgname"].astype(object)
    (block,) = read(write(tmp_path, values))
    assert len(block) == 2 and block.images[0].endswith("00000.png")


def test_both_parts(tmp_path):
    pose, joints = people()
    for part in ("syn", "mtp"):
        write(tmp_path, arrays(pose, joints), f"spec-{part}/annotations/test.npz")
    syn, mtp = read(tmp_path, "test")
    assert syn.sequence == "spec-syn" and mtp.images[0].startswith("spec-mtp/images/")
    assert mtp.cameras[0].image_size is None
    assert [b.sequence for b in read(tmp_path, "test", part="mtp")] == ["spec-mtp"]
    assert read(tmp_path, "train", part="mtp") == []
    with pytest.raises(FileError, match="train.npz: expected the annotations"):
        read(tmp_path)
    with pytest.raises(UserError, match="option part must be one of all, syn, mtp"):
        get_adapter("spec", part="x")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"cam_rotmat": None, "pose": None}, "expected the arrays pose, cam_rotmat, found imgname"),
        ({"pose": np.zeros((3, 71))}, "pose: expected numbers of shape \\(3, 72\\)"),
        ({"S": np.zeros((3, 11, 4))}, "S: expected shape \\(3, 12 or more, 4\\)"),
        ({"cam_int": np.zeros((3, 3, 3))}, "cam_int: expected focal lengths"),
        ({"cam_rotmat": np.ones((3, 3, 3))}, "row 0, cam_rotmat and cam_int: no usable camera"),
        ({"imgname": np.array(["a", "../b", "c"])}, "imgname: expected paths of images"),
        ({"imgname": np.zeros(3)}, "imgname: expected paths of images, found '0.0'"),
        ({"openpose_gt": np.full((3, 25, 3), np.nan)}, "openpose_gt: expected finite numbers"),
    ],
)
def test_odd_arrays(tmp_path, changes, message):
    pose, joints = people()
    with pytest.raises(FileError, match=message):
        read(write(tmp_path, arrays(pose, joints, **changes)))


def test_any_damage_is_told_in_one_line(tmp_path):
    pose, joints = people(1)
    root = write(tmp_path, arrays(pose, joints))
    path = root / TRAIN
    for damaged in mutations(path.read_bytes(), 150):
        overwrite(path, damaged)
        assert_result_or_user_error(read, root)
