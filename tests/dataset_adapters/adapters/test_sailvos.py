import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from miniature_copies import overwrite
from miniatures import scene

import skeleton_defs
from dataset_adapters import get_adapter
from dataset_adapters.adapters._sailvos_bones import BONES
from dataset_adapters.camera import Camera, intrinsics
from dataset_adapters.containers.errors import FileError
from skelbridge.store import rle

SEQUENCE = "ah_1_mcs_1"
NAMES = skeleton_defs.get("sailvos_26").joints
#: Far from the world's origin, mm.
PLACE = np.array([-1_034_221.0, -2_731_870, 20_713])


def views(n=2, focal=(1100.0, 1500.0)):
    made = scene.cameras(n, (1280, 800), distance_mm=5000)
    return [
        Camera.at(
            camera.center + PLACE, camera.R, intrinsics(f, f, 640, 400), image_size=(1280, 800)
        )
        for camera, f in zip(made, focal, strict=False)
    ]


def body(person=0, frame=0):
    """(26, 3) mm joints and (343, 3) mm bones around them."""
    joints = scene.poses("sailvos_26", 3, person=person)[frame] + PLACE
    bones = np.random.default_rng(person).normal(0, 300, (343, 3)) + joints[16]
    for joint, rows in zip(joints, BONES, strict=True):
        bones[list(rows)] = joint
    return joints, bones


def write(root, entries, *, digits=9):
    """entries: (frame, person, camera or None, bones or (bones, is_invalid))."""
    folder = root / SEQUENCE
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for frame, person, camera, bones in entries:
        place = folder / f"{person}_Ped_5"
        place.mkdir(exist_ok=True)
        (folder / "images" / f"{frame:06d}.bmp").write_bytes(b"not looked into")
        bones, is_invalid = bones if isinstance(bones, tuple) else (bones, np.zeros(343, bool))
        pixels = camera.project(bones)
        pixels[is_invalid], bones = (-1280, -800), np.where(is_invalid[:, None], 0, bones)
        np.savetxt(place / f"{frame:06d}_2d.txt", pixels, fmt=f"%.{digits}f")
        np.savetxt(place / f"{frame:06d}_3d.txt", bones / 1000, fmt=f"%.{digits}f")
    return root


def read(root, **options):
    return list(get_adapter("sailvos", **options).blocks(root))


def test_cameras_are_found(tmp_path):
    first, second = views()
    entries = [(12, 37, first, body()[1]), (12, 101, first, body(1)[1]), (3, 37, second, body()[1])]
    (block,) = read(write(tmp_path, entries))
    assert block.frames.tolist() == [3, 12, 12] and block.person == ["37", "37", "101"]
    assert block.images[0] == f"{SEQUENCE}/images/000003.bmp" and block.sequence == SEQUENCE
    for row, (camera, person) in enumerate([(second, 0), (first, 0), (first, 1)]):
        joints = body(person)[0]
        np.testing.assert_allclose(block.cameras[row].K, camera.K, rtol=1e-6)
        in_camera = block.cameras[row].to_camera(block.joints3d[row])
        np.testing.assert_allclose(in_camera, camera.to_camera(joints), rtol=0, atol=0.05)
        np.testing.assert_allclose(block.joints2d[row], camera.project(joints), atol=1e-6)
        np.testing.assert_allclose(block.cameras[row].up, camera.R[:, 2], atol=1e-6)
    # Coordinates are small: the mean camera is the origin.
    np.testing.assert_allclose(np.mean([c.center for c in block.cameras], 0), 0, atol=1)
    assert "one per person in 0 of 2 images" in block.notes[0]


def test_people_that_do_not_fit_one_camera_get_their_own(tmp_path):
    first, second = views()
    root = write(tmp_path, [(1, 37, first, body()[1]), (1, 101, second, body(1)[1])])
    (block,) = read(root)
    for row, (camera, person) in enumerate([(first, 0), (second, 1)]):
        in_camera = block.cameras[row].to_camera(block.joints3d[row])
        expected = camera.to_camera(body(person)[0])
        np.testing.assert_allclose(in_camera, expected, rtol=0, atol=0.05)
    assert "one per person in 1 of 1 images" in block.notes[0]


def test_stored_cameras_are_used(tmp_path):
    camera = views()[0]
    root = write(tmp_path, [(1, 37, camera, body()[1]), (2, 37, camera, body()[1])], digits=0)
    path = root / SEQUENCE / "37_Ped_5/000001_camera.npz"
    extrinsics = np.concatenate([camera.R, camera.t[:, None] / 1000], 1)
    np.savez(path, intrinsics=camera.K, extrinsics=extrinsics)
    np.savez(path.with_name("000002_camera.npz"), intrinsics=np.nan, extrinsics=np.nan)
    (block,) = read(root)
    assert block.frames.tolist() == [1] and "1 of 2 poses left out" in block.notes[0]
    in_camera = block.cameras[0].to_camera(block.joints3d[0])
    # Whole metres in the text.
    np.testing.assert_allclose(in_camera, camera.to_camera(body()[0]), rtol=0, atol=900)
    np.testing.assert_array_equal(block.cameras[0].K, camera.K)
    path.with_name("000002_camera.npz").unlink()
    with pytest.raises(FileError, match="000002_camera.npz"):
        read(root, cameras="file")
    np.savez(path, intrinsics=camera.K)
    with pytest.raises(FileError, match="expected the key 'extrinsics', found intrinsics"):
        read(root)


