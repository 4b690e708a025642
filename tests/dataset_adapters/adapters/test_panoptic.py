import json
import shutil

import numpy as np
import pytest
from miniature_copies import copy_of, read_damaged

import skeleton_defs
from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.adapters._inside import SeenJoints, joints_inside
from dataset_adapters.camera import Camera, intrinsics
from dataset_adapters.containers.errors import FileError

NAME = "171204_pose1"
SOURCE = Source("train", NAME)
BODIES = "hdPose3d_stage1_coco19"


@pytest.fixture
def root(tmp_path):
    return copy_of("panoptic", tmp_path)


def test_real_sequence(samples, tmp_path):
    name = "160906_band2"
    root = shutil.copytree(samples / "mmpose_tests" / "panoptic_body3d", tmp_path / "panoptic")
    for camera in ("00_00", "00_03"):
        folder = root / name / "hdImgs" / camera
        folder.mkdir(parents=True)
        for frame in (139, 140):
            (folder / f"{camera}_{frame:08d}.jpg").write_bytes(b"")
    blocks = list(get_adapter("panoptic").read(root, Source("train", name)))
    assert [b.camera_name for b in blocks] == ["00_00", "00_03"]
    joint = skeleton_defs.get("cmu_panoptic_19").joints.index
    for block in blocks:
        assert set(block.frames) <= {139, 140} and len(block) >= 2
        # y points down: the neck lies about half a metre above the middle of the hips.
        height = block.joints3d[:, joint("body_center"), 1] - block.joints3d[:, joint("neck"), 1]
        assert (height > 350).all() and (height < 650).all()
        assert (joints_inside(block.projected(), (1920, 1080)) >= 6).all()
        assert (block.cameras.up[1] < -0.5).all()


def write_body(path, joints, *, number=0):
    document = {"version": 0.7, "univTime": 0.0, "fpsType": "hd_29_97"}
    document["bodies"] = [{"id": number, "joints19": np.ravel(joints).tolist()}]
    path.write_text(json.dumps(document))


def numbers(n_present, confidence=0.5):
    joints = np.tile([0.0, 0, 0, -1], (19, 1))
    joints[:n_present] = np.random.default_rng(1).normal(
        [0, -100, 0, 0], [20, 40, 20, 0], (n_present, 4)
    )
    joints[:n_present, 3] = confidence
    return joints


def body_file(root):
    return sorted((root / NAME / BODIES).glob("*.json"))[0]


def rows_of(root, path, **options):
    frame = int(path.stem[-8:])
    blocks = list(get_adapter("panoptic", **options).read(root, SOURCE))
    return [e for block in blocks for e in block if e.frame == frame]


def test_missing_joints_and_sparse_bodies(root):
    path = body_file(root)
    write_body(path, numbers(7))
    rows = rows_of(root, path)
    assert rows and all(row.validity.tolist() == [True] * 7 + [False] * 12 for row in rows)
    write_body(path, numbers(5))
    assert not rows_of(root, path)
    assert rows_of(root, path, min_joints=5, min_joints_inside=5)
    write_body(path, numbers(19, confidence=0.1))
    assert not rows_of(root, path)
    assert rows_of(root, path, min_confidence=0.05)


def test_cameras_and_children_can_be_chosen(root):
    names = [b.camera_name for b in get_adapter("panoptic").read(root, SOURCE)]
    chosen = [
        b.camera_name for b in get_adapter("panoptic", cameras=names[0][-2:]).read(root, SOURCE)
    ]
    assert chosen == names[:1] and len(names) > 1
    (root / NAME).rename(root / "160906_ian1")
    (root / "160906_ian1" / f"calibration_{NAME}.json").rename(
        root / "160906_ian1" / "calibration_160906_ian1.json"
    )
    assert "160906_ian1" in [s.key for s in get_adapter("panoptic").sources(root, "train")]
    adults = get_adapter("panoptic", children=False)
    assert "160906_ian1" not in [s.key for s in adults.sources(root, "train")]


def test_unreadable_body_files_are_counted(root):
    body_file(root).write_text('{ "version": 0.7, "bod')
    block = next(get_adapter("panoptic").read(root, SOURCE))
    assert "1 of" in block.notes[0] and "no JSON" in block.notes[0]
    for path in (root / NAME / BODIES).glob("*.json"):
        path.write_text("x")
    with pytest.raises(FileError, match="all body files"):
        list(get_adapter("panoptic").read(root, SOURCE))


def test_a_sequence_without_people(root):
    for path in (root / NAME / BODIES).glob("*.json"):
        path.write_text('{"bodies": []}')
    assert sum(map(len, get_adapter("panoptic").read(root, SOURCE))) == 0


@pytest.mark.parametrize(
    "body, message",
    [
        ({"id": 0, "joints19": [0.0] * 75}, "expected a list of 76 numbers"),
        ({"id": 0, "joints19": ["x"] * 76}, "joints19: expected numbers"),
        ({"id": 0}, "expected the key 'joints19'"),
        (7, "bodies: expected a list of objects"),
    ],
)
def test_body_errors(root, body, message):
    body_file(root).write_text(json.dumps({"bodies": [body]}))
    with pytest.raises(FileError, match=message):
        list(get_adapter("panoptic").read(root, SOURCE))


def test_bodies_that_are_not_unpacked(root):
    shutil.rmtree(root / NAME / BODIES)
    with pytest.raises(FileError, match="unpack hdPose3d_stage1_coco19.tar"):
        list(get_adapter("panoptic").read(root, SOURCE))


def test_damaged_files(root):
    adapter = get_adapter("panoptic")
    read_damaged(adapter, root, SOURCE, body_file(root), count=60)
    path = root / NAME / f"calibration_{NAME}.json"
    read_damaged(adapter, root, SOURCE, path, count=60)


def test_seen_joints_agree_with_the_camera():
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 900, (200, 19, 3))
    joints[rng.random((200, 19)) < 0.1] = np.nan
    camera = Camera(
        np.eye(3), [0, 0, 3000.0], intrinsics(1400, 1390, 950, 530, skew=2),
        distortion=(-0.2, 0.1, 0.001, 0.002, 0), image_size=(1920, 1080),
    )  # fmt: skip
    expected = joints_inside(camera.project(joints), (1920, 1080))
    np.testing.assert_array_equal(SeenJoints(joints).count(camera), expected)
    assert 0 < expected.min() + 1 < expected.max()
