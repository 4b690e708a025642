"""Every kind of wrong input: one clear line, exit code 2, nothing left behind."""

import errno
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from skelbridge.posefiles import check_output
from skeleton_defs import UserError

TO_H36M = ("--from", "smpl", "--to", "h36m")


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "good.npy", np.ones((5, 24, 3)))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (("--from", "smlp", "--to", "h36m"), "Did you mean smpl"),
        (("--from", "smpl", "--to", "h37m"), "Did you mean h36m"),
        (("--from", "coco19", "--to", "h36m"), "ambiguous"),
        (("--from", "coco", "--to", "h36m"), "(17 joints). The file has 24"),
        (("--from", "smpl"), "--to"),
        ((*TO_H36M, "--method", "magic"), "--method must be"),
        ((*TO_H36M, "--units", "feet"), "--units must be one of"),
        ((*TO_H36M, "--scale", "0"), "--scale"),
        ((*TO_H36M, "--nonsense"), "no such option"),
        ((*TO_H36M, "--view", "a.gif"), ".html or .png"),
        ((*TO_H36M, "--as", "xml"), "xml"),
        (("--to", "h36m"), "name it with --from (formats with 24 joints"),
    ],
)
def test_options(skelbridge, folder, arguments, fragment):
    skelbridge.fails_with(fragment, "convert", "good.npy", "-o", "out.npy", *arguments)


@pytest.mark.parametrize(
    ("command", "fragment"),
    [
        (("show", "smlp"), "Did you mean smpl"),
        (("formats", "zzz"), "no skeleton format fits"),
        (("view", "none.npy", "-o", "x.html"), "no such file"),
        (("convert", *TO_H36M), "give a file"),
        (("nonsense",), "nonsense"),
    ],
)
def test_commands(skelbridge, command, fragment):
    skelbridge.fails_with(fragment, *command)


