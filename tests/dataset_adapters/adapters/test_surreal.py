import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from miniature_copies import overwrite
from scipy.io import savemat

from dataset_adapters import get_adapter
from dataset_adapters.adapters.surreal import is_monster
from dataset_adapters.body_models.smpl_family import SMPL, neutral_rest_joints
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

CLIP = "cmu/train/run0/01_01/01_01_c0001"
CAMERA = np.array([6.7, -1.0, -1.9])


def people(n):
    """(3, 24, n) metres: the sheet's pelvis, the other joints around it."""
    rng = np.random.default_rng(3)
    joints = np.array([0.05, -1.01, -1.95])[:, None, None] + rng.uniform(-0.5, 0.5, (3, 24, n))
    joints[:, 0] = np.array([0.05, -1.01, -1.95])[:, None]
    return joints.astype(np.float32)


def released_projection(joints):
    """The released, left-handed camera, written down from the dataset's own formula."""
    X, Y, Z = joints.astype(float)
    x, y, z = -Z + CAMERA[2], Y - CAMERA[1], -X + CAMERA[0]
    return np.stack([600 * x / z + 160, 600 * y / z + 120])


def write_clip(root, n=2, name=CLIP, segm=None, **replaced):
    base = root / name
    base.parent.mkdir(parents=True, exist_ok=True)
    joints = replaced.pop("joints3D", people(n))
    info = {
        "sequence": base.name, "clipNo": 1.0, "source": "cmu", "stride": np.uint8(50),
        "gender": np.ones((n, 1), np.uint8), "camDist": np.float32(7.7),
        "camLoc": CAMERA[:, None].astype(np.float32), "zrot": np.full((n, 1), 2.6, np.float32),
        "shape": np.zeros((10, n), np.float32), "pose": np.zeros((72, n), np.float32),
        "joints2D": np.round(released_projection(joints)).astype(np.float32), "joints3D": joints,
        **replaced,
    }  # fmt: skip
    savemat(f"{base}_info.mat", info, do_compression=True)
    base.with_name(base.name + ".mp4").write_bytes(b"not looked into")
    if segm is not None:
        arrays = {f"segm_{i + 1}": image for i, image in enumerate(segm)}
        savemat(f"{base}_segm.mat", arrays, do_compression=True)
    return root


def blocks(root, **options):
    return list(get_adapter("surreal", **options).blocks(root))


def test_reversed_image_and_right_handed_camera(tmp_path):
    (block,) = blocks(write_clip(tmp_path))
    assert block.mirrored and block[1].image.mirrored
    assert block[1].image.path == f"{CLIP}.mp4" and block[1].image.video_frame == 1
    assert block.cameras.K[0, 2] == 159 and block.cameras.K[1, 2] == 120
    # The sheet's numbers: u = 164.51 in the stored image, 154.49 in the reversed one.
    np.testing.assert_allclose(block.projected()[0, 0], [154.49, 119.10], rtol=0, atol=0.01)
    stored = released_projection(people(2)).T
    np.testing.assert_allclose(319 - block.projected()[..., 0], stored[..., 0], atol=1e-3)
    np.testing.assert_allclose(block.projected()[..., 1], stored[..., 1], atol=1e-3)
    np.testing.assert_allclose(block.cameras.up, [0, -1, 0])
    assert np.linalg.det(block.cameras.R) == pytest.approx(1)


def test_clip_of_one_frame_and_frames_without_joints(tmp_path):
    (block,) = blocks(write_clip(tmp_path / "one", n=1))
    assert block.joints3d.shape == (1, 24, 3)
    np.testing.assert_allclose(block.joints3d[0].T, 1000 * people(1)[..., 0], rtol=1e-6)
    joints = people(3)
    joints[..., 1] = 0
    (block,) = blocks(write_clip(tmp_path / "zeros", n=3, joints3D=joints))
    assert block.frames.tolist() == [0, 2] and block.video_frames.tolist() == [0, 2]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
def test_silhouettes_are_reversed_and_empty_ones_drop_the_frame(tmp_path):
    segm = np.zeros((3, 240, 320), np.uint8)
    segm[0, 100:140, 300:310] = 5
    segm[2, 0, 319] = 24
    root = write_clip(tmp_path, n=3, segm=segm)
    (block,) = blocks(root)
    assert block.frames.tolist() == [0, 2]
    assert block.boxes.tolist() == [[10, 100, 10, 40], [0, 0, 1, 1]]
    from pycocotools import mask

    np.testing.assert_array_equal(mask.decode(block.masks[0]), segm[0, :, ::-1] > 0)
    (block,) = blocks(root, masks="none")
    assert len(block) == 3 and block.boxes is None


