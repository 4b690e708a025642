import errno
import io
import os
import struct
import zipfile

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, bounded, mutations

from dataset_adapters.containers import npy
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.npy import (
    NpyFile,
    NpyWriter,
    open_npz,
    read_npy_bytes,
    write_npz_archive,
)


def saved(array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def with_header(text: str, values: bytes = b"", *, version=(1, 0)) -> bytes:
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + size + text.encode() + values


def header_text(descr="'<f8'", order="False", shape="(2, 3)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


ARRAYS = {
    "float32": np.arange(24, dtype="<f4").reshape(4, 2, 3),
    "big endian": np.arange(24, dtype=">f8").reshape(4, 2, 3),
    "fortran order": np.asfortranarray(np.arange(24.0).reshape(4, 2, 3)),
    "big endian int, fortran order": np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
    "longdouble": np.arange(3, dtype=np.longdouble) / 3,
    "half": np.arange(3, dtype=np.float16),
    "complex": np.array([1 + 2j]),
    "flags": np.array([True, False]),
    "text": np.array(["hip", "têtê"]),
    "big endian text": np.array(["hip", "tête"]).astype(">U4"),
    "bytes": np.array([b"hip", b"knee"]),
    "empty texts": np.array(["", ""]),
    "no frames": np.zeros((0, 17, 3)),
    "no joints": np.zeros((5, 0, 3)),
    "scalar": np.array(29.97),
    "scalar text": np.array("smpl_24"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_reads_what_numpy_saves(tmp_path, name):
    array = ARRAYS[name]
    data = saved(array)
    (tmp_path / "a.npy").write_bytes(data)
    with NpyFile(tmp_path / "a.npy") as file:
        found = [file.read(), read_npy_bytes("a", data)]
        assert (file.shape, file.dtype) == (array.shape, array.dtype.newbyteorder("="))
        if array.ndim:
            found.append(file[:])
    for copy in found:
        assert copy.dtype == array.dtype.newbyteorder("=")
        assert copy.flags.c_contiguous
        assert copy.flags.writeable
        np.testing.assert_array_equal(copy, array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_versions(version):
    values = np.arange(6.0)
    data = with_header(header_text(), values.tobytes(), version=version)
    np.testing.assert_array_equal(read_npy_bytes("a", data), values.reshape(2, 3))


def test_headers_that_others_write():
    """Another order of entries, double quotes, no last comma, Python 2 numbers."""
    values = np.arange(6.0)
    text = '{"shape":(2L, 3L),"fortran_order":True,"descr":"<f8"}\n'
    expected = values.reshape((2, 3), order="F")
    np.testing.assert_array_equal(
        read_npy_bytes("a", with_header(text, values.tobytes())), expected
    )


@pytest.mark.parametrize(
    "rows",
    [
        slice(None),
        slice(3, 8),
        slice(8, 100),
        slice(-3, None),
        slice(5, 5),
        slice(1, 9, 3),
        slice(None, None, -2),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_slices_are_those_of_the_array(tmp_path, rows, order):
    array = np.random.default_rng(0).normal(size=(10, 4, 3)).astype(">f4")
    np.save(tmp_path / "a.npy", np.asarray(array, order=order))
    file = NpyFile(tmp_path / "a.npy")
    np.testing.assert_array_equal(file[rows], array[rows])
    assert len(file) == 10


def test_rows_of_a_large_file_take_no_more_memory_than_themselves(tmp_path):
    """1.2 GB of zeros that the file system does not store."""
    path = tmp_path / "a.npy"
    header = with_header(header_text(shape="(1000000, 50, 3)"))
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + 1_000_000 * 50 * 3 * 8)
    with bounded(extra_bytes=64 << 20):
        file = NpyFile(path)
        assert file[999_990:].shape == (10, 50, 3)
        assert file[::250_000].shape == (4, 50, 3)


def test_a_large_file_in_fortran_order_is_refused(tmp_path):
    path = tmp_path / "a.npy"
    header = with_header(header_text(order="True", shape="(300000, 50, 3)"))
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + 300_000 * 50 * 3 * 8)
    with pytest.raises(FileError, match="expected rows in C order, found Fortran order"):
        NpyFile(path)


def test_a_closed_file_is_not_read(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 3)))
    with NpyFile(tmp_path / "a.npy") as file:
        pass
    with pytest.raises(ValueError, match="is closed"):
        file[:]


def test_a_forgotten_file_is_closed(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 3)))
    before = len(os.listdir("/dev/fd"))
    for _ in range(20):
        NpyFile(tmp_path / "a.npy")
    assert len(os.listdir("/dev/fd")) <= before + 1


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((1000, 3)))
    file = NpyFile(path)
    os.truncate(path, 1000)
    with pytest.raises(FileError, match="ended early"):
        file[900:]


