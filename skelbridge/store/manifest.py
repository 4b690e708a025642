"""The manifest of a store: a JSON file that tells everything but the examples themselves."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

from ..atomic import atomic_path
from .shard_file import SCHEMA

NAME = "manifest.json"
_FORMAT = "skelbridge example store"


def empty_manifest() -> dict[str, Any]:
    """Returns the manifest of a store without datasets."""
    return {"format": _FORMAT, "schema": SCHEMA, "datasets": {}}


def read_manifest(store: str | os.PathLike) -> dict[str, Any]:
    """Reads a store's manifest.

    Raises:
      FileError: there is none, or it is damaged or of a newer version.
    """
    path = Path(store) / NAME
    if not path.exists():
        started = Path(store).is_dir() and any(Path(store).glob("*/*-plan.json"))
        hint = "it is unfinished: run `skelbridge prepare` again" if started else "none is there"
        raise FileError(store, f"expected a store with a {NAME}; {hint}")
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise FileError(path, f"expected the manifest of a {_FORMAT}, found other JSON")
    if manifest.get("schema") != SCHEMA:
        raise FileError(
            path,
            f"expected schema {SCHEMA}, found {manifest.get('schema')!r}; "
            "use the version of skelbridge that wrote it, or prepare again",
        )
    if not isinstance(manifest.get("datasets"), dict):
        raise FileError(path, "expected 'datasets', found none")
    return manifest


def write_manifest(store: Path, manifest: dict[str, Any]) -> None:
    """Writes the manifest, datasets in alphabetical order."""
    ordered = {**manifest, "datasets": dict(sorted(manifest["datasets"].items()))}
    write_json(store / NAME, ordered)


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
      FileError: it cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise FileError.unreadable(path, error) from None
    except (ValueError, RecursionError) as error:
        raise FileError(path, f"expected JSON: {' '.join(str(error).split())}") from None


def write_json(path: Path, tree: Any) -> None:
    """Writes a JSON file in one step."""
    with atomic_path(path) as temporary:
        text = json.dumps(tree, indent=1, ensure_ascii=False) + "\n"
        # File names may hold bytes that are no text; JSON escapes them as Python does.
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def written_to(path: str | os.PathLike) -> Iterator[None]:
    """Turns what the system refuses while something is written into a line for the user.

    Raises:
      UserError: a folder is none or may not be written, the disk is full, ...
    """
    try:
        yield
    except (BrokenPipeError, TimeoutError):
        raise
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        if isinstance(error.filename, str) and not _is_beside(error.filename, path):
            raise FileError.unreadable(error.filename, error) from None
        raise UserError(f"{os.fspath(path)}: cannot be written ({reason})") from None


def _is_beside(name: str, path: str | os.PathLike) -> bool:
    """Whether a file is (in) the path, or next to it as temporary files are."""
    place, target = Path(os.path.abspath(name)), Path(os.path.abspath(path))
    return place.is_relative_to(target) or place.parent == target.parent


@contextlib.contextmanager
def locked(folder: Path, what: str, *, wait: bool = False) -> Iterator[None]:
    """Keeps other processes of this machine from writing to a folder.

    The lock is on the folder itself: it leaves no file, and ends with the process.

    Raises:
      UserError: another process has it (unless we `wait`).
    """
    number = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise UserError(f"{folder}: {what} by another process") from None
        except OSError:
            pass  # A file system without locks; nothing else can be done.
        yield
    finally:
        os.close(number)
