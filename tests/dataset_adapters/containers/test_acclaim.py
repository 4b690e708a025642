import gzip

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from scipy.spatial.transform import Rotation

from dataset_adapters.containers.acclaim import parse_amc, parse_asf
from dataset_adapters.containers.bvh import parse_bvh
from dataset_adapters.containers.errors import FileError

ARM_ASF = """# a comment
:version 1.10
:name arm
:units
  mass 1.0
  length 0.5
  angle deg
:documentation
   length 7 in here is not a unit
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name hand
     direction 1 0 0
     length 3
     axis 0 0 90 XYZ
     dof rx rz
     limits (-10.0 170.0)
            (-10.0 170.0)
  end
  begin
     id 2
     name arm
     direction 0 1 0
     length 2
     axis 0 0 0 XYZ
     dof rx ry rz
  end
:hierarchy
  begin
    root arm
    arm hand
  end
"""
ARM_AMC = """#!OML:ASF C:\\arm.ASF
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 0 0
arm 0 0 0
hand 0 0
2
root 1 2 3 0 0 90
arm 90 0 90
hand 0 90
3
root 1 2 3 0 0 0
arm 0 0 0
hand 90 0
"""
# Frame 2: root Rz(90); arm Rz(90) Rx(90). World rotation of the arm: Rz(180) Rx(90), which takes
# (0, 1, 0) to (0, 0, 1). The hand's own z axis is the world's: C M C^-1 = Rz(90), which takes
# (1, 0, 0) to y; Rx(90) takes that to z, and Rz(180) leaves it.
# Frame 3: the hand's x axis is C x = world y: Ry(90) takes (1, 0, 0) to -z.
ARM_POSITIONS = [  # root, hand, arm, as in the file
    [[1, 2, 3], [4, 4, 3], [1, 4, 3]],
    [[1, 2, 3], [1, 2, 8], [1, 2, 5]],
    [[1, 2, 3], [1, 4, 0], [1, 4, 3]],
]
#: Joints of the BVH conversion of CMU's motions, and the bones that end there. The conversion
#: leaves the thorax and wrist bones out, so that what is at their ends sits at their starts.
BVH_JOINT_OF_BONE_END = {
    "Hips": "root", "LHipJoint": "root", "RHipJoint": "root", "LowerBack": "root",
    "LeftUpLeg": "lhipjoint", "LeftLeg": "lfemur", "LeftFoot": "ltibia",
    "LeftToeBase": "lfoot", "LeftToeBase_End": "ltoes",
    "RightUpLeg": "rhipjoint", "RightLeg": "rfemur", "RightFoot": "rtibia",
    "RightToeBase": "rfoot", "RightToeBase_End": "rtoes",
    "Spine": "lowerback", "Spine1": "upperback", "Neck": "thorax", "Neck1": "lowerneck",
    "Head": "upperneck", "Head_End": "head",
    "LeftShoulder": "thorax", "LeftArm": "lclavicle", "LeftForeArm": "lhumerus",
    "LeftHand": "lradius", "LeftFingerBase": "lwrist", "LFingers": "lhand",
    "LFingers_End": "lfingers", "LThumb": "lwrist", "LThumb_End": "lthumb",
    "RightShoulder": "thorax", "RightArm": "rclavicle", "RightForeArm": "rhumerus",
    "RightHand": "rradius", "RightFingerBase": "rwrist", "RFingers": "rhand",
    "RFingers_End": "rfingers", "RThumb": "rwrist", "RThumb_End": "rthumb",
}  # fmt: skip
LEG_AND_BACK_JOINTS = list(BVH_JOINT_OF_BONE_END)[:16]


def variant(text, *changes):
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text.encode()


def arm_asf(*changes):
    return parse_asf("arm.asf", variant(ARM_ASF, *changes))


def arm_amc(*changes, asf=None):
    return parse_amc("arm.amc", variant(ARM_AMC, *changes), asf or arm_asf())


def read(path):
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