BAD_FILES = [
    (b"", "expected a .npy array"),
    (b"\x93NUMPY\x01", "expected a .npy array"),
    (b"hello world, this is text", "found b'hello wo'"),
    (b"PK\x03\x04\x14\x00\x00\x00\x00", "name it so"),
    (b"\x80\x04\x95\x00\x00\x00\x00\x00\x00", "found a Python pickle"),
    (with_header(header_text(), version=(9, 7)), "found 9.7"),
    (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "found one of 4294967295"),
    (with_header(header_text())[:30], "ends inside its .npy header"),
    (with_header(header_text(), bytes(47)), r"promises 6 values .*, file holds 5 and 7 bytes"),
    (with_header(header_text(), bytes(56)), "promises 6 values .*, file holds 7;"),
    (
        with_header(header_text(shape="(1000000000000, 17, 3)"), bytes(48)),
        "promises 51000000000000 values .*, file holds 6;",
    ),
    (with_header(header_text(shape="(0, 9999999999999999999)")), "no machine can hold"),
    (with_header(header_text("'<U0'", shape="(99999999999,)")), "promises 99999999999 values"),
    (with_header(header_text(shape="(-1, 3)"), bytes(24)), r"without negative numbers.*\(-1, 3\)"),
    (with_header(header_text(shape="(2 3)"), bytes(48)), "expected a shape in the header"),
    (with_header(header_text(shape="(" + "1," * 99 + ")"), bytes(8)), "expected a shape"),
    (with_header(header_text(shape="(2.5,)"), bytes(8)), "expected a .npy header with"),
    (with_header(header_text(order="0"), bytes(48)), "expected a .npy header with"),
    (with_header("{'shape': (1,), }\n", bytes(8)), "expected a .npy header with"),
    (with_header(header_text().replace("}", "'x': (1,), }"), bytes(48)), "expected a .npy header"),
    (with_header("{" * 5000), "expected a .npy header with"),
    (with_header("__import__('os').system('x')"), "expected a .npy header with"),
    (with_header(header_text("'|O'"), bytes(48)), "holds Python objects .*numpy.savez"),
    (saved(np.array({"a": 1}, object)), "holds Python objects"),
    (saved(np.zeros(2, [("x", "f4")])), "holds raw records"),
    (with_header(header_text("'|V8'"), bytes(48)), "holds raw records"),
    (saved(np.zeros(2, "M8[s]")), "holds dates"),
    (with_header(header_text("'<f3'"), bytes(18)), "expected a dtype of numbers or text"),
    (with_header(header_text("'<i8, <i8'"), bytes(96)), "expected a dtype of numbers or text"),
    (with_header(header_text("'<U1'"), b"\xff" * 24), "no Unicode"),
    (with_header(header_text("'<U1'"), b"\x00\xd8\x00\x00" * 6), "no Unicode"),
]


@pytest.mark.parametrize(("data", "message"), BAD_FILES)
def test_bad_files_are_explained(tmp_path, data, message):
    with bounded(extra_bytes=64 << 20):
        with pytest.raises(FileError, match=message):
            read_npy_bytes("a", data)
        (tmp_path / "a.npy").write_bytes(data)
        with pytest.raises(FileError, match=message):
            NpyFile(tmp_path / "a.npy").read()


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        NpyFile(tmp_path / "absent.npy")
    with pytest.raises(FileError, match="found a folder or device"):
        NpyFile(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with bounded(seconds=5), pytest.raises(FileError, match="found a folder or device"):
        NpyFile(tmp_path / "pipe")


def test_object_arrays_among_the_samples(samples):
    with pytest.raises(FileError, match="holds Python objects"):
        NpyFile(samples / "isaac_amp/assets/amp/motions/amp_humanoid_walk.npy")


@pytest.mark.parametrize("n_rows", [None, 7])
@pytest.mark.parametrize("tail", [(), (4, 3), (0, 3)])
def test_writer(tmp_path, tail, n_rows):
    path = tmp_path / "a.npy"
    array = np.random.default_rng(0).normal(size=(7, *tail)).astype("f4")
    with NpyWriter(path, tail, "f4", n_rows=n_rows) as writer:
        writer.append(array[:3].astype("f8"))
        writer.append(array[3:3])
        writer.append(array[3:][:, ::-1][:, ::-1] if tail else array[3:])
    np.testing.assert_array_equal(np.load(path), array)
    assert np.load(path).dtype == "f4"


def test_writer_of_many_rows_keeps_its_header_in_place(tmp_path):
    with NpyWriter(tmp_path / "a.npy", (), "u1") as writer:
        writer.append(np.zeros(10_000_019, "u1"))
    assert np.load(tmp_path / "a.npy", mmap_mode="r").shape == (10_000_019,)


def test_an_abandoned_file_does_not_read_as_a_complete_one(tmp_path):
    with (
        pytest.raises(RuntimeError, match="interrupted"),
        NpyWriter(tmp_path / "a.npy", (3,), "f8") as writer,
    ):
        writer.append(np.zeros((5, 3)))
        raise RuntimeError("interrupted")
    with pytest.raises(FileError, match=r"promises 0 values .*, file holds 15"):
        NpyFile(tmp_path / "a.npy")


def test_writer_refuses_what_does_not_fit(tmp_path):
    with NpyWriter(tmp_path / "a.npy", (3,), "f4") as writer:
        with pytest.raises(ValueError, match=r"must have shape \(3,\). Received \(2, 4\)"):
            writer.append(np.zeros((2, 4)))
        with pytest.raises(TypeError):
            writer.append(np.zeros((2, 3), complex))
    with pytest.raises(ValueError, match=r"2 rows must be written. Received 0 rows"):
        NpyWriter(tmp_path / "a.npy", (3,), "f4", n_rows=2).close()
    with pytest.raises(ValueError, match="dtype must be of numbers or text"):
        NpyWriter(tmp_path / "a.npy", (3,), object)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archive_reads_what_numpy_saves(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, **{name.replace(" ", "_"): array for name, array in ARRAYS.items()})
    with open_npz(path) as archive, np.load(path) as expected:
        assert list(archive) == expected.files
        for name in archive:
            array = expected[name]
            assert archive.header(name) == (array.shape, array.dtype.newbyteorder("="))
            np.testing.assert_array_equal(archive[name], array)
        assert "absent" not in archive
        with pytest.raises(KeyError):
            archive["absent"]


def test_archive_from_memory():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.arange(3))
    with open_npz("stdin", data=buffer.getvalue()) as archive:
        np.testing.assert_array_equal(archive["a"], [0, 1, 2])


