import csv
import gzip

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, bounded, mutations
from scipy.spatial.transform import Rotation

from dataset_adapters.containers.bvh import parse_bvh
from dataset_adapters.containers.errors import FileError

ARM = """HIERARCHY
ROOT Shoulder
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Elbow
  {
    OFFSET 2 0 0
    CHANNELS 3 Xrotation Yrotation Zrotation
    End Site
    {
      OFFSET 3 0 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.0333333
1 2 3 0 0 0 0 0 0
1 2 3 90 0 0 0 90 0
"""
# Frame 2: Rz(90) takes the upper arm (2, 0, 0) up to (0, 2, 0); Ry(90) takes the forearm (3, 0, 0)
# to (0, 0, -3), which Rz(90) leaves where it is.
ARM_POSITIONS = [
    [[1, 2, 3], [3, 2, 3], [6, 2, 3]],
    [[1, 2, 3], [1, 4, 3], [1, 4, 0]],
]


def read(path):
    data = path.read_bytes()
    return parse_bvh(path, gzip.decompress(data) if path.suffix == ".gz" else data)


def variant(*changes, text=ARM):
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text.encode()


def chain(offsets_and_channels, rows, *, name="j", frame_time="0.5"):
    """A chain of joints without an end site."""
    head, tail = "HIERARCHY\n", ""
    for k, (offset, channels) in enumerate(offsets_and_channels):
        head += f"{'JOINT' if k else 'ROOT'} {name}{k} {{ OFFSET {offset}\n"
        head += f"CHANNELS {len(channels.split())} {channels}\n"
        tail += "}\n"
    motion = f"MOTION\nFrames: {len(rows)}\nFrame Time: {frame_time}\n"
    return (head + tail + motion + "\n".join(rows) + "\n").encode()


