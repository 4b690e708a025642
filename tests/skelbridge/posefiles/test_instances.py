import numpy as np

from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.instances import instances_of


def test_a_single_pose_is_one_instance_of_one_frame():
    flat = instances_of(PoseData(np.zeros((4, 2)), leading=()))
    assert flat.positions.shape == (1, 4, 2)
    assert flat.n_frames == 1
    assert flat.frame.tolist() == [0]


def test_every_frame_is_an_instance_even_without_joints():
    flat = instances_of(PoseData(np.full((3, 4, 2), np.nan)))
    assert flat.frame.tolist() == [0, 1, 2]
    assert not flat.present.any()


def test_absent_people_are_left_out_and_extras_follow():
    positions = np.arange(12.0).reshape(3, 2, 1, 2)
    positions[1, 0] = np.nan
    extras = {"score": np.arange(6).reshape(3, 2), "time": np.array([7, 8, 9]), "note": "kept out"}
    poses = PoseData(positions, ("frame", "person"), confidence=np.ones((3, 2, 1)), extras=extras)
    flat = instances_of(poses)
    assert flat.frame.tolist() == [0, 0, 1, 2, 2]
    assert flat.person.tolist() == [0, 1, 1, 0, 1]
    assert flat.extras["score"].tolist() == [0, 1, 3, 4, 5]
    assert flat.extras["time"].tolist() == [7, 7, 8, 9, 9]
    assert "note" not in flat.extras
    assert flat.n_frames == 3


def test_instances_of_one_image_share_a_frame():
    poses = PoseData(
        np.zeros((4, 1, 2)), ("instance",), extras={"image_id": np.array([9, 5, 9, 5])}
    )
    flat = instances_of(poses)
    assert flat.frame.tolist() == [0, 1, 0, 1]
    assert flat.person.tolist() == [0, 0, 1, 1]
    assert flat.n_frames == 2


def test_arrays_on_disk_are_read():
    class OnDisk:
        shape = (2, 3, 2)
        dtype = np.dtype("float32")

        def __getitem__(self, frames):
            return np.ones((2, 3, 2), np.float32)[frames]

    assert instances_of(PoseData(OnDisk())).positions.shape == (2, 3, 2)
