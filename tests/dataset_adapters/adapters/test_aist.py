import json

import numpy as np
import pytest
from miniature_copies import copy_of, read_damaged

from dataset_adapters import get_adapter, videos
from dataset_adapters.adapters import aist
from dataset_adapters.adapters.aist import frames_by_time
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.safe_pickle import load_pickle
from dataset_adapters.containers.video_header import VideoHeader
from skeleton_defs import UserError


@pytest.fixture
def root(tmp_path):
    return copy_of("aist", tmp_path)


@pytest.fixture
def source(root):
    return get_adapter("aist").sources(root, "train")[0]


def test_rows_of_a_slower_video_by_hand():
    # At 30 per second each frame stands for two rows; frame 1 comes at row 2 exactly.
    rows = np.arange(6)
    assert frames_by_time(rows, 30.0, rounding="down").tolist() == [0, 0, 1, 1, 2, 2]
    assert frames_by_time(rows, 30.0, rounding="up").tolist() == [0, 0, 1, 1, 2, 2]
    # At 59.94 frame j comes at row 1.001 j: frame 1 rounds down to row 1 and up to row 2.
    assert frames_by_time(rows, 59.94, rounding="down").tolist() == [0, 1, 2, 3, 4, 5]
    assert frames_by_time(rows, 59.94, rounding="up").tolist() == [0, 0, 1, 2, 3, 4]
    # After 1000 rows the video is one frame behind.
    late = frames_by_time(np.array([999, 1000, 1001]), 59.94, rounding="down")
    assert late.tolist() == [998, 999, 1000]
    assert frames_by_time(rows, 60.0, rounding="down").tolist() == rows.tolist()


def test_rate_and_length_decide(root, source, monkeypatch):
    n = len(load_pickle(root / f"annotations/keypoints3d/{source.key}.pkl")["keypoints3d_optim"])

    def read(n_frames, rate):
        header = VideoHeader(1920, 1080, n_frames, rate)
        monkeypatch.setattr(aist, "video_header", lambda path: header)
        return next(get_adapter("aist").read(root, source))

    monkeypatch.setattr(videos, "_HEADER_READERS", {})
    by_decoder = next(get_adapter("aist").read(root, source))
    monkeypatch.undo()
    by_header = next(get_adapter("aist").read(root, source))
    assert by_decoder.video_frames.tolist() == by_header.video_frames.tolist()

    whole = read(n, 60.0)
    assert whole.video_frames.tolist() == list(range(n)) and whole.notes == ()
    assert read(n + 1, 60.0).video_frames.tolist() == list(range(n))
    assert read(n - 1, 60.0).video_frames.tolist() == list(range(n - 1))
    # 25 per second with a frame for every row: the rate is told wrongly.
    assert read(n, 25.0).video_frames.tolist() == list(range(n))
    half = read(n // 2, 30.0)
    assert half.video_frames.tolist() == [i // 2 for i in range(2 * (n // 2))]
    assert "by time" in half.notes[0]


def test_joints_option(root, source):
    stored = load_pickle(root / f"annotations/keypoints3d/{source.key}.pkl")
    raw = next(get_adapter("aist", joints="keypoints3d").read(root, source))
    expected = 10 * np.asarray(stored["keypoints3d"])[: len(raw)]
    present = ~np.isnan(raw.joints3d)
    np.testing.assert_allclose(raw.joints3d[present], expected[present])
    with pytest.raises(UserError, match="option joints must be one of"):
        get_adapter("aist", joints="smpl")


def test_ignored_sequences_and_bad_views_are_left_out(root):
    adapter = get_adapter("aist")
    ignored = (root / "annotations" / "ignore_list.txt").read_text().split()
    listed = [s.key for split in adapter.info.splits for s in adapter.sources(root, split)]
    assert ignored and not set(ignored) & set(listed)
    views = {(e.sequence, e.camera_name) for e in adapter.examples(root)}
    assert not views & aist._BAD_VIEWS


def test_inner_folder_name(root, source):
    (root / "annotations").rename(root / "aist_plusplus_final")
    assert get_adapter("aist").sources(root, "train")[0] == source
    assert next(get_adapter("aist").read(root, source))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda c: c[0].pop("matrix"), "expected the key 'matrix'"),
        (lambda c: c[0].update(name="../x"), "expected a camera name as c01"),
        (lambda c: c[0].update(rotation=[1, 2]), r"rotation: expected numbers of shape \(3\)"),
        (lambda c: c[0].update(distortions=[0] * 13), "at most 12"),
        (lambda c: c[0].update(matrix=[[0] * 3] * 3), "c01: no usable camera"),
    ],
)
def test_camera_errors(root, source, change, message):
    for path in (root / "annotations" / "cameras").glob("setting*.json"):
        cameras = json.loads(path.read_text())
        change(cameras)
        path.write_text(json.dumps(cameras))
    with pytest.raises(FileError, match=message):
        list(get_adapter("aist").read(root, source))


def test_other_errors(root, source):
    mapping = root / "annotations" / "cameras" / "mapping.txt"
    text = mapping.read_text()
    mapping.write_text(text.replace(source.key, "gXX"))
    with pytest.raises(FileError, match=f"expected the setting of {source.key}"):
        list(get_adapter("aist").read(root, source))
    mapping.write_text(text.replace(" setting", " ../setting"))
    with pytest.raises(FileError, match="expected a sequence and its setting"):
        list(get_adapter("aist").read(root, source))
    (root / "annotations" / "splits" / "pose_val.txt").write_text("a b\n")
    with pytest.raises(FileError, match="expected a sequence name per line, found 'a b'"):
        get_adapter("aist").sources(root, "valid")


def test_damaged_files(root, source):
    adapter = get_adapter("aist")
    joints = root / "annotations" / "keypoints3d" / f"{source.key}.pkl"
    read_damaged(adapter, root, source, joints, count=60)
    for path in (root / "annotations" / "cameras").glob("setting*.json"):
        read_damaged(adapter, root, source, path, count=20)
