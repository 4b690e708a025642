"""Drawing pose files, and conversions over their source."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from skeleton_defs import Skeleton, UserError

from .atomic import atomic_path
from .coordinates import CoordinateChange, coordinate_change
from .posefiles import Input, JointMatch, PoseData, open_poses

#: A page holds at most this many frames, evenly chosen.
VIEWED_FRAMES = 300


def view_file(
    path: str | os.PathLike,
    output: str | os.PathLike,
    stated: Input,
    *,
    units: str | None = None,
    up: str | None = None,
    scale: float = 1.0,
) -> tuple[str, ...]:
    """Draws one pose file in its own format; returns remarks for the user.

    Args:
      path: a file that `read_poses` reads.
      output: `.html` for a page to turn and play, `.png` for a sheet of frames.
      stated: what the user says about the input.
      units, up, scale: see `coordinate_change`.
    """
    check_view(output)
    poses, match = open_poses(path, stated)
    change = coordinate_change(poses, units=units, up=up, scale=scale)
    positions = change.apply(match.arrange(_chosen_frames(poses)))
    layers = [(match.skeleton.name, positions, match.skeleton)]
    _draw(output, layers, poses, change, title=Path(path).name)
    return (*poses.notes, *match.notes, *change.notes)


def view_conversion(
    output: str | os.PathLike,
    poses: PoseData,
    match: JointMatch,
    converted: PoseData,
    target: Skeleton,
    change: CoordinateChange,
    *,
    title: str,
) -> None:
    """Draws the source and what it was converted to over each other."""
    source = change.apply(match.arrange(_chosen_frames(poses)))
    layers = [
        (f"{match.skeleton.name} (source)", source, match.skeleton),
        (f"{target.name} (converted)", _chosen_frames(converted), target),
    ]
    _draw(output, layers, poses, change, title=title)


def check_view(path: str | os.PathLike) -> None:
    """Raises `UserError` where no picture can be written to a path."""
    if Path(path).suffix.lower() not in (".html", ".png"):
        raise UserError(f"{os.fspath(path)}: a view must end in .html or .png")
    if not Path(path).absolute().parent.is_dir():
        raise UserError(f"{os.fspath(path)}: cannot be written, there is no such folder")


def _draw(
    path: str | os.PathLike,
    drawn: list[tuple[str, np.ndarray, Skeleton]],
    poses: PoseData,
    change: CoordinateChange,
    *,
    title: str,
) -> None:
    from .viz import Layer, write_html, write_png

    layers = [
        Layer(name, _as_video(positions, poses.leading), skeleton.joints, skeleton.edges)
        for name, positions, skeleton in drawn
    ]
    frame = {"title": title, "units": change.units, "up": change.up}
    try:
        with atomic_path(path) as temporary:
            if Path(path).suffix.lower() == ".png":
                write_png(temporary, layers, **frame)
            else:
                write_html(temporary, layers, fps=poses.fps, max_frames=VIEWED_FRAMES, **frame)
    except OSError as error:
        problem = error.strerror or error
        raise UserError(f"{os.fspath(path)}: cannot be written ({problem})") from None


def _chosen_frames(poses: PoseData) -> np.ndarray:
    """All frames, or evenly chosen ones where there are more than a page should hold."""
    length = poses.positions.shape[0]
    if not poses.leading or length <= VIEWED_FRAMES:
        return np.asarray(poses.positions[:])
    chosen = np.linspace(0, length - 1, VIEWED_FRAMES).astype(int)
    return np.concatenate([poses.positions[int(i) : int(i) + 1] for i in chosen])


def _as_video(positions: np.ndarray, leading: tuple[str, ...]) -> np.ndarray:
    """Brings poses to (T, P, J, D): axes behind the first are people."""
    frames = positions.shape[0] if leading else 1
    people = int(np.prod(positions.shape[1:-2])) if leading else 1
    return positions.reshape(frames, people, *positions.shape[-2:])
