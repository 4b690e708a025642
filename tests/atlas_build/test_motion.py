"""Motion files to part rotations: the transfer, four formats, and what the samples cover."""

import gzip
import io
import json
import pickle

import numpy as np
import pytest
from atlas_build import motion_files
from atlas_build.bvh_motion import read_bvh
from atlas_build.coverage import coverage, coverage_text, stick_figures
from atlas_build.motion import (
    HELD_OUT_TAKES,
    LICENCES,
    Motion,
    load_motions,
    make_motion,
    select_takes,
)
from atlas_build.motion_files import PartMotion, read_acclaim, read_deepmimic, read_poselib
from atlas_build.transfer import (
    PART_INDEX,
    PARTS,
    T_POSE,
    SourceBone,
    mirrored,
    transfer,
    trunk_turns,
)
from atlas_build.turning import (
    about,
    angle_of,
    between,
    limb_frame,
    swing,
    swing_vector,
    twist_angle,
)
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.containers.acclaim import parse_amc, parse_asf
from dataset_adapters.containers.errors import FileError
from skelbridge.atlas.body_parts import PART_PARENTS

X, Y, Z = np.eye(3)
UPRIGHT = np.broadcast_to(np.eye(3), (1, len(PARTS), 3, 3))


def vectors(count, seed=0):
    draws = np.random.default_rng(seed).normal(size=(count, 3))
    return draws / np.linalg.norm(draws, axis=1, keepdims=True)


def degrees_between(a, b):
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


class TestTurning:
    def test_a_limb_frame_is_a_rotation_with_the_bone_first(self):
        frames = limb_frame(2 * vectors(20), vectors(20, seed=1))
        squares = frames @ frames.swapaxes(1, 2)
        np.testing.assert_allclose(squares, np.tile(np.eye(3), (20, 1, 1)), atol=1e-12)
        np.testing.assert_allclose(np.linalg.det(frames), 1)
        np.testing.assert_allclose(frames[..., 0], vectors(20), atol=1e-12)
        assert (np.sum(frames[..., 1] * vectors(20, seed=1), axis=1) > 0).all()

    def test_a_swing_goes_the_shortest_way(self):
        start, end = vectors(50), vectors(50, seed=1)
        np.testing.assert_allclose((swing(start, end) @ start[..., None])[..., 0], end, atol=1e-12)
        axis = swing_vector(start, end)
        np.testing.assert_allclose(np.sum(axis * start, axis=1), 0, atol=1e-12)
        assert np.degrees(np.linalg.norm(swing_vector(X, (X + Y) / 2**0.5))) == pytest.approx(45)

    @pytest.mark.parametrize("start", [X, -Y, Z, np.array([-1.0, 1.0, 1.0]) / 3**0.5])
    def test_a_swing_to_the_opposite_and_to_itself(self, start):
        np.testing.assert_allclose(swing(start, -start) @ start, -start, atol=1e-12)
        np.testing.assert_allclose(swing(start, start), np.eye(3), atol=1e-12)

    def test_twist_is_what_is_left_after_the_swing(self):
        axes, angles = vectors(30), np.linspace(-3, 3, 30)
        swung = swing(axes, vectors(30, seed=2)) @ about(axes, angles)
        np.testing.assert_allclose(twist_angle(swung, axes), angles, atol=1e-9)

    def test_between_goes_a_share_of_the_angle(self):
        first, second = about(vectors(5), np.ones(5)), about(vectors(5, seed=3), np.ones(5))
        third = between(first, second, 1 / 3)
        whole = angle_of(first.swapaxes(1, 2) @ second)
        np.testing.assert_allclose(angle_of(first.swapaxes(1, 2) @ third), whole / 3, atol=1e-9)