class TestHandmade:
    def test_skeleton(self):
        asf = arm_asf()
        assert asf.joint_names == ("root", "hand", "arm")
        assert asf.parents == (-1, 2, 0)
        assert (asf.offsets == [[0, 0, 0], [3, 0, 0], [0, 2, 0]]).all()
        assert asf.axes[1] == pytest.approx(Rotation.from_euler("z", 90, degrees=True).as_matrix())
        assert asf.dofs == (
            ("tx", "ty", "tz", "rx", "ry", "rz"), ("rx", "rz"), ("rx", "ry", "rz"),
        )  # fmt: skip
        assert asf.mm_per_unit == pytest.approx(50.8)  # an inch is half a unit
        assert asf.degrees
        assert not asf.notes

    def test_motion(self):
        amc = arm_amc()
        assert amc.motion.shape == (3, 11)
        assert amc.positions() == pytest.approx(np.array(ARM_POSITIONS, float), abs=1e-12)
        assert amc.positions_mm() == pytest.approx(50.8 * np.array(ARM_POSITIONS), abs=1e-9)
        assert amc.fps is None
        assert not amc.notes

    @pytest.mark.parametrize(
        ("asf", "amc"),
        [
            (ARM_ASF.replace("\n", "\r\n"), ARM_AMC.replace("\n", "\r\n")),
            (ARM_ASF.replace("\n", "\r"), ARM_AMC.replace("\n", "\r")),
            ("\n" + ARM_ASF + "\n\x1a", "\n" + ARM_AMC + "\n\x1a"),
            (ARM_ASF, ARM_AMC.replace("arm 0 0 0\nhand 90 0", "hand 90 0\narm 0 0 0")),
            (ARM_ASF, ARM_AMC.replace("arm 9", "ARM 9").replace("90 0 90", "90 0 90 # comment")),
            (ARM_ASF.replace("dof rx rz", "DOF RX RZ"), ARM_AMC),
            (ARM_ASF.replace("direction 1 0 0", "direction (1, 0, 0)"), ARM_AMC),
            (ARM_ASF.replace(" XYZ\n     dof", "\n     dof"), ARM_AMC),
            (ARM_ASF.replace("name hand", "bodymass 3\ncofmass 1\nname hand"), ARM_AMC),
            (ARM_ASF.replace("angle deg", ""), ARM_AMC),
            (ARM_ASF + ":skin\nwhatever 3", ARM_AMC.replace(":DEGREES", "")),
        ],
        ids=range(11),
    )
    def test_ways_to_write_the_same(self, asf, amc):
        amc = parse_amc("arm.amc", amc.encode(), parse_asf("arm.asf", asf.encode()))
        assert amc.positions() == pytest.approx(np.array(ARM_POSITIONS, float), abs=1e-12)
        assert not amc.notes

    def test_radians(self):
        asf = arm_asf(("angle deg", "angle rad"), ("0 0 90", "0 0 1.570796326794897"))
        radians = ARM_AMC.replace("90", "1.570796326794897")
        for header in (":RADIANS", ""):  # without one, the skeleton's unit
            data = radians.replace(":DEGREES", header).encode()
            positions = parse_amc("arm.amc", data, asf).positions()
            assert positions == pytest.approx(np.array(ARM_POSITIONS, float), abs=1e-12)
        # The motion's unit is its own.
        positions = parse_amc("arm.amc", ARM_AMC.encode(), asf).positions()
        assert positions == pytest.approx(np.array(ARM_POSITIONS, float), abs=1e-12)

    def test_orders_are_those_of_the_file(self):
        asf = arm_asf(
            ("TX TY TZ RX RY RZ", "RZ TX RX TZ RY TY"), ("dof rx ry rz", "dof rz rx ry"),
            ("axis 0 0 90 XYZ", "axis 10 20 90 ZXY"),
        )  # fmt: skip
        turns = Rotation.from_euler("zxy", [[30, 40, 50], [11, 12, 13]], degrees=True)
        c = Rotation.from_euler("zxy", [90, 10, 20], degrees=True)
        m = Rotation.from_euler("xz", [5, 6], degrees=True)
        data = "1\nroot 30 1 40 3 50 2\narm 11 12 13\nhand 5 6\n"
        arm = np.array([1, 2, 3]) + (turns[0] * turns[1]).apply([0, 2, 0])
        hand = arm + (turns[0] * turns[1] * c * m * c.inv()).apply([3, 0, 0])
        positions = parse_amc("arm.amc", data.encode(), asf).positions()
        assert positions[0] == pytest.approx(np.array([[1, 2, 3], hand, arm]), abs=1e-12)

    def test_bones_without_freedom_follow_their_parent(self):
        asf = arm_asf(("dof rx rz", ""))
        data = ARM_AMC.replace("hand 0 90\n", "").replace("hand 0 0\n", "").replace("hand 90 0", "")
        positions = parse_amc("arm.amc", data.encode(), asf).positions()
        # In frame 2 the hand is turned by Rz(180) Rx(90) only.
        assert positions[1, 1] == pytest.approx(np.array([-2, 2, 5]), abs=1e-12)

    def test_no_length_unit(self):
        amc = arm_amc(asf=arm_asf(("  length 0.5\n", "")))
        assert amc.asf.mm_per_unit is None
        assert amc.positions() == pytest.approx(np.array(ARM_POSITIONS, float), abs=1e-12)
        with pytest.raises(
            FileError, match=r"^arm.asf: expected a length under :units, found none"
        ):
            amc.positions_mm()

    def test_a_length_unit_of_one_is_inches_and_told(self):
        asf = arm_asf(("length 0.5", "length 1.0"))
        assert asf.mm_per_unit == 25.4
        assert "length 1.0" in asf.notes[0]

    def test_a_preset_position_is_added(self):
        amc = arm_amc(asf=arm_asf(("position 0 0 0", "position 0 10 0")))
        expected = np.array(ARM_POSITIONS, float) + np.array([0, 10, 0])
        assert amc.positions() == pytest.approx(expected, abs=1e-12)
        assert "presets the root's position" in amc.asf.notes[0]

    def test_the_frame_rate_if_there_is_one(self):
        assert arm_amc((":DEGREES", ":DEGREES\n:SAMPLES-PER-SECOND 120")).fps == 120

    def test_a_bone_that_never_comes_is_missing_with_all_beyond(self):
        data = "".join(line for line in ARM_AMC.splitlines(True) if not line.startswith("arm"))
        amc = parse_amc("arm.amc", data.encode(), arm_asf())
        missing = np.isnan(amc.positions()).all(axis=-1)
        assert missing.tolist() == [[False, True, True]] * 3
        assert "no values of arm" in amc.notes[0]

    def test_gaps_in_the_frame_numbers_are_told(self):
        amc = arm_amc(("\n3\n", "\n30\n"))
        assert len(amc.motion) == 3
        assert "not consecutive" in amc.notes[0]


