import json
from pathlib import Path

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from miniature_copies import overwrite

import dataset_adapters.adapters
from dataset_adapters import get_adapter
from dataset_adapters.adapters._skeleton_files import read_skeleton_file
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

NAME = "S001C001P001R001A001"
K = np.array([[1060.0, 0, 965], [0, 1062, 545], [0, 0, 1]])


def body(seed=0, *, state=2, number=72057594037900001):
    """Lines of one body whose colour pixels are those of `K`."""
    rng = np.random.default_rng(seed)
    points = rng.uniform((-1, -1, 2), (1, 1, 4), (25, 3)).round(5)
    lines = [f"{number} 0 1 0 1 0 0 -0.0312 0.1044 2", "25"]
    for x, y, z in points:
        u, v, _ = K @ (x / z, -y / z, 1)
        lines.append(f"{x:.5f} {y:.5f} {z:.5f} 270.00 NaN {u:.3f} {v:.3f} 0 0 1 -0.1 {state}")
    return lines


def text(frames):
    """`frames`: lists of bodies."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines += [str(len(bodies)), *(line for lines_of in bodies for line in lines_of)]
    return "\n".join(lines) + "\n"


def write(root, content, name=NAME, folder="nturgb+d_skeletons"):
    path = root / folder / f"{name}.skeleton"
    path.parent.mkdir(parents=True, exist_ok=True)
    overwrite(path, content.encode() if isinstance(content, str) else content)
    return root


def read(root, **options):
    return list(get_adapter("ntu_rgbd", **options).blocks(root))


def test_bodies_of_all_frames(tmp_path):
    other = body(1, number=7)
    (block,) = read(write(tmp_path, text([[body()], [], [other, body(2)], [body(), other, other]])))
    assert block.frames.tolist() == [0, 2, 2, 3, 3, 3] and block.sequence == NAME
    assert block.person[:3] == ["72057594037900001", "7", "72057594037900001"]
    x, y, z = map(float, body(1)[2].split()[:3])
    np.testing.assert_allclose(block.joints3d[1, 0], [1000 * x, -1000 * y, 1000 * z])
    assert block.subject == "P001" and block.camera_name == "C001" and block.images is None
    assert block.extras["action"].tolist() == [1] * 6 and (block.extras["tracking"] == 2).all()


def test_the_colour_camera_is_fitted(tmp_path):
    (block,) = read(write(tmp_path, text([[body(k)] for k in range(5)])))
    np.testing.assert_allclose(block.cameras.K, K, atol=0.05)
    assert block.cameras.up.tolist() == [0, -1, 0] and "median residual 0.0 px" in block.notes[0]
    np.testing.assert_allclose(block.cameras.project(block.joints3d), block.joints2d, atol=0.01)
    (block,) = read(write(tmp_path, text([[body()]])))
    assert block.cameras is None and "too few joints" in block.notes[0]
    mirrored = text([[body(k)] for k in range(5)]).replace(" 270.00 NaN ", " 270.00 NaN -")
    (block,) = read(write(tmp_path, mirrored))
    assert block.cameras is None and "px only" in block.notes[0]


def test_joints_that_were_not_tracked(tmp_path):
    lines = body()
    lines[2 + 7] = lines[2 + 7][:-1] + "0"
    lines[2 + 8] = lines[2 + 8][:-1] + "1"
    root = write(tmp_path, text([[lines]]).replace("\n", "\r\n"))
    (block,) = read(root)
    assert np.isnan(block.joints3d[0, 7]).all() and np.isnan(block.joints2d[0, 7]).all()
    assert block.validity[0].sum() == 24 and block.extras["tracking"][0, 7:9].tolist() == [0, 1]
    assert read(root, keep_untracked=True)[0].validity.all()


def test_pixels_that_are_none(tmp_path):
    lines = body()
    for row, pixel in [(3, "NaN NaN"), (4, "-inf inf"), (5, "5.0 1e30"), (6, "nan 7")]:
        words = lines[2 + row].split()
        lines[2 + row] = " ".join([*words[:5], pixel, *words[7:]])
    (block,) = read(write(tmp_path, text([[lines]])))
    assert np.isnan(block.joints2d[0, 3:7]).all() and not np.isnan(block.joints2d[0, 7:]).any()
    assert block.validity.all()


def names(root, split, **options):
    return [s.key[-28:-9] for s in get_adapter("ntu_rgbd", **options).sources(root, split)]


def test_splits(tmp_path):
    samples = ["S001C001P001R001A001", "S002C002P003R002A007", "S017C003P006R001A060",
               "S018C001P008R001A061", "S019C002P045R001A115", "S020C003P106R001A120"]  # fmt: skip
    for name in samples:
        write(tmp_path, "0\n", name)
    a, b, c, d, e, f = (name[1:] for name in samples)
    assert names(tmp_path, "train") == [a, d, e] and names(tmp_path, "test") == [b, c, f]
    options = {"protocol": "xsub60"}
    assert [names(tmp_path, s, **options) for s in ("train", "test")] == [[a], [b, c]]
    options = {"protocol": "xview"}
    assert [names(tmp_path, s, **options) for s in ("train", "test")] == [[b, c], [a]]
    options = {"protocol": "xset"}
    assert [names(tmp_path, s, **options) for s in ("train", "test")] == [[b, d, f], [a, c, e]]
    options = {"protocol": "oneshot"}
    assert [names(tmp_path, s, **options) for s in ("train", "test")] == [[c, f], [a, b, d, e]]
    with pytest.raises(UserError, match="option protocol must be one of xsub, xsub60, xview"):
        get_adapter("ntu_rgbd", protocol="cross")


def test_incomplete_samples_are_left_out(tmp_path):
    folder = Path(dataset_adapters.adapters.__file__).parent / "data"
    missing = json.loads((folder / "ntu_missing_skeletons.json").read_text())["ids"]
    assert len(missing) == len(set(missing)) == 535
    assert sum(int(name[1:4]) <= 17 for name in missing) == 302
    for name in (missing[0], missing[-1], NAME):
        write(tmp_path, "0\n", name)
    write(tmp_path, "0\n", "S001C001P001R001A001_copy")
    assert names(tmp_path, "train") + names(tmp_path, "test") == [NAME[1:]]
    assert read(tmp_path) == []


def test_videos(tmp_path):
    root = write(tmp_path, text([[], [body()]]))
    (root / "nturgb+d_rgb").mkdir()
    (root / f"nturgb+d_rgb/{NAME}_rgb.avi").write_bytes(b"not looked into")
    (block,) = read(root)
    assert block.images == f"nturgb+d_rgb/{NAME}_rgb.avi" and block.video_frames.tolist() == [1]


GOOD = text([[body()], [body(1)]])


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "expected the number of frames, found the end of the file"),
        ("two\n", "word 1: expected a number, found 'two'"),
        ("-2\n", "expected the number of frames, found '-2'"),
        ("99999999999\n", "expected the number of frames, found '99999999999'"),
        ("99999999\n", "expected frame 0: the number of bodies, found the end of the file"),
        ("1\n99999999\n", "found the end of the file in frame 0; it is cut off"),
        (GOOD[:-40], "expected 2 frames, found the end of the file in frame 1; it is cut off"),
        ("3" + GOOD[1:], "expected frame 2: the number of bodies, found the end of the file"),
        ("1" + GOOD[1:], "expected 1 frames as the first line says, found 312 numbers behind"),
        (GOOD.replace("\n25\n", "\n24\n", 1), "frame 0: expected 25 joints, found 24"),
        (GOOD.replace("270.00", "27O.00", 1), "word 17: expected a number, found '27O.00'"),
        (GOOD.replace("270.00", "27_0.00", 1), "word 17: expected a number, found '27_0.00'"),
        (GOOD.replace(" 2\n", " 3\n", 2), "frame 0: expected a tracking state of 0, 1 or 2, found"),
    ],
)
def test_odd_files(tmp_path, content, message):
    with pytest.raises(FileError, match=message) as caught:
        read(write(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_positions_far_away(tmp_path):
    lines = body()
    lines[2] = "20000 " + lines[2].split(" ", 1)[1]
    with pytest.raises(FileError, match="frame 0: expected joint positions in metres, found 20000"):
        read(write(tmp_path, text([[lines]])))


def test_any_damage_is_told_in_one_line(tmp_path):
    root = write(tmp_path, text([[body(k)] for k in range(5)]))
    path = root / f"nturgb+d_skeletons/{NAME}.skeleton"
    good = path.read_bytes()
    for damaged in mutations(good, 150):
        overwrite(path, damaged)
        assert_result_or_user_error(read, root)
    overwrite(path, good)
    assert read_skeleton_file(path)[2].shape == (5, 25, 12)