class TestTransfer:
    def test_parts_come_in_order_and_hang_together(self):
        assert len(PARTS) == len(set(PARTS)) == 20
        for part, parent in PART_PARENTS.items():
            assert parent is None or PARTS.index(parent) < PARTS.index(part)

    def test_hinges_bend_limbs_the_way_they_bend(self):
        for part, expected in {"left_forearm": Z, "right_forearm": Z, "left_shank": -Z,
                               "right_shank": -Z, "left_hand": -Y, "right_hand": -Y,
                               "left_foot": -Y, "right_foot": -Y}.items():  # fmt: skip
            direction, hinge = T_POSE[part]
            np.testing.assert_allclose(about(hinge, np.pi / 2) @ direction, expected, atol=1e-12)

    def bones(self, **limbs):
        bones = {part: SourceBone(0, *T_POSE.get(part, ())) for part in PARTS}
        return bones | limbs

    def test_a_source_that_rests_in_the_t_pose_carries_over_as_it_is(self):
        world = about(vectors(4), np.ones(4))[:, None]
        got = transfer(world, self.bones())
        np.testing.assert_allclose(got, np.broadcast_to(world, got.shape), atol=1e-12)

    def test_a_hanging_arm_at_rest_hangs_with_the_palm_to_the_thigh(self):
        arm = SourceBone(0, -Y)
        got = transfer(np.eye(3)[None, None], self.bones(left_upper_arm=arm, left_forearm=arm))
        turn = got[0, PART_INDEX["left_upper_arm"]]
        np.testing.assert_allclose(turn @ X, -Y, atol=1e-12)
        # The T-pose's palm looks down.
        np.testing.assert_allclose(turn @ -Y, -X, atol=1e-12)
        hinge = got[0, PART_INDEX["left_forearm"]] @ T_POSE["left_forearm"][1]
        np.testing.assert_allclose(hinge, -X, atol=1e-12)

    def test_a_hinge_of_the_source_sets_the_twist(self):
        hinge = np.array([0, -(3**0.5) / 2, 0.5])
        bones = self.bones(left_upper_arm=SourceBone(0, 3 * X, hinge))
        got = transfer(np.eye(3)[None, None], bones)
        turn = got[0, PART_INDEX["left_upper_arm"]]
        assert np.degrees(twist_angle(turn, X)) == pytest.approx(-30)

    def test_absent_parts_take_a_share_or_follow(self):
        world = np.stack([np.eye(3), about(X, np.radians(30)), about(X, np.radians(50))])[None]
        bones = {part: SourceBone(0, *T_POSE[part]) for part in T_POSE if "hand" not in part}
        bones |= {"pelvis": SourceBone(0), "spine3": SourceBone(1), "head": SourceBone(2)}
        got = np.degrees(angle_of(transfer(world, bones)))[0]
        expected = {"spine1": 10, "spine2": 20, "spine3": 30, "neck": 40, "head": 50,
                    "left_collar": 30, "right_hand": 0}  # fmt: skip
        for part, angle in expected.items():
            assert got[PART_INDEX[part]] == pytest.approx(angle, abs=1e-6)

    def test_trunk_turns_bring_the_neck_over_the_hips_as_in_the_file(self):
        turns = trunk_turns(np.array([0, -0.10, 0.05]), np.array([0, 0.45, 0]))
        lean = np.degrees(np.arctan2(0.05, 0.55))
        assert np.degrees(twist_angle(turns["spine3"], X)) == pytest.approx(-lean / 3)
        neck = 0.42 * turns["spine1"] @ Y + 0.58 * turns["spine3"] @ Y
        assert np.degrees(np.arctan2(neck[2], neck[1])) == pytest.approx(-lean, abs=0.1)
        np.testing.assert_array_equal(trunk_turns(np.zeros(3), Y)["spine1"], np.eye(3))

    def test_mirroring_twice_is_nothing_and_the_t_pose_is_its_own_image(self):
        parts = about(vectors(len(PARTS)), np.ones(len(PARTS)))
        np.testing.assert_array_equal(mirrored(mirrored(parts)), parts)
        np.testing.assert_array_equal(mirrored(UPRIGHT), UPRIGHT)
        forward = parts[PART_INDEX["left_hand"]] @ T_POSE["left_hand"][0]
        image = mirrored(parts)[PART_INDEX["right_hand"]] @ T_POSE["right_hand"][0]
        np.testing.assert_allclose(image, forward * (-1, 1, 1), atol=1e-12)


def deepmimic_text(*, duration=0.1, **values):
    """A clip of two frames: unit quaternions, 0 for hinges, but for the given joints."""
    frame = [duration, 0.0, 0.9, 0.0]
    for name, size in motion_files._DEEPMIMIC_JOINTS:
        frame += values.get(name, [1.0, 0.0, 0.0, 0.0] if size == 4 else [0.0])
    return json.dumps({"Loop": "wrap", "Frames": [frame, frame]})


