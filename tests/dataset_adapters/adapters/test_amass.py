import io

import numpy as np
import pytest
from miniature_copies import copy_of, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from dataset_adapters.body_models.smpl_family import (
    SMPL,
    SMPLH,
    SMPLX,
    joint_positions,
    neutral_rest_joints,
)
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

MOTION = "ACCAD/Female1General_c3d/A1 - Stand_poses.npz"


def write(root, name=MOTION, *, n=3, width=156, **changes):
    """A motion that turns the root, then a wrist and a finger; returns its pose (n, joints, 3)."""
    pose = np.zeros((n, width // 3, 3))
    pose[:, 0] = [1.57, 0, 0]
    pose[1:, 20] = [0, 0, 0.8]
    pose[-1, -1] = [0.3, 0, 0]
    arrays = {
        "poses": pose.reshape(n, -1),
        "trans": np.arange(3.0 * n).reshape(n, 3) / 10,
        "betas": np.zeros(16),
        "dmpls": np.zeros((n, 8)),
        "gender": np.array("female"),
        "mocap_framerate": np.array(120.00004577636719),
        **changes,
    }
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = io.BytesIO()
    np.savez(data, **{key: value for key, value in arrays.items() if value is not None})
    overwrite(path, data.getvalue())
    return pose


def write_model(folder, family, *, name="SMPLH_FEMALE.npz", n_betas=4):
    """A stub model file: one vertex per joint; returns its joints, and what betas do to them."""
    rng = np.random.default_rng(family.n_joints)
    joints = rng.normal(size=(family.n_joints, 3))
    shape = rng.normal(size=(family.n_joints, 3, n_betas))
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / name,
        v_template=joints,
        shapedirs=shape,
        J_regressor=np.eye(family.n_joints),
        kintree_table=np.stack([np.array(family.parents), np.arange(family.n_joints)]),
    )
    return joints, shape


def read(root, split=None, **options):
    return list(get_adapter("amass", **options).blocks(root, split=split))


def posed(pose, family, rest, translation):
    rotations = matrix_from_axis_angle(pose)
    return 1000 * joint_positions(rotations, rest, family.parents, translation=translation)


def test_neutral_body_without_model_files(tmp_path):
    pose = write(tmp_path)
    (block,) = read(tmp_path)
    assert block.skeleton == "amass_smplh_52" and block.split == "train"
    assert block.sequence == MOTION[:-4] and block.subject == "ACCAD/Female1General_c3d"
    assert block.images is None and block.frames.tolist() == [0, 1, 2]
    assert block.extras["fps"].tolist() == [120.00004577636719] * 3
    trans = np.arange(9.0).reshape(3, 3) / 10
    expected = posed(pose[:, :24], SMPL, neutral_rest_joints(), trans)
    np.testing.assert_allclose(block.joints3d[:, :22], expected[:, :22], atol=1e-9)
    assert np.isnan(block.joints3d[:, 22:]).all() and "approximate" in block.notes[-1]
    # A quarter turn about x lets y up become z up.
    assert block.joints3d[0, 15, 2] - block.joints3d[0, 0, 2] > 500


def test_exact_joints_with_a_model_file(tmp_path):
    betas = np.array([0.5, -1.0, 0.25, 2.0, *np.zeros(12)])
    pose = write(tmp_path / "amass", betas=betas)
    joints, shape = write_model(tmp_path / "models", SMPLH)
    (block,) = read(tmp_path / "amass", body_models=str(tmp_path / "models"))
    trans = np.arange(9.0).reshape(3, 3) / 10
    expected = posed(pose, SMPLH, joints + shape @ betas[:4], trans)
    np.testing.assert_allclose(block.joints3d, expected, atol=1e-9)
    assert not block.notes
    with pytest.raises(UserError, match="expected a model file such as SMPLH_MALE.npz"):
        write(tmp_path / "amass", gender=np.array(b"male"))
        read(tmp_path / "amass", body_models=str(tmp_path / "models"))
    with pytest.raises(UserError, match="expected a folder of model files, found none"):
        read(tmp_path / "amass", body_models=str(tmp_path / "nowhere"))


def test_shapes_that_change(tmp_path):
    n = 2003
    betas = np.stack([np.linspace(0, 1, n), np.zeros(n)], axis=1)
    pose = write(tmp_path / "amass", n=n, betas=betas)
    joints, shape = write_model(tmp_path / "models", SMPLH)
    first, second = read(tmp_path / "amass", body_models=str(tmp_path / "models"))
    assert len(first) == 2000 and second.frames.tolist() == [2000, 2001, 2002]
    rest = joints + np.einsum("jdk,tk->tjd", shape[..., :2], betas)
    expected = posed(pose, SMPLH, rest, np.arange(3.0 * n).reshape(n, 3) / 10)
    np.testing.assert_allclose(np.vstack([first.joints3d, second.joints3d]), expected, atol=1e-6)


def test_model_files_as_they_are_downloaded(tmp_path):
    write(tmp_path / "amass")
    joints, _ = write_model(tmp_path, SMPLH, name="models/smplh/female/model.npz")
    write_model(tmp_path, SMPLX, name="models/smplh/male/model.npz")
    (tmp_path / "models/dmpls/female").mkdir(parents=True)
    (tmp_path / "models/dmpls/female/model.npz").write_bytes(b"no model of joints")
    (block,) = read(tmp_path / "amass", body_models=str(tmp_path / "models"))
    # The first frame's translation.
    expected = 1000 * (joints[0] + [0, 0.1, 0.2])
    np.testing.assert_allclose(block.joints3d[0, 0], expected, atol=1e-9)


@pytest.mark.parametrize("family, width", [(SMPLH, 156), (SMPLX, 165), (SMPL, 72)])
def test_as_smpl(tmp_path, family, width):
    pose = write(tmp_path / "amass", width=width)
    name = f"{family.name.upper()}_FEMALE.npz"
    joints, _ = write_model(tmp_path / "models", family, name=name)
    (block,) = read(tmp_path / "amass", skeleton="smpl_24", body_models=str(tmp_path / "models"))
    assert block.skeleton == "smpl_24"
    whole = posed(pose, family, joints, np.arange(9.0).reshape(3, 3) / 10)
    hands = {52: [22, 37], 55: [25, 40], 24: [22, 23]}[family.n_joints]
    np.testing.assert_allclose(block.joints3d, whole[:, [*range(22), *hands]], atol=1e-9)
    (block,) = read(tmp_path / "amass", skeleton="smpl_24")
    neutral = posed(np.pad(pose, ((0, 0), (0, 2), (0, 0)))[:, :24], SMPL, neutral_rest_joints(),
                    np.arange(9.0).reshape(3, 3) / 10)  # fmt: skip
    np.testing.assert_allclose(block.joints3d[:, :22], neutral[:, :22], atol=1e-9)
    assert block.validity.all()


def test_models_of_files(tmp_path):
    others = {"mocap_framerate": None, "mocap_frame_rate": np.array(60.0)}
    others["markers_latent_vids"] = np.array({"C7": 1}, object)
    write(tmp_path, "MoSh/50002/a_stageii.npz", width=165, **others)
    write(tmp_path, "Mixed/x/b_poses.npz", width=165)
    write(tmp_path, "Mixed/x/c_poses.npz", width=72, mocap_framerate=None)
    found = {block.sequence.rpartition("/")[2][0]: block for block in read(tmp_path)}
    assert {key: block.skeleton for key, block in found.items()} == {
        "a": "smplx_55", "b": "smplx_55", "c": "amass_smplh_52",
    }  # fmt: skip
    assert found["a"].extras["fps"].tolist() == [60] * 3 and not found["c"].extras
    assert found["a"].split == "valid"


def test_splits_and_files_without_motion(tmp_path):
    for name in ("HumanEva/S1/a", "HDM05/x/b", "SFU/1/c", "MPI_mosh/1/d"):
        write(tmp_path, f"{name}_poses.npz")
    for name in ("SSM_synced/1/e", "Transitions/1/f", "smplh/Transitions_mocap/1/g"):
        write(tmp_path, f"{name}_poses.npz")
    for name in ("KIT/SSM_like/h", "ACCAD/x/i10", "ACCAD/x/i9"):
        write(tmp_path, f"{name}_poses.npz")
    np.savez(tmp_path / "ACCAD/x/shape.npz", betas=np.zeros(16))
    np.savez(tmp_path / "ACCAD/x/i9_stagei.npz", betas=np.zeros(16))
    write(tmp_path, "ACCAD/x/i9_stageii.npz", width=165)

    def keys(split, **options):
        sources = get_adapter("amass", **options).sources(tmp_path, split)
        return [source.key.rpartition("/")[2].partition("_")[0] for source in sources]

    assert keys("valid") == ["b", "a", "d", "c"] and keys("test") == ["e", "f", "g"]
    assert keys("train") == ["i9", "i9", "i10", "h"]
    assert keys("train", release="smplh") == ["i9", "i10", "h"]
    assert keys("train", release="smplx") == ["i9"]
    with pytest.raises(UserError, match="option release must be one of smplh, smplx, all"):
        get_adapter("amass", release="dmpl")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"poses": None}, "expected the pose of a body model"),
        ({"poses": np.zeros((3, 100))}, "'poses': expected body model parameters of"),
        ({"poses": np.zeros((0, 156))}, "'poses': expected at least one frame"),
        ({"poses": np.full((3, 156), np.nan)}, "'poses': expected rotations"),
        ({"poses": np.full((3, 156), 90.0)}, "'poses': expected rotations"),
        ({"trans": np.zeros((2, 3))}, r"'trans': expected shape \(3, 3\), found \(2, 3\)"),
        ({"trans": np.full((3, 3), np.inf)}, "'trans': expected metres"),
        ({"betas": np.zeros((2, 16))}, "'betas': expected shape coefficients"),
        ({"mocap_framerate": np.array(-1.0)}, "'mocap_framerate': expected a positive number"),
        ({"poses": np.array(["a"])}, "expected the pose of a body model"),
    ],
)
def test_odd_motions(tmp_path, change, message):
    write(tmp_path, **change)
    with pytest.raises(FileError, match=message) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


def test_any_damage_is_told_in_one_line(tmp_path):
    root = copy_of("amass", tmp_path)
    adapter = get_adapter("amass")
    for split, part in (("test", "SSM_synced"), ("train", "stageii")):
        source = next(s for s in adapter.sources(root, split) if part in s.key)
        assert read_damaged(adapter, root, source, root / source.key, count=75) > 0
