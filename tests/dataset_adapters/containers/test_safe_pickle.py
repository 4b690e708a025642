"""Pickles that are read as `pickle` would read them, and pickles that must not be."""

import collections
import math
import pickle
import struct
import sys
import types
import zipfile

import numpy as np
import pytest
import scipy.sparse
from fuzzing import assert_result_or_user_error, bounded, mutations

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.safe_pickle import (
    SparseMatrix,
    StandIn,
    load_object_npy,
    load_object_npz,
    load_pickle,
)


def assert_same(ours, theirs):
    """Equal in value and type; ordered and default dictionaries count as dictionaries."""
    if isinstance(theirs, dict):
        assert type(ours) is dict and list(ours) == list(theirs)
        ours, theirs = list(ours.values()), list(theirs.values())
    assert type(ours) is type(theirs)
    if isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert_same(mine, other)
    elif isinstance(theirs, np.ndarray):
        assert ours.shape == theirs.shape and ours.flags.writeable and ours.dtype.isnative
        if theirs.dtype == object:
            assert_same(list(ours.ravel()), list(theirs.ravel()))
        else:
            assert ours.dtype == theirs.dtype.newbyteorder("=")
            np.testing.assert_array_equal(ours, theirs)
    else:
        assert ours == theirs


GOOD = {
    "numbers": [0, -5, 255, 65536, 2**40, -(2**62), 1.5, -math.inf, True, False, None, 1 + 2j],
    "big integer": 2**70,
    "text": ["", "abc", "aé☃🕴", 'it\'s "x"\n\t\\'],
    "bytes": [b"", b"\x00\xff'\n\\", bytearray(b"ab\xfe"), bytes(300)],
    "containers": {"a": [1, [2, (3,), ()]], ("s", 1): {1: 2}, None: set(), 2: {1, "x"}},
    "frozen": frozenset([1, (2, "b")]),
    "mappings": [collections.OrderedDict(b=1, a=[2]), collections.defaultdict(list, {"a": [1]})],
    "range and slice": [range(3), slice(1, None, 2)],
    "array": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    "strided": np.arange(12).reshape(3, 4)[:, ::-2],
    "no axes": np.array(3.5, np.float32),
    "empty": np.zeros((0, 3)),
    "swapped": np.arange(4, dtype=">i2"),
    "bool and complex": [np.array([True, False]), np.array([1 + 2j], np.complex64)],
    "texts": [np.array(["ab", "c☃"]), np.array([b"x", b"yz"])],
    "scalars": [np.float64(2.5), np.int32(-3), np.bool_(True), np.str_("abc"), np.float16(0.5)],
    "objects": np.array([None, {"a": np.ones(2)}, [1, "x"]], dtype=object),
    "objects in a grid": np.array([[1, "a"], [2, "b"]], dtype=object, order="F"),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", GOOD)
def test_plain_data_comes_back_as_pickle_reads_it(name, protocol):
    data = pickle.dumps(GOOD[name], protocol=protocol)
    assert_same(load_pickle("x.pkl", data), pickle.loads(data))


@pytest.mark.parametrize("protocol", range(6))
def test_shared_and_recursive_objects_stay_shared(protocol):
    array, row = np.ones(3), [1]
    row.append(row)
    tree = {"a": array, "b": [array, row], "c": (array,)}
    ours = load_pickle("x.pkl", pickle.dumps(tree, protocol=protocol))
    assert ours["a"] is ours["b"][0] is ours["c"][0]
    assert ours["b"][1][1] is ours["b"][1]


#: As Python 2 wrote it: an array [1.5, -2] of float64 and the text "caf\xe9" (latin-1), protocol 2.
PYTHON_2 = (
    b"\x80\x02}q\x01(U\x01acnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00"
    b"\x85U\x01b\x87Rq\x04(K\x01K\x02\x85cnumpy\ndtype\nq\x05U\x02f8K\x00K\x01\x87Rq\x06(K\x03U\x01<"
    b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10" + struct.pack("<2d", 1.5, -2) + b"tb"
    b"U\x01tU\x04caf\xe9u."
)


@pytest.mark.parametrize("encoding", ["latin1", "bytes"])
def test_pickles_of_python_2(encoding):
    ours = load_pickle("x.pkl", PYTHON_2, encoding=encoding)
    assert_same(ours, pickle.loads(PYTHON_2, encoding=encoding))
    with pytest.raises(FileError, match="text is not utf-8"):
        load_pickle("x.pkl", PYTHON_2, encoding="utf-8")


def test_protocol_0_of_python_2():
    data = b"(lp1\nS'it\\'s \\x41\\n'\np2\naI01\naL123L\naF1.5\naV\\u2603\na."
    assert load_pickle("x.pkl", data) == ["it's A\n", True, 123, 1.5, "☃"]


def test_unknown_encoding_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="encoding must be one of"):
        load_pickle("x.pkl", PYTHON_2, encoding="utf-16")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["csc_matrix", "csr_matrix", "coo_matrix", "csr_array"])
