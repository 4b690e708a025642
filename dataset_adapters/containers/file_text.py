"""Text from files that may hold anything, made fit for names and one-line messages."""

from __future__ import annotations

_MAX_QUOTED = 40


def decode_text(raw: bytes) -> str:
    """Decode UTF-8, or else Latin-1; trim blanks, NULs and quotes; `?` where it does not print."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    text = text.strip(" \t\r\n\0").strip('"').strip()
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def quote(text: str | bytes) -> str:
    """Quote a piece of a file for a message, cut where it is long."""
    text = decode_text(text) if isinstance(text, bytes) else text
    return repr(text if len(text) <= _MAX_QUOTED else text[: _MAX_QUOTED - 3] + "...")
