"""Texts of variable length out of HDF5 files, read in a process of their own.

HDF5 keeps such texts in a heap of its own; the library (1.14.6) walks round in circles in a damaged
one, and nothing but the end of the process stops it. Many values may also point to one long text.
So a child process with a limit on time and memory reads them; it runs this file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

import numpy as np

#: Processor time for reading; a library that walks in circles takes nothing else.
MAX_CPU_SECONDS = 5
#: Starting Python from a slow network drive takes its time.
TIMEOUT_SECONDS = 60
#: Reading takes this much memory at most, beyond the file's own size.
EXTRA_BYTES = 256 << 20
MIN_TEXT_BYTES = 1 << 20


class UnreadableTextError(Exception):
    """The texts could not be read; the argument says why."""


def read_texts(
    path: str | os.PathLike, places: Sequence[tuple[str, str | None]]
) -> list[np.ndarray]:
    """Reads text datasets and attributes of an HDF5 file.

    Args:
      path: the file.
      places: pairs of a group's or dataset's path and an attribute's name (None: the dataset).

    Returns:
      For each place, an array of text of its shape.

    Raises:
      UnreadableTextError: the file is damaged.
    """
    request = json.dumps({"path": os.path.abspath(path), "places": list(places)})
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
    }
    # Run as `-c`, so that the folder of this file is not searched for modules.
    program = f"import runpy; runpy.run_path({__file__!r}, run_name='__main__')"
    try:
        child = subprocess.run(
            [sys.executable, "-c", program],
            input=request.encode("ascii"),
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            env=environment,
            check=False,
        )
        answer = json.loads(child.stdout)
    except subprocess.TimeoutExpired as error:
        raise UnreadableTextError(f"not done after {TIMEOUT_SECONDS} s") from error
    except ValueError as error:
        raise UnreadableTextError("the HDF5 library broke off") from error
    except OSError as error:
        raise UnreadableTextError(f"no process could be started: {error.strerror}") from error
    if isinstance(answer, str):
        raise UnreadableTextError(answer)
    return [np.array(texts, str).reshape(shape) for shape, texts in answer]


def _limit(n_bytes: int) -> None:
    """Limits this process's further memory and its time."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + MAX_CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with open("/proc/self/statm") as statm:
            in_use = int(statm.read().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = in_use + n_bytes
        if hard == resource.RLIM_INFINITY or limit < hard:
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _read_one(file, place: str, attribute: str | None, n_left: int) -> tuple[list, list[str]]:
    """Returns shape and texts of one place, of at most `n_left` characters."""
    node = file[place]
    if attribute is None:
        shape = node.shape
        values = (node[index] for index in np.ndindex(shape))
    else:
        value = np.asarray(node.attrs[attribute])
        shape, values = value.shape, iter(value.ravel().tolist())
    texts = []
    for text in values:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        # Lone surrogates stand for bytes that are no UTF-8.
        text = str(text).encode("utf-8", "replace").decode("utf-8")
        n_left -= len(text)
        if n_left < 0:
            raise ValueError("the texts are longer than the file")
        texts.append(text)
    # An array of text has the width of its longest everywhere.
    if len(texts) * max(map(len, texts), default=0) > max(n_left, 0) + 16 * MIN_TEXT_BYTES:
        raise ValueError("the texts differ too much in length to be held together")
    return list(shape), texts


def _main() -> None:
    """Answers one request from standard input on standard output."""
    import h5py

    request = json.loads(sys.stdin.buffer.read())
    size = os.stat(request["path"]).st_size
    _limit(EXTRA_BYTES + size)
    try:
        with h5py.File(request["path"], "r") as file:
            answer = [
                _read_one(file, place, attribute, max(size, MIN_TEXT_BYTES))
                for place, attribute in request["places"]
            ]
    except Exception as error:
        # Whatever went wrong in this process is told to the one that waits for it.
        answer = " ".join(str(error).split())[:200] or type(error).__name__
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    # Nothing that the library still holds is worth being put in order.
    os._exit(0)


if __name__ == "__main__":
    _main()