def test_archive_among_the_samples(samples):
    with open_npz(samples / "aitviewer_results/romp/romp_output.npz") as archive:
        assert list(archive) == ["results"]
        with pytest.raises(FileError, match=r"key 'results': it holds Python objects.*savez"):
            archive["results"]
    path = samples / "mhr_sam3d/sam3d_body_outputs/img_subj00.npz"
    with open_npz(path) as archive, np.load(path) as expected:
        assert archive.header("pred_vertices") == ((18439, 3), np.dtype("f4"))
        for name in expected.files:
            np.testing.assert_array_equal(archive[name], expected[name])


def test_written_archive_is_numpys(tmp_path):
    arrays = {name: array for name, array in ARRAYS.items() if "empty" not in name}
    chunks = [np.ones((2, 3), "f4"), np.zeros((1, 3), "f4")]
    write_npz_archive(tmp_path / "a.npz", {**arrays, "chunks": ((3, 3), np.dtype("f4"), chunks)})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found["chunks"], [[1, 1, 1], [1, 1, 1], [0, 0, 0]])
    again = tmp_path / "b.npz"
    write_npz_archive(again, {**arrays, "chunks": ((3, 3), np.dtype("f4"), chunks)})
    assert again.read_bytes() == (tmp_path / "a.npz").read_bytes()
    with pytest.raises(ValueError, match="'o' must be of numbers or text"):
        write_npz_archive(again, {"o": np.array([None])})


def zipped(members: dict[str, bytes], method=zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_members_that_are_no_arrays_are_left_out():
    data = zipped({"a.npy": saved(np.arange(3)), "README.txt": b"x", "b": saved(np.arange(2))})
    with open_npz("a.npz", data=data) as archive:
        assert list(archive) == ["a"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected an .npz file"),
        (b"no zip at all" * 100, "expected an .npz file"),
        (zipped({"a.npy": saved(np.arange(3))})[:-30], "expected an .npz file"),
        (zipped({"a.npy": b"text"}), "key 'a': expected a .npy array"),
        (zipped({"a.npy": saved(np.arange(3))[:-1]}), "key 'a': header promises 3 values"),
        (zipped({"a.npy": saved(np.arange(3))}, zipfile.ZIP_LZMA), "found zip method 14"),
        (zipped({"a.npy": saved(np.arange(3))}, zipfile.ZIP_BZIP2), "found zip method 12"),
    ],
)
def test_bad_archives_are_explained(tmp_path, data, message):
    (tmp_path / "a.npz").write_bytes(data)
    for options in ({}, {"data": data}):
        with (
            pytest.raises(FileError, match=message),
            open_npz(tmp_path / "a.npz", **options) as archive,
        ):
            archive["a"]


