"""What `prepare` keeps of hand-made files by the rules that adapters state, frame by frame."""

import json

import numpy as np
import pytest
from miniatures import scene

import skeleton_defs
from dataset_adapters import get_adapter
from dataset_adapters.examples import ExampleBlock
from skelbridge.store import open_store, prepare
from skelbridge.store.options import PrepareOptions
from skelbridge.store.selection import select
from skelbridge.store.tally import Tally


def selected(name, blocks, **options):
    """Returns the blocks that come into the store, and what was counted."""
    tally = Tally()
    return select(blocks, get_adapter(name).info, PrepareOptions(**options), tally), tally


def kept_frames(root, name, split="train", **options):
    adapter = get_adapter(name)
    found, total = {}, Tally()
    for source in adapter.sources(root, split):
        blocks, tally = selected(name, adapter.read(root, source), **options)
        total.add(tally)
        for block in blocks:
            for row in range(len(block)):
                key = (block.value("camera_name", row), block.value("person", row))
                found.setdefault(key, []).append(int(block.frames[row]))
    return found, total.dropped


def write_json(path, tree):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree))


def person(frame, track, shift, *, hidden=(), **others):
    """17 joints in a square of 100 px; joint 0, at its left, is `shift` px further in."""
    keypoints = [v for k in range(17) for v in (300 + 25 * (k % 5), 100 + 25 * (k // 4), 1)]
    keypoints[0] += shift
    for joint in hidden:
        keypoints[3 * joint : 3 * joint + 3] = 0, 0, 0
    return {"id": 100 * frame + track, "track_id": track, "image_id": 1000 + frame,
            "category_id": 1, "keypoints": keypoints, **others}  # fmt: skip


def posetrack(root, part="train"):
    """Two people; the head's box has a diagonal of 50 px, so that 25 px are enough."""
    sequence = "000001_mpii_test"
    images = [
        {"id": 1000 + f, "file_name": f"images/{part}/{sequence}/{f:06d}.jpg",
         "width": 640, "height": 480}
        for f in range(8)
    ]  # fmt: skip
    boxes = {"bbox": [280, 80, 140, 140], "bbox_head": [300, 90, 30, 40]}
    people = [
        person(f, track, shift, hidden=hidden, **boxes)
        for f in range(8)
        for track, shift, hidden in (
            (0, (0, 24, 25, 30, 1, 0, 26, 51)[f], ()),
            # A hidden joint is nothing new, but its return is.
            (1, 10 * f, (7,) if f in (1, 4) else ()),
        )
    ]
    write_json(root / f"posetrack_data/annotations/{part}/{sequence}.json",
               {"images": images, "annotations": people})  # fmt: skip
    return root


def test_posetrack_thins_tracks_by_the_heads_box(tmp_path):
    found, dropped = kept_frames(posetrack(tmp_path), "posetrack")
    # Track 1: 0; 3 (30 px); 6 (30 px). Frames 1 and 4 only lack joint 7 of what was kept before.
    assert found == {("", "0"): [0, 2, 5, 6, 7], ("", "1"): [0, 3, 6]}
    assert dropped == {"moved less than 0.5 of the head box's diagonal": 8}
    found, dropped = kept_frames(tmp_path, "posetrack", thinning=False)
    assert found == {("", "0"): [*range(8)], ("", "1"): [*range(8)]} and not dropped
    # Validation stays whole.
    found, _ = kept_frames(posetrack(tmp_path, "val"), "posetrack", "valid")
    assert found[("", "0")] == [*range(8)]


def test_a_joint_that_returns_keeps_the_frame(tmp_path):
    root = posetrack(tmp_path)
    path = next(root.glob("posetrack_data/annotations/*/*.json"))
    tree = json.loads(path.read_text())
    for entry in tree["annotations"]:
        frame = entry["image_id"] - 1000
        entry["keypoints"] = person(0, 0, 0, hidden=(7,) if frame < 3 else ())["keypoints"]
    write_json(path, tree)
    assert kept_frames(root, "posetrack")[0] == {("", "0"): [0, 3], ("", "1"): [0, 3]}


def jrdb(root):
    """Two cameras; the joints' box is 100 px high and wide, 115 enlarged: 11.5 px are enough."""
    for camera, shifts in ((0, (0, 11, 12, 20, 23, 24)), (2, (0, 0, 0, 11.4, 0, 11.6))):
        name = f"image_{camera}/cafe_0"
        images = [
            {"id": 1000 + f, "file_name": f"{name}/{f:06d}.jpg", "width": 752, "height": 480}
            for f in range(6)
        ]
        people = [person(f, 5, shift) for f, shift in enumerate(shifts)]
        write_json(root / f"train_dataset/labels/labels_2d_pose_coco/cafe_0_image{camera}.json",
                   {"images": images, "annotations": people})  # fmt: skip
    return root


def test_jrdb_thins_tracks_by_the_joints_box(tmp_path):
    found, dropped = kept_frames(jrdb(tmp_path), "jrdb")
    assert found == {("image_0", "5"): [0, 2, 5], ("image_2", "5"): [0, 5]}
    assert dropped == {"moved less than 0.1 of the joint box's larger side": 7}


def panoptic(root):
    """One person before one camera; so many joints are 10 cm away from where they were at first."""
    camera = {
        "name": "00_00", "type": "hd", "resolution": [192, 108], "K": [[140, 0, 96], [0, 140, 54],
        [0, 0, 1]], "distCoef": [0] * 5, "R": np.eye(3).tolist(), "t": [[0], [0], [0]],
    }  # fmt: skip
    write_json(root / "171204_pose1/calibration_171204_pose1.json", {"cameras": [camera]})
    # Frame 1: two joints moved. 2: three. 3: three moved back. 4: the same three, one of them lost.
    for frame, (n_moved, lost) in enumerate([(0, 0), (2, 0), (3, 0), (0, 0), (3, 1), (3, 0)]):
        joints = np.zeros((19, 4))
        joints[:] = [[3 * (j % 5), 5 * (j // 5), 300, 0.5] for j in range(19)]
        joints[:n_moved, 2] += 10
        joints[:lost] = 0, 0, 0, -1
        write_json(
            root / f"171204_pose1/hdPose3d_stage1_coco19/body3DScene_{frame:08d}.json",
            {"bodies": [{"id": 3, "joints19": joints.ravel().tolist()}]},
        )
        name = f"171204_pose1/hdImgs/00_00/00_00_{frame:08d}.jpg"
        scene.write_image(root / name, np.zeros((108, 192, 3), np.uint8))
    return root


def test_panoptic_wants_three_joints_that_both_poses_have(tmp_path):
    found, dropped = kept_frames(panoptic(tmp_path), "panoptic")
    assert found == {("00_00", "3"): [0, 2, 3, 5]}
    assert dropped == {"fewer than 3 joints moved 100 mm": 2}


def umpm(n=9):
    """One person at rest (mm), whose wrist and knee jump now and then."""
    names = skeleton_defs.get("umpm_15").joints
    joints = np.repeat(scene.poses("umpm_15", 1), n, axis=0)
    lower_arm = _step(joints, names, "right_elbow", "right_wrist")
    lower_leg = _step(joints, names, "left_knee", "left_ankle")
    joints[3, names.index("right_wrist")] += 0.5 * lower_arm  # 1.5 times as long.
    joints[5, names.index("left_ankle")] -= 0.55 * lower_leg  # 0.45 times.
    joints[6, names.index("right_wrist")] += 0.2 * lower_arm  # Within the limits.
    joints[7, names.index("head")] *= np.nan
    return ExampleBlock(
        "umpm", "train", "umpm_15", np.arange(n), joints3d=joints, person="0", sequence="p1_grab_3"
    ), names


def _step(joints, names, start, end):
    return joints[0, names.index(end)] - joints[0, names.index(start)]


def test_umpm_loses_the_joints_of_wrong_bones_and_keeps_the_frames():
    block, names = umpm()
    (found,), tally = selected("umpm", [block], thinning=False)
    gone = [
        (int(frame), names[joint]) for frame, joint in np.argwhere(block.validity & ~found.validity)
    ]
    assert gone == [
        (3, "right_elbow"), (3, "right_wrist"), (5, "left_knee"), (5, "left_ankle"),
    ]  # fmt: skip
    assert np.isnan(found.joints3d[~found.validity]).all() and len(found) == 9
    kept = found.validity
    np.testing.assert_array_equal(found.joints3d[kept], block.joints3d[kept])
    ((note, count),) = tally.notes.items()
    assert (
        count == 4 and "less than 0.5 or more than 1.25 times as long as usual, and 80 mm" in note
    )
    # Thinning looks at the files' joints: of those that move, it keeps the frames.
    (found,), tally = selected("umpm", [block])
    assert found.frames.tolist() == [0, 3, 5] and list(tally.notes.values()) == [4]
    (found,), tally = selected("umpm", [block], thinning=False, plausibility=False)
    assert (found.validity == block.validity).all() and not tally.notes


def test_short_bones_may_differ_by_any_ratio():
    block, _ = umpm()
    joints = block.joints3d / 6  # No bone differs by 80 mm.
    (found,), tally = selected("umpm", [ExampleBlock(
        "umpm", "train", "umpm_15", block.frames, joints3d=joints
    )], thinning=False)  # fmt: skip
    assert found.validity.sum() == block.validity.sum() and not tally.notes


def test_usual_bones_are_each_persons_own():
    block, _ = umpm(9)
    joints = np.concatenate([block.joints3d, 1.6 * block.joints3d])
    both = ExampleBlock(
        "umpm", "train", "umpm_15", np.tile(np.arange(9), 2), joints3d=joints,
        person=["0"] * 9 + ["1"] * 9,
    )  # fmt: skip
    (found,), _ = selected("umpm", [both], thinning=False)
    lost = (both.validity & ~found.validity).any(1)
    assert np.flatnonzero(lost).tolist() == [3, 5, 9 + 3, 9 + 5]


def gpa(root, shifts, cameras):
    """Images 10, 11, ... of somebody whose joint 3 is so many mm off, by these cameras."""
    joints = np.array([np.arange(34.0), np.arange(34.0), np.full(34, 3000)])
    annotations = []
    for shift in shifts:
        moved = joints.copy()
        moved[1, 3] += shift
        annotations.append({"joint_cams": moved.tolist(), "f": [1150, 1150], "c": [950, 530],
                            "istrains": True, "istests": False})  # fmt: skip
    images = [{"file_name": f"img/{10 + i:010d}.png"} for i in range(len(shifts))]
    write_json(root / "xyz_gpa12_mdp_cntind_crop_cam_c2g.json",
               {"images": images, "annotations": annotations})  # fmt: skip
    numbers = np.zeros(10 + len(cameras), np.int64)
    numbers[10:] = cameras
    (root / "Sequence_ids").mkdir()
    np.save(root / "Sequence_ids/cam_ids_750k.npy", numbers)
    return root


def test_gpa_thins_each_camera_through_the_whole_list(tmp_path):
    shifts, cameras = (0, 500, 60, 560, 100, 599, 200, 600), (1, 2) * 4
    found, dropped = kept_frames(gpa(tmp_path, shifts, cameras), "gpa")
    assert found == {("1", ""): [10, 14, 16], ("2", ""): [11, 17]}
    assert dropped == {"moved less than 100 mm": 3}
    # Without the cameras' numbers all is one track, in which each image is far from the last.
    (tmp_path / "Sequence_ids/cam_ids_750k.npy").unlink()
    found, _ = kept_frames(tmp_path, "gpa")
    assert found == {("", ""): [*range(10, 18)]}


def test_3dpeople_thins_by_all_67_joints_and_stores_29():
    fingers = np.zeros((5, 67, 3))
    fingers[:, 20, 0] = [0, 60, 120, 130, 230]
    block = ExampleBlock(
        "3dpeople", "train", "3dpeople_29", np.arange(5), joints3d=np.zeros((5, 29, 3)),
        extras={"all_joints3d": fingers, "other": np.arange(5)},
    )  # fmt: skip
    (found,), tally = selected("3dpeople", [block])
    assert found.frames.tolist() == [0, 2, 4]
    assert found.extras.keys() == {"other"} and found.extras["other"].tolist() == [0, 2, 4]
    assert tally.dropped == {"moved less than 100 mm": 2}
    (found,), _ = selected("3dpeople", [block], thinning=False)
    assert len(found) == 5 and "all_joints3d" not in found.extras


def test_sailvos_compares_joints_that_both_poses_have():
    joints = np.zeros((6, 26, 3))
    joints[:, 0] = np.nan
    joints[1, 1:5] = np.nan  # A joint that goes has not moved,
    joints[2, 0] = 500  # nor has one that comes.
    joints[3, 7, 1] = 100  # Kept; it lacks joint 9.
    joints[3, 9] = np.nan
    joints[4, 7, 1] = 100
    joints[4, 9] = 300  # Cannot be compared.
    block = ExampleBlock("sailvos", "train", "sailvos_26", np.arange(6), joints3d=joints)
    (found,), _ = selected("sailvos", [block])
    assert found.frames.tolist() == [0, 3, 5]


@pytest.mark.parametrize("sources_per_shard, workers", [(1, 2), (2, 1)])
def test_workers_and_shards_do_not_matter(tmp_path, sources_per_shard, workers):
    root = jrdb(tmp_path / "jrdb")
    prepare(
        get_adapter("jrdb"), root, tmp_path / "s", images="reference",
        workers=workers, sources_per_shard=sources_per_shard,
    )  # fmt: skip
    store = open_store(tmp_path / "s")
    facts = json.loads((tmp_path / "s/manifest.json").read_text())["datasets"]["jrdb"]
    assert facts["splits"]["train"]["dropped"] == {
        "moved less than 0.1 of the joint box's larger side": 7
    }
    assert facts["thinning"]["image_distance"] == 0.1
    assert [example.frame for example in store] == [0, 2, 5, 0, 5]
