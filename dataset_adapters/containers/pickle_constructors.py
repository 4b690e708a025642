"""The classes and functions that a restricted pickle may name, and what is made of them.

Each is a small function of this module that takes the arguments found in the pickle and a budget to
charge; the real class or function is neither imported nor called.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .pickle_shells import (
    ArrayShell,
    DtypeShell,
    Global,
    RefusedError,
    StandIn,
    Walk,
    build_array,
    check_characters,
    encode_latin1,
)

#: Packages whose objects are kept as `StandIn`s: none of their code is imported.
_FOREIGN_PACKAGES = ("chumpy", "scipy", "pandas")
_DOTTED_NAME = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)


def _arguments(name: str, args: tuple, *kinds: type | tuple[type, ...]) -> tuple:
    if len(args) < len(kinds) or not all(
        isinstance(arg, kind) for arg, kind in zip(args, kinds, strict=False)
    ):
        raise RefusedError(f"{name} is called with unexpected arguments")
    return args[: len(kinds)]


def _reconstruct(budget, args):
    (kind,) = _arguments("numpy's _reconstruct", args, Global)
    if not kind.name.startswith("numpy.") or kind.name.rpartition(".")[2] not in (
        "ndarray",
        "matrix",
    ):
        raise RefusedError(f"{kind.name} is not a kind of array that is read")
    return ArrayShell()


def _scalar(budget, args):
    shell, data = _arguments("numpy's scalar", args, DtypeShell, (bytes, str))
    data = encode_latin1(budget, data) if isinstance(data, str) else data
    dtype = shell.dtype()
    if dtype.hasobject or dtype.kind == "V" or dtype.itemsize != len(data) or not data:
        raise RefusedError(f"a numpy scalar of dtype {dtype} has {len(data)} bytes")
    check_characters(dtype, data)
    budget.take_bytes(len(data))
    return np.frombuffer(data, dtype=dtype)[0]


def _frombuffer(budget, args):
    data, shell, shape, order = _arguments(
        "numpy's _frombuffer", args, (bytes, bytearray), DtypeShell, tuple, str
    )
    if order not in ("C", "F") or shell.dtype().hasobject:
        raise RefusedError("numpy's _frombuffer is called with unexpected arguments")
    return build_array(Walk(budget), 0, shape, shell, order, data)


def _new_dtype(budget, args):
    (code,) = _arguments("numpy.dtype", args, (str, bytes))
    return DtypeShell(code if isinstance(code, str) else code.decode("latin-1"))


def _encode(budget, args):
    text, encoding = _arguments("_codecs.encode", args, str, str)
    if encoding.lower().replace("-", "").replace("_", "") not in ("latin1", "iso88591"):
        raise RefusedError(f"_codecs.encode is called with {encoding[:20]!r}, expected latin1")
    return encode_latin1(budget, text)


def _sequence(kind):
    def build(budget, args):
        if not args:
            return kind()
        (items,) = _arguments(kind.__name__, args, (list, tuple, set, frozenset))
        budget.take_objects(250 + 32 * len(items))
        if kind in (set, frozenset):
            for item in items:
                check_key(item)
        return kind(items)

    return build


def _mapping(budget, args):
    # OrderedDict([[key, value], ...]); a defaultdict's first argument is its factory.
    if args and isinstance(args[0], (Global, type(None))):
        args = args[1:]
    if not args:
        return {}
    (items,) = _arguments("a dictionary", args, (list, tuple, dict))
    pairs = list(items.items()) if isinstance(items, dict) else items
    budget.take_objects(64 + 100 * len(pairs))
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise RefusedError("a dictionary is made of something that is not key and value pairs")
        check_key(pair[0])
    return dict(pairs)


def _bytes(kind):
    def build(budget, args):
        if not args:
            return kind()
        (data,) = _arguments(kind.__name__, args, (bytes, bytearray, str))
        if isinstance(data, str):
            return kind(encode_latin1(budget, data))
        budget.take_bytes(len(data))
        return kind(data)

    return build


def _numbers(kind, count: int):
    def build(budget, args):
        if len(args) > count or not all(type(arg) in (int, float, type(None)) for arg in args):
            raise RefusedError(f"{kind.__name__} is called with unexpected arguments")
        try:
            return kind(*args)
        except (TypeError, ValueError):
            raise RefusedError(f"{kind.__name__} is called with unexpected arguments") from None

    return build


def _foreign_instance(budget, args):
    (kind,) = _arguments("copyreg", args, Global)
    if not kind.foreign:
        raise RefusedError(f"an instance of {kind.name} is not read")
    return kind.build(budget, ())


def _not_callable(name: str):
    def build(budget, args):
        raise RefusedError(f"{name} is called directly")

    return build


def _permitted_globals() -> dict[tuple[str, str], Any]:
    table = {
        ("_codecs", "encode"): _encode,
        ("collections", "OrderedDict"): _mapping,
        ("collections", "defaultdict"): _mapping,
        ("numpy", "dtype"): _new_dtype,
        ("numpy", "ndarray"): _not_callable("numpy.ndarray"),
        ("numpy", "matrix"): _not_callable("numpy.matrix"),
        ("numpy.matrixlib.defmatrix", "matrix"): _not_callable("numpy.matrix"),
    }
    for core in ("numpy.core", "numpy._core"):
        table[f"{core}.multiarray", "_reconstruct"] = _reconstruct
        table[f"{core}.multiarray", "scalar"] = _scalar
        table[f"{core}.numeric", "_frombuffer"] = _frombuffer
    for registry in ("copyreg", "copy_reg"):
        table[registry, "_reconstructor"] = table[registry, "__newobj__"] = _foreign_instance
    for builtins in ("builtins", "__builtin__"):
        for kind in (list, tuple, set, frozenset):
            table[builtins, kind.__name__] = _sequence(kind)
        for kind in (bytes, bytearray):
            table[builtins, kind.__name__] = _bytes(kind)
        table[builtins, "dict"] = _mapping
        table[builtins, "object"] = _not_callable("object")
        table[builtins, "complex"] = _numbers(complex, 2)
        table[builtins, "slice"] = _numbers(slice, 3)
        table[builtins, "range"] = table[builtins, "xrange"] = _numbers(range, 3)
    return table


_PERMITTED = _permitted_globals()


def find_global(module: str, name: str) -> Global:
    """Returns what stands for `module.name`; raises `RefusedError` for everything not permitted."""
    full_name = f"{module}.{name}"[:100]
    build = _PERMITTED.get((module, name))
    if build is not None:
        return Global(full_name, build)
    package = module.partition(".")[0]
    if package in _FOREIGN_PACKAGES and _DOTTED_NAME.fullmatch(full_name):
        return Global(full_name, lambda budget, args: StandIn(full_name, args), foreign=True)
    advice = "save it again as plain arrays and containers (npz, json)"
    if package == "torch":
        advice = "save its tensors again as numpy arrays (tensor.numpy())"
    raise RefusedError(
        f"it names {full_name!r}, which is not one of the plain types that are read; {advice}"
    )


def check_key(key, depth: int = 0) -> None:
    """Refuses a `key` that is not a plain, cheaply hashed value or a small tuple of such."""
    kind = type(key)
    if kind is int and -(1 << 63) <= key < 1 << 64:
        return
    if kind in (str, bytes, float, bool, type(None), complex) or isinstance(key, np.generic):
        return
    if kind is tuple and len(key) <= 16 and depth < 2:
        for part in key:
            check_key(part, depth + 1)
        return
    name = key.name if kind is Global else kind.__name__
    raise RefusedError(f"a dictionary key or set member must be text or a number, found {name}")