def test_sparse_matrices_become_coordinates(kind, protocol):
    dense = np.array([[0, 1.5], [2, 0], [0, 5]])
    data = pickle.dumps([getattr(scipy.sparse, kind)(dense)], protocol=protocol)
    (matrix,) = load_pickle("x.pkl", data)
    assert isinstance(matrix, SparseMatrix)
    np.testing.assert_array_equal(matrix.to_dense(), dense)


def test_a_sparse_matrix_is_not_made_dense_beyond_reason():
    huge = scipy.sparse.csr_matrix(([1.0], ([5], [7])), shape=(10**6, 10**6))
    with pytest.raises(ValueError, match="too large to be made dense"):
        load_pickle("x.pkl", pickle.dumps(huge)).to_dense()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indptr": np.array([0, 1, 2], np.int32)}, "indptr of .* does not fit its shape"),
        ({"indptr": np.array([0, 3, 1, 3], np.uint64)}, "indptr of .* is not ascending"),
        ({"indptr": np.array([0, 1.0, 2, 3])}, "lacks indptr"),
        ({"indices": np.array([0, 1, 2], np.int32)}, "indices outside its shape"),
        ({"indices": np.array([0, -1, 0], np.int32)}, "indices outside its shape"),
        ({"indices": np.array([0, 1], np.int32)}, "as many indices as values"),
        ({"data": np.array(["a", "b", "c"])}, "lacks data"),
        ({"_shape": (3,)}, "only csc, csr and coo"),
        ({"_shape": (2**40, 2**40)}, "indptr of .* does not fit its shape"),
    ],
)
def test_inconsistent_sparse_matrices_are_refused(changes, message):
    matrix = scipy.sparse.csr_matrix(np.array([[0, 1.5], [2, 0], [0, 5]]))
    vars(matrix).update(changes)
    with pytest.raises(FileError, match=message):
        load_pickle("x.pkl", pickle.dumps(matrix))


@pytest.fixture
def foreign(monkeypatch):
    """Makes instances of classes that are not installed: chumpy.ch.Ch, pandas.core.frame.Frame."""

    def make(module: str, name: str, **state):
        for part in (module.partition(".")[0], module):
            monkeypatch.setitem(sys.modules, part, types.ModuleType(part))
        kind = type(name, (), {"__module__": module})
        setattr(sys.modules[module], name, kind)
        instance = kind()
        instance.__dict__.update(state)
        return instance

    return make