def test_deformed_bodies_are_left_out(tmp_path):
    for sequence in ("18_03", "ung_19_02", "143_21", "143_22", "118_03"):
        write_clip(tmp_path, name=f"train/run1/{sequence}/{sequence}_c0001")
    assert [b.sequence for b in blocks(tmp_path)] == ["run1/118_03_c0001", "run1/143_22_c0001"]
    assert len(blocks(tmp_path, monsters="keep")) == 5
    assert is_monster("ung_143_21") and not is_monster("21_143")


def test_a_proper_view_is_told_by_the_2d_joints(tmp_path):
    joints = people(2)
    u, v = released_projection(joints)
    write_clip(tmp_path, joints2D=np.stack([320 - u, v]))
    (block,) = blocks(tmp_path)
    assert not block.mirrored
    np.testing.assert_allclose(block.projected(), np.stack([320 - u, v], -1).swapaxes(0, 1), 1e-4)
    assert "proper world" in block.notes[0]
    (block,) = blocks(tmp_path, mirrored="yes")
    assert block.mirrored and block.cameras.K[0, 2] == 159


def test_joints_of_the_users_model(tmp_path):
    # A model whose vertices are its joints: pose zero, turned by zrot and put upright.
    table = np.stack([np.array(SMPL.parents) % 2**32, np.arange(24)])
    folder = tmp_path / "models"
    folder.mkdir()
    np.savez(
        folder / "SMPL_MALE.npz", v_template=neutral_rest_joints(), J_regressor=np.eye(24),
        shapedirs=np.zeros((24, 3, 10)), kintree_table=table,
    )  # fmt: skip
    root = write_clip(tmp_path / "data", zrot=np.full((2, 1), np.pi / 2))
    (block,) = blocks(root, body_models=str(folder))
    rest = neutral_rest_joints() - neutral_rest_joints()[0]
    # z turn by 90 degrees: (x, y, z) -> (-y, x, z); then x turn: (x, y, z) -> (x, -z, y).
    turned = np.stack([-rest[:, 1], rest[:, 0], rest[:, 2]], 1)
    expected = np.stack([turned[:, 0], -turned[:, 2], turned[:, 1]], 1) + people(1)[:, 0, 0]
    np.testing.assert_allclose(block.joints3d[0], 1000 * expected, atol=1e-2)
    assert "joints of the SMPL model" in block.notes[1]
    with pytest.raises(UserError, match="SMPL_FEMALE.npz"):
        root = write_clip(tmp_path / "f", gender=np.zeros((2, 1), np.uint8))
        blocks(root, body_models=str(folder))


@pytest.mark.parametrize(
    "replaced, message",
    [
        ({"camLoc": np.zeros(2)}, "camLoc: expected numbers of shape \\(3\\)"),
        ({"joints3D": np.zeros((3, 23, 2))}, "joints3D: expected numbers of shape \\(3, 24, n\\)"),
        ({"joints3D": np.full((3, 24, 2), np.nan)}, "joints3D: expected finite numbers"),
    ],
)
def test_odd_values(tmp_path, replaced, message):
    with pytest.raises(FileError, match=message):
        blocks(write_clip(tmp_path, **replaced))


def test_missing_files_and_odd_silhouettes(tmp_path):
    root = write_clip(tmp_path, segm=np.zeros((1, 240, 320), np.uint8))
    with pytest.raises(FileError, match="segm_2"):
        blocks(root)
    savemat(root / f"{CLIP}_segm.mat", {"segm_1": np.zeros((2, 2)), "segm_2": np.zeros((2, 2))})
    with pytest.raises(FileError, match="segm_1: expected shape \\(240, 320\\)"):
        blocks(root)
    (root / f"{CLIP}.mp4").unlink()
    with pytest.raises(FileError, match="expected the clip"):
        blocks(root)
    with pytest.raises(UserError, match="option masks must be one of"):
        get_adapter("surreal", masks="maybe")


def test_damaged_files(tmp_path):
    root = write_clip(tmp_path, segm=np.ones((2, 240, 320), np.uint8))
    for suffix in ("_info.mat", "_segm.mat"):
        path = root / f"{CLIP}{suffix}"
        good = path.read_bytes()
        for damaged in mutations(good, 70):
            overwrite(path, damaged)
            assert_result_or_user_error(blocks, root)
        overwrite(path, good)
    assert blocks(root)