def npy_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def lying_npy():
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 24, 3), }"
    header += b" " * (64 - (len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(1000)


def zip_bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        header = npy_bytes(np.zeros((0, 24, 3), np.uint8))
        header = header.replace(b"(0, 24, 3), ", b"(20000000, 24, 3), ").replace(b"}  ", b"}", 1)
        with archive.open("positions.npy", "w", force_zip64=True) as member:
            member.write(header)
            for _ in range(1440):
                member.write(bytes(1_000_000))
    return buffer.getvalue()


def npz_bytes(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


GOOD_NPY = npy_bytes(np.ones((50, 24, 3)))
GOOD_NPZ = npz_bytes(positions=np.ones((50, 24, 3)))
RAGGED = json.dumps([[[0, 0, 0]] * 24, [[0, 0, 0]] * 23])
WORDS = json.dumps([[[0, 0, "a lot"]] + [[0, 0, 0]] * 23])
CSV_HEAD = ",".join(f"{j}_{a}" for j in ("pelvis", "left_hip", "right_hip") for a in "xyz")


@pytest.mark.parametrize(
    ("name", "content", "fragment"),
    [
        ("a.npy", b"", "empty file"),
        ("a.json", b"", "empty file"),
        ("a.c3d", b"", "empty file"),
        ("a.npy", GOOD_NPY[:-100], "a.npy"),
        ("a.npy", GOOD_NPY[:20], "a.npy"),
        ("a.npy", lying_npy(), "a.npy"),
        ("a.npy", b"garbage" * 100, "a.npy"),
        ("a.npy", npy_bytes(np.array([{"a": 1}], dtype=object)), "objects"),
        ("a.npy", npy_bytes(np.full((3, 24, 3), np.nan)), "every coordinate is NaN"),
        ("a.npy", npy_bytes(np.zeros((0, 24, 3))), "expected poses, found none"),
        ("a.npy", npy_bytes(np.zeros((4, 24, 7))), "shape"),
        ("a.npy", npy_bytes(np.full((4, 24, 3), "x")), "a.npy"),
        ("a.npy", npy_bytes(np.ones((4, 24, 3), complex)), "a.npy"),
        ("a.npz", GOOD_NPZ[:-40], "a.npz"),
        ("a.npz", GOOD_NPZ[:300], "a.npz"),
        ("a.npz", b"PK\x03\x04" + bytes(50), "a.npz"),
        ("a.npz", npz_bytes(positions=np.array([{}], dtype=object)), "objects"),
        ("a.npz", npz_bytes(a=np.ones((5, 24, 3)), b=np.ones((5, 24, 3))), "--key"),
        ("a.npz", zip_bomb(), "a.npz"),
        ("a.json", RAGGED.encode(), "a.json"),
        ("a.json", WORDS.encode(), "a.json"),
        ("a.json", b'{"positions": [[', "a.json"),
        ("a.json", b"[" * 200_000, "a.json"),
        ("a.csv", f"{CSV_HEAD}\n1,2,3,4,5,6,7,8,nine\n".encode(), "a.csv"),
        ("a.csv", f"{CSV_HEAD}\n1,2,3,4,5,6,7,8,9\n1,2,3\n".encode(), "a.csv"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(200), "a.h5"),
        ("a.c3d", b"\x02\x50" + bytes(510), "a.c3d"),
        ("a.bvh", b"HIERARCHY\nROOT a\n{\n", "a.bvh"),
        ("a.trc", b"PathFileType\t4\n", "a.trc"),
        ("a.amc", b":FULLY-SPECIFIED\n1\nroot 0 0 0 0 0 0\n", ".asf"),
        ("a.parquet", b"PAR1" + bytes(20), "a.parquet"),
        ("a.pkl", b"cos\nsystem\n(S'true'\ntR.", "a.pkl"),
        ("a.pose", bytes(60), "a.pose"),
        ("a.docx", b"x", "expected a pose file"),
        ("a.bvh.gz", b"not gzip", "gzip"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else None,
)  # fmt: skip
def test_files(skelbridge, tmp_path, name, content, fragment):
    (tmp_path / name).write_bytes(content)
    skelbridge.fails_with(fragment, "convert", *TO_H36M, name, "-o", "out.npz")


def test_truncated_h5(skelbridge, tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["positions"] = np.ones((500, 24, 3))
    whole = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(whole[: len(whole) // 2])
    skelbridge.fails_with("a.h5", "convert", *TO_H36M, "a.h5", "-o", "out.npz")


def test_truncated_c3d(skelbridge, tmp_path, samples):
    whole = (samples / "kineticstoolkit/c3d_test_suite/Sample02/pc_real.c3d").read_bytes()
    (tmp_path / "a.c3d").write_bytes(whole[: len(whole) // 2])
    skelbridge.fails_with("a.c3d", "convert", *TO_H36M, "a.c3d", "-o", "out.npz")


def test_2d_poses_where_3d_is_needed(skelbridge, tmp_path):
    np.save(tmp_path / "flat.npy", np.ones((5, 17, 2)))
    convert = ("convert", "--from", "coco", "--to", "h36m", "flat.npy")
    skelbridge.fails_with("3D", *convert, "-o", "out.trc")
    skelbridge.fails_with("need 3D poses", *convert, "-o", "out.npz", "--up", "y:z")


@pytest.mark.parametrize(
    ("output", "fragment"),
    [
        ("none/out.npy", "no folder"),
        ("out.gif", "must end in"),
        ("out", "must end in"),
    ],
)
def test_outputs(skelbridge, folder, output, fragment):
    skelbridge.fails_with(fragment, "convert", *TO_H36M, "good.npy", "-o", output)


def test_a_folder_in_place_of_the_output_file(tmp_path):
    (tmp_path / "out.npy").mkdir()
    with pytest.raises(UserError, match="it is a folder"):
        check_output(tmp_path / "out.npy")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc here")
def test_a_folder_that_nobody_may_write_to(skelbridge, folder):
    skelbridge.fails_with("cannot be written", "convert", *TO_H36M, "good.npy", "-o", "/proc/o.npy")


def test_several_inputs_need_a_folder(skelbridge, folder):
    arguments = ("convert", *TO_H36M, "good.npy", "good.npy", "-o", "good.npy")
    skelbridge.fails_with("need a folder", *arguments)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_write_permission(skelbridge, folder):
    (folder / "locked").mkdir(mode=0o500)
    skelbridge.fails_with("permission", "convert", *TO_H36M, "good.npy", "-o", "locked/o.npy")


def test_existing_output_survives_a_failure(skelbridge, folder):
    (folder / "out.npy").write_bytes(b"precious")
    (folder / "bad.npy").write_bytes(GOOD_NPY[:-8])
    skelbridge.fails_with("bad.npy", "convert", *TO_H36M, "bad.npy", "-o", "out.npy")
    assert (folder / "out.npy").read_bytes() == b"precious"


def test_damage_found_while_streaming_leaves_nothing(skelbridge, folder):
    # The header is right and the size too, so the file only turns out unreadable on the way.
    (folder / "out.npy").write_bytes(b"precious")
    code = (
        "import os, skelbridge.cli as c, dataset_adapters.containers.npy as n\n"
        "real = os.preadv\n"
        "def preadv(fd, buffers, offset):\n"
        "    if offset > 50_000_000: raise OSError(5, 'Input/output error')\n"
        "    return real(fd, buffers, offset)\n"
        "n.os.preadv = preadv\n"
        "c.main(['convert', '--from', 'smpl', '--to', 'h36m', 'large.npy', '-o', 'out.npy'])\n"
    )
    np.save(folder / "large.npy", np.ones((250_000, 24, 3), np.float32))
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "large.npy" in done.stderr
    assert (folder / "out.npy").read_bytes() == b"precious"
    assert sorted(p.name for p in folder.iterdir()) == ["good.npy", "large.npy", "out.npy"]


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".json", ".csv", ".parquet", ".h5", ".trc"])
def test_full_disk_leaves_nothing_behind(tmp_path, monkeypatch, suffix):
    import skelbridge as sb
    from skelbridge.posefiles import writing

    (tmp_path / f"out{suffix}").write_bytes(b"precious")
    poses = sb.PoseData(np.ones((5, 2, 3)), joint_names=("a", "b"), fps=30.0, units="mm")
    synced = []

    def full(descriptor):
        synced.append(descriptor)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing.atomic_path.__wrapped__.__globals__["os"], "fsync", full)
    with pytest.raises(sb.UserError, match="No space left on device"):
        sb.write_poses(tmp_path / f"out{suffix}", poses)
    assert synced
    assert [p.name for p in tmp_path.iterdir()] == [f"out{suffix}"]
    assert (tmp_path / f"out{suffix}").read_bytes() == b"precious"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_full_disk_on_standard_output(folder):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "skelbridge", "convert", *TO_H36M, "good.npy", "-o", "-"],
            cwd=folder, stdout=full, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert b"No space left" in done.stderr and b"Traceback" not in done.stderr


def test_interrupt_in_the_middle(folder):
    frames = 8_000_000  # 2.3 GB of zeros that take no disk: long enough to be interrupted
    with open(folder / "large.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (frames, 24, 3)}
        )
        file.truncate(file.tell() + frames * 24 * 3 * 4)
    (folder / "out.npy").write_bytes(b"precious")
    process = subprocess.Popen(
        [sys.executable, "-m", "skelbridge", "convert", *TO_H36M, "large.npy", "-o", "out.npy"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not any(p.name.startswith(".out") for p in folder.iterdir()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    try:
        _, message = process.communicate(timeout=3)
    except subprocess.TimeoutExpired:
        # C code may swallow the first one: a user would press the key again.
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=30)
    # Ended by the signal, which a shell reports as 130 (and which also ends the shell's loop).
    assert process.returncode == -signal.SIGINT, message
    assert b"Traceback" not in message and b"Interrupted" in message
    assert (folder / "out.npy").read_bytes() == b"precious"
    assert sorted(p.name for p in folder.iterdir()) == ["good.npy", "large.npy", "out.npy"]


def test_a_reader_that_goes_away_is_no_error(folder):
    done = subprocess.run(
        f"{sys.executable} -m skelbridge show coco_wholebody_133 | head -n 1; "
        "test ${PIPESTATUS[0]} = 0",
        shell=True, executable="/bin/bash", cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and b"Traceback" not in done.stderr