class TestDeepmimic:
    def read(self, tmp_path, text):
        path = tmp_path / "clip.txt"
        path.write_text(text)
        return read_deepmimic(path)

    def test_at_rest_it_stands_with_hanging_arms(self, tmp_path):
        motion = self.read(tmp_path, deepmimic_text())
        assert motion.fps == pytest.approx(10)
        points = stick_figures(motion.rotations)
        for side, x in (("left", 1), ("right", -1)):
            wrist, shoulder = points[f"{side}_wrist"][0], points[f"{side}_shoulder"][0]
            np.testing.assert_allclose(wrist - shoulder, [0, -0.32, 0], atol=1e-9)
            assert points[f"{side}_hip"][0, 0] * x > 0
            assert points[f"{side}_toes"][0, 2] > 0.1

    def test_elbows_bend_to_the_front_and_knees_to_the_back(self, tmp_path):
        motion = self.read(tmp_path, deepmimic_text(left_elbow=[1.5], right_knee=[-1.5]))
        points = stick_figures(motion.rotations)
        assert (points["left_wrist"] - points["left_elbow"])[0, 2] > 0.14
        assert (points["right_ankle"] - points["right_knee"])[0, 2] < -0.24
        assert abs((points["right_wrist"] - points["right_elbow"])[0, 2]) < 1e-9

    def test_the_character_faces_its_x_axis(self, tmp_path):
        quarter = [0.5**0.5, 0.0, -(0.5**0.5), 0.0]  # about y, up: x goes to z, its right
        motion = self.read(tmp_path, deepmimic_text(root=quarter))
        np.testing.assert_allclose(motion.rotations[0, 0] @ Z, -X, atol=1e-12)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{}", "KeyError"),
            ('{"Frames": [[1, 2]', "is it complete"),
            ('{"Frames": [[1, 2], [3]]}', "ValueError"),
            ('{"Frames": [[1, 2]]}', "frames of 44 numbers"),
            ('{"Frames": []}', "frames of 44 numbers"),
            (deepmimic_text(chest=[0, 0, 0, 0]), "unit quaternions of chest"),
            (deepmimic_text(left_knee=[1e30]), "rotations of left_knee"),
            (deepmimic_text(left_knee=[float("nan")]), "rotations of left_knee"),
            (deepmimic_text(duration=0), "a frame's duration"),
        ],
    )
    def test_what_is_no_clip_is_refused(self, tmp_path, text, message):
        with pytest.raises(FileError, match=message):
            self.read(tmp_path, text)

    def test_damaged_clips(self, tmp_path):
        path = tmp_path / "clip.txt"
        for data in mutations(deepmimic_text().encode(), 150):
            path.write_bytes(data)
            assert_result_or_user_error(read_deepmimic, path)


def poselib_file(path, *, names=None, rotations=None, is_local=True, fps=30, parents=None):
    bodies = ["pelvis", "torso", "head"]
    for side in ("right", "left"):
        bodies += [f"{side}_{part}" for part in ("upper_arm", "lower_arm", "hand")]
    for side in ("right", "left"):
        bodies += [f"{side}_{part}" for part in ("thigh", "shin", "foot")]
    upright = np.zeros((1, 15, 4))
    upright[..., 3] = 1
    state = {
        "rotation": {"arr": upright if rotations is None else rotations},
        "skeleton_tree": {
            "node_names": names or bodies,
            "parent_indices": {"arr": np.array(
                parents or [-1, 0, 1, 1, 3, 4, 1, 6, 7, 0, 9, 10, 0, 12, 13])},
        },
        "is_local": is_local,
        "fps": np.array(fps),
    }  # fmt: skip
    array = np.empty((), dtype=object)
    array[()] = state
    data = io.BytesIO()
    np.lib.format.write_array_header_1_0(data, {"descr": "|O", "fortran_order": False, "shape": ()})
    path.write_bytes(data.getvalue() + pickle.dumps(array, protocol=2))
    return path


