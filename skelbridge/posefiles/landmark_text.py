"""Landmarks out of protobuf text files, without protobuf.

Source: https://protobuf.dev/reference/protobuf/textformat-spec. Only the blocks named `landmark`
and their numbers are taken; everything else must merely be well formed.
"""

from __future__ import annotations

import os
import re

from dataset_adapters.containers.errors import FileError

FIELDS = frozenset({"x", "y", "z", "visibility", "presence"})

#: Results nest three blocks deep.
_MAX_DEPTH = 64

_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*|[;,\[\]])
    |(?P<open>[{<])|(?P<close>[}>])|(?P<colon>:)
    |(?P<text>"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*')
    |(?P<word>[-+.\w/]+)""",
    re.VERBOSE,
)


def landmark_groups(path: str | os.PathLike, data: bytes) -> dict[str, list[list[dict]]]:
    """Collects the `landmark` blocks of a text proto.

    Returns:
      For every name of an enclosing block (`landmarks` for landmarks at the top level): one list
      per such block, of dicts with x, y, z, visibility and presence as far as they are given.

    Raises:
      FileError: with the line at fault.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileError(path, f"line {line}: expected a text proto, found binary data") from None
    groups: dict[str, list[list[dict]]] = {}
    stack: list[tuple[str, list[dict]]] = [("landmarks", [])]
    name, value_follows, position = "", False, 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise _problem(path, text, position, f"found {text[position]!a}")
        kind, start, position = token.lastgroup, position, token.end()
        if kind == "skip":
            continue
        if kind == "open":
            _open(path, text, start, stack, name, groups)
        elif kind == "close":
            if len(stack) == 1:
                raise _problem(path, text, start, "found a closing bracket without an opening one")
            stack.pop()
        elif kind == "word" and not value_follows:
            name = token.group()
        elif kind == "word" and stack[-1][0] == "landmark" and name in FIELDS:
            stack[-1][1][-1][name] = _number(path, text, start, token.group())
        value_follows = kind == "colon"
    if len(stack) > 1:
        raise FileError(path, f"the text ends inside '{stack[-1][0]}'; the file is cut short")
    return groups


def _open(path, text: str, start: int, stack: list, name: str, groups: dict) -> None:
    if len(stack) > _MAX_DEPTH:
        raise _problem(path, text, start, f"found blocks nested more than {_MAX_DEPTH} deep")
    if name != "landmark":
        stack.append((name, []))
        return
    enclosing, landmarks = stack[-1]
    if not landmarks:
        groups.setdefault(enclosing, []).append(landmarks)
    landmarks.append({})
    stack.append((name, landmarks))


def _number(path, text: str, start: int, word: str) -> float:
    try:
        return float(word[:-1] if word[-1] in "fF" and word[-2:].lower() != "nf" else word)
    except ValueError:
        raise _problem(path, text, start, f"found {word[:30]!a} instead of a number") from None


def _problem(path, text: str, position: int, problem: str) -> FileError:
    line = text.count("\n", 0, position) + 1
    return FileError(path, f"line {line}: expected a text proto of landmarks, {problem}")
