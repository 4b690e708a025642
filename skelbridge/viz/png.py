"""A PNG sheet: evenly chosen frames side by side, all at one scale."""

from __future__ import annotations

import os
import textwrap
import warnings
from collections.abc import Sequence

import numpy as np

from skelbridge.viz.framing import round_step, up_vector, view_axes
from skelbridge.viz.scene import Layer, Scene, build_scene, joint_fills, layer_color, plain_text
from skeleton_defs.errors import UserError

#: Inches: the longer side of a panel, the gap between panels, the margin around the sheet.
_PANEL, _GAP, _MARGIN = 2.7, 0.12, 0.3
_LINE_HEIGHT = 0.24  # inches of a line of legend, caption or frame label


def write_png(
    path: str | os.PathLike,
    layers: Sequence[Layer],
    *,
    title: str,
    n_frames: int = 8,
    units: str | None = None,
    up: str | None = None,
) -> None:
    """Writes a sheet of `n_frames` evenly chosen frames with all layers overlaid.

    3D poses are seen from the front and slightly above, without perspective, over a floor grid.
    Each panel follows the people; all have the same scale.

    Args:
      path: the file to write.
      layers: one or several skeletons with as many frames each, all 2D or all 3D.
      title: the heading.
      n_frames: how many frames are drawn, at most.
      units: of the coordinates, for the caption.
      up: the upward axis (`"y"`, `"z"`, `"-y"`, ...); None assumes one and says so in the caption.

    Raises:
      UserError: where layers do not fit together or an option is out of range.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if n_frames > 200:
        raise UserError(f"a sheet holds at most 200 frames. Received {n_frames}")
    scene = build_scene(layers, max_frames=n_frames, up=up, units=units)
    projection = _Projection(scene)
    sheet = _Sheet(scene, projection, plain_text(title), units)
    figure = Figure(figsize=(sheet.width, sheet.height), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes: no reason for a warning.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        sheet.write_texts(figure)
        for panel in range(len(scene.frames)):
            axes = figure.add_axes(sheet.panel_box(panel), facecolor="white")
            _draw_panel(axes, scene, projection, panel)
        figure.savefig(path, format="png")


class _Projection:
    """Flattens poses onto the sheet: `(..., D)` to `(..., 2)` around the middle of each frame.

    Attributes:
      centres: `(T, D)` middle of the people in each frame (3D: at one height in all frames).
      half_size: `(2,)` half of the width and height that hold the people of every frame.
      grid_step: the side of a floor square, in the unit of the poses.
      floor_reach: how far from the middle there is floor to be drawn.
    """

    def __init__(self, scene: Scene):
        self.view = np.eye(2)
        if scene.n_dims == 3:
            self.view = view_axes(scene.layers, scene.up, turn_deg=25, rise_deg=12)[:2]
        middle = scene.limits.mean(axis=0)
        points = [self._inside(scene, frame) for frame in range(len(scene.frames))]
        self.centres = np.array(
            [(p.min(axis=0) + p.max(axis=0)) / 2 if len(p) else middle for p in points]
        )
        if scene.n_dims == 3:
            self.centres[:, "xyz".index(scene.up[-1])] = middle["xyz".index(scene.up[-1])]
        flat = [self.flat(p, frame) for frame, p in enumerate(points)]
        half = np.abs(np.concatenate(flat)).max(axis=0, initial=0)
        longest = half.max() or 1.0
        self.half_size = np.maximum(half + 0.1 * longest, 0.35 * longest)
        self.grid_step = round_step(2 * float(self.half_size.max()))
        level = [d for d in range(scene.n_dims) if d != "xyz".index(scene.up[-1])]
        apart = [np.abs(p - self.centres[frame])[:, level] for frame, p in enumerate(points)]
        self.floor_reach = max(np.concatenate(apart).max(initial=0), self.half_size[0])

    def flat(self, positions: np.ndarray, frame: int) -> np.ndarray:
        """Returns positions `(..., D)` of a shown frame as seen from the middle of its panel."""
        return (positions - self.centres[frame]) @ self.view.T

    @staticmethod
    def _inside(scene: Scene, frame: int) -> np.ndarray:
        """Returns the joints `(N, D)` of a frame that are neither missing nor stray."""
        points = np.concatenate(
            [layer.positions[frame].reshape(-1, scene.n_dims) for layer in scene.layers]
        )
        return points[((points >= scene.limits[0]) & (points <= scene.limits[1])).all(axis=1)]


class _Sheet:
    """Where panels and texts stand, in inches from the lower left corner.

    Attributes:
      width, height: size of the sheet in inches.
    """

    def __init__(self, scene: Scene, projection: _Projection, title: str, units: str | None):
        self.panel = _PANEL * projection.half_size / projection.half_size.max()
        n = len(scene.frames)
        cell = self.panel + _GAP + np.array([0, _LINE_HEIGHT])
        self.columns = _n_columns(n, cell)
        self.rows = -(-n // self.columns)
        self.cell = cell
        self.width = max(self.columns * cell[0] - _GAP + 2 * _MARGIN, 4.5)
        letters = int((self.width - 2 * _MARGIN) * 14)  # of the caption's size, on one line
        caption = " ".join(scene.notes)
        if scene.n_dims == 3:
            side = f"{projection.grid_step:g} {plain_text(units or '')}".strip()
            caption += f" Floor squares: {side}."
        self.title = textwrap.wrap(title, int(letters * 0.5), max_lines=3, placeholder=" …")
        self.caption = textwrap.wrap(caption, letters, max_lines=6, placeholder=" …")
        self.labels = [f"frame {frame}" for frame in scene.frames]
        self.legend = [plain_text(layer.name, int(letters * 0.75)) for layer in scene.layers]
        head = 0.32 * len(self.title) + _LINE_HEIGHT * len(self.legend) + 0.1
        self.foot = _MARGIN + 0.2 * len(self.caption)
        self.height = self.foot + self.rows * cell[1] + head + _MARGIN
        self.left = (self.width - self.columns * cell[0] + _GAP) / 2

    def panel_box(self, panel: int) -> tuple[float, float, float, float]:
        """Returns left, bottom, width and height of a panel as shares of the sheet."""
        row, column = divmod(panel, self.columns)
        left = self.left + column * self.cell[0]
        bottom = self.foot + (self.rows - 1 - row) * self.cell[1] + _GAP
        return (left / self.width, bottom / self.height,
                self.panel[0] / self.width, self.panel[1] / self.height)  # fmt: skip

    def panel_label(self, panel: int) -> tuple[float, float]:
        """Returns where the label of a panel starts, in inches."""
        left, bottom, _, height = self.panel_box(panel)
        return left * self.width, (bottom + height) * self.height + 0.07

    def write(self, figure, text: str, x: float, y: float, *, size: float, room: float, **style):
        """Writes a text as it is (no mathematics, no TeX), in at most `room` inches from `x, y`."""
        place = x / self.width, y / self.height
        style = {"va": "bottom", "color": "#6b7280", "parse_math": False, "usetex": False, **style}
        drawn = figure.text(*place, text, fontsize=size, **style)
        excess = drawn.get_window_extent().width / figure.dpi / room
        if excess > 1:
            drawn.set_fontsize(size / excess)

    def write_texts(self, figure) -> None:
        """Writes title, legend, frame labels and caption."""
        from matplotlib.lines import Line2D

        room = self.width - 2 * _MARGIN
        top = self.height - _MARGIN
        for line in self.title:
            top -= 0.32
            self.write(
                figure, line, _MARGIN, top, size=14, room=room, color="#111827", weight="bold"
            )
        for rank, name in enumerate(self.legend):
            top -= _LINE_HEIGHT
            middle = (top + 0.08) / self.height
            span = [_MARGIN / self.width, (_MARGIN + 0.3) / self.width]
            figure.add_artist(Line2D(span, [middle, middle], **_bone_style(rank)))
            self.write(
                figure, name, _MARGIN + 0.42, top, size=10, room=room - 0.42, color="#374151"
            )
        for panel, label in enumerate(self.labels):
            self.write(figure, label, *self.panel_label(panel), size=8, room=self.panel[0])
        for line_number, line in enumerate(reversed(self.caption)):
            self.write(figure, line, _MARGIN, 0.15 + 0.2 * line_number, size=8.5, room=room)


def _n_columns(n_panels: int, cell: np.ndarray) -> int:
    """Returns how many columns make a sheet about as wide as a screen, with few empty places."""

    def badness(columns: int) -> float:
        rows = -(-n_panels // columns)
        shape = columns * cell[0] / (rows * cell[1])
        return abs(np.log(shape / 1.8)) + 2 * (rows * columns / n_panels - 1)

    return min(range(1, n_panels + 1), key=badness)


def _draw_panel(axes, scene: Scene, projection: _Projection, frame: int) -> None:
    """Draws one frame into axes that show just the surroundings of the people."""
    from matplotlib.collections import LineCollection

    half_wide, half_high = projection.half_size
    axes.set_xlim(-half_wide, half_wide)
    downwards = scene.n_dims == 2 and scene.up == "-y"
    axes.set_ylim((half_high, -half_high) if downwards else (-half_high, half_high))
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#e5e7eb")
    if scene.n_dims == 3:
        lines = projection.flat(_floor_lines(scene, projection, frame), frame)
        axes.add_collection(LineCollection(lines, colors="#e1e4e8", linewidths=0.7, zorder=1))
    for rank, layer in enumerate(scene.layers):
        flat = projection.flat(layer.positions[frame], frame)
        edges = np.array(layer.edges, dtype=int).reshape(-1, 2)
        bones = flat[:, edges].reshape(-1, 2, 2)
        style = _bone_style(rank)
        axes.add_collection(
            LineCollection(
                bones[~np.isnan(bones).any(axis=(1, 2))], colors=style["color"],
                linewidths=style["linewidth"], capstyle="round", zorder=2 + rank,
            )
        )  # fmt: skip
        there = ~np.isnan(flat[..., 0])
        fills = np.broadcast_to(joint_fills(layer, rank), there.shape)[there]
        axes.scatter(*flat[there].T, s=(style["linewidth"] + 1.2) ** 2, facecolors=fills,
                     edgecolors=style["color"], linewidths=0.8, zorder=2 + rank)  # fmt: skip


def _floor_lines(scene: Scene, projection: _Projection, frame: int) -> np.ndarray:
    """Returns the lines `(N, 2, 3)` of a square of floor under the people, along whole steps."""
    vertical = "xyz".index(scene.up[-1])
    floor = scene.limits[0 if up_vector(scene.up)[vertical] > 0 else 1, vertical]
    step, centre = projection.grid_step, projection.centres[frame]
    reach = np.ceil(projection.floor_reach / step) * step
    lines = []
    for along, across in ((a, 3 - vertical - a) for a in range(3) if a != vertical):
        first = np.round((centre[across] - reach) / step) * step
        start = np.round((centre[along] - reach) / step) * step
        for at in first + step * np.arange(round(2 * reach / step) + 1):
            ends = np.empty((2, 3))
            ends[:, vertical], ends[:, across] = floor, at
            ends[:, along] = start, start + 2 * reach
            lines.append(ends)
    return np.array(lines)


def _bone_style(rank: int) -> dict:
    """Returns colour and width; the first layer is broader, so that it shows behind others."""
    return {"color": layer_color(rank), "linewidth": 2.8 if rank == 0 else 1.4}
