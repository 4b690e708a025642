"""A machine for the pickle language that executes nothing of what a pickle names.

Source of the opcodes' meaning: the documentation strings of the standard library's `pickletools`.
"""

from __future__ import annotations

import re
import struct

from .pickle_constructors import check_key, find_global
from .pickle_shells import ArrayShell, DtypeShell, Global, RefusedError, StandIn

#: What Python objects may cost, as a multiple of the file's size, beyond a free allowance. Small
#: integers in small tuples, the densest that real files hold, come to about 20.
_OBJECT_BYTES_PER_FILE_BYTE = 32
_FREE_OBJECT_BYTES = 64 << 20
#: Copies of raw bytes (array contents): each byte of a real file is copied at most twice.
_RAW_BYTES_PER_FILE_BYTE = 3
_FREE_RAW_BYTES = 1 << 20

_MAX_INTEGER_BYTES = 255
_MAX_PROTOCOL = 5
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.?))", re.DOTALL)
_ESCAPED = {b"\\": b"\\", b"'": b"'", b'"': b'"', b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_MISSING = object()
_PERSISTENT = "it refers to objects outside the file (a persistent id)"


class PickleMachine:
    """The stack, the marks and the memo of one pickle while it is read.

    Args:
      data: the pickle.
      encoding: how text of Python 2 is decoded, or `"bytes"`.
    """

    def __init__(self, data: bytes, encoding: str):
        self.at = 0
        self._data = data
        self._encoding = encoding
        self._stack: list = []
        self._outer_stacks: list[list] = []
        self._memo: list = []
        self._object_bytes = _FREE_OBJECT_BYTES + _OBJECT_BYTES_PER_FILE_BYTE * len(data)
        self._raw_bytes = _FREE_RAW_BYTES + _RAW_BYTES_PER_FILE_BYTE * len(data)

    def run(self):
        """Executes the opcodes up to STOP and returns the value on top of the stack."""
        data, size = self._data, len(self._data)
        while self.at < size:
            code = data[self.at]
            self.at += 1
            if code == 0x2E:  # STOP
                return self._pop()
            operation = _OPERATIONS.get(code)
            if operation is None:
                raise RefusedError(
                    _REFUSED.get(code, f"opcode 0x{code:02x} is not one of a pickle")
                )
            operation(self)
        raise RefusedError("it is truncated: it ends without its STOP opcode")

    def take_objects(self, n_bytes: int) -> None:
        """Notes that Python objects of about `n_bytes` are made; refuses beyond the allowance."""
        self._object_bytes -= n_bytes
        if self._object_bytes < 0:
            raise RefusedError("it would take far more memory than its own size")

    def take_bytes(self, n_bytes: int) -> None:
        """Notes that `n_bytes` of raw data are copied; refuses beyond the allowance."""
        self._raw_bytes -= n_bytes
        if self._raw_bytes < 0:
            raise RefusedError("it would take far more memory than its own size")

    # What a kind of pickle may override.

    def find_global(self, module: str, name: str) -> Global:
        """Returns what stands for a class or function; refuses what is not permitted."""
        return find_global(module, name)

    def find_persistent(self, key):
        """Returns the object outside of the pickle that has an id; refuses all."""
        raise RefusedError(_PERSISTENT)

    def set_state(self, target, state) -> None:
        """Sets what an object gets after it is made."""
        if not isinstance(target, (ArrayShell, DtypeShell, StandIn)):
            raise RefusedError(f"a state is set on {type(target).__name__}")
        target.set_state(state)

    # Reading.

    def _bytes(self, count: int) -> bytes:
        end = self.at + count
        if count < 0 or end > len(self._data):
            raise RefusedError(f"it is truncated: {count} bytes were announced, fewer follow")
        chunk = self._data[self.at : end]
        self.at = end
        return chunk

    def _number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self._bytes(size), "little", signed=signed)

    def _line(self) -> bytes:
        end = self._data.find(b"\n", self.at)
        if end < 0:
            raise RefusedError("it is truncated within a line of text")
        line = self._data[self.at : end]
        self.at = end + 1
        return line

    def _short_line(self) -> str:
        line = self._line()
        if len(line) > 200 or not line.isascii():
            raise RefusedError(f"expected a name or number, found {line[:20]!r}")
        return line.decode("ascii")

    def _integer_line(self) -> int:
        text = self._short_line()
        try:
            return int(text, 10)
        except ValueError:
            raise RefusedError(f"expected an integer, found {text[:20]!r}") from None

    def _text(self, raw: bytes, encoding: str = "utf-8"):
        if encoding == "bytes":
            return raw
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            raise RefusedError(f"text is not {encoding}: {raw[:20]!r}") from None

    # The stack and the memo.

    def _push(self, value) -> None:
        self._stack.append(value)

    def _pop(self):
        if not self._stack:
            raise RefusedError("an opcode takes from an empty stack")
        return self._stack.pop()

    def _top(self):
        if not self._stack:
            raise RefusedError("an opcode takes from an empty stack")
        return self._stack[-1]

    def _pop_mark(self) -> list:
        if not self._outer_stacks:
            raise RefusedError("an opcode looks for a mark that was not set")
        items = self._stack
        self._stack = self._outer_stacks.pop()
        return items

    def _put(self, index: int) -> None:
        value = self._top()
        if not 0 <= index < len(self._data):
            raise RefusedError(f"memo index {index} is out of range")
        if index >= len(self._memo):
            self.take_objects(8 * (index + 1 - len(self._memo)))
            self._memo.extend([_MISSING] * (index - len(self._memo)))
            self._memo.append(value)
        else:
            self._memo[index] = value

    def _get(self, index: int) -> None:
        if not 0 <= index < len(self._memo) or self._memo[index] is _MISSING:
            raise RefusedError(f"memo index {index} was never stored")
        self._push(self._memo[index])

    # Opcodes that need more than a line.

    def _mark(self) -> None:
        self.take_objects(72)
        self._outer_stacks.append(self._stack)
        self._stack = []

    def _pop_one(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()

    def _put_text_integer(self) -> None:
        text = self._short_line().removesuffix("L")
        if text in ("00", "01"):
            self._push(text == "01")
            return
        try:
            self._push(int(text, 10))
        except ValueError:
            raise RefusedError(f"expected an integer, found {text[:20]!r}") from None

    def _put_text_float(self) -> None:
        text = self._short_line()
        try:
            self._push(float(text))
        except ValueError:
            raise RefusedError(f"expected a number, found {text[:20]!r}") from None

    def _put_long(self, count: int) -> None:
        if not 0 <= count <= _MAX_INTEGER_BYTES:
            raise RefusedError(f"an integer of {count} bytes is announced")
        self._push(self._number(count, signed=True))

    def _put_quoted(self) -> None:
        line = self._line().strip()
        if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
            raise RefusedError(f"expected quoted text, found {line[:20]!r}")
        self._push(self._text(_ESCAPE.sub(_unescape, line[1:-1]), self._encoding))

    def _put_raw_unicode(self) -> None:
        text = self._text(self._line(), "raw-unicode-escape")
        if _SURROGATE.search(text):
            raise RefusedError(f"text holds what is no Unicode: {text[:20]!a}")
        self._push(text)

    def _put_float(self) -> None:
        self._push(struct.unpack(">d", self._bytes(8))[0])

    def _tuple(self, count: int) -> None:
        if len(self._stack) < count:
            raise RefusedError("an opcode takes from an empty stack")
        self.take_objects(48 + 8 * count)
        self._stack[len(self._stack) - count :] = [tuple(self._stack[len(self._stack) - count :])]

    def _collect(self, kind: type) -> None:
        items = self._pop_mark()
        self.take_objects(64 + 8 * len(items))
        self._push(kind(items))

    def _new(self, kind: type, cost: int) -> None:
        self.take_objects(cost)
        self._push(kind())

    def _dict(self) -> None:
        items = self._pop_mark()
        self._new(dict, 64)
        self._set_items(items)

    def _frozen_set(self) -> None:
        items = self._pop_mark()
        for item in items:
            check_key(item)
        self.take_objects(216 + 32 * len(items))
        self._push(frozenset(items))

    def _append(self, items: list) -> None:
        target = self._top()
        if type(target) is not list:
            raise RefusedError(f"items are appended to {type(target).__name__}, not to a list")
        target.extend(items)

    def _add_items(self) -> None:
        items = self._pop_mark()
        target = self._top()
        if type(target) is not set:
            raise RefusedError(f"items are added to {type(target).__name__}, not to a set")
        self.take_objects(32 * len(items))
        for item in items:
            check_key(item)
            target.add(item)

    def _set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._set_items([key, value])

    def _set_items(self, items: list) -> None:
        target = self._top()
        if type(target) is not dict or len(items) % 2:
            raise RefusedError(
                f"keys and values are set on {type(target).__name__}, not on a dictionary"
            )
        self.take_objects(16 * len(items))
        for key, value in zip(items[::2], items[1::2], strict=True):
            check_key(key)
            target[key] = value

    def _global(self) -> None:
        module, name = self._short_line(), self._short_line()
        self._push(self.find_global(module, name))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not str or type(module) is not str:
            raise RefusedError("the name of a class is not text")
        self._push(self.find_global(module, name))

    def _call(self, function, args) -> None:
        if type(function) is not Global or type(args) is not tuple:
            raise RefusedError(
                f"it calls {type(function).__name__}, which is not a known constructor"
            )
        self.take_objects(100)
        self._push(function.build(self, args))

    def _reduce(self) -> None:
        args = self._pop()
        self._call(self._pop(), args)

    def _new_object_with_keywords(self) -> None:
        if self._pop() != {}:
            raise RefusedError("a class is called with keyword arguments")
        self._reduce()

    def _instance(self) -> None:
        module, name = self._short_line(), self._short_line()
        self._call(self.find_global(module, name), tuple(self._pop_mark()))

    def _object(self) -> None:
        kind, *args = self._pop_mark() or [None]
        self._call(kind, tuple(args))

    def _build(self) -> None:
        state, target = self._pop(), self._top()
        self.set_state(target, state)

    def _protocol(self) -> None:
        version = self._number(1)
        if version > _MAX_PROTOCOL:
            raise RefusedError(f"it states protocol {version}, expected 0 to {_MAX_PROTOCOL}")

    def _frame(self) -> None:
        length = self._number(8)
        if length > len(self._data) - self.at:
            raise RefusedError(
                f"it is truncated: a frame of {length} bytes was announced, fewer follow"
            )


def _unescape(match: re.Match) -> bytes:
    if match[1] is not None:
        return bytes([int(match[1], 16)])
    if match[2] not in _ESCAPED:
        raise RefusedError(f"quoted text has an unknown escape {match[0]!r}")
    return _ESCAPED[match[2]]


def _counted(size: int, *, signed: bool = False):
    return lambda m: m._push(m._text(m._bytes(m._number(size, signed=signed)), m._encoding))


def _unicode(size: int):
    return lambda m: m._push(m._text(m._bytes(m._number(size))))


def _raw(size: int):
    return lambda m: m._push(m._bytes(m._number(size)))


def _integer(size: int, *, signed: bool = False):
    return lambda m: m._push(m._number(size, signed=signed))


_M = PickleMachine
_OPERATIONS = {
    ord(code): operation
    for code, operation in {
        "(": _M._mark,
        "0": _M._pop_one,
        "1": _M._pop_mark,
        "2": lambda m: m._push(m._top()),
        "F": _M._put_text_float,
        "I": _M._put_text_integer,
        "L": _M._put_text_integer,
        "J": _integer(4, signed=True),
        "K": _integer(1),
        "M": _integer(2),
        "N": lambda m: m._push(None),
        "\x88": lambda m: m._push(True),
        "\x89": lambda m: m._push(False),
        "\x8a": lambda m: m._put_long(m._number(1)),
        "\x8b": lambda m: m._put_long(m._number(4, signed=True)),
        "G": _M._put_float,
        "S": _M._put_quoted,
        "T": _counted(4, signed=True),
        "U": _counted(1),
        "V": _M._put_raw_unicode,
        "X": _unicode(4),
        "\x8c": _unicode(1),
        "\x8d": _unicode(8),
        "B": _raw(4),
        "C": _raw(1),
        "\x8e": _raw(8),
        "\x96": lambda m: m._push(bytearray(m._bytes(m._number(8)))),
        ")": lambda m: m._push(()),
        "\x85": lambda m: m._tuple(1),
        "\x86": lambda m: m._tuple(2),
        "\x87": lambda m: m._tuple(3),
        "t": lambda m: m._collect(tuple),
        "]": lambda m: m._new(list, 72),
        "l": lambda m: m._collect(list),
        "a": lambda m: m._append([m._pop()]),
        "e": lambda m: m._append(m._pop_mark()),
        "}": lambda m: m._new(dict, 80),
        "d": _M._dict,
        "s": _M._set_item,
        "u": lambda m: m._set_items(m._pop_mark()),
        "\x8f": lambda m: m._new(set, 224),
        "\x90": _M._add_items,
        "\x91": _M._frozen_set,
        "p": lambda m: m._put(m._integer_line()),
        "q": lambda m: m._put(m._number(1)),
        "r": lambda m: m._put(m._number(4)),
        "\x94": lambda m: m._put(len(m._memo)),
        "g": lambda m: m._get(m._integer_line()),
        "h": lambda m: m._get(m._number(1)),
        "j": lambda m: m._get(m._number(4)),
        "c": _M._global,
        "\x93": _M._stack_global,
        "R": _M._reduce,
        "\x81": _M._reduce,
        "\x92": _M._new_object_with_keywords,
        "i": _M._instance,
        "o": _M._object,
        "b": _M._build,
        "Q": lambda m: m._push(m.find_persistent(m._pop())),
        "\x80": _M._protocol,
        "\x95": _M._frame,
    }.items()
}
_REFUSED = {
    ord("P"): _PERSISTENT,
    **dict.fromkeys(b"\x82\x83\x84", "it uses the extension registry"),
    **dict.fromkeys(b"\x97\x98", "it refers to buffers outside the file"),
}
