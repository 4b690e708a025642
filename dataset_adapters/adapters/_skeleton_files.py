"""The `.skeleton` files of NTU RGB+D: bodies of a Kinect v2 as one long text of numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..containers.file_text import decode_text, quote
from ..containers.text_numbers import read_number

N_JOINTS, N_FIELDS = 25, 12
_N_BODY_FIELDS = 10
_N_BODY_WORDS = _N_BODY_FIELDS + 1 + N_JOINTS * N_FIELDS
_MAX_POSITION_M = 1e4


def read_skeleton_file(path: Path) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Reads a `.skeleton` file.

    Returns:
      frames (N,) of each body, from 0; body ids (N); fields (N, 25, 12) as they stand in the file:
      x y z (m), depth and colour pixels, orientation, tracking state. All but the state may be NaN.

    Raises:
      FileError: the file ends early or late, or holds something else than such numbers.
    """
    data = read_bytes(path)
    words = data.split()
    try:
        # `float` takes 1_000, which no other program does.
        numbers = None if b"_" in data else np.fromiter(map(float, words), float, len(words))
    except ValueError:
        numbers = None
    if numbers is None:
        at = next(i for i, word in enumerate(words) if read_number(word) is None)
        raise FileError(path, f"word {at + 1}: expected a number, found {quote(words[at])}")
    frames, starts = _places(path, words)
    joints = numbers[starts[:, None] + np.arange(_N_BODY_FIELDS + 1, _N_BODY_WORDS)]
    joints = joints.reshape(-1, N_JOINTS, N_FIELDS)
    is_odd = np.abs(joints[..., :3]) > _MAX_POSITION_M
    if is_odd.any():
        body, joint, axis = np.argwhere(is_odd)[0]
        raise FileError(
            path,
            f"frame {frames[body]}: expected joint positions in metres, found "
            f"{joints[body, joint, axis]:g} for joint {joint}",
        )
    is_odd = ~np.isin(joints[..., 11], (0, 1, 2))
    if is_odd.any():
        body, joint = np.argwhere(is_odd)[0]
        raise FileError(
            path,
            f"frame {frames[body]}: expected a tracking state of 0, 1 or 2, found "
            f"{joints[body, joint, 11]:g} for joint {joint}",
        )
    return frames, [decode_text(words[start]) for start in starts.tolist()], joints


def _places(path: Path, words: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the frame of each body, and the index of its first word."""
    n_frames, at = _count(path, words, 0, "the number of frames"), 1
    frames, starts = [], []
    for frame in range(n_frames):
        n_bodies, at = _count(path, words, at, f"frame {frame}: the number of bodies"), at + 1
        for _ in range(n_bodies):
            if at + _N_BODY_WORDS > len(words):
                raise FileError(
                    path,
                    f"expected {n_frames} frames, found the end of the file in frame {frame}; it "
                    "is cut off",
                )
            n_joints = _count(path, words, at + _N_BODY_FIELDS, f"frame {frame}: 25 joints")
            if n_joints != N_JOINTS:
                raise FileError(path, f"frame {frame}: expected 25 joints, found {n_joints}")
            frames.append(frame)
            starts.append(at)
            at += _N_BODY_WORDS
    if at < len(words):
        raise FileError(
            path,
            f"expected {n_frames} frames as the first line says, found {len(words) - at} numbers "
            "behind them",
        )
    return np.array(frames, np.int64), np.array(starts, np.int64)


def _count(path: Path, words: list[bytes], at: int, what: str) -> int:
    word = words[at] if at < len(words) else b""
    if not (word.isdigit() and len(word) < 9):
        found = quote(word) if word else "the end of the file"
        raise FileError(path, f"expected {what}, found {found}")
    return int(word)
