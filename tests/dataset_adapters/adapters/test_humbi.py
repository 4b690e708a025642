import numpy as np
import pytest
from miniature_copies import copy_of, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.adapters._smpl_bodies import posed_joints
from dataset_adapters.body_models.smpl_family import SMPL, SMPLX, neutral_rest_joints
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError


@pytest.fixture
def root(tmp_path):
    return copy_of("humbi", tmp_path)


@pytest.fixture
def source(root):
    return get_adapter("humbi").sources(root, "train")[0]


def frame_folder(root, source):
    return sorted((root / source.key / "body").glob("0*"))[0]


def write_model(folder, name="SMPL_NEUTRAL.npz"):
    """Writes a model of 24 vertices, one per joint, whose first beta makes it taller."""
    rest = neutral_rest_joints() * 1.1
    directions = np.zeros((24, 3, 10))
    directions[:, 1, 0] = rest[:, 1]
    parents = np.array(SMPL.parents)
    np.savez(
        folder / name,
        v_template=rest,
        shapedirs=directions,
        J_regressor=np.eye(24),
        kintree_table=np.stack([parents, np.arange(24)]),
    )
    return rest


def test_keypoints_only(root, source):
    whole = next(get_adapter("humbi").read(root, source))
    keypoints = next(get_adapter("humbi", skeleton="openpose_25").read(root, source))
    assert keypoints.skeleton == "openpose_25" and keypoints.notes == ()
    np.testing.assert_array_equal(keypoints.joints3d[:, 8], whole.joints3d[:, 48])  # mid hip
    np.testing.assert_array_equal(keypoints.joints3d[:, 24], whole.joints3d[:, 47])  # heel


def test_neutral_body_is_noted_and_a_model_file_is_used(root, source, tmp_path):
    neutral = next(get_adapter("humbi").read(root, source))
    assert "approximate" in neutral.notes[0]
    models = tmp_path / "models"
    models.mkdir()
    with pytest.raises(UserError, match="expected a model file such as SMPL_NEUTRAL.npz"):
        list(get_adapter("humbi", body_models=str(models)).read(root, source))
    (tmp_path / "other").mkdir()
    write_model(tmp_path / "other", "basicModel_neutral_lbs_10_207_0_v1.0.0.npz")
    exact = next(get_adapter("humbi", body_models=str(tmp_path / "other")).read(root, source))
    assert exact.notes == ()

    def limb(block):
        return np.linalg.norm(block.joints3d[:, 3] - block.joints3d[:, 6], axis=-1)  # lower leg

    assert (limb(exact) > 1.05 * limb(neutral)).all()


def test_posed_joints_by_hand(tmp_path):
    rest = write_model(tmp_path)
    identity = np.broadcast_to(np.eye(3), (2, 24, 3, 3))
    shift = np.array([[1.0, 0, 0], [0, 2, 0]])
    joints, notes = posed_joints(
        identity, models=str(tmp_path), betas=np.array([[0.1] + [0] * 9] * 2),
        translation=shift, scale=np.array([1.0, 2.0]),
    )  # fmt: skip
    taller = rest * [1, 1.1, 1]
    np.testing.assert_allclose(joints[0], 1000 * (taller + shift[0]))
    np.testing.assert_allclose(joints[1], 1000 * (2 * taller + shift[1]))
    assert notes == ()


def test_other_models_get_the_joints_that_they_share_with_smpl():
    identity = np.broadcast_to(np.eye(3), (1, 55, 3, 3))
    joints, notes = posed_joints(identity, SMPLX)
    np.testing.assert_allclose(joints[0, :22], 1000 * neutral_rest_joints()[:22])
    assert np.isnan(joints[0, 22:]).all() and "approximate" in notes[0]


def test_missing_files_and_cameras(root, source):
    folder = frame_folder(root, source) / "reconstruction"
    (folder / "smpl_parameter.txt").unlink()
    frame = int(folder.parent.name)
    rows = [e for b in get_adapter("humbi").read(root, source) for e in b if e.frame == frame]
    assert rows and not any(e.validity[:24].any() for e in rows)
    assert all(e.validity[24:].all() for e in rows)
    intrinsic = root / source.key / "body" / "intrinsic.txt"
    lines = intrinsic.read_text().splitlines()
    intrinsic.write_text("\n".join(lines[:3] + lines[7:]))
    gone = lines[3].split()[1]
    assert gone not in {b.camera_name for b in get_adapter("humbi").read(root, source)}


def test_missing_keypoints_are_missing_joints(root, source):
    path = frame_folder(root, source) / "reconstruction" / "keypoints.txt"
    lines = path.read_text().splitlines()
    lines[3] = "nan nan nan"
    path.write_text("\n".join(lines))
    frame = int(path.parent.parent.name)
    blocks = get_adapter("humbi", skeleton="openpose_25").read(root, source)
    rows = [e for b in blocks for e in b if e.frame == frame]
    assert rows and all(np.flatnonzero(~e.validity).tolist() == [3] for e in rows)


@pytest.mark.parametrize(
    "name, cut, message",
    [
        ("extrinsic.txt", 1, "the file is cut off"),
        ("intrinsic.txt", 2, "the file is cut off"),
        ("keypoints.txt", 3, r"numbers: expected numbers of shape \(75\), found shape \(72,\)"),
        ("smpl_parameter.txt", 1, r"expected numbers of shape \(86\)"),
    ],
)
def test_files_that_are_cut_off(root, source, name, cut, message):
    path = root / source.key / "body" / name
    if not path.is_file():
        path = frame_folder(root, source) / "reconstruction" / name
    path.write_text(" ".join(path.read_text().split(" ")).rsplit(None, cut)[0])
    with pytest.raises(FileError, match=message):
        list(get_adapter("humbi").read(root, source))


def test_damaged_files(root, source):
    adapter = get_adapter("humbi")
    body, folder = root / source.key / "body", frame_folder(root, source) / "reconstruction"
    for path in (body / "intrinsic.txt", body / "extrinsic.txt", folder / "keypoints.txt",
                 folder / "smpl_parameter.txt"):  # fmt: skip
        read_damaged(adapter, root, source, path, count=40)
