import numpy as np
import pytest
from miniature_copies import copy_of, master, overwrite, read_damaged
from miniatures import scene

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.adapters import _matte_videos
from dataset_adapters.containers.errors import FileError
from skelbridge.store import open_store, prepare, rle
from skeleton_defs import UserError

ADAPTER = get_adapter("totalcapture")
VIDEO = "video/s1/acting3/TC_S1_acting3_cam1.mp4"
SOURCE = Source("test", VIDEO)
WALK = "s1/walking1/TC_S1_walking1_cam1.mp4"
POSES = "vicon/S1/acting3/gt_skel_gbl_pos.txt"


def read_one(root, source=SOURCE, adapter=ADAPTER):
    (block,) = adapter.read(root, source)
    return block


def test_inches_metres_and_up():
    block = read_one(master("totalcapture"))
    first = (master("totalcapture") / POSES).read_text().split("\n")[1].split("\t")[0].split()
    np.testing.assert_allclose(block.joints3d[0, 0], 25.4 * np.array(first, float))
    # The feet are below the hips, and the head is above them, along the camera's up.
    heights = (block.cameras.to_camera(block.joints3d[0]) @ block.cameras.up)[[6, 0, 17, 20]]
    assert heights[0] > heights[1] > max(heights[2:])


def test_joints_are_taken_by_name(tmp_path):
    root = copy_of("totalcapture", tmp_path)
    expected = read_one(root).joints3d
    lines = [line.rstrip("\t\r") for line in (root / POSES).read_text().split("\n") if line.strip()]
    turned = ["\t".join(reversed(line.split("\t"))) + "\t" for line in lines]
    overwrite(root / POSES, ("\r\n".join(turned) + "\r\n\r\n").encode())
    np.testing.assert_array_equal(read_one(root).joints3d, expected)


def test_sequences_without_an_official_split(tmp_path):
    root = copy_of("totalcapture", tmp_path)
    new = root / "video/s4/TC_S4_rom3_cam1.mp4"
    new.write_bytes((root / VIDEO).read_bytes())
    keys = {split: [s.key for s in ADAPTER.sources(root, split)] for split in ("train", "test")}
    assert not any("rom3" in key for key in keys["train"] + keys["test"])
    adapter = get_adapter("totalcapture", unassigned="test")
    assert [s.key for s in adapter.sources(root, "test") if "rom3" in s.key] == [
        "video/s4/TC_S4_rom3_cam1.mp4"
    ]
    with pytest.raises(UserError, match="unassigned must be one of"):
        get_adapter("totalcapture", unassigned="valid")


def test_people_that_leave_the_image_are_left_out(tmp_path):
    root = copy_of("totalcapture", tmp_path)
    source = Source("train", "video/s1/walking1/TC_S1_walking1_cam1.mp4")
    path = root / "vicon/S1/walking1/gt_skel_gbl_pos.txt"
    lines = [line for line in path.read_text().split("\n") if line.strip()]
    # In frame 1 all joints but the first five are kilometres away, out of sight.
    cells = lines[2].split("\t")
    lines[2] = "\t".join([*cells[:5], *["99999 99999 99999"] * 16])
    overwrite(path, "\n".join(lines).encode())
    everyone, five, six = (
        read_one(root, source, get_adapter("totalcapture", min_joints_inside=n)).frames.tolist()
        for n in (0, 5, 6)
    )
    assert everyone == five and 1 in five
    assert six == [frame for frame in five if frame != 1]
    assert read_one(root, source).frames.tolist() == six


def test_toolbox_layout(tmp_path):
    root = copy_of("totalcapture", tmp_path)
    expected = read_one(root)
    folder = root / "totalcapture/s1/acting3"
    folder.mkdir(parents=True)
    (root / POSES).rename(folder / "gt_skel_gbl_pos.txt")
    (root / VIDEO).rename(folder / "TC_S1_acting3_cam1.mp4")
    source = Source("test", "totalcapture/s1/acting3/TC_S1_acting3_cam1.mp4")
    assert source in ADAPTER.sources(root, "test")
    n = len(expected)
    np.testing.assert_array_equal(read_one(root, source).joints3d[:n], expected.joints3d)