class TestErrors:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ([("# a comment\n:version 1.10", "version")], "line 1: expected an ASF file"),
            ([(":root", ":nothing")], "expected a section :root, found none"),
            ([(":bonedata", ":nothing")], "expected a section :bonedata, found none"),
            ([(":hierarchy", ":nothing")], "expected a section :hierarchy, found none"),
            ([("length 0.5", "length 0")], "line 6: expected a length unit above 0"),
            ([("length 0.5", "length -1")], "line 6: expected a length unit above 0"),
            ([("length 0.5", "length nan")], "line 6: expected 1 numbers after length"),
            ([("length 0.5", "length")], "line 6: expected 1 numbers after length, found ''"),
            ([("angle deg", "angle grad")], "line 7: expected angle deg or angle rad"),
            ([("TX TY TZ", "TX TY L")], "line 11: .*freedom of the root .*found 'l'"),
            ([("RX RY RZ", "RX RY RX")], "line 11: .*freedom of the root .*found 'rx'"),
            ([("position 0 0 0", "position 0 x 0")], "line 13: expected 3 numbers after position"),
            ([("orientation 0 0 0", "orientation 0 90 0")], "expected root orientation 0 0 0, fou"),
            ([("begin", "")], "line 17: expected begin of the first bone, found 'id'"),
            ([("name hand", "name")], "line 18: expected a name of the bone"),
            ([("name hand", "")], r"expected name of bone '' \(number 1"),
            ([("direction 1 0 0", "")], "expected direction of bone 'hand'.*found none"),
            ([("direction 1 0 0", "direction 1 0")], "line 19: expected 3 numbers after direction"),
            ([("direction 1 0 0", "direction 1 0 1e300")], "line 19: expected 3 numbers after dir"),
            ([("direction 1 0 0", "direction 1 0 nan")], "line 19: expected 3 numbers after dir"),
            ([("length 3", "")], "expected length of bone 'hand'"),
            ([("axis 0 0 90 XYZ", "")], "expected axis of bone 'hand'"),
            ([("0 0 90 XYZ", "0 0 90 XXZ")], "an axis order such as XYZ of bone 'hand', found 'XX"),
            ([("dof rx rz", "dof rx l")], "freedom of bone 'hand' .*stretch.* found 'l'"),
            ([("dof rx rz", "dof tx")], "freedom of bone 'hand' .*shift.* found 'tx'"),
            ([("name hand", "name ARM")], "expected bones of different names, found 'arm' twice"),
            ([("name hand", "name root")], "expected bones of different names, found 'root' twice"),
            ([("arm hand", "arm foot")], "expected bones of :bonedata in :hierarchy, found 'foot'"),
            ([("arm hand", "")], "expected a parent of bone 'hand' in :hierarchy, found none"),
            ([("arm hand", "arm hand\nroot hand")], "one parent of bone 'hand', found a second"),
            ([("arm hand", "arm root")], "one parent of bone 'root', found a second one, 'arm'"),
            ([("root arm", "hand arm")], "expected a tree in :hierarchy, found a loop"),
        ],
    )  # fmt: skip
    def test_skeleton(self, changes, message):
        with pytest.raises(FileError, match=message) as caught:
            parse_asf("some.asf", variant(ARM_ASF, *changes))
        assert str(caught.value).startswith("some.asf: ")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("data", [b"", b"\x00\xff" * 50, b"HIERARCHY\nROOT a"])
    def test_no_skeleton(self, data):
        with pytest.raises(FileError, match="expected"):
            parse_asf("some.asf", data)

    @pytest.mark.parametrize("cut_after", ["dof rx ry", "length 2", ":hierarchy", "root arm\n"])
    def test_a_cut_skeleton(self, cut_after):
        data = ARM_ASF[: ARM_ASF.index(cut_after) + len(cut_after)]
        with pytest.raises(FileError, match="complete"):
            parse_asf("some.asf", data.encode())

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ([("\n1\n", "\n")], "line 4: expected a frame number before the first bone, found 'ro"),
            ([("hand 0 0", "foot 0 0")], "line 7: expected a bone of the skeleton arm.asf"),
            ([("hand 0 0", "hand 0")], r"line 7: expected 2 values for 'hand' \(rx rz in arm.asf"),
            ([("hand 0 0", "hand 0 0 0")], "line 7: expected 2 values for 'hand'.*found '3'"),
            ([("hand 0 0", "hand 0 x")], "line 7: expected numbers for 'hand', found 'x'"),
            ([("hand 0 0", "hand 0 1_0")], "line 7: expected numbers for 'hand', found '1_0'"),
            ([("hand 0 0", "hand 0 inf")], "frame 1: expected angles and positions, found inf"),
            ([("hand 0 0", "hand 0 1e200")], r"frame 1: expected angles .*found 1e\+200"),
            ([("hand 0 90\n", "")], "frame 2: expected the 3 bones .* found 2 .'hand' makes"),
            ([("hand 0 0\n", "")], "frame 2: expected the 2 bones .* found 3 .'hand' makes"),
            ([("hand 90 0\n", "")], "frame 3: expected the 3 bones .* found 2"),
            ([("hand 90 0\n", "hand 90 0\nhand 9 9\n")], "frame 3: expected each bone once"),
            ([("root 1 2 3 0 0 90\n", "")], "frame 2: expected the 3 bones .*'root'"),
            ([("hand 90 0\n", "hand 90 0\n4\n")], "frame 4: expected the 3 bones .* found 0"),
            ([("\n3\n", "\n1234567890123\n")], "line 12: expected a frame number"),
            ([(":DEGREES", ":SAMPLES-PER-SECOND 0")], "a number of frames after :SAMPLES"),
        ],
    )  # fmt: skip
    def test_motion(self, changes, message):
        with pytest.raises(FileError, match=message) as caught:
            arm_amc(*changes)
        assert str(caught.value).startswith("arm.amc: ")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("data", [b"", b"\x00\xff" * 50, b":DEGREES\n", ARM_ASF.encode()])
    def test_no_motion(self, data):
        with pytest.raises(FileError, match="expected"):
            parse_amc("some.amc", data, arm_asf())

    def test_a_small_file_of_a_gigantic_clip(self):
        n = 2000
        bones = [
            f"begin\nname b{k}\ndirection 1 0 0\nlength 1\naxis 0 0 0\ndof rx ry rz\nend"
            for k in range(n)
        ]
        head, tail = ARM_ASF[: ARM_ASF.index("  begin")], "\n:hierarchy\nroot "
        data = head + "\n".join(bones) + tail + " ".join(f"b{k}" for k in range(n))
        asf = parse_asf("big.asf", data.encode())
        motion = "".join(f"{k}\nroot 0 0 0 0 0 0\n" for k in range(8000))
        with pytest.raises(FileError, match=r"in proportion to its file.*frames of 2001 joints"):
            parse_amc("bomb.amc", motion.encode(), asf)