def test_missing_archive(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        open_npz(tmp_path / "absent.npz")
    with pytest.raises(FileError, match="found a folder or device"):
        open_npz(tmp_path)


def test_a_flipped_value_is_noticed():
    data = bytearray(zipped({"a.npy": saved(np.arange(3.0))}, zipfile.ZIP_STORED))
    data[data.index(np.float64(2).tobytes())] ^= 1
    with (
        open_npz("a.npz", data=bytes(data)) as archive,
        pytest.raises(FileError, match=r"key 'a': cannot be read \(Bad CRC-32"),
    ):
        archive["a"]


def test_an_encrypted_member_is_refused():
    data = bytearray(zipped({"a.npy": saved(np.arange(3))}))
    data[6] |= 1  # in the member's own header
    data[data.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    with (
        open_npz("a.npz", data=bytes(data)) as archive,
        pytest.raises(FileError, match="key 'a': it is encrypted"),
    ):
        archive["a"]


def forged_size(data: bytes, old: int, new: int) -> bytes:
    """Returns an archive whose directory and member header give another unpacked size."""
    assert data.count(struct.pack("<I", old)) == 2
    return data.replace(struct.pack("<I", old), struct.pack("<I", new))


def test_a_member_that_lies_about_its_size_is_refused_while_reading():
    """Header and directory agree on 2.4 GB; 71 values come."""
    real = with_header(header_text(shape="(100000000, 3)"), np.arange(71.0).tobytes())
    promised = len(real) - 71 * 8 + 100_000_000 * 24
    data = forged_size(zipped({"a.npy": real}), len(real), promised)
    with (
        open_npz("a.npz", data=data) as archive,
        pytest.raises(FileError, match=r"key 'a': it promises 2400000\d\d\d bytes out of"),
    ):
        archive.header("a")
    # Below the size that is refused at once, the lie comes out in reading.
    real = with_header(header_text(shape="(4000000, 3)"), np.arange(71.0).tobytes())
    data = forged_size(zipped({"a.npy": real}), len(real), len(real) - 71 * 8 + 4_000_000 * 24)
    with open_npz("a.npz", data=data) as archive, pytest.raises(FileError, match="key 'a': cannot"):
        archive["a"]


def test_a_bomb_is_refused_before_it_unpacks():
    n_values = 40_000_000
    body = b"\0" * (n_values * 8)
    data = zipped({"a.npy": with_header(header_text(shape=f"({n_values},)"), body)})
    assert len(data) < 400_000
    with (
        bounded(extra_bytes=64 << 20),
        open_npz("a.npz", data=data) as archive,
        pytest.raises(FileError, match="if that is meant, save it uncompressed"),
    ):
        archive["a"]


def test_members_that_overlap_are_refused():
    member = saved(np.arange(1000.0))
    data = zipped({"a.npy": member, "b.npy": member}, zipfile.ZIP_STORED)
    size = len(member)
    forged = data.replace(struct.pack("<II", size, size), struct.pack("<II", size * 9, size * 9))
    with pytest.raises(FileError, match="add up to more than the file"):
        open_npz("a.npz", data=forged)


def test_an_archive_that_promises_too_much_in_total():
    members = {f"a{i}.npy": saved(np.arange(3.0)) for i in range(5)}
    size = len(members["a0.npy"])
    data = zipped(members)
    data = data.replace(struct.pack("<I", size), struct.pack("<I", 0xFFFF_FFF0))
    with pytest.raises(FileError, match="it promises 21474836400 bytes"):
        open_npz("a.npz", data=data)


def test_damaged_arrays(tmp_path):
    path = tmp_path / "a.npy"
    for damaged in mutations(saved(ARRAYS["big endian"]), 150, seed=1):
        assert_result_or_user_error(read_npy_bytes, "a", damaged)
        path.write_bytes(damaged)
        assert_result_or_user_error(lambda: NpyFile(path)[1:])


def read_all(data: bytes):
    with open_npz("a.npz", data=data) as archive:
        return [archive[key] for key in archive]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_archives(save):
    buffer = io.BytesIO()
    save(buffer, joints=ARRAYS["float32"], names=ARRAYS["text"])
    for damaged in mutations(buffer.getvalue(), 150, seed=2):
        assert_result_or_user_error(read_all, damaged)


def test_what_goes_wrong_on_the_way_to_the_disk_is_told_when_closing(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(npy, "_FLUSH_BYTES", 1000)
    monkeypatch.setattr(npy.os, "fsync", full)
    writer = npy.NpyWriter(tmp_path / "a.npy", (10,), "float32", n_rows=100)
    writer.append(np.zeros((100, 10), np.float32))
    with pytest.raises(OSError, match="No space left"):
        writer.close()
    with (
        pytest.raises(OSError, match="broken"),
        npy.NpyWriter(tmp_path / "b.npy", (10,), "float32") as writer,
    ):
        writer.append(np.zeros((100, 10), np.float32))
        raise OSError("broken")
