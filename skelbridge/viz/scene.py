"""What is drawn: one or several skeletons over the same frames, overlaid in one space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skelbridge.viz.framing import axis_limits, guess_up, mirror_pairs, parse_up
from skeleton_defs.errors import UserError

#: One colour per layer, told apart by colour-blind readers too (Okabe and Ito), readable on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555")

#: Beyond so many coordinates in one page (a mesh, say) frames are thinned out further.
MAX_COORDINATES = 3_000_000

#: Farther out there is nothing to draw: graphics cards count in 32-bit floats.
_MAX_DRAWABLE = 1e30


@dataclass(frozen=True, eq=False)
class Layer:
    """One skeleton drawn over time.

    Attributes:
      name: the legend entry, e.g. `"smpl_24 (source)"`.
      positions: `(T, P, J, D)` with D = 2 or 3, NaN where a joint is missing, any unit and frame.
        `(T, J, D)` and `(J, D)` are accepted too; the attribute always has four axes.
      joint_names: J names, as shown on hover.
      edges: pairs of joint indices, drawn as bones.

    Raises:
      UserError: where shapes, names and edges do not fit together.
    """

    name: str
    positions: np.ndarray
    joint_names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]

    def __post_init__(self):
        label = plain_text(self.name)
        positions = np.asarray(self.positions)
        shape = positions.shape
        if positions.dtype.kind not in "fiu":
            raise UserError(f"layer '{label}': positions must be real numbers. "
                            f"Received dtype {positions.dtype}")  # fmt: skip
        if positions.ndim not in (2, 3, 4) or shape[-1] not in (2, 3) or 0 in (shape[0], shape[-2]):
            raise UserError(f"layer '{label}': positions must have shape (frames, people, joints, "
                            f"2 or 3), at least one frame and joint. Received {shape}")  # fmt: skip
        if len(self.joint_names) != shape[-2]:
            raise UserError(f"layer '{label}': joint names must be as many as joints "
                            f"({shape[-2]}). Received {len(self.joint_names)}")  # fmt: skip
        for edge in self.edges:
            if len(edge) != 2 or not all(0 <= joint < shape[-2] for joint in edge):
                raise UserError(f"layer '{label}': an edge must be a pair of joint indices below "
                                f"{shape[-2]}. Received {tuple(edge)}")  # fmt: skip
        if positions.ndim == 2:
            positions = positions[np.newaxis]
        if positions.ndim == 3:
            positions = positions[:, np.newaxis]
        object.__setattr__(self, "positions", positions)


@dataclass(frozen=True, eq=False)
class Scene:
    """Layers cut down to the frames that are shown, with the space they are shown in.

    Attributes:
      layers: positions `(T, P, J, D)`, float64, all coordinates NaN where a joint is missing.
      frames: `(T,)` indices of the shown frames in the given sequence.
      n_frames_given: the length of the given sequence.
      up: the upward axis, such as `"y"` or `"-y"`; for 2D `"-y"` (images) or `"y"`.
      limits: `(2, D)` lowest and highest coordinate that the axes must show.
      notes: sentences for the caption.
    """

    layers: tuple[Layer, ...]
    frames: np.ndarray
    n_frames_given: int
    up: str
    limits: np.ndarray
    notes: tuple[str, ...]

    @property
    def n_dims(self) -> int:
        """2 or 3."""
        return self.layers[0].positions.shape[-1]


def build_scene(
    layers: Sequence[Layer], *, max_frames: int, up: str | None, units: str | None = None
) -> Scene:
    """Chooses the frames, the upward axis and the axis limits of a drawing.

    Args:
      layers: at least one; as many frames each, all 2D or all 3D.
      max_frames: longer sequences are thinned out evenly to so many frames.
      up: `"x"`, `"y"` or `"z"`, with a `-` where it points down; None where it is not known: then
        one is assumed, and a note says which.
      units: of the coordinates, for the caption.

    Raises:
      UserError: where the layers do not fit together or an option is out of range.
    """
    layers = tuple(layers)
    _check_layers(layers)
    if max_frames < 1:
        raise UserError(f"the number of frames to draw must be at least 1. Received {max_frames}")
    n_given = layers[0].positions.shape[0]
    n_coordinates = sum(layer.positions[0].size for layer in layers)
    n_shown = min(n_given, max_frames, max(1, MAX_COORDINATES // max(n_coordinates, 1)))
    frames = np.linspace(0, n_given - 1, n_shown).round().astype(int)
    layers = tuple(replace(layer, positions=_clean(layer.positions[frames])) for layer in layers)

    notes = []
    if n_shown < n_given:
        notes.append(f"{n_shown} of {n_given} frames, evenly spaced.")
    if units:
        notes.append(f"Units: {plain_text(units)}.")
    if layers[0].positions.shape[-1] == 2:
        upward = "y" if up == "y" else "-y"
        notes.append("2D, y upwards." if up == "y" else "2D, y downwards as in images.")
    elif up is not None:
        upward = parse_up(up)
        notes.append(f"Up axis: {upward}.")
    else:
        upward, note = guess_up(layers)
        notes.append(note)
    if any(mirror_pairs(layer.joint_names) for layer in layers):
        notes.append("Pale joints: left side.")
    limits, n_outside = axis_limits(layers)
    if n_outside:
        notes.append(f"{n_outside} stray joint positions lie outside of the axes.")
    for layer in layers:
        if np.isnan(layer.positions).all():
            notes.append(f"'{plain_text(layer.name)}' has no joints to draw: all are missing.")
    return Scene(layers, frames, n_given, upward, limits, tuple(notes))


def layer_color(rank: int) -> str:
    """Returns the colour of a layer by its place in the scene."""
    return PALETTE[rank % len(PALETTE)]


def joint_fills(layer: Layer, rank: int) -> list[str]:
    """Returns the J colours that joints are filled with: pale ones on the left side."""
    color = layer_color(rank)
    channels = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    pale = "#" + "".join(f"{round(channel + 0.7 * (255 - channel)):02X}" for channel in channels)
    left = {pair[0] for pair in mirror_pairs(layer.joint_names)}
    return [pale if joint in left else color for joint in range(len(layer.joint_names))]


def plain_text(text: str, limit: int = 120) -> str:
    """Returns a text of a file or user on one line, at most `limit` printable characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _check_layers(layers: tuple[Layer, ...]) -> None:
    if not layers:
        raise UserError("there must be at least one layer to draw. Received none")
    first = layers[0].positions.shape
    for layer in layers[1:]:
        shape = layer.positions.shape
        if (shape[0], shape[-1]) != (first[0], first[-1]):
            raise UserError(
                f"layers must have as many frames and coordinates as the first ({first[0]} frames, "
                f"{first[-1]}D). Received '{plain_text(layer.name)}' with {shape[0]} frames, "
                f"{shape[-1]}D"
            )


def _clean(positions: np.ndarray) -> np.ndarray:
    """Returns float64 positions in which a joint is either drawable or all NaN."""
    positions = positions.astype(np.float64)
    positions[~(np.abs(positions) <= _MAX_DRAWABLE).all(axis=-1)] = np.nan
    return positions
