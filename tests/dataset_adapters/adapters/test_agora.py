import numpy as np
import pandas
import pytest
from fuzzing import assert_result_or_user_error, mutations
from miniature_copies import overwrite

from dataset_adapters import get_adapter
from dataset_adapters.adapters._agora_cameras import (
    camera_of_mount,
    fixed_mount,
    free_mount,
    unreal_in_camera_axes,
)
from dataset_adapters.containers.errors import FileError

HDRI = "ag_validationset_renderpeople_bfh_hdri_50mm_5_10_00001.png"
ARCHVIZ = "ag_trainset_3dpeople_bfh_archviz_5_10_cam02_00007.png"
FREE = "ag_trainset_axyz_bfh_construction_5_15_00003.png"
FOCAL = {HDRI: 5333.333333333333, ARCHVIZ: 1920.0, FREE: 2986.6666666666665}


def person(x=0.2, *, seed=0, n=45):
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.6, 0.6, (n, 3)) + np.array([x, 0.8, 4.5])


def row(image, people, *, valid=None, occlusion=None, mount=(0.0, 0.0, 170.0, 0.0)):
    n = len(people)
    focal = FOCAL[image]
    return {
        "imgPath": image,
        "camX": mount[0], "camY": mount[1], "camZ": mount[2], "camYaw": mount[3],
        "X": [450.0] * n, "gender": ["male"] * n, "kid": [False] * n, "age": ["31-50"] * n,
        "ethnicity": ["white"] * n,
        "isValid": [True] * n if valid is None else valid,
        "occlusion": [12.5] * n if occlusion is None else occlusion,
        "gt_joints_3d": list(people),
        "gt_joints_2d": [focal * p[:, :2] / p[:, 2:] + [1920, 1080] for p in people],
    }  # fmt: skip


def write(root, rows, name="SMPL/validation_0_withjv.pkl", images="validation", suffix=""):
    columns = {}
    for key in rows[0]:
        values = np.empty(len(rows), object)
        values[:] = [r[key] for r in rows]
        columns[key] = values.astype(float) if key.startswith("cam") else values
    frame = pandas.DataFrame(columns)
    for key, values in columns.items():
        frame[key] = pandas.Series(values, dtype=values.dtype)
    # As pandas of that time had them; newer ones keep names of columns in arrow arrays.
    frame.columns = pandas.Index(list(columns), dtype=object)
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_pickle(path, protocol=4)
    for r in rows:
        image = root / images / r["imgPath"].replace(".png", f"{suffix}.png")
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(b"not looked into")
    return root


def read(root, **options):
    return list(get_adapter("agora", **options).blocks(root))