class TestPoselib:
    def test_rotations_are_relative_to_the_t_pose(self, tmp_path):
        half = 0.5**0.5
        t_pose = np.zeros((1, 15, 4))
        t_pose[..., 3] = 1
        t_pose[0, 6] = half, 0, 0, half  # left upper arm, from hanging to the side
        motion = t_pose.repeat(2, axis=0)
        motion[1, 6] = 0, 0, 0, 1
        got = read_poselib(
            poselib_file(tmp_path / "walk.npy", rotations=motion),
            poselib_file(tmp_path / "t.npy", rotations=t_pose),
        )
        assert got.fps == 30
        np.testing.assert_allclose(got.rotations[0], UPRIGHT[0], atol=1e-12)
        np.testing.assert_allclose(got.rotations[1, PART_INDEX["left_hand"]] @ X, -Y, atol=1e-12)
        np.testing.assert_allclose(
            got.rotations[1, PART_INDEX["right_upper_arm"]], np.eye(3), atol=1e-12
        )

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"names": ["body"] * 15}, "15 bodies"),
            ({"names": ["body"]}, "a name for each of 15 bodies"),
            ({"rotations": np.zeros((1, 15, 4))}, "unit quaternions"),
            ({"rotations": np.full((1, 15, 4), 1e300)}, "a number that is none"),
            ({"rotations": np.zeros(7)}, "ValueError"),
            ({"rotations": "none"}, "ValueError"),
            ({"fps": 0}, "frames per second"),
            ({"parents": [1, 0] * 7 + [0]}, "ValueError"),
        ],
    )
    def test_what_is_no_motion_is_refused(self, tmp_path, change, message):
        t_pose = poselib_file(tmp_path / "t.npy")
        with pytest.raises(FileError, match=message):
            read_poselib(poselib_file(tmp_path / "walk.npy", **change), t_pose)

    def test_damaged_files(self, tmp_path):
        good = poselib_file(tmp_path / "t.npy")
        path = tmp_path / "walk.npy"
        for data in mutations(good.read_bytes(), 150):
            path.write_bytes(data)
            assert_result_or_user_error(read_poselib, path, good)


class TestCmu:
    """Real files, and one recorded motion in two formats as the answer key."""

    def test_limbs_point_where_the_file_has_them(self, samples):
        asf, amc = samples / "cmu_asfamc/02/02.asf", samples / "cmu_asfamc/02/02_01.amc"
        file = parse_amc(amc, amc.read_bytes(), parse_asf(asf, asf.read_bytes()))
        joints = dict(zip(file.asf.joint_names, file.positions().swapaxes(0, 1), strict=True))
        got = read_acclaim(asf, amc).rotations
        for side in ("left", "right"):
            for part, start, end in (("upper_arm", "clavicle", "humerus"),
                                     ("forearm", "humerus", "radius"), ("hand", "wrist", "hand"),
                                     ("thigh", "hipjoint", "femur"),
                                     ("shank", "femur", "tibia")):  # fmt: skip
                expected = joints[side[0] + end] - joints[side[0] + start]
                name = f"{side}_{part}"
                direction = got[:, PART_INDEX[name]] @ T_POSE[name][0]
                assert degrees_between(direction, expected).max() < 1e-4

    def test_amc_and_bvh_of_one_take_agree(self, samples):
        folder = samples / "cmu_bvh_amc_pair"
        amc = read_acclaim(folder / "01.asf", folder / "01_01.amc.gz").rotations
        bvh = read_bvh(folder / "01_01.bvh.gz").rotations[1:]
        apart = np.degrees(angle_of(amc[::9].swapaxes(-1, -2) @ bvh[::9])).max(axis=0)
        # The BVH leaves the thorax bone out, so that the trunk's geometry at rest is a guess.
        for part, limit in {"spine1": 2, "spine2": 2, "spine3": 0.5, "left_collar": 0.5,
                            "right_collar": 0.5}.items():  # fmt: skip
            assert apart[PART_INDEX[part]] < limit
            apart[PART_INDEX[part]] = 0
        assert apart.max() < 1e-3

    def test_an_arms_hanging_bvh_walks_with_its_arms_down(self, samples):
        points = stick_figures(read_bvh(samples / "cmu_bvh_bvh11/131_01.bvh.gz").rotations[200::50])
        for side in ("left", "right"):
            lowered = points[f"{side}_shoulder"] - points[f"{side}_elbow"]
            assert 0.1 < np.median(lowered[:, 1]) <= 0.17

    def test_deepmimic_and_poselib_files_of_one_clip_agree(self, samples):
        folder = samples / "isaac_amp"
        poselib = read_poselib(
            folder / "assets/amp/motions/amp_humanoid_backflip.npy",
            folder / "isaacgymenvs/tasks/amp/poselib/data/amp_humanoid_tpose.npy",
        ).rotations
        clip = read_deepmimic(samples / "deepmimic/humanoid3d_backflip.txt").rotations
        assert np.degrees(angle_of(poselib.swapaxes(-1, -2) @ clip)).max() < 0.01

    def test_a_skeleton_of_other_bones_is_refused(self, samples, tmp_path):
        for name in ("02.asf", "02_01.amc"):
            data = (samples / "cmu_asfamc/02" / name).read_bytes()
            (tmp_path / name).write_bytes(data.replace(b"toes", b"tips"))
        with pytest.raises(FileError, match="none of name ltoes"):
            read_acclaim(tmp_path / "02.asf", tmp_path / "02_01.amc")

    def test_a_motion_without_a_bone_is_refused(self, samples, tmp_path):
        lines = (samples / "cmu_asfamc/02/02_01.amc").read_bytes().splitlines(keepends=True)
        amc = tmp_path / "walk.amc"
        amc.write_bytes(b"".join(line for line in lines if not line.startswith(b"lfemur")))
        with pytest.raises(FileError, match="rotations of left_thigh in all frames"):
            read_acclaim(samples / "cmu_asfamc/02/02.asf", amc)