class TestHandmade:
    def test_an_arm(self):
        bvh = parse_bvh("arm.bvh", ARM.encode())
        assert bvh.joint_names == ("Shoulder", "Elbow", "Elbow_End")
        assert bvh.parents == (-1, 0, 1)
        assert bvh.end_sites == (False, False, True)
        assert (bvh.offsets == [[0, 0, 0], [2, 0, 0], [3, 0, 0]]).all()
        assert bvh.channels[1] == ("Xrotation", "Yrotation", "Zrotation")
        assert bvh.channels[2] == ()
        assert bvh.motion.shape == (2, 9)
        assert bvh.motion.dtype == np.float64
        assert bvh.frame_time == 0.0333333
        assert bvh.fps == 30.0
        assert not bvh.notes
        assert bvh.positions() == pytest.approx(np.array(ARM_POSITIONS, float), abs=1e-12)

    @pytest.mark.parametrize(
        "data",
        [
            ARM.replace("\n", "\r\n").encode(),
            ARM.replace("\n", "\r").encode(),
            ARM.replace("\n", "\r\n", 12).encode(),
            b"\xef\xbb\xbf" + ARM.encode(),
            ARM.lower().replace("shoulder", "Shoulder").replace("elbow", "Elbow").encode(),
            ARM.upper().replace("SHOULDER", "Shoulder").replace("ELBOW", "Elbow").encode(),
            ARM.replace("Frame Time: ", "Frame Time:\t").replace("Frames: ", "Frames:\t").encode(),
            ARM.replace(":", "").encode(),
            ARM.replace(":", " :").encode(),
            ARM.replace("\n{", " {").encode(),
            ARM.replace("1 2 3", "\t1\t2   3").encode(),
            (ARM + "\n  \n\r\n\x1a").encode(),
            ARM.replace("1 2 3 90", "\n\n1 2 3 90").encode(),
            ARM.rstrip().encode(),
        ],
        ids=range(14),
    )
    def test_ways_to_write_the_same(self, data):
        bvh = parse_bvh("arm.bvh", data)
        assert bvh.joint_names == ("Shoulder", "Elbow", "Elbow_End")
        assert bvh.positions() == pytest.approx(np.array(ARM_POSITIONS, float), abs=1e-12)
        assert not bvh.notes

    def test_rotations_before_positions(self):
        data = variant(
            ("Xposition Yposition Zposition Zrotation Xrotation Yrotation",
             "Zrotation Xrotation Yrotation Xposition Yposition Zposition"),
            ("1 2 3 0 0 0 0 0 0", "0 0 0 1 2 3 0 0 0"),
            ("1 2 3 90 0 0 0 90 0", "90 0 0 1 2 3 0 90 0"),
        )  # fmt: skip
        positions = parse_bvh("arm.bvh", data).positions()
        assert positions == pytest.approx(np.array(ARM_POSITIONS, float), abs=1e-12)

    def test_position_channels_replace_the_offset(self):
        position = "Xposition Yposition Zposition"
        data = chain([("9 9 9", position), ("0 4 0", position)], ["1 2 3 0 5 0", "1 2 3 0 6 1"])
        bvh = parse_bvh("x.bvh", data)
        assert (bvh.positions() == [[[1, 2, 3], [1, 7, 3]], [[1, 2, 3], [1, 8, 4]]]).all()
        assert not bvh.displaced

    def test_axes_without_a_position_channel_keep_their_offset(self):
        bvh = parse_bvh("x.bvh", chain([("1 2 3", "Yposition")], ["7"]))
        assert (bvh.positions() == [[[1, 7, 3]]]).all()

    def test_positions_near_zero_are_displacements(self):
        # As read by the rule, the second and third joint would sit on the first.
        position = "Xposition Yposition Zposition"
        data = chain(
            [("9 9 9", position), ("0 4 0", position), ("0 5 0", position)],
            ["1 2 3  0 0 0.1  0 0 0"],
        )
        bvh = parse_bvh("x.bvh", data)
        assert bvh.displaced
        assert "displacements" in bvh.notes[0]
        assert bvh.positions() == pytest.approx(np.array([[[1, 2, 3], [1, 6, 3.1], [1, 11, 3.1]]]))

    def test_joints_without_channels_follow_their_parent(self):
        data = chain([("0 0 0", "Zrotation"), ("1 0 0", ""), ("1 0 0", "")], ["90"])
        positions = parse_bvh("x.bvh", data).positions()
        assert positions == pytest.approx(
            np.array([[[0.0, 0, 0], [0, 1, 0], [0, 2, 0]]]), abs=1e-12
        )

    def test_a_joint_without_children_or_end_site(self):
        assert parse_bvh("x.bvh", chain([("0 0 0", "Zrotation")], ["90"])).end_sites == (False,)

    @pytest.mark.parametrize(
        "name", ["mixamorig:Hips", "Bip01 L Thigh", "Hüfte", "MOTION", "joint"]
    )
    def test_names(self, name):
        bvh = parse_bvh("arm.bvh", variant(("Elbow\n", f"{name}\r\n")))
        assert bvh.joint_names == ("Shoulder", name, f"{name}_End")

    def test_names_that_are_not_utf8(self):
        data = ARM.encode().replace(b"Elbow", "Hüfte".encode("latin-1"))
        assert parse_bvh("arm.bvh", data).joint_names[1] == "Hüfte"

    def test_repeated_names_are_told_apart(self):
        bvh = parse_bvh(
            "x.bvh", chain([("1 0 0", "Xrotation")] * 3, ["0 0 0"]).replace(b"j1", b"j0")
        )
        assert bvh.joint_names == ("j0", "j0#2", "j2")
        assert "'j0'" in bvh.notes[0]

    def test_two_roots_make_a_forest(self):
        first, motion = ARM.split("MOTION")
        data = (
            first + first.removeprefix("HIERARCHY\n").replace("Elbow", "Knee") + "MOTION" + motion
        )
        data = data.replace("\n1 2 3 0 0 0 0 0 0", "\n1 2 3 0 0 0 0 0 0 4 5 6 0 0 0 0 0 0")
        data = data.replace("Frames: 2", "Frames: 1").replace("1 2 3 90 0 0 0 90 0\n", "")
        bvh = parse_bvh("two.bvh", data.encode())
        assert bvh.parents == (-1, 0, 1, -1, 3, 4)
        assert bvh.joint_names[3:] == ("Shoulder#2", "Knee", "Knee_End")
        assert (bvh.positions()[0, 3:] == [[4, 5, 6], [6, 5, 6], [9, 5, 6]]).all()

    def test_deep_nesting(self):
        n = 5000
        data = chain([("0 1 0", "Zrotation")] + [("0 1 0", "")] * n, ["0", "90"])
        positions = parse_bvh("deep.bvh", data).positions()
        assert positions[:, -1] == pytest.approx(np.array([[0.0, n + 1, 0], [-n, 1, 0]]), abs=1e-9)

    def test_no_frames(self):
        bvh = parse_bvh("x.bvh", chain([("0 0 0", "Zrotation")], []))
        assert bvh.positions().shape == (0, 1, 3)

    def test_nan_is_missing_from_there_on(self):
        data = variant(("90 0 0 0 90 0", "90 0 0 nan 90 0"))
        missing = np.isnan(parse_bvh("arm.bvh", data).positions()).all(axis=-1)
        assert missing.tolist() == [[False, False, False], [False, False, True]]

    @pytest.mark.parametrize(
        ("text", "fps"),
        [("0.0333333", 30), (".0083333", 120), ("0.0416667", 24), ("0.04", 25), ("1e-2", 100),
         ("0.008333", 120), ("0.016666666666666666", 60), ("0.0417083750417", 23.976),
         ("0.03", 100 / 3), ("2", 0.5), ("0", None)],
    )  # fmt: skip
    def test_frame_rate(self, text, fps):
        bvh = parse_bvh("x.bvh", chain([("0 0 0", "Zrotation")], ["1"], frame_time=text))
        assert bvh.fps == (fps if fps is None else pytest.approx(fps, rel=1e-9))
        assert bvh.frame_time == float(text)

    def test_lines_beyond_the_promised_frames(self):
        bvh = parse_bvh("arm.bvh", ARM.encode() + b"1 2 3 0 0 0 0 0 0\n}\n")
        assert len(bvh.motion) == 2
        assert bvh.notes == ("the header promises 2 frames; 2 more lines after them were left out",)


