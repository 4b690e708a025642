import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from miniature_copies import overwrite
from miniatures import scene

import skeleton_defs
from dataset_adapters import get_adapter
from dataset_adapters.adapters._threedpeople_joints import ORDERS
from dataset_adapters.camera import intrinsics
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

KEY = "woman17/02_04_jump/camera01"
NAMES = skeleton_defs.get("3dpeople_29").joints
#: Rows (0-based) by name: where both sources agree.
AGREED = {
    **{NAMES[i]: i for i in range(6)},
    **{
        f"left_{part}": 9 + i for i, part in enumerate("clavicle shoulder elbow wrist hand".split())
    },
    **{f"right_{part}": 33 + i for i, part in enumerate("clavicle shoulder elbow wrist".split())},
}
LEGS = ("hip", "knee", "ankle", "foot", "toe")


def disputed(first_leg, second_leg, eyes_top, right_hand):
    legs = {f"{first_leg}_{part}": 57 + i for i, part in enumerate(LEGS)}
    legs |= {f"{second_leg}_{part}": 62 + i for i, part in enumerate(LEGS)}
    return legs | dict(zip(eyes_top, (6, 7, 8), strict=True)) | {"right_hand": right_hand}


POSEPILE = disputed("left", "right", ("right_eye", "left_eye", "head_top"), 53)
OFFICIAL = disputed("right", "left", ("head_top", "right_eye", "left_eye"), 37)


def camera():
    (made,) = scene.cameras(1, (640, 480), distance_mm=3500)
    return type(made)(R=made.R, t=made.t, K=intrinsics(700, 700, 320, 240), image_size=(640, 480))


def bodies(n, rows):
    """(n, 67, 3) mm with the joints of a walking person in certain rows, (n, 29, 3) of them."""
    joints = scene.poses("3dpeople_29", n)
    points = np.random.default_rng(1).normal(size=(n, 67, 3)) * 300 + joints[:, :1]
    # The end of a little finger and the like: not where a hand's centre is.
    points[:, 37] = joints[:, NAMES.index("right_wrist")]
    points[:, 53] = joints[:, NAMES.index("right_wrist")] + 1.0
    for name, row in {**AGREED, **rows}.items():
        points[:, row] = joints[:, NAMES.index(name)]
    return points, joints


def write(root, points, *, key=KEY, view=None, first=1, extra_columns=0):
    view = view or camera()
    views = view if isinstance(view, list) else [view] * len(points)
    rgb, skeleton = root / "rgb" / key / "skin_background1", root / "skeleton" / key
    rgb.mkdir(parents=True)
    skeleton.mkdir(parents=True)
    for i, frame in enumerate(points):
        table = [views[i].project(frame), np.zeros((67, extra_columns)), frame / 100]
        np.savetxt(skeleton / f"{i + first:04d}.txt", np.concatenate(table, 1), fmt="%.9f")
        (rgb / f"{i + first:04d}.jpg").write_bytes(b"not looked into")
    return root


def read(root, **options):
    return list(get_adapter("3dpeople", **options).blocks(root))