class TestBvh:
    def test_other_rigs_are_refused(self, samples):
        with pytest.raises(FileError, match="joints of a known rig"):
            read_bvh(samples / "bvh_toolbox/source/walk01.bvh")

    def small(self, samples, n_frames=3):
        lines = (samples / "bvh_pybvh/bvh_data/cmu_12_01_walk.bvh").read_text().splitlines()
        at = next(k for k, line in enumerate(lines) if line.startswith("Frames"))
        lines[at] = f"Frames: {n_frames}"
        return "\n".join(lines[: at + 2 + n_frames]) + "\n"

    def test_straight_limbs_leave_the_hinge_open(self, samples, tmp_path):
        path = tmp_path / "rest.bvh"
        header, _, numbers = self.small(samples, n_frames=1).rstrip().rpartition("\n")
        path.write_text(f"{header}\n{' 0' * len(numbers.split())}\n")
        got = read_bvh(path).rotations[0]
        np.testing.assert_allclose(got[PART_INDEX["left_forearm"]], np.eye(3), atol=1e-6)
        down = got[PART_INDEX["left_thigh"]] @ -Y
        assert degrees_between(down, np.array([0, -1, 0])) == pytest.approx(20, abs=0.1)

    def test_a_bone_without_length_is_refused(self, samples, tmp_path):
        path = tmp_path / "rest.bvh"
        text = self.small(samples)
        start = text.index("LeftForeArm")
        offset = text.index("OFFSET", start)
        path.write_text(text[:offset] + "OFFSET 0 0 0" + text[text.index("\n", offset) :])
        with pytest.raises(FileError, match="length for left_upper_arm"):
            read_bvh(path)

    def test_damaged_files(self, samples, tmp_path):
        path = tmp_path / "walk.bvh"
        for data in mutations(self.small(samples).encode(), 100):
            path.write_bytes(data)
            assert_result_or_user_error(read_bvh, path)


@pytest.fixture(scope="module")
def motions(samples):
    return load_motions(samples)


