"""Text from files that may hold anything, made fit for names and one-line messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_MAX_QUOTED = 40


def decode(raw: bytes) -> str:
    """Decode UTF-8, or else Latin-1, which takes any bytes."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def printable(text: str) -> str:
    """Put `?` for what does not print: line breaks, control characters, lone surrogates."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def decode_text(raw: bytes) -> str:
    """Decode as `decode` does; trim blanks, NULs and quotes; `?` where it does not print."""
    return printable(decode(raw).strip(" \t\r\n\0").strip('"').strip())


def quote(text: str | bytes) -> str:
    """Quote a piece of a file for a message, cut where it is long."""
    text = decode_text(text) if isinstance(text, bytes) else text
    return repr(text if len(text) <= _MAX_QUOTED else text[: _MAX_QUOTED - 3] + "...")


def list_names(names: Iterable[str], *, most: int = 12) -> str:
    """List names of a file for a message, the first of them where there are many.

    >>> list_names(["a", "b", "c"], most=2), list_names([])
    ('a, b, ...', 'none')
    """
    names = list(names)
    shown = [printable(name) for name in names[:most]]
    return ", ".join([*shown, "..."] if len(names) > most else shown) or "none"


def number_repeats(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell names apart that come more than once, and return notes that say so.

    >>> number_repeats(["C7", "LSHO", "C7"])[0]
    ('C7', 'LSHO', 'C7#2')
    """
    numbered, seen, spelled = list(names), set(), set(names)
    numbers: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in seen:
            number = numbers.get(name, 1) + 1
            while f"{name}#{number}" in spelled:
                number += 1
            numbers[name] = number
            numbered[index] = f"{name}#{number}"
        seen.add(name)
    if not numbers:
        return tuple(numbered), ()
    name = next(iter(numbers))
    shown = quote(name) + (", ..." if len(numbers) > 1 else "")
    return tuple(numbered), (
        f"names come more than once ({shown}); the others are numbered ({quote(name + '#2')})",
    )