class TestErrors:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "line 1: expected HIERARCHY, then MOTION, found the end of the file"),
            (b"# comment\n", "expected a BVH file, which starts with HIERARCHY, found '#'"),
            (b"\x00" * 9, "expected a BVH file"),
            (ARM[: ARM.index("}")].encode(), "line 13: .* 3 closing } and MOTION, found the end"),
            (variant(("MOTION", "")), "expected ROOT or MOTION, found 'Frames:'"),
            (variant(("}\nMOTION", "MOTION")), "line 15: .*in 'Shoulder', found 'MOTION'"),
            (variant(("MOTION", "}\nMOTION")), "line 16: expected ROOT or MOTION, found '}'"),
            (variant(("ROOT Shoulder", "JOINT Shoulder")), "expected JOINT inside of a ROOT"),
            (variant(("JOINT Elbow", "ROOT Elbow")), "expected JOINT or } in 'Shoulder'"),
            (variant(("JOINT Elbow", "JOINT")), "line 6: expected a name after JOINT"),
            (variant(("JOINT Elbow\n", "JOINT Elbow\nOFFSET")), "expected { after 'Elbow'"),
            (variant(("OFFSET 2 0 0", "")), "expected OFFSET in 'Elbow', found '}'"),
            (variant(("OFFSET 2 0 0", "OFFSET 2 0")), "3 numbers as OFFSET of 'Elbow', found 'CHA"),
            (variant(("OFFSET 2 0 0", "OFFSET 2 0 inf")), "3 numbers as OFFSET of 'Elbow'"),
            (variant(("OFFSET 2 0 0", "OFFSET 2 0 nan")), "3 numbers as OFFSET of 'Elbow'"),
            (variant(("CHANNELS 3", "CHANNELS x")), "a number of CHANNELS of 'Elbow', found 'x'"),
            (variant(("CHANNELS 3", "CHANNELS 4")), "4 of Xposition, .*'Elbow'.*found 'End'"),
            (variant(("CHANNELS 3", "CHANNELS 2")), "in 'Elbow', found 'Zrotation'"),
            (variant(("Zrotation", "Xscale")), "CHANNELS of 'Shoulder'.*found 'Xscale'"),
            (variant(("Yposition", "Xposition")), "each position once, found 'Xposition'"),
            (variant(("3 0 0\n", "3 0 0 CHANNELS 1 Xrotation\n")), "End Site without channels"),
            (variant(("3 0 0\n", "3 0 0 JOINT a {\n")), "expected JOINT inside of a ROOT or JOINT"),
            (variant(("Frames: 2", "")), "line 16: expected Frames: and Frame Time: after MOTION"),
            (variant(("Frames: 2", "Frames: x")), "a number of frames after Frames:, found 'x'"),
            (variant(("Frames: 2", "Frames: -2")), "a number of frames after Frames:, found '-2'"),
            (variant(("0.0333333", "-1")), "line 18: expected seconds after Frame Time:, found '-"),
            (variant(("0.0333333", "nan")), "expected seconds after Frame Time:, found 'nan'"),
            (variant(("0.0333333", "1e-300")), "expected seconds after Frame Time:"),
            (variant(("0.0333333", "0,03")), "expected seconds after Frame Time:, found '0,03'"),
            (variant(("Frames: 2", "Frames: 3")), "expected 3 frames .*, found 2; "),
            (variant(("Frames: 2", "Frames: 999999999999")), "expected 999999999999 fr.*found 2"),
            (ARM[:-3].encode(), r"line 20: expected 9 numbers.* found 8 \(in frame 2 of the 2"),
            (variant(("1 2 3 90", "1 2 3 4 90")), "line 20: expected 9 numbers.* found more"),
            (variant(("1 2 3 90", "1 x 3 90")), "line 20: expected numbers, found 'x'"),
            (variant(("1 2 3 90", "1 1_0 3 90")), "line 20: expected numbers, found '1_0'"),
            (variant(("1 2 3 90", "1 inf 3 90")), "frame 2: .*found inf"),
            (variant(("1 2 3 90", "1 -1e308 3 90")), "frame 2: .*found -1e"),
            (chain([("0 0 0", "")], [""]), "channels for 1 frames, found CHANNELS on no joint"),
        ],
    )  # fmt: skip
    def test_message(self, data, message):
        with pytest.raises(FileError, match=message) as caught:
            parse_bvh("some.bvh", data)
        assert str(caught.value).startswith("some.bvh: ")
        assert "\n" not in str(caught.value)

    def test_a_small_file_of_a_gigantic_clip(self):
        data = chain([("0 0 0", "Zrotation")] + [("0 1 0", "")] * 5000, ["0"] * 5000)
        with pytest.raises(FileError, match="5000 frames of 5001 joints"):
            parse_bvh("bomb.bvh", data)

    def test_endless_white_space(self):
        head = ARM[: ARM.index("Frames")].encode()
        for tail in (b"", b"Frames:", b"Frames: 2", b"Frames: 2\nFrame"):
            # Patterns that go back over white space again and again would take hours here.
            with bounded(), pytest.raises(FileError, match="Frames: and Frame Time:"):
                parse_bvh("x.bvh", head + tail + b" " * 1_000_000 + b"\n" * 1_000_000)