class TestFuzz:
    def test_damaged_skeletons(self, samples):
        data = read(samples / "cmu_asfamc/02/02.asf")
        motion = read(samples / "cmu_asfamc/02/02_03.amc")
        motion = motion[: motion.index(b"\n3")]
        for damaged in mutations(data, 150):
            asf = assert_result_or_user_error(parse_asf, "damaged.asf", damaged)
            amc = asf and assert_result_or_user_error(parse_amc, "good.amc", motion, asf)
            if amc:
                assert not np.isinf(amc.positions()).any()

    def test_damaged_motions(self, samples):
        asf = parse_asf("02.asf", read(samples / "cmu_asfamc/02/02.asf"))
        data = read(samples / "cmu_asfamc/02/02_03.amc")
        data = data[: data.index(b"\n11")]
        for damaged in mutations(data, 150):
            amc = assert_result_or_user_error(parse_amc, "damaged.amc", damaged, asf)
            if amc:
                assert not np.isinf(amc.positions()).any()


@pytest.fixture(scope="module")
def take_01_01(samples):
    """CMU's take 01_01: its skeleton and motion, and its BVH conversion without the added frame."""
    folder = samples / "cmu_bvh_amc_pair"
    asf_data, amc_data = read(folder / "01.asf"), read(folder / "01_01.amc.gz")
    bvh = parse_bvh("01_01.bvh", read(folder / "01_01.bvh.gz"))
    joints = dict(zip(bvh.joint_names, bvh.positions()[1:].swapaxes(0, 1), strict=True))
    return asf_data, amc_data, joints