@pytest.mark.parametrize("protocol", range(6))
def test_foreign_objects_are_inert(foreign, protocol):
    array = np.arange(3.0)
    chumpy = foreign("chumpy.ch", "Ch", x=array, _dirty_vars=set())
    data = pickle.dumps({"plain": chumpy, "again": chumpy}, protocol=protocol)
    ours = load_pickle("x.pkl", data)
    np.testing.assert_array_equal(ours["plain"], array)
    assert ours["again"] is ours["plain"]
    node = foreign("chumpy.reordering", "Select", a=chumpy, idxs=np.array([2, 0]))
    ours = load_pickle("x.pkl", pickle.dumps(node, protocol=protocol))
    assert isinstance(ours, StandIn) and ours.class_name == "chumpy.reordering.Select"
    np.testing.assert_array_equal(ours.state["a"], array)
    frame = foreign("pandas.core.frame", "DataFrame", _mgr=[np.ones((2, 2))], attrs={})
    ours = load_pickle("x.pkl", pickle.dumps([frame], protocol=protocol))[0]
    assert repr(ours) == "StandIn(pandas.core.frame.DataFrame)"
    np.testing.assert_array_equal(ours.state["_mgr"][0], np.ones((2, 2)))


# What must not be read. Opcodes are written out: c = GLOBAL, R = REDUCE, t = TUPLE, . = STOP.