class TestCollection:
    def test_held_out_takes_are_there_and_marked(self, motions):
        assert {motion.name for motion in motions if motion.split == "test"} == set(HELD_OUT_TAKES)
        assert len(motions) == 37
        assert [motion.name for motion in motions] == sorted(motion.name for motion in motions)
        for motion in motions:
            assert motion.source in LICENCES
            assert "non-commercial" not in motion.licence.lower()

    def test_rotations_are_rotations_at_up_to_30_fps(self, motions):
        for motion in motions:
            assert motion.rotations.dtype == np.float32
            assert motion.fps <= 31
            squares = motion.rotations @ motion.rotations.swapaxes(-1, -2)
            assert np.abs(squares - np.eye(3)).max() < 1e-5
            assert (np.linalg.det(motion.rotations.astype(float)) > 0).all()

    def test_elbows_and_knees_bend_the_right_way_only(self, motions):
        for motion in motions:
            for lower, upper in (("forearm", "upper_arm"), ("shank", "thigh")):
                for side in ("left", "right"):
                    _, hinge = T_POSE[f"{side}_{lower}"]
                    turn = (motion.rotations[:, PART_INDEX[f"{side}_{upper}"]].swapaxes(-1, -2)
                            @ motion.rotations[:, PART_INDEX[f"{side}_{lower}"]])  # fmt: skip
                    bend = np.degrees(twist_angle(turn.astype(float), hinge))
                    assert bend.min() > -15, motion.name
                    if motion.source != "aitviewer_results":  # all others have true hinges
                        whole = np.degrees(angle_of(turn.astype(float)))
                        np.testing.assert_allclose(whole, np.abs(bend), atol=0.1)

    def test_people_are_the_right_way_round(self, motions):
        """Walkers' toes point the way they face, and their left hip is on the left."""
        (walk,) = select_takes(motions, "cmu_asfamc/02_01")
        points = stick_figures(walk.rotations.astype(float))
        forward = walk.rotations[:, 0] @ Z
        for side, sign in (("left", 1), ("right", -1)):
            toes = points[f"{side}_toes"] - points[f"{side}_ankle"]
            assert np.median(degrees_between(toes * (1, 0, 1), forward * (1, 0, 1))) < 30
            assert ((points[f"{side}_hip"] * (walk.rotations[:, 0] @ X)).sum(1) * sign > 0).all()
        assert np.median(points["head_top"][:, 1]) > 0.4

    def test_selections(self, motions):
        assert len(select_takes(motions, "train")) + len(HELD_OUT_TAKES) == len(motions)
        assert len(select_takes(motions, "all")) == len(motions)
        (one,) = select_takes(motions, ["deepmimic/walk"])
        assert one.name == "deepmimic/walk"
        with pytest.raises(ValueError, match=r"names of takes. Received \['nowhere'\]"):
            select_takes(motions, ["deepmimic/walk", "nowhere"])
        with pytest.raises(ValueError, match="Received none"):
            select_takes([one], "test")

    def test_the_train_takes_cover_kinds_of_poses(self, motions):
        table = coverage(motions)
        train = table["total: train"]
        assert train["arm up"] > 0.12
        assert train["hand over head"] > 0.05
        assert train["sitting"] > 0.03
        assert train["floor"] > 0.03
        assert train["kick"] > 0.01
        assert train["frames"] == sum(len(m.rotations) for m in motions if m.split == "train")
        assert coverage_text(table).count("\n") == len(table)

    def test_a_folder_without_motion_is_refused(self, tmp_path):
        with pytest.raises(FileError, match="expected folders such as cmu_asfamc"):
            load_motions(tmp_path)

    def test_damaged_compression_is_told(self, samples, tmp_path):
        folder = tmp_path / "cmu_asfamc" / "02"
        folder.mkdir(parents=True)
        (folder / "02.asf").write_bytes((samples / "cmu_asfamc/02/02.asf").read_bytes())
        (folder / "02_05.amc.gz").write_bytes(gzip.compress(b"1\nroot 0 0 0 0 0 0\n")[:-9])
        with pytest.raises(FileError, match="02_05.amc.gz: cannot be read"):
            load_motions(tmp_path)

    def test_takes_are_thinned_to_30_frames_per_second(self):
        motion = make_motion("cmu_asfamc/01_10", PartMotion(np.repeat(UPRIGHT, 9, axis=0), 120.0))
        assert len(motion.rotations) == 3
        assert (motion.fps, motion.split, motion.source) == (30, "test", "cmu_asfamc")


def turned(**turns):
    """Part rotations of one pose; turns of a part carry all parts that hang on it."""
    world = {}
    for part in PARTS:
        above = world.get(PART_PARENTS[part], np.eye(3))
        world[part] = above @ turns.get(part, np.eye(3))
    return np.stack([world[part] for part in PARTS])[None]


HANGING = {"left_upper_arm": about(Z, -1.4), "right_upper_arm": about(Z, 1.4)}
SEATED = {"left_thigh": about(X, -np.pi / 2), "right_thigh": about(X, -np.pi / 2),
          "left_shank": about(X, np.pi / 2), "right_shank": about(X, np.pi / 2)}  # fmt: skip


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ({}, {}),
        ({"left_upper_arm": about(Z, 1.5)}, {"arm up": 0.5, "hand over head": 0.5}),
        (SEATED, {"sitting": 1}),
        ({"pelvis": about(X, -np.pi / 2)}, {"floor": 1, "bent over": 1}),
        ({"pelvis": about(Z, np.pi)}, {"floor": 1, "bent over": 1, "arm up": 1,
                                       "hand over head": 1}),
        ({"spine1": about(X, 0.95)}, {"bent over": 1}),
        ({"right_thigh": about(X, -1.9)}, {"kick": 0.5, "high kick": 0.5}),
        ({"right_shank": about(X, 1.9)}, {"kick": 0.5, "deep knee": 0.5}),
    ],
)  # fmt: skip
def test_kinds_of_poses(turns, expected):
    table = coverage([Motion("made/pose", "", "train", 30.0, turned(**HANGING | turns))])
    found = {kind: share for kind, share in table["made"].items() if share and kind != "frames"}
    assert found == expected