@pytest.mark.parametrize("rows", [POSEPILE, OFFICIAL, {**POSEPILE, "right_hand": 37}])
def test_disputed_rows_are_told_by_geometry(tmp_path, rows):
    points, joints = bodies(4, rows)
    (block,) = read(write(tmp_path, points))
    np.testing.assert_allclose(block.joints3d, joints, rtol=0, atol=1e-5)
    np.testing.assert_allclose(block.joints2d, camera().project(joints), rtol=0, atol=1e-6)
    # What thinning compares: all rows of the files.
    all_joints = block.extras[get_adapter("3dpeople").info.thinning.joints]
    np.testing.assert_allclose(all_joints, points, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name, rows", [("posepile", POSEPILE), ("official", OFFICIAL)])
def test_rows_by_option(tmp_path, name, rows):
    points, joints = bodies(2, rows)
    root = write(tmp_path, points)
    (block,) = read(root, joint_order=name)
    np.testing.assert_allclose(block.joints3d, joints, rtol=0, atol=1e-5)
    other = {"posepile": "official", "official": "posepile"}[name]
    (block,) = read(root, joint_order=other)
    left, right = NAMES.index("left_knee"), NAMES.index("right_knee")
    np.testing.assert_allclose(block.joints3d[:, left], joints[:, right], rtol=0, atol=1e-5)
    assert len(set(ORDERS[name].rows)) == 29


def test_one_camera_is_found_for_a_sequence(tmp_path):
    points, joints = bodies(5, POSEPILE)
    (block,) = read(write(tmp_path, points, extra_columns=1))
    truth = camera()
    np.testing.assert_allclose(
        block.cameras.to_camera(joints), truth.to_camera(joints), rtol=0, atol=0.01
    )
    np.testing.assert_array_equal(block.cameras.world_up, [0, 0, 1])
    assert "one camera for the sequence" in block.notes[-1] and "up: +z" in block.notes[-2]
    assert block.sequence == "woman17/02_04_jump" and block.camera_name == "camera01"
    assert block.images[1] == f"rgb/{KEY}/skin_background1/0002.jpg" and block.frames[1] == 2


def test_a_moving_camera_is_found_for_each_image(tmp_path):
    points, joints = bodies(3, POSEPILE)
    views = scene.cameras(3, (640, 480), distance_mm=3500)
    K = intrinsics(700, 700, 320, 240)
    views = [type(v)(R=v.R, t=v.t, K=K, image_size=(640, 480)) for v in views]
    (block,) = read(write(tmp_path, points, view=views))
    for i, view in enumerate(views):
        np.testing.assert_allclose(
            block.cameras[i].to_camera(joints[i]), view.to_camera(joints[i]), rtol=0, atol=0.01
        )
    assert "a camera per image" in block.notes[-1]


def test_up_is_the_axis_people_stand_along(tmp_path):
    points, _ = bodies(2, POSEPILE)
    in_y = scene.in_axes("-y", points)
    view = scene.camera_in_axes("-y", scene.cameras(1, (640, 480))[0])
    (block,) = read(write(tmp_path / "y", in_y, view=view), cameras="image")
    np.testing.assert_array_equal(block.cameras[0].world_up, [0, -1, 0])
    # Lying along the diagonal of two axes: nobody knows.
    tilt = np.array([[1, 0, 0], [0, np.sqrt(0.5), np.sqrt(0.5)], [0, -np.sqrt(0.5), np.sqrt(0.5)]])
    tilted = (points - points[:, :1]) @ tilt.T + points[:, :1]
    (block,) = read(write(tmp_path / "tilted", tilted), cameras="image")
    assert "up: +z by default" in block.notes[-2]


def test_frames_without_image_and_splits(tmp_path):
    points, _ = bodies(2, POSEPILE)
    for subject in ("man33", "man34", "woman40", "other"):
        write(tmp_path, points, key=f"{subject}/02_04_jump/camera02", first=0)
        (tmp_path / f"rgb/{subject}/02_04_jump/camera02/skin_background1/0000.jpg").unlink()
    adapter = get_adapter("3dpeople")
    train, test = (list(adapter.blocks(tmp_path, split=s)) for s in ("train", "test"))
    assert [b.subject for b in train] == ["man33"]
    assert [b.subject for b in test] == ["man34", "woman40"]
    assert all(b.frames.tolist() == [1] for b in train + test)


@pytest.mark.parametrize(
    "text, message",
    [
        (b"", "expected 67 lines of numbers, found none"),
        (b"1 2 3 4 5\n" * 66, "expected 67 lines of 5 numbers, found 66 of 5"),
        (b"1 2 3 4\n" * 67, "found 67 of 4"),
        (b"1 2 3 4 5\n" * 68, "expected 67 lines, found 68"),
        (b"1 2 3 4 5\n" * 66 + b"1 2 3 4\n", "line 67: expected 5 numbers, found 4"),
        (b"1 2 3 4 5\n" * 66 + b"1 2 x 4 5\n", "line 67: expected numbers, found 'x'"),
        (b"1 2 3 4 5\n" * 66 + b"1 2 nan 4 5\n", "row 67: expected finite numbers, found nan"),
        (b"1 2 3 4 5\n" * 67, "found from its 2D and 3D joints: no usable camera|^$"),
    ],
)
def test_damaged_text(tmp_path, text, message):
    points, _ = bodies(1, POSEPILE)
    root = write(tmp_path, points)
    (root / "skeleton" / KEY / "0001.txt").write_bytes(text)
    if "usable" in message:
        assert_result_or_user_error(read, root)
        return
    with pytest.raises(FileError, match=message):
        read(root)


def test_missing_skeletons_and_options(tmp_path):
    points, _ = bodies(1, POSEPILE)
    root = write(tmp_path, points)
    (root / "skeleton" / KEY / "0001.txt").unlink()
    with pytest.raises(FileError, match="expected files 0001.txt"):
        read(root)
    with pytest.raises(UserError, match="option joint_order must be one of auto, posepile"):
        get_adapter("3dpeople", joint_order="x")


def test_any_damage_is_told_in_one_line(tmp_path):
    points, _ = bodies(1, POSEPILE)
    root = write(tmp_path, points)
    path = root / "skeleton" / KEY / "0001.txt"
    good = path.read_bytes()
    for damaged in mutations(good, 150):
        overwrite(path, damaged)
        assert_result_or_user_error(read, root)
    overwrite(path, good)
    assert read(root)