def draw_matte(root, rectangles, name=WALK):
    """Writes a matte with one white rectangle (left, top, right, bottom) or nothing per frame."""
    frames = np.zeros((len(rectangles), 1080, 1920, 3), np.uint8)
    for frame, rectangle in zip(frames, rectangles, strict=True):
        if rectangle:
            left, top, right, bottom = rectangle
            frame[top:bottom, left:right] = 255
    scene.write_video(root / "mattes" / name, list(frames))
    return frames[..., 0] > 0


def stored(root, store, **options):
    """Returns the examples of the first camera's walk, and the facts of train."""
    options = {"thinning": False, "plausibility": False, "images": "reference", **options}
    report = prepare(ADAPTER, root, store, split="train", **options)
    examples = [e for e in open_store(store) if e.camera_name == "cam1"]
    return sorted(examples, key=lambda e: e.frame), report.splits["train"]


def joint_box(example):
    """The published box without mattes, by hand: (left, top, right, bottom)."""
    low, high = example.projected.min(0), example.projected.max(0)
    return np.concatenate([low - 0.125 * (high - low), high + 0.125 * (high - low)])


def test_box_ends_where_the_matte_ends(tmp_path):
    root = copy_of("totalcapture", tmp_path)
    block = read_one(root, Source("train", f"video/{WALK}"))
    assert block.boxes is None
    left, _, right, bottom = joint_box(block[0]).round().astype(int).tolist()
    # Both ends in blocks of 16 px, which the codec keeps apart.
    inner = (left // 16 * 16 + 32, 0, right // 16 * 16 - 16, bottom // 16 * 16 - 32)
    drawn = draw_matte(root, [inner, None])
    examples, facts = stored(root, tmp_path / "store")
    assert facts["kept"] == {"totalcapture_21": 16} and not facts["bad_files"]
    box = examples[0].box
    # The edge of a pixel is half a pixel from its centre.
    expected = [inner[0] - 0.5, joint_box(block[0])[1], inner[2] - 0.5, inner[3] - 0.5]
    np.testing.assert_allclose([*box[:2], *(box[:2] + box[2:])], expected, rtol=0, atol=1e-2)
    np.testing.assert_array_equal(rle.decode(examples[0].mask), drawn[0])
    # An empty matte is a silhouette of nothing, and says nothing of the box.
    box = examples[1].box
    np.testing.assert_allclose([*box[:2], *(box[:2] + box[2:])], joint_box(block[1]), atol=1e-2)
    assert not rle.decode(examples[1].mask).any()


@pytest.mark.parametrize("kind", ["none", "elsewhere", "truncated", "no video", "other size"])
def test_box_of_the_joints_where_the_matte_says_nothing(tmp_path, kind):
    root = copy_of("totalcapture", tmp_path)
    path = root / "mattes" / WALK
    draw_matte(root, 2 * [(0, 0, 32, 32)])
    if kind == "none":
        path.unlink()
    elif kind == "truncated":
        data = path.read_bytes()
        # The index of the frames stays, of the pictures nothing that can be decoded does.
        at = data.index(b"mdat") + 4
        overwrite(path, data[:at] + bytes(data.index(b"moov") - at) + data[data.index(b"moov") :])
    elif kind == "no video":
        overwrite(path, b"no video")
    elif kind == "other size":
        scene.write_video(path, 2 * [np.full((64, 96, 3), 255, np.uint8)])
    examples, facts = stored(root, tmp_path / "store", max_bad_files=1)
    assert facts["kept"] == {"totalcapture_21": 16} and not facts["dropped"]
    is_bad = kind in ("truncated", "no video")
    assert [name for name, _ in facts["bad_files"]] == [f"mattes/{WALK}"] * is_bad
    for example in examples:
        box = example.box
        np.testing.assert_allclose([*box[:2], *(box[:2] + box[2:])], joint_box(example), atol=1e-2)
        assert (example.mask is None) == (is_bad or kind == "none")


def test_crops_have_their_part_of_the_matte(tmp_path):
    root = copy_of("totalcapture", tmp_path)
    left, top, right, bottom = joint_box(read_one(root, Source("train", f"video/{WALK}"))[0])
    middle = int((left + right) / 2)
    draw_matte(root, 2 * [(int(left) - 200, int(top) - 200, middle, int(bottom) + 200)])
    examples, _ = stored(root, tmp_path / "store", images="crop")
    silhouette = rle.decode(examples[0].mask)
    assert silhouette.shape == examples[0].image_size[::-1]
    left, top, width, height = examples[0].box.round().astype(int)
    rows = silhouette[top + height // 8 : top + height - height // 8]
    # The crop is turned a little, and so is the edge of the rectangle in it.
    assert rows[:, left + width // 8 : left + width - width // 8].all()
    assert not rows[:, left + width + width // 8 :].any()


def test_a_matte_is_decoded_once_and_not_by_reading(tmp_path, monkeypatch):
    passes = []

    def counted(path, frames):
        passes.append(list(frames))
        return scene_reader(path, frames)

    scene_reader = _matte_videos.read_video
    monkeypatch.setattr(_matte_videos, "read_video", counted)
    root = copy_of("totalcapture", tmp_path)
    rectangles = [(16 * i, 0, 16 * i + 16, 16) for i in range(5)]
    drawn = draw_matte(root, rectangles)
    examples = list(read_one(root, Source("train", f"video/{WALK}")))
    assert len(examples[0].mask) == 2 and not passes
    column = _matte_videos.MatteFrames(root / "mattes" / WALK, np.arange(5)).select([0, 2, 3])
    for row, frame in enumerate((0, 2, 3)):
        np.testing.assert_array_equal(rle.decode(column[row]), drawn[frame])
    assert passes == [[0, 2, 3]]
    np.testing.assert_array_equal(rle.decode(column[1]), drawn[2])
    assert passes == [[0, 2, 3], [2, 3]]


def test_frames_behind_the_end_of_a_matte_are_not_tried_again(tmp_path, monkeypatch):
    passes = []
    reader = _matte_videos.read_video

    def counted(path, frames):
        passes.append(list(frames))
        return reader(path, frames)

    monkeypatch.setattr(_matte_videos, "read_video", counted)
    drawn = draw_matte(tmp_path, [(0, 0, 16, 16), (16, 0, 32, 16)])
    column = _matte_videos.MatteFrames(tmp_path / "mattes" / WALK, np.arange(5))
    np.testing.assert_array_equal(rle.decode(column[0]), drawn[0])
    for row in (2, 3, 4):
        with pytest.raises(FileError, match="expected frame 2, found only 2 frames"):
            column[row]["counts"]
    assert len(passes) == 1
    np.testing.assert_array_equal(rle.decode(column[1]), drawn[1])


def edited(path, edit):
    overwrite(path, edit(path.read_text()).encode())


@pytest.mark.parametrize(
    "name, edit, message",
    [
        ("calibration.cal", lambda t: t.replace("8 1", "7 1", 1), "expected 8 cameras of 21"),
        ("calibration.cal", lambda t: t[: len(t) // 2], "calibration.cal: "),
        ("calibration.cal", lambda t: t + "\nextra", "expected numbers, found 'extra'"),
        (POSES, lambda t: t.replace("Hips", "Hip", 1), "line 1: expected the names of 21 joints"),
        (POSES, lambda t: t[:-40], "expected 63 numbers, found"),
        (POSES, lambda t: t.replace("\n", "\n1 2\n", 1), "line 2: expected 63 numbers, found 2"),
        (POSES, lambda t: t.split("\n")[0] + "\n" + "nan " * 62 + "x", "line 2: .* found 'x'"),
        (POSES, lambda t: t.split("\n")[0] + "\n" + "1e99 " * 63, "found 1e\\+99"),
    ],
)
def test_damage_is_named(tmp_path, name, edit, message):
    root = copy_of("totalcapture", tmp_path)
    edited(root / name, edit)
    with pytest.raises(FileError, match=message):
        read_one(root)


@pytest.mark.parametrize("name, message", [(POSES, "unpack s1_vicon"), ("calibration.cal", "none")])
def test_missing_files(tmp_path, name, message):
    root = copy_of("totalcapture", tmp_path)
    (root / name).unlink()
    with pytest.raises(FileError, match=message):
        read_one(root)


@pytest.mark.parametrize("name", [POSES, "calibration.cal"])
def test_damaged_files(tmp_path, name):
    root = copy_of("totalcapture", tmp_path)
    read_damaged(ADAPTER, root, SOURCE, root / name, count=50)
