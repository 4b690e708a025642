"""Files as `torch.save` writes them, made without PyTorch."""

import zipfile

import numpy as np

STORAGES = {"<f8": "Double", "<f4": "Float", "<f2": "Half", "<i8": "Long", "|u1": "Byte"}
LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."


def text(value):
    raw = value.encode()
    return b"X" + len(raw).to_bytes(4, "little") + raw


def integer(value):
    return b"J" + value.to_bytes(4, "little", signed=True)


def integers(values):
    return b"(" + b"".join(map(integer, values)) + b"t"


def storage_id(key, kind, count, *, tag="storage"):
    return b"(" + text(tag) + f"ctorch\n{kind}Storage\n".encode() + text(key) + text("cpu") + (
        integer(count) + b"tQ"
    )  # fmt: skip


def tensor(storage, shape, strides, offset=0):
    arguments = storage + integer(offset) + integers(shape) + integers(strides)
    hooks = b"\x89ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + hooks + b"tR"


def dictionary(entries):
    """A pickle of an ordered dictionary with attributes, as `state_dict()` returns it."""
    items = b"".join(text(name) + value for name, value in entries.items())
    attributes = b"}" + text("_metadata") + b"}sb"
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u" + attributes + b"."


def contiguous(shape):
    return [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]


def write(path, pickle, storages, *, byteorder=b"little", compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/byteorder", byteorder)
        for key, raw in storages.items():
            archive.writestr(f"archive/data/{key}", raw)
        archive.writestr("archive/version", b"3\n")


def write_tensors(path, arrays):
    entries = {
        name: tensor(
            storage_id(str(i), STORAGES[array.dtype.str], array.size),
            array.shape,
            contiguous(array.shape),
        )
        for i, (name, array) in enumerate(arrays.items())
    }
    storages = {str(i): array.tobytes() for i, array in enumerate(arrays.values())}
    write(path, dictionary(entries), storages)