def test_invalid_bones_are_missing_and_the_others_count(tmp_path):
    joints, bones = body()
    is_invalid = np.zeros(343, bool)
    # One of two head tops, and the only neck.
    bones[8] += 50
    is_invalid[[8, 61]] = True
    (block,) = read(write(tmp_path, [(1, 37, views()[0], (bones, is_invalid))]))
    neck, top = NAMES.index("neck"), NAMES.index("head_top")
    assert np.isnan(block.joints3d[0, neck]).all() and np.isnan(block.joints2d[0, neck]).all()
    in_camera = block.cameras[0].to_camera(block.joints3d[0])
    expected = views()[0].to_camera(joints)
    np.testing.assert_allclose(in_camera[top], expected[top], rtol=0, atol=0.05)


def test_broken_poses_and_poses_without_image_are_left_out(tmp_path):
    camera = views()[0]
    _, bones = body()
    tiny = bones.mean(0) + (bones - bones.mean(0)) / 50
    few = np.ones(343, bool)
    few[[61, 171, 330, 295, 85]] = False
    root = write(tmp_path, [
        (1, 37, camera, bones), (1, 40, camera, tiny), (1, 41, camera, (bones, few)),
        (2, 37, camera, bones),
    ])  # fmt: skip
    (root / SEQUENCE / "images/000002.bmp").unlink()
    (block,) = read(root)
    assert block.person == ["37"] and block.frames.tolist() == [1]
    (block,) = read(root, min_joints=5)
    assert block.person == ["37", "41"]


def test_small_people_are_left_out(tmp_path):
    camera = views()[0]
    _, bones = body()
    far = bones + 60_000 * camera.R[2]
    root = write(tmp_path, [(1, 37, camera, bones), (1, 38, camera, far)])
    assert read(root)[0].person == ["37"]
    assert read(root, min_side_px=1)[0].person == ["37", "38"]


def write_silhouettes(root, frame, people, *, npz=False):
    """people: id -> (visible box, whole box), left, top, width and height px; None leaves one out.

    The last of several people stands in front.
    """
    folder = root / SEQUENCE
    ids = np.zeros((800, 1280), np.uint16)
    for person, (visible, whole) in people.items():
        if visible:
            left, top, width, height = visible
            ids[top : top + height, left : left + width] = person
        if whole:
            left, top, width, height = whole
            mask = np.zeros((800, 1280), np.uint8)
            mask[top : top + height, left : left + width] = 255
            scene.write_image(folder / f"{person}_Ped_5/{frame:06d}.png", mask)
    (folder / "visible").mkdir(exist_ok=True)
    path = folder / f"visible/{frame:06d}"
    if npz:
        np.savez_compressed(path.with_suffix(".npz"), visible_ids=ids)
    else:
        np.save(path.with_suffix(".npy"), ids)
    return root


def crowd(root, people, frame=1):
    camera = views()[0]
    return write(root, [(frame, person, camera, body()[1]) for person in people])


def test_hidden_people_are_left_out(tmp_path):
    root = crowd(tmp_path, [37, 38, 39, 40, 41])
    write_silhouettes(root, 1, {
        37: ((100, 200, 60, 100), (100, 200, 60, 400)),  # 75 % are hidden: just enough is seen.
        38: ((300, 200, 60, 99), (300, 200, 60, 400)),
        39: ((500, 200, 60, 100), (500, 200, 60, 100)),
        40: ((700, 200, 50, 400), (700, 200, 50, 400)),  # Its shorter side is not more than 50 px.
        41: (None, (900, 200, 60, 400)),
    })  # fmt: skip
    (block,) = read(root)
    assert block.person == ["37", "39"]
    assert block.extras["hidden"].tolist() == [0.75, 0]
    assert block.boxes.tolist() == [[100, 200, 60, 100], [500, 200, 60, 100]]
    assert block.notes[1:] == ("3 of 5 people left out: small in the image, or hidden",)
    mask = block.masks[0]
    visible = rle.decode(mask)
    assert mask["size"] == [800, 1280] and visible.sum() == 6000 and visible[200:300, 100:160].all()
    assert read(root, max_occlusion=0.7)[0].person == ["39"]
    everyone = read(root, max_occlusion=1, min_side_px=0)[0]
    assert everyone.person == ["37", "38", "39", "40", "41"]
    assert everyone.extras["hidden"].tolist() == [0.75, 0.7525, 0, 0, 1]
    # Nobody sees the last one: the box is that of the joints.
    low, high = everyone.joints2d[4].min(0), everyone.joints2d[4].max(0)
    np.testing.assert_allclose(everyone.boxes[4, 2:], 1.15 * (high - low))


