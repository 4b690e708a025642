import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from miniature_copies import overwrite
from miniatures import scene

from dataset_adapters import get_adapter
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

ANNOTATIONS = "annotations/train/seq_7.json"


def camera():
    return scene.cameras(1, (1920, 1080), distance_mm=6000)[0]


def bodies(n_frames=3, people=(0, 1)):
    """(P, T, 22, 3) mm in camera axes."""
    poses = [scene.poses("jta_22", n_frames, person=p) for p in people]
    return camera().to_camera(np.array(poses))


def rows_of(joints, *, focal=1167.0, occluded=None, first_id=3):
    n_people, n_frames = joints.shape[:2]
    occluded = np.zeros(joints.shape[:3], int) if occluded is None else occluded
    rows = []
    for person in range(n_people):
        for frame in range(n_frames):
            for kind, (x, y, z) in enumerate(joints[person, frame] / 1000):
                u, v = 960 + focal * x / z, 540 + focal * y / z
                rows.append([frame + 1, person + first_id, kind, u, v, x, y, z,
                             int(occluded[person, frame, kind]), kind % 2])  # fmt: skip
    return rows


def write(root, rows, name=ANNOTATIONS):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows))
    video = root / name.replace("annotations", "videos").replace(".json", ".mp4")
    scene.write_video(video, [np.zeros((1080, 1920, 3), np.uint8)] * 3)
    return root


def read(root, **options):
    (block,) = get_adapter("jta", **options).blocks(root)
    return block


def test_rows_in_any_order_become_people(tmp_path):
    joints = bodies()
    rows = rows_of(joints)
    np.random.default_rng(0).shuffle(rows)
    block = read(write(tmp_path, rows))
    assert block.frames.tolist() == [1, 1, 2, 2, 3, 3]
    assert block.video_frames.tolist() == [0, 0, 1, 1, 2, 2]
    assert block.person == ["3", "4"] * 3 and block.sequence == "seq_7"
    np.testing.assert_allclose(block.joints3d, joints.swapaxes(0, 1).reshape(6, 22, 3), atol=1e-6)
    np.testing.assert_allclose(block.joints2d[3], block.cameras[3].project(block.joints3d[3]))
    assert block.cameras[0].K[0, 0] == 1167 and "1167 px" in block.notes[-1]
    assert block.extras["self_occluded"][0].tolist() == [False, True] * 11


def test_up_is_the_median_of_bodies(tmp_path):
    joints = bodies(1, (0, 1, 2))
    # One of three lies down; the median stays with the others.
    joints[2, 0] = (joints[2, 0] - joints[2, 0, 0]) @ np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    joints[2, 0] += [0, 0, 7000]
    block = read(write(tmp_path, rows_of(joints)))
    up = camera().R @ [0, 0, 1]
    assert block.cameras[0].up @ up > np.cos(np.radians(8))


@pytest.mark.parametrize("focal", [1158.0, 1167.0])
def test_focal_length_is_told_by_the_2d_joints(tmp_path, focal):
    root = write(tmp_path, rows_of(bodies(1), focal=focal))
    assert read(root).cameras[0].K[0, 0] == focal
    assert read(root, focal="1158").cameras[0].K[0, 0] == 1158


def test_columns_of_early_releases(tmp_path):
    joints = bodies(1)
    rows = rows_of(joints)
    for row in rows:
        x, y, z = row[5:8]
        row[5:8] = x, z, -y
    block = read(write(tmp_path, rows))
    np.testing.assert_allclose(block.joints3d, joints[:, 0], atol=1e-6)
    assert "early releases" in block.notes[0]
    assert read(tmp_path, axes="old", focal="1167").notes == ()


def test_hidden_people_missing_joints_and_joints_behind_the_camera(tmp_path):
    joints = bodies(1, (0, 1, 2))
    occluded = np.zeros((3, 1, 22), int)
    occluded[0] = 1
    occluded[1, 0, 4:] = 1
    joints[2, 0, 5, 2] = -100
    rows = [row for row in rows_of(joints, occluded=occluded) if row[1:3] != [5, 8]]
    block = read(write(tmp_path, rows))
    assert block.person == ["5"]
    assert np.isnan(block.joints3d[0, 8]).all() and not block.validity[0, 8]
    assert np.isnan(block.joints2d[0, 5]).all() and block.joints3d[0, 5, 2] == -100
    assert read(tmp_path, min_visible_joints=4).person == ["4", "5"]
    assert read(tmp_path, min_visible_joints=0).person == ["4", "5"]


def test_frames_behind_the_end_of_the_video_and_splits(tmp_path):
    rows = rows_of(bodies(5, (0,)))
    block = read(write(tmp_path, rows, "annotations/val/seq_10.json"))
    assert block.split == "valid" and block.frames.tolist() == [1, 2, 3]
    write(tmp_path, rows, "annotations/val/seq_9.json")
    keys = [s.key for s in get_adapter("jta").sources(tmp_path, "valid")]
    assert keys == ["val/seq_9", "val/seq_10"]


@pytest.mark.parametrize(
    "rows, message",
    [
        ([[1, 2, 3]], "the rows: expected numbers of shape \\(n, 10\\), found shape \\(1, 3\\)"),
        ({"a": 1}, "the rows: expected numbers"),
        ([[0, 1, 2, 0, 0, 0, 0, 1, 0, 0]], "row 1: expected frame \\(from 1\\)"),
        ([[1, 1, 22, 0, 0, 0, 0, 1, 0, 0]], "row 1: expected frame"),
        ([[1, 1.5, 2, 0, 0, 0, 0, 1, 0, 0]], "row 1: expected frame"),
        ([[1, 1, 2, None, 0, 0, 0, 1, 0, 0]], "expected finite numbers, found nan"),
    ],
)
def test_odd_rows(tmp_path, rows, message):
    with pytest.raises(FileError, match=message):
        read(write(tmp_path, rows))


def test_missing_video_and_options(tmp_path):
    root = write(tmp_path, rows_of(bodies(1)))
    (root / "videos/train/seq_7.mp4").unlink()
    with pytest.raises(FileError, match="expected a video, found none"):
        read(root)
    with pytest.raises(UserError, match="option focal must be one of auto, 1167, 1158"):
        get_adapter("jta", focal="1200")
    assert list(get_adapter("jta").blocks(write(tmp_path / "empty", []))) == []


def test_any_damage_is_told_in_one_line(tmp_path):
    root = write(tmp_path, rows_of(bodies(2)))
    path = root / ANNOTATIONS
    good = path.read_bytes()
    for damaged in mutations(good, 150):
        overwrite(path, damaged)
        assert_result_or_user_error(lambda: list(get_adapter("jta").blocks(root)))
    overwrite(path, good)
    assert len(read(root)) == 4
