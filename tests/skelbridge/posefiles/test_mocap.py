import gzip
import re
import shutil

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles.mocap import read_amc, read_asf, read_bvh
from skelbridge.posefiles.reading import read_poses

BVH = b"""HIERARCHY
ROOT a
{
  OFFSET 0 0 0
  CHANNELS 3 Xposition Yposition Zposition
  End Site { OFFSET 1 0 0 }
  JOINT b { OFFSET 2 0 0 CHANNELS 0 JOINT c { OFFSET 3 0 0 } }
}
MOTION
Frames: 2
Frame Time: 0.04
0 0 0
10 20 30
"""
ASF = b""":version 1.10
:units
 length 0.5
:root
 order TX TY TZ RX RY RZ
:bonedata
 begin
  name spine
  direction 0 1 0
  length 2
  axis 0 0 0 XYZ
 end
:hierarchy
 begin
  root spine
 end
"""
AMC = b":DEGREES\n1\nroot 1 2 3 0 0 0\n2\nroot 1 2 3 0 0 90\n"


@pytest.fixture
def take(tmp_path):
    """A motion without a skeleton beside it, as CMU names its files."""
    path = tmp_path / "02_05.amc"
    path.write_bytes(AMC)
    return path


class TestBvh:
    def test_with_end_sites(self):
        poses = read_bvh("x.bvh", BVH)
        assert poses.joint_names == ("a", "a_End", "b", "c")
        assert poses.extras == {"parents": [-1, 0, 0, 2]}
        assert poses.positions[:, :, 0].tolist() == [[0, 1, 2, 5], [10, 11, 12, 15]]
        assert poses.positions[1].tolist() == [
            [10, 20, 30],
            [11, 20, 30],
            [12, 20, 30],
            [15, 20, 30],
        ]
        assert poses.leading == ("frame",)
        assert poses.fps == 25
        assert (poses.units, poses.up, poses.skeleton, poses.notes) == (None, None, None, ())

    def test_without_end_sites(self):
        poses = read_bvh("x.bvh", BVH, end_sites=False)
        assert poses.joint_names == ("a", "b", "c")
        assert poses.extras == {"parents": [-1, 0, 1]}
        assert poses.positions[:, :, 0].tolist() == [[0, 2, 5], [10, 12, 15]]

    def test_notes_are_passed_on(self):
        assert "1 more lines" in read_bvh("x.bvh", BVH + b"1 2 3\n").notes[0]

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            (b"Frames: 2", b"Frames: 3", "expected 3 frames as the header promises, found 2"),
            (b"Frames: 2", b"Frames: 0", "expected a motion, found Frames: 0"),
            (b"HIERARCHY", b"", "expected a BVH file"),
        ],
    )
    def test_errors(self, old, new, message):
        with pytest.raises(FileError, match=f"^x.bvh: .*{message}"):
            read_bvh("x.bvh", BVH.replace(old, new))

    @pytest.mark.parametrize(
        ("name", "is_cmu"),
        [
            ("cmu_bvh_amc_pair/01_01.bvh.gz", True),
            ("bvh_pybvh/bvh_data/cmu_12_01_walk.bvh", True),
            ("cmu_bvh_bvh11/131_01.bvh.gz", True),
            ("cmu_bvh_bvh11/scaled_131_01.bvh.gz", True),
            ("bvh_toolbox/source/walk01.bvh", False),
            ("aitviewer_results/bvh/sample.bvh.gz", False),
        ],
    )
    def test_the_missing_bones_of_cmus_conversion_are_told(self, samples, name, is_cmu):
        data = (samples / name).read_bytes()
        poses = read_bvh(name, gzip.decompress(data) if name.endswith(".gz") else data)
        assert any("leaves out the thorax" in note for note in poses.notes) == is_cmu

    def test_damaged_files(self):
        for damaged in mutations(BVH, 150):
            poses = assert_result_or_user_error(read_bvh, "x.bvh", damaged, end_sites=False)
            assert poses is None or len(poses.joint_names) == poses.n_joints