def test_silhouettes_that_are_not_there(tmp_path):
    root = crowd(tmp_path, [37, 38])
    (bare,) = read(root)
    assert bare.person == ["37", "38"] and np.isnan(bare.extras["hidden"]).all()
    assert bare.notes[1:] == ("2 of 2 people: occlusion unknown",) and bare.masks[0] is None
    low = np.clip(np.nanmin(bare.joints2d, 1), -0.5, (1279.5, 799.5))
    high = np.clip(np.nanmax(bare.joints2d, 1), -0.5, (1279.5, 799.5))
    np.testing.assert_allclose(bare.boxes[:, 2:], 1.15 * (high - low))
    np.testing.assert_allclose(bare.boxes[:, :2] + bare.boxes[:, 2:] / 2, (low + high) / 2)
    # One has no picture of its whole silhouette: nobody can tell what is hidden of it.
    write_silhouettes(
        root, 1, {37: ((9, 9, 60, 60), (9, 9, 60, 600)), 38: ((99, 9, 60, 60), None)}, npz=True
    )
    (block,) = read(root)
    assert block.person == ["38"] and block.boxes[0].tolist() == [99, 9, 60, 60]
    assert block.notes[1:] == (
        "1 of 2 people left out: small in the image, or hidden", "1 of 1 people: occlusion unknown",
    )  # fmt: skip


@pytest.mark.parametrize(
    "name, array, message",
    [
        (
            "000001.npy",
            np.zeros((800, 1281), np.uint16),
            r"of shape \(800, 1280\), found uint16 of",
        ),
        ("000001.npy", np.zeros((800, 1280)), "expected whole numbers of shape .* found float64"),
        ("000001.npz", np.zeros((800, 1280)), "expected whole numbers of shape .* found float64"),
        ("000001.npz", None, "expected the key 'visible_ids', found other"),
        ("37_Ped_5/000001.png", np.zeros((80, 128), np.uint8), r"found \(80, 128\)"),
    ],
)
def test_odd_silhouettes(tmp_path, name, array, message):
    root = crowd(tmp_path, [37])
    visible = root / SEQUENCE / "visible"
    if name.endswith(".png"):
        write_silhouettes(root, 1, {37: ((9, 9, 60, 60), None)})
        scene.write_image(root / SEQUENCE / name, array)
    else:
        visible.mkdir()
        stored = {"visible_ids": array} if array is not None else {"other": np.zeros(1)}
        (
            np.save(visible / name, array)
            if name.endswith("y")
            else np.savez(visible / name, **stored)
        )
    with pytest.raises(FileError, match=message):
        read(root)


def test_images_may_have_been_made_jpeg(tmp_path):
    root = write(tmp_path / "sailvos", [(1, 37, views()[0], body()[1])])
    images = root / SEQUENCE / "images"
    (images / "000001.bmp").rename(images / "000001.jpg")
    (block,) = read(tmp_path)
    assert block.images == [f"sailvos/{SEQUENCE}/images/000001.jpg"]


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("000001_2d.txt", b"1 2\n" * 342, "expected 343 lines of 2 numbers, found 342 of 2"),
        ("000001_3d.txt", b"1 2\n" * 343, "expected 343 lines of 3 numbers, found 343 of 2"),
        ("000001_3d.txt", b"1 2 3\n" * 344, "expected 343 bones as in its _2d.txt, found 344"),
        ("000001_2d.txt", b"1 2\n" * 343, "no camera could be found|"),
    ],
)
def test_odd_text(tmp_path, name, text, message):
    root = write(tmp_path, [(1, 37, views()[0], body()[1])])
    (root / SEQUENCE / "37_Ped_5" / name).write_bytes(text)
    if message.endswith("|"):
        assert_result_or_user_error(read, root)
        return
    with pytest.raises(FileError, match=message):
        read(root)


def test_missing_files(tmp_path):
    root = write(tmp_path, [(1, 37, views()[0], body()[1])])
    (root / SEQUENCE / "37_Ped_5/000001_3d.txt").unlink()
    with pytest.raises(FileError, match="000001_3d.txt: cannot be read"):
        read(root)


def test_any_damage_is_told_in_one_line(tmp_path):
    root = write(tmp_path, [(1, 37, views()[0], body()[1])], digits=3)
    for name in ("000001_2d.txt", "000001_3d.txt"):
        path = root / SEQUENCE / "37_Ped_5" / name
        good = path.read_bytes()
        for damaged in mutations(good, 80):
            overwrite(path, damaged)
            assert_result_or_user_error(read, root)
        overwrite(path, good)
    assert read(root)
    for npz in (True, False):
        write_silhouettes(root, 1, {37: ((9, 9, 60, 60), (9, 9, 60, 90))}, npz=npz)
        name = f"visible/000001.{'npz' if npz else 'npy'}"
        for path in (root / SEQUENCE / name, root / SEQUENCE / "37_Ped_5/000001.png"):
            good = path.read_bytes()
            for damaged in mutations(good, 25):
                overwrite(path, damaged)
                assert_result_or_user_error(read, root)
            overwrite(path, good)
    assert read(root)