def test_the_documented_point():
    camera = camera_of_mount("x", "row 0", fixed_mount(HDRI))
    point = 10 * unreal_in_camera_axes([450, 20, 90])
    np.testing.assert_allclose(camera.to_camera(point), [200, 800, 4500], rtol=0, atol=1e-9)
    np.testing.assert_allclose(camera.project(point), [2157.0, 2028.1], rtol=0, atol=0.06)
    origin = 10 * unreal_in_camera_axes([0, 0, 0])
    np.testing.assert_allclose(camera.to_camera(origin), [0, 1700, 0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["cam00", "cam01", "cam02", "cam03"])
def test_room_cameras_look_down_at_the_room(name):
    camera = camera_of_mount("x", "row 0", fixed_mount(f"ag_{name}_00000.png"))
    x, y, z = camera.to_camera(10 * unreal_in_camera_axes([0, 0, 0]))
    assert z > 4000 and abs(x) < z / 2 and 0 < y + 1000 < z
    # Tilted down by 30 degrees: the world's up leans towards the viewer.
    np.testing.assert_allclose(
        camera.up, [0, -np.cos(np.pi / 6), -np.sin(np.pi / 6)], rtol=0, atol=1e-9
    )


def test_cameras_of_the_other_scenes():
    camera = camera_of_mount("x", "row 0", free_mount(100, 200, 10, 90))
    # Looks along Unreal's y; 1.8 m above the ground of height 0.
    ahead = camera.to_camera(10 * unreal_in_camera_axes([100, 700, 180]))
    np.testing.assert_allclose(ahead, [0, 0, 5000], rtol=0, atol=1e-6)
    aside = camera.to_camera(10 * unreal_in_camera_axes([0, 200, 180]))
    np.testing.assert_allclose(aside, [1000, 0, 0], rtol=0, atol=1e-6)
    assert fixed_mount("ag2_trainset_x_00001.png").pitch_degrees == 15


def test_people_of_an_image(tmp_path):
    people = [person(seed=i) for i in range(4)]
    rows = [
        row(HDRI, people, valid=[True, False, True, True], occlusion=[10.0, 10, 80, 75]),
        row(HDRI, []),
    ]
    (block,) = read(write(tmp_path, rows))
    assert block.person == ["0", "3"] and block.split == "valid"
    assert block.images[0] == f"validation/{HDRI}" and block.frames.tolist() == [1, 1]
    assert block.sequence[0] == "ag_validationset_renderpeople_bfh_hdri_50mm_5_10"
    assert block.extras["occlusion"] == [10, 75] and block.extras["kid"] == [False] * 2
    np.testing.assert_allclose(
        block.cameras[1].to_camera(block.joints3d[1]), 1000 * people[3][:24], rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(block.joints2d, [c.project(j) for c, j in
                               zip(block.cameras, block.joints3d, strict=True)])  # fmt: skip
    assert read(tmp_path, max_occlusion=80)[0].person == ["0", "2", "3"]


def test_small_people_are_left_out(tmp_path):
    far = person() + np.array([0, 0, 75])
    root = write(tmp_path, [row(HDRI, [far, person()])])
    assert read(root)[0].person == ["1"]
    assert read(root, min_side_px=80)[0].person == ["0", "1"]


def test_scenes_and_folders(tmp_path):
    rows = [row(ARCHVIZ, [person()]), row(FREE, [person(), person(0.5)], mount=(5.0, 6, 7, 80))]
    root = write(tmp_path / "agora", rows, "SMPL/train_3_withjv.pkl", "train_3")
    (block,) = read(root)
    assert block.camera_name == ["cam02", "", ""] and block.split == "train"
    assert [camera.K[0, 0] for camera in block.cameras] == pytest.approx(
        [FOCAL[ARCHVIZ], FOCAL[FREE], FOCAL[FREE]]
    )
    np.testing.assert_allclose(block.cameras[2].center, [60, -1770, 50], rtol=0, atol=1e-6)
    (block,) = read(tmp_path)
    assert block.images[1] == f"agora/train_3/{FREE}"


def test_small_images(tmp_path):
    root = write(tmp_path, [row(HDRI, [person()])], suffix="_1280x720")
    (block,) = read(root)
    assert block.images == [f"validation/{HDRI[:-4]}_1280x720.png"]
    assert block.cameras[0].image_size == (1280, 720)
    np.testing.assert_allclose(
        block.joints2d[0], block.cameras[0].project(block.joints3d[0]), atol=1e-9
    )


def test_smplx(tmp_path):
    joints = person(n=127)
    root = write(tmp_path, [row(HDRI, [joints])], "SMPLX/validation_2_withjv.pkl")
    (block,) = read(root, skeleton="smplx_127")
    in_camera = block.cameras[0].to_camera(block.joints3d[0])
    np.testing.assert_allclose(in_camera, 1000 * joints, rtol=0, atol=1e-6)
    assert read(root) == []


@pytest.mark.parametrize(
    "change, message",
    [
        ({"gt_joints_3d": [person(n=20)]}, "row 0, gt_joints_3d: expected 24 joints, found 20"),
        ({"gt_joints_3d": []}, "row 0, gt_joints_3d: expected a list of 1 arrays"),
        ({"gt_joints_2d": [np.full((45, 2), np.nan)]}, "expected finite numbers"),
        ({"isValid": 1.0}, "row 0, isValid: expected a list"),
        ({"occlusion": [1.0, 2.0]}, "row 0, occlusion: expected numbers of shape \\(1\\)"),
        ({"age": []}, "age: expected a list with an entry per person"),
        ({"imgPath": "picture.png"}, "imgPath: expected names like"),
    ],
)
def test_odd_frames(tmp_path, change, message):
    with pytest.raises(FileError, match=message):
        read(write(tmp_path, [{**row(HDRI, [person()]), **change}]))


def test_frames_without_joints(tmp_path):
    values = row(HDRI, [person()])
    del values["gt_joints_3d"]
    with pytest.raises(FileError, match="expected the columns gt_joints_3d, found imgPath"):
        read(write(tmp_path, [values]))


def test_any_damage_is_told_in_one_line(tmp_path):
    root = write(tmp_path, [row(HDRI, [person()]), row(FREE, [person(), person()])])
    path = root / "SMPL/validation_0_withjv.pkl"
    for damaged in mutations(path.read_bytes(), 150):
        overwrite(path, damaged)
        assert_result_or_user_error(read, root)