class TestFuzz:
    @pytest.mark.parametrize("seed", range(2))
    def test_damaged_files(self, samples, seed):
        data = (samples / "bvh_pybvh/tests/fixtures/rotation_first_root.bvh").read_bytes()
        for damaged in mutations(data, 150, seed):
            bvh = assert_result_or_user_error(parse_bvh, "damaged.bvh", damaged)
            if bvh is not None:
                positions = bvh.positions()
                assert positions.shape == (len(bvh.motion), len(bvh.joint_names), 3)
                assert not np.isinf(positions).any()


class TestRealFiles:
    def test_walk_against_its_world_positions(self, samples):
        bvh = read(samples / "bvh_toolbox/source/walk01.bvh")
        with (samples / "bvh_toolbox/csv/walk01_pos.csv").open(newline="") as file:
            header, *rows = csv.reader(file)
        expected = np.array(rows, dtype=float)[:, 1:].reshape(101, 24, 3)
        assert bvh.joint_names == tuple(name.removesuffix(".x") for name in header[1::3])
        # The table has five decimals.
        assert np.abs(bvh.positions() - expected).max() < 0.51e-5

    def test_walk_against_its_hierarchy(self, samples):
        bvh = read(samples / "bvh_toolbox/source/walk01.bvh")
        with (samples / "bvh_toolbox/csv/walk01_hierarchy.csv").open(newline="") as file:
            _, *rows = csv.reader(file)
        assert [row[0] for row in rows] == list(bvh.joint_names)
        parents = [bvh.joint_names[p] if p >= 0 else "" for p in bvh.parents]
        assert [row[1] for row in rows] == parents
        assert np.array([row[2:5] for row in rows], float) == pytest.approx(bvh.offsets, abs=1e-5)

    @pytest.mark.parametrize(
        ("name", "x", "offsets"),
        [("sinusoidal", -3, (5, -5, 3)), ("sinusoidal_2", -4, (2, -7, 4))],
    )
    def test_a_swinging_link_in_closed_form(self, samples, name, x, offsets):
        bvh = read(samples / f"cmu_bvh_amc_pair/{name}.bvh")
        angle = np.radians(-90 + 45 - np.abs(45 - np.arange(120) % 90))  # -90 to -45 and back
        up, aside, last = offsets
        root = np.tile([x, 6.0, 5.0], (120, 1))
        first = root + np.array([0, up, 0])
        second = first + np.array([aside, 0, 0])
        third = second + last * np.stack([0 * angle, np.cos(angle), np.sin(angle)], axis=-1)
        expected = np.stack([root, first, second, third], axis=1)
        assert bvh.positions() == pytest.approx(expected, abs=1e-12)
        assert bvh.fps == 60

    @pytest.mark.parametrize(
        ("name", "frames", "joints", "ends", "fps"),
        [
            ("aitviewer_results/bvh/sample.bvh.gz", 1300, 23, 5, 40),
            ("bvh_pybvh/bvh_data/bvh_test1.bvh", 75, 24, 5, 30),
            ("bvh_pybvh/bvh_data/bvh_test3.bvh", 100, 60, 13, 120),
            ("bvh_pybvh/bvh_data/cmu_12_01_walk.bvh", 524, 31, 7, 120),
            ("bvh_pybvh/tests/fixtures/full_precision_frame_time.bvh", 3, 2, 1, 23.976),
            ("bvh_pybvh/tests/fixtures/rotation_first_root.bvh", 4, 4, 2, 25),
            ("bvh_toolbox/test_freebvh.bvh", 69, 55, 15, 30),
            ("cmu_bvh_bvh11/131_01.bvh.gz", 994, 31, 7, 120),
            ("cmu_bvh_bvh11/131_03.bvh.gz", 1102, 31, 7, 120),
            ("cmu_bvh_bvh11/scaled_131_01.bvh.gz", 995, 31, 7, 120),
            ("cmu_bvh_bvh11/scaled_131_03.bvh.gz", 1248, 31, 7, 120),
            ("makehuman_bvh/animations/walks/walk1.bvh", 14, 75, 16, 24),
        ],
    )
    def test_bones_are_rigid_and_rotations_scipys(self, samples, name, frames, joints, ends, fps):
        bvh = read(samples / name)
        assert (len(bvh.motion), len(bvh.parents), sum(bvh.end_sites)) == (
            frames,
            joints + ends,
            ends,
        )
        assert bvh.fps == pytest.approx(fps)
        assert not bvh.notes
        positions = bvh.positions()
        children = [joint for joint, parent in enumerate(bvh.parents) if parent >= 0]
        bones = positions[:, children] - positions[:, [bvh.parents[joint] for joint in children]]
        lengths = np.linalg.norm(bvh.offsets[children], axis=-1)
        assert np.linalg.norm(bones, axis=-1) == pytest.approx(
            np.broadcast_to(lengths, bones.shape[:2]), abs=1e-9
        )
        for frame in (0, frames // 2, frames - 1):
            expected = positions_by_scipy(bvh, frame)
            assert positions[frame] == pytest.approx(expected, abs=1e-9)

    def test_bandai_namco_positions_replace_offsets(self, samples):
        folder = samples / "bandai_namco/Bandai-Namco-Research-Motiondataset-1/data"
        paths = sorted(folder.glob("*walk*.bvh.gz"))
        assert len(paths) == 7
        for path in paths:
            bvh = read(path)
            assert not bvh.displaced
            positions = bvh.positions()
            for frame in (0, len(positions) - 1):
                expected = positions_by_scipy(bvh, frame)
                assert positions[frame] == pytest.approx(expected, abs=1e-9)
            # Grown people on a floor at 0, y up, in centimetres.
            height = positions[:, :, 1]
            assert (np.abs(height.min(axis=1)) < 12).all()
            assert ((height.max(axis=1) > 120) & (height.max(axis=1) < 190)).all()

    def test_makehuman_t_pose_is_spread(self, samples):
        bvh = read(samples / "makehuman_bvh/poses/tpose.bvh")
        assert len(bvh.joint_names) == 173 + 49
        assert bvh.displaced
        spans = np.ptp(bvh.positions()[0], axis=0)
        # Decimetres, z up: as wide as high.
        assert spans == pytest.approx([16.9, 2.7, 16.6], abs=0.1)


def positions_by_scipy(bvh, frame):
    """One frame, joint by joint, with scipy's rotations."""
    values = iter(bvh.motion[frame])
    positions, rotations = [], []
    for joint, channels in enumerate(bvh.channels):
        step, angles, axes = bvh.offsets[joint].copy(), [], ""
        for channel in channels:
            value = next(values)
            if channel.endswith("position"):
                step["XYZ".index(channel[0])] = value
            else:
                angles.append(value)
                axes += channel[0]
        turn = Rotation.from_euler(axes, angles, degrees=True) if axes else Rotation.identity()
        parent = bvh.parents[joint]
        if parent < 0:
            positions.append(step)
            rotations.append(turn)
        else:
            positions.append(positions[parent] + rotations[parent].apply(step))
            rotations.append(rotations[parent] * turn)
    return np.array(positions)