class TestAmc:
    def test_with_a_stated_skeleton(self, tmp_path, take):
        skeleton = tmp_path / "anything.txt"
        skeleton.write_bytes(ASF)
        poses = read_amc(take, AMC, asf=skeleton)
        assert poses.joint_names == ("root", "spine")
        # An inch is half a unit: one unit is 50.8 mm.
        expected = 50.8 * np.array([[[1, 2, 3], [1, 4, 3]], [[1, 2, 3], [-1, 2, 3]]])
        assert poses.positions == pytest.approx(expected, abs=1e-9)
        assert poses.leading == ("frame",)
        assert poses.units == "mm"
        assert poses.extras == {"parents": [-1, 0]}
        assert (poses.fps, poses.up, poses.skeleton, poses.notes) == (None, None, None, ())

    def test_without_a_length_unit(self, tmp_path, take):
        (tmp_path / "02.asf").write_bytes(ASF.replace(b" length 0.5\n", b""))
        poses = read_amc(take, AMC)
        assert poses.units is None
        assert poses.positions[0].tolist() == [[1, 2, 3], [1, 4, 3]]
        assert "declares no length unit" in poses.notes[0]

    @pytest.mark.parametrize(
        ("files", "found"),
        [
            (["02.asf"], "02.asf"),
            (["02.ASF"], "02.ASF"),
            (["01.asf", "02.asf", "03.asf"], "02.asf"),
            (["02.asf", "02_05.asf"], "02_05.asf"),
            (["0.asf", "02_0.asf", "02.asf"], "02.asf"),
        ],
    )
    @pytest.mark.parametrize("name", ["02_05.amc", "02_05.AMC", "02_05.amc.gz"])
    def test_the_skeleton_beside_it(self, tmp_path, name, files, found):
        for k, file in enumerate(files):
            # The thigh bone tells which one was read.
            (tmp_path / file).write_bytes(ASF.replace(b"length 2", b"length %d" % (k + 1)))
        (tmp_path / name).write_bytes(b"read by the caller")
        poses = read_amc(tmp_path / name, AMC)
        assert poses.positions[0, 1, 1] / 50.8 - 2 == pytest.approx(files.index(found) + 1)
        assert not poses.notes

    def test_the_only_skeleton_beside_it(self, tmp_path, take):
        (tmp_path / "other.asf").write_bytes(ASF)
        poses = read_amc(take, AMC)
        assert poses.notes == (
            "the skeleton is other.asf, the only .asf file beside it; pass --asf FILE for another",
        )

    def test_a_relative_path(self, tmp_path, take, monkeypatch):
        (tmp_path / "02.asf").write_bytes(ASF)
        monkeypatch.chdir(tmp_path)
        assert read_amc(take.name, AMC).n_joints == 2

    @pytest.mark.parametrize(
        ("files", "message"),
        [
            ([], r"\(such as 02.asf\), found 0 .asf files; pass --asf FILE"),
            (["a.asf", "b.asf"], r"found 2 .asf files of other names \(a.asf, b.asf\); pass --asf"),
            (["0.asf", "020.asf"], "found 2 .asf files of other names"),
            (["a.asf", "b.asf", "c.asf", "d.asf"], r"found 4 .*\(a.asf, b.asf, c.asf, ...\)"),
        ],
    )
    def test_no_skeleton_beside_it(self, tmp_path, take, files, message):
        for file in files:
            (tmp_path / file).write_bytes(ASF)
        with pytest.raises(FileError, match=message) as caught:
            read_amc(take, AMC)
        assert str(caught.value).startswith(f"{take}: expected its skeleton beside it")

    def test_standard_input_has_nothing_beside_it(self, tmp_path, monkeypatch):
        (tmp_path / "02.asf").write_bytes(ASF)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(FileError, match=r"expected the motion's skeleton.*pass --asf FILE"):
            read_amc("-", AMC)

    def test_errors_name_the_file_they_are_in(self, tmp_path, take):
        skeleton = tmp_path / "02.asf"
        with pytest.raises(FileError, match=r"nowhere.asf: .*No such file.*pass --asf FILE"):
            read_amc(take, AMC, asf=tmp_path / "nowhere.asf")
        with pytest.raises(FileError, match=f"^{re.escape(str(tmp_path))}: .*directory"):
            read_amc(take, AMC, asf=tmp_path)
        skeleton.write_bytes(ASF[:-20])
        with pytest.raises(FileError, match=f"^{re.escape(str(skeleton))}: expected"):
            read_amc(take, AMC)
        skeleton.write_bytes(ASF)
        with pytest.raises(FileError, match=r"02_05.amc: line 5: .*of the skeleton .*02.asf"):
            read_amc(take, AMC.replace(b"2\nroot", b"2\nlfemur"))
        with skeleton.open("wb") as file:
            file.truncate(17 << 20)
        with pytest.raises(FileError, match=f"^{re.escape(str(skeleton))}: .*more than"):
            read_amc(take, AMC)

    def test_cmu_take_as_it_lies(self, samples):
        path = samples / "cmu_asfamc/02/02_01.amc"
        poses = read_amc(path, path.read_bytes())
        assert poses.positions.shape == (343, 31, 3)
        assert poses.joint_names[:4] == ("root", "lhipjoint", "lfemur", "ltibia")
        assert poses.units == "mm"
        assert not poses.notes
        # A grown man walks, y up; the head bone ends half way up the head.
        head, toes = (poses.positions[:, poses.joint_names.index(n), 1] for n in ("head", "ltoes"))
        assert 1400 < np.median(head - toes) < 1700

    def test_cmu_exercises_with_a_borrowed_skeleton(self, samples, tmp_path):
        path = tmp_path / "13_30.amc.gz"
        shutil.copyfile(samples / "cmu_exercises/amc/13_30.amc.gz", path)
        data = gzip.decompress(path.read_bytes())
        with pytest.raises(FileError, match=r"such as 13.asf.*found 0"):
            read_amc(path, data)
        poses = read_amc(path, data, asf=samples / "cmu_asfamc/02/02.asf")
        assert poses.positions.shape == (2465, 31, 3)
        assert np.isfinite(poses.positions).all()


class TestAsf:
    def test_alone_it_is_refused(self):
        with pytest.raises(FileError, match=r"^02.asf: .*skeleton only .*give the .amc file"):
            read_asf("02.asf", ASF)

    def test_the_reader_of_all_formats_refuses_it_too(self, tmp_path):
        (tmp_path / "02.ASF").write_bytes(ASF)
        with pytest.raises(FileError, match=r"skeleton only .*give the .amc file"):
            read_poses(tmp_path / "02.ASF")

    def test_a_damaged_one_is_told_first(self):
        with pytest.raises(FileError, match="expected a section :root"):
            read_asf("02.asf", ASF[:20])