class TestRealFiles:
    def test_legs_and_back_are_those_of_the_bvh(self, take_01_01):
        asf_data, amc_data, bvh_joints = take_01_01
        amc = bones_of(asf_data, amc_data)
        for joint in LEG_AND_BACK_JOINTS:
            error = np.linalg.norm(amc[BVH_JOINT_OF_BONE_END[joint]] - bvh_joints[joint], axis=-1)
            assert error.shape == (2751,)
            assert error.max() * 25.4 / 0.45 < 0.01, joint  # mm

    def test_all_joints_are_those_of_the_bvh_without_its_missing_bones(self, take_01_01):
        asf_data, amc_data, bvh_joints = take_01_01
        amc = bones_of(asf_data, amc_data, without=("thorax", "lwrist", "rwrist"))
        assert set(BVH_JOINT_OF_BONE_END) == set(bvh_joints)
        for joint, bone in BVH_JOINT_OF_BONE_END.items():
            error = np.linalg.norm(amc[bone] - bvh_joints[joint], axis=-1)
            assert error.max() * 25.4 / 0.45 < 0.01, joint  # mm

    @pytest.mark.parametrize(
        ("bone", "marker", "distance_mm", "spread_mm"),
        [("ltibia", "LANK", 48, 1), ("rtibia", "RANK", 47, 1), ("lfemur", "LKNE", 77, 7),
         ("rfemur", "RKNE", 76, 7), ("lclavicle", "LSHO", 55, 11), ("head", "LFHD", 112, 9)],
    )  # fmt: skip
    def test_joints_stay_with_the_markers_of_the_take(
        self, samples, bone, marker, distance_mm, spread_mm
    ):
        ezc3d = pytest.importorskip("ezc3d")
        c3d = ezc3d.c3d(str(samples / "nimble_markers/c3d/cmu_02_05.c3d"))
        labels = c3d["parameters"]["POINT"]["LABELS"]["value"]
        markers = c3d["data"]["points"][:3, labels.index(f"TakeoMonday:{marker}")].T[:, [1, 2, 0]]
        asf = parse_asf("02.asf", read(samples / "cmu_asfamc/02/02.asf"))
        amc = parse_amc("02_05.amc", read(samples / "cmu_asfamc/02/02_05.amc.gz"), asf)
        joint = amc.positions_mm()[:, asf.joint_names.index(bone)]
        distance = np.linalg.norm(joint - markers, axis=-1)
        assert np.nanmean(distance) == pytest.approx(distance_mm, abs=1)
        assert np.nanstd(distance) < spread_mm

    @pytest.mark.parametrize(
        ("motion", "skeleton", "frames"),
        [
            ("cmu_asfamc/01/01_12.amc.gz", "cmu_asfamc/01/01.asf", 4109),
            ("cmu_asfamc/02/02_01.amc", "cmu_asfamc/02/02.asf", 343),
            ("cmu_asfamc/03/03_01.amc", "cmu_asfamc/03/03.asf", 432),
            ("cmu_bvh_amc_pair/11_01.amc.gz", "cmu_bvh_amc_pair/11.asf", 597),
            ("cmu_exercises/amc/13_30.amc.gz", "cmu_asfamc/02/02.asf", 2465),  # borrowed
        ],
    )
    def test_bodies_are_whole_and_of_human_size(self, samples, motion, skeleton, frames):
        asf = parse_asf(skeleton, read(samples / skeleton))
        amc = parse_amc(motion, read(samples / motion), asf)
        assert not asf.notes + amc.notes
        positions = amc.positions_mm()
        assert positions.shape == (frames, 31, 3)
        assert np.isfinite(positions).all()
        parents = np.array(asf.parents[1:])
        lengths = np.linalg.norm(positions[:, 1:] - positions[:, parents], axis=-1)
        expected = np.linalg.norm(asf.offsets[1:], axis=-1) * 25.4 / 0.45
        assert lengths == pytest.approx(np.broadcast_to(expected, lengths.shape), abs=1e-6)
        thigh = expected[asf.joint_names.index("lfemur") - 1]
        assert 350 < thigh < 450


def bones_of(asf_data, amc_data, *, without=()):
    """Positions of bones' ends by name, with some bones of no length."""
    asf = parse_asf("01.asf", asf_data)
    asf.offsets[[asf.joint_names.index(name) for name in without]] = 0.0
    positions = parse_amc("01_01.amc", amc_data, asf).positions()
    return dict(zip(asf.joint_names, positions.swapaxes(0, 1), strict=True))