def name_of(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


EVIL_COMMAND = text("touch evil")
HOSTILE = {
    "os.system": name_of("os", "system") + EVIL_COMMAND + b"\x85R.",
    "posix.system": name_of("posix", "system") + EVIL_COMMAND + b"\x85R.",
    "builtins.eval": name_of("builtins", "eval") + text("open('evil', 'w')") + b"\x85R.",
    "__builtin__.eval": name_of("__builtin__", "eval") + text("open('evil', 'w')") + b"\x85R.",
    "builtins.exec": name_of("builtins", "exec") + text("open('evil', 'w')") + b"\x85R.",
    "builtins.getattr": name_of("builtins", "getattr") + b"(" + name_of("os", "system") + b"tR.",
    "builtins.__import__": name_of("builtins", "__import__") + text("os") + b"\x85R.",
    "subprocess.Popen": b"(" + EVIL_COMMAND + b"isubprocess\nPopen\n.",
    "nt.system": b"(" + name_of("nt", "system") + EVIL_COMMAND + b"o.",
    "builtins.list.append.__globals__": text("builtins") + text("list.append.__globals__")
    + b"\x93.",
    "builtins.open": name_of("builtins", "open") + b"(" + text("evil") + text("w") + b"tR.",
    "numpy.load": name_of("numpy", "load") + text("evil.npy") + b"\x85R.",
    "numpy.fromfile": name_of("numpy", "fromfile") + text("/etc/passwd") + b"\x85R.",
    "numpy.testing._private.utils.runstring": name_of("numpy.testing._private.utils", "runstring")
    + b"(" + text("open('evil', 'w')") + b"}tR.",
    "numpy.core.multiarray.fromstring": name_of("numpy.core.multiarray", "fromstring") + b")R.",
    "functools.partial": name_of("functools", "partial") + b")\x81}b.",
    "operator.attrgetter": name_of("operator", "attrgetter") + text("a") + b"\x85R.",
    "codecs.encode": name_of("codecs", "encode") + b")R.",
    "torch._utils._rebuild_tensor_v2": name_of("torch._utils", "_rebuild_tensor_v2") + b")R.",
    "builtins.type": name_of("builtins", "type") + b"(" + text("X") + b")}tR.",
    "pathlib.PosixPath": name_of("pathlib", "PosixPath") + b")R.",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_named_and_not_executed(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError) as error:
        load_pickle("bad.pkl", HOSTILE[name])
    assert str(error.value).startswith("bad.pkl: pickle refused: not loaded because it names")
    assert f"'{name}'" in str(error.value) and "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_torch_tensors_are_refused_with_a_remedy():
    with pytest.raises(FileError, match=r"torch\._utils\._rebuild.*tensor\.numpy\(\)"):
        load_pickle("x.pkl", HOSTILE["torch._utils._rebuild_tensor_v2"])


ARRAY = name_of("numpy.core.multiarray", "_reconstruct") + b"(" + name_of("numpy", "ndarray")
ARRAY += b"K\x00\x85C\x01btR"
FLOAT64 = name_of("numpy", "dtype") + b"(" + text("f8") + b"\x89\x88tR"
OBJECT = name_of("numpy", "dtype") + b"(" + text("O8") + b"\x89\x88tR"


def array_of(shape: bytes, dtype: bytes, data: bytes) -> bytes:
    """An array with this state: version 1, not Fortran-ordered."""
    return ARRAY + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb"


def integer(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


HUGE = integer(1 << 40)
MALFORMED = {
    "empty file": (b"", "truncated"),
    "no STOP": (b"N", "truncated"),
    "empty stack": (b".", "empty stack"),
    "no mark": (b"t.", "a mark that was not set"),
    "unknown opcode": (b"\xff.", "opcode 0xff"),
    "protocol 6": (b"\x80\x06N.", "protocol 6"),
    "bytes beyond the end": (b"B\xff\xff\xff\x7fab.", "2147483647 bytes were announced"),
    "8-byte length": (b"\x8e" + struct.pack("<Q", 1 << 62) + b"ab.", "bytes were announced"),
    "bytearray": (b"\x96" + struct.pack("<Q", 1 << 40) + b"ab.", "bytes were announced"),
    "text": (b"\x8d" + struct.pack("<Q", 1 << 40) + b"ab.", "bytes were announced"),
    "negative length": (b"T\xff\xff\xff\xffab.", "-1 bytes were announced"),
    "frame": (b"\x95" + struct.pack("<Q", 1 << 50) + b"N.", "a frame of"),
    "long integer": (b"\x8b\xff\xff\xff\x7f1.", "an integer of 2147483647 bytes"),
    "negative long": (b"\x8b\xff\xff\xff\xff1.", "an integer of -1 bytes"),
    "long decimal": (b"L" + b"9" * 5000 + b"L\n.", "expected a name or number"),
    "no integer": (b"Iabc\n.", "expected an integer, found 'abc'"),
    "no float": (b"Fabc\n.", "expected a number, found 'abc'"),
    "unterminated line": (b"Sabc", "within a line"),
    "unquoted": (b"Sabc\n.", "expected quoted text"),
    "unknown escape": (b"S'\\d'\n.", "unknown escape"),
    "no utf-8": (b"X\x01\x00\x00\x00\xff.", "text is not utf-8"),
    "half a surrogate pair": (b"V\\ud800\n.", "no Unicode"),
    "memo index": (b"Nr\xff\xff\xff\x7f.", "memo index 2147483647 is out of range"),
    "memo never stored": (b"h\x05.", "memo index 5 was never stored"),
    "persistent id": (b"Pid\n.", "persistent id"),
    "extension": (b"\x82\x01.", "extension registry"),
    "buffer outside": (b"\x97.", "buffers outside"),
    "call of a number": (b"K\x01)R.", "it calls int"),
    "call without a tuple": (name_of("collections", "OrderedDict") + b"NR.", "it calls Global"),
    "keywords": (name_of("builtins", "set") + b")}(X\x01\x00\x00\x00aNu\x92.", "keyword arguments"),
    "state of a class": (name_of("builtins", "set") + b"}b.", "a state is set on Global"),
    "state of a list": (b"]}b.", "a state is set on list"),
    "state of numpy's dtype": (FLOAT64 + b"Nb.", "the state of a numpy dtype"),
    "append to a dictionary": (b"}Na.", "appended to dict"),
    "item of a list": (b"]K\x00Ns.", "set on list"),
    "add to a list": (b"](N\x90.", "added to list"),
    "odd dictionary": (b"(Nd.", "keys and values"),
    "list as key": (b"}]Ns.", "key or set member must be text or a number, found list"),
    "class as key": (b"}" + name_of("builtins", "set") + b"Ns.", "found builtins.set"),
    "class as value": (name_of("builtins", "set") + b".", "builtins.set itself"),
    "foreign instance": (
        name_of("copy_reg", "_reconstructor") + b"(" + name_of("builtins", "object") + b"tR.",
        "an instance of builtins.object is not read",
    ),
    "dtype of nonsense": (name_of("numpy", "dtype") + text("f3") + b"\x85R.", "a numpy dtype"),
    "dtype of records": (name_of("numpy", "dtype") + text("i4,i4") + b"\x85R.", "a plain numpy"),
    "dtype with fields": (
        name_of("numpy", "dtype") + text("V8") + b"\x85R(K\x03" + text("|") + b"N)}K\x08tb.",
        "structured numpy dtypes",
    ),
    "byte order": (FLOAT64 + b"(K\x03X\x01\x00\x00\x00xNNNtb.", "byte order"),
    "array without state": (ARRAY + b".", "a numpy array has no contents"),
    "array state": (ARRAY + b"Nb.", "the state of a numpy array is malformed"),
    "array twice": (
        array_of(b"K\x01\x85", FLOAT64, b"C\x08" + bytes(8)) + b"(NNNNtb.", "is malformed"
    ),
    "array of another class": (
        name_of("numpy.core.multiarray", "_reconstruct") + name_of("builtins", "set") + b"\x85R.",
        "builtins.set is not a kind of array",
    ),
    "shape too large": (
        array_of(HUGE + b"\x85", FLOAT64, b"C\x08" + bytes(8)),
        "needs 8796093022208 bytes, the file holds 8 bytes",
    ),
    "shape too small": (array_of(b"K\x01\x85", FLOAT64, b"C\x09" + bytes(9)), "the file holds 9"),
    "shape overflows": (
        array_of(b"(" + HUGE * 4 + b"t", FLOAT64, b"C\x08" + bytes(8)), "claims shape"
    ),
    "empty shape overflows": (
        array_of(b"(K\x00" + HUGE * 4 + b"t", FLOAT64, b"C\x00"), "claims shape"
    ),
    "negative shape": (array_of(integer(-1) + b"\x85", FLOAT64, b"C\x00"), "malformed shape"),
    "shape of text": (array_of(text("a") + b"\x85", FLOAT64, b"C\x00"), "malformed shape"),
    "dtype is text": (array_of(b"K\x01\x85", text("f8"), b"C\x00"), "malformed shape or dtype"),
    "data is a number": (array_of(b"K\x01\x85", FLOAT64, b"K\x01"), "holds something else"),
    "data beyond latin-1": (array_of(b"K\x01\x85", FLOAT64, text("☃☃☃☃☃☃☃☃")), "beyond latin-1"),
    "elements of nothing": (
        array_of(HUGE + b"\x85", name_of("numpy", "dtype") + text("S0") + b"\x85R", b"C\x00"),
        "whose elements hold nothing",
    ),
    "characters": (
        array_of(b"K\x01\x85", name_of("numpy", "dtype") + text("U1") + b"\x85R", b"C\x04abcd"),
        "numbers that are no characters",
    ),
    "objects as bytes": (array_of(b"K\x01\x85", OBJECT, b"C\x08" + b"A" * 8), "object array"),
    "too few objects": (array_of(b"K\x09\x85", OBJECT, b"]"), "object array of shape (9,)"),
    "object scalar": (
        name_of("numpy.core.multiarray", "scalar") + OBJECT + b"C\x08AAAAAAAA\x86R.", "numpy scalar"
    ),
    "short scalar": (
        name_of("numpy.core.multiarray", "scalar") + FLOAT64 + b"C\x01A\x86R.", "has 1 bytes"
    ),
    "object buffer": (
        name_of("numpy.core.numeric", "_frombuffer") + b"(C\x08AAAAAAAA" + OBJECT + b"K\x01\x85"
        + text("C") + b"tR.",
        "unexpected arguments",
    ),
    "codec": (
        name_of("_codecs", "encode") + text("abc") + text("zlib") + b"\x86R.", "expected latin1"
    ),
    "length as bytearray": (
        name_of("builtins", "bytearray") + HUGE + b"\x85R.", "bytearray is called with unexpected"
    ),
    "length as bytes": (name_of("builtins", "bytes") + HUGE + b"\x85R.", "bytes is called with"),
    "list of a range": (
        name_of("builtins", "list") + name_of("builtins", "range") + HUGE + b"\x85R\x85R.",
        "list is called with unexpected arguments",
    ),
    "range of nonsense": (name_of("builtins", "range") + b"NNK\x00\x87R.", "range is called with"),
    "no pairs": (name_of("collections", "OrderedDict") + b"]Na\x85R.", "not key and value pairs"),
    "deep nesting": (b"]" * 5000 + b"a" * 4999 + b".", "nested deeper than 100 levels"),
    "deep tuple": (b")" + b"\x85" * 200_000 + b".", "nested deeper than 100 levels"),
    "deep tuple as key": (b"})" + b"\x85" * 200_000 + b"Ns.", "found tuple"),
    "name with a line break": (text("chumpy") + text("a\nb") + b"\x93.", r"'chumpy.a\nb'"),
    "name of bytes": (b"C\x01aC\x01b\x93.", "the name of a class is not text"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_pickles_are_refused(name):
    data, message = MALFORMED[name]
    if not data.endswith(b".") and name not in ("empty file", "no STOP", "unterminated line"):
        data += b"."
    with bounded(seconds=5, extra_bytes=256 << 20), pytest.raises(FileError) as error:
        load_pickle("bad.pkl", data)
    assert message in str(error.value) and "\n" not in str(error.value)


def _repeated(kind: bytes, n: int) -> bytes:
    """n tuples (x,) of one memoised value, each turned into a new object by `kind`."""
    return b"0(" + (kind + b"h\x00\x85R") * n + b"l."


MEGABYTE = b"B" + struct.pack("<I", 1 << 20) + bytes(1 << 20) + b"q\x00"
BOMBS = {
    "empty sets": b"(" + b"\x8f" * 400_000 + b"l.",
    "empty lists": b"(" + b"]" * 1_800_000 + b"l.",
    "marks": b"(" * 1_800_000 + b".",
    "copies of bytes": MEGABYTE + _repeated(name_of("builtins", "bytearray"), 2000),
    "copies of arrays": MEGABYTE
    + b"0(" + array_of(integer(1 << 17) + b"\x85", FLOAT64, b"h\x00") * 500 + b"l.",
    "copies of text": text("a" * (1 << 20)) + b"q\x00"
    + b"0(" + (name_of("_codecs", "encode") + b"h\x00" + text("latin1") + b"\x86R") * 500 + b"l.",
    "copies of lists": b"(" + b"N" * 300_000 + b"lq\x00"
    + _repeated(name_of("builtins", "list"), 500),
    "copies of scalars": MEGABYTE
    + b"0(" + (name_of("numpy.core.multiarray", "scalar") + name_of("numpy", "dtype")
    + text(f"S{1 << 20}") + b"\x85Rh\x00\x86R") * 500 + b"l.",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_small_files_that_build_large_objects_are_refused(name):
    with bounded(extra_bytes=384 << 20), pytest.raises(FileError) as error:
        load_pickle("bomb.pkl", BOMBS[name])
    assert "far more memory than its own size" in str(error.value)


def test_lists_of_references_to_one_list_are_read_in_no_time():
    laughs = b"]q\x00" + b"".join(
        b"](" + bytes([0x68, level]) * 10 + b"eq" + bytes([level + 1]) for level in range(40)
    )
    with bounded(seconds=2, extra_bytes=64 << 20):
        tree = load_pickle("laughs.pkl", laughs + b".")
    assert len(tree) == 10 and tree[0] is tree[9]


def test_every_truncation_of_a_good_pickle_is_refused():
    data = pickle.dumps(GOOD["objects"], protocol=2)
    for end in range(len(data)):
        with pytest.raises(FileError, match="pickle refused"):
            load_pickle("cut.pkl", data[:end])


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(FileError, match="cannot be read: No such file"):
        load_pickle(tmp_path / "none.pkl")
    with pytest.raises(FileError, match="cannot be read: Is a directory"):
        load_object_npy(tmp_path)


SAMPLES = [
    "jhmdb_ddnet/GT_train_1.pkl",
    "aitviewer_results/glamr/running_seed1.pkl",
    "mmpose_tests/h36m/cameras.pkl",
    "mmpose_tests/mpi_inf_3dhp/cameras_train.pkl",
    "mmpose_tests/mpi_inf_3dhp/cameras_test.pkl",
    "mmpose_tests/shelf/panoptic_training_pose.pkl",
    "mmpose_tests/shelf/pred_shelf_maskrcnn_hrnet_coco.pkl",
]


@pytest.mark.parametrize("name", SAMPLES)
def test_real_pickles_are_read_as_pickle_reads_them(samples, name):
    with (samples / name).open("rb") as file:
        theirs = pickle.load(file, encoding="latin1")
    assert_same(load_pickle(samples / name), theirs)


@pytest.mark.parametrize("name", ["amp_humanoid_walk", "amp_humanoid_backflip"])
def test_real_object_npy(samples, name):
    path = samples / f"isaac_amp/assets/amp/motions/{name}.npy"
    ours = load_object_npy(path)
    assert_same(ours, np.load(path, allow_pickle=True))
    assert len(ours.item()["skeleton_tree"]["node_names"]) == 15


def test_real_object_npz(samples):
    path = samples / "aitviewer_results/romp/romp_output.npz"
    with np.load(path, allow_pickle=True) as theirs:
        assert_same(load_object_npz(path, "results"), theirs["results"])
    with pytest.raises(FileError, match="expected a member 'result', found none"):
        load_object_npz(path, "result")


@pytest.mark.parametrize("shape", [(), (2,), (1, 2)])
def test_object_npy_of_any_shape(tmp_path, shape):
    array = np.empty(shape, object)
    array[...] = {"a": 1}
    np.save(tmp_path / "a.npy", array)
    assert_same(load_object_npy(tmp_path / "a.npy"), array)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:7], "expected a .npy array of dtype object"),
        (lambda data: data.replace(b"|O", b"f8"), "expected a .npy array of dtype object"),
        (lambda data: data.replace(b"(2,)", b"(3,)"), r"shape \(3,\), found \(2,\)"),
        (lambda data: data[:-5], "truncated"),
        (lambda data: data[:128] + b"N.", r"shape \(2,\), found NoneType"),
    ],
)
def test_damaged_object_npy(tmp_path, change, message):
    np.save(tmp_path / "a.npy", np.array([None, 1], dtype=object))
    data = (tmp_path / "a.npy").read_bytes()
    with pytest.raises(FileError, match=message):
        load_object_npy("a.npy", change(data))


def test_damaged_object_npz(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"PK no zip")
    with pytest.raises(FileError, match="damaged npz archive"):
        load_object_npz(path, "a")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(20 << 20))
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 20 << 20), b"\xff\xff\xff\x7f"))
    with bounded(extra_bytes=64 << 20), pytest.raises(FileError, match="claims 2147483647 bytes"):
        load_object_npz(path, "a")


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_mutated_pickles_never_crash(protocol):
    data = pickle.dumps({**GOOD, "sparse": scipy.sparse.csc_matrix(np.eye(3))}, protocol=protocol)
    for damaged in mutations(data, 100, seed=protocol):
        assert_result_or_user_error(load_pickle, "mutated.pkl", damaged)


def test_mutated_real_pickles_never_crash(samples):
    data = (samples / "mmpose_tests/mpi_inf_3dhp/cameras_test.pkl").read_bytes()
    for damaged in mutations(data, 150, seed=1):
        assert_result_or_user_error(load_pickle, "mutated.pkl", damaged)
