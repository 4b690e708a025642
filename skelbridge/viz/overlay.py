"""Skeletons drawn over a picture."""

from __future__ import annotations

import os
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skelbridge.viz.scene import Layer, joint_fills, layer_color, plain_text
from skeleton_defs.errors import UserError

#: Pixels of the drawing's longer side: smaller pictures are enlarged to it, larger ones reduced.
_SMALLEST, _LARGEST = 900, 1800
_DPI = 100
#: Inches: margin around the texts, a line of the legend, a line of the caption.
_MARGIN, _LINE_HEIGHT, _CAPTION_HEIGHT = 0.12, 0.24, 0.18
#: Farther out (in picture sides) there is nothing to draw.
_REACH = 10.0


def write_overlay(
    path: str | os.PathLike,
    picture: np.ndarray,
    layers: Sequence[Layer],
    *,
    boxes: np.ndarray | None = None,
    caption: str = "",
) -> None:
    """Writes a PNG of a picture with 2D skeletons drawn over it and a legend below.

    Args:
      path: the file to write.
      picture: (height, width, 3) uint8 RGB.
      layers: skeletons of one frame, px; the centre of the picture's first pixel is (0, 0).
      boxes: (P, 4) left, top, width, height px, drawn as dashed lines.
      caption: text below the legend.

    Raises:
      UserError: a layer has several frames or three coordinates.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    for layer in layers:
        if layer.positions.shape[0] != 1 or layer.positions.shape[-1] != 2:
            raise UserError(
                f"layer '{plain_text(layer.name)}': an overlay must have one frame of 2D "
                f"positions. Received shape {layer.positions.shape}"
            )
    height, width = picture.shape[:2]
    factor = np.clip(max(width, height), _SMALLEST, _LARGEST) / max(width, height)
    wide, high = (max(side * factor, 40) / _DPI for side in (width, height))
    page = max(wide, 4.5)
    lines = textwrap.wrap(plain_text(caption, 600), int((page - 2 * _MARGIN) * 14), max_lines=6)
    foot = _LINE_HEIGHT * len(layers) + _CAPTION_HEIGHT * len(lines) + 2 * _MARGIN
    figure = Figure(figsize=(page, high + foot), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes: no reason for a warning.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        share = high / (high + foot)
        axes = figure.add_axes(((1 - wide / page) / 2, 1 - share, wide / page, share))
        axes.imshow(picture, aspect="auto", interpolation="antialiased")
        axes.set_xlim(-0.5, width - 0.5)
        axes.set_ylim(height - 0.5, -0.5)
        axes.axis("off")
        _draw_boxes(axes, boxes)
        for rank, layer in enumerate(layers):
            _draw_layer(axes, _drawable(layer, max(width, height)), rank)
        _write_foot(figure, [plain_text(layer.name) for layer in layers], lines, foot)
        figure.savefig(path, format="png")


def _drawable(layer: Layer, side: int) -> Layer:
    """Returns the layer without joints that are far out of the picture."""
    positions = layer.positions.astype(float)
    positions[~(np.abs(positions) <= _REACH * side).all(axis=-1)] = np.nan
    return replace(layer, positions=positions)


def _draw_boxes(axes, boxes: np.ndarray | None) -> None:
    from matplotlib.patches import Rectangle

    for left, top, width, height in () if boxes is None else boxes:
        frame = {"fill": False, "linewidth": 1.0, "clip_on": True}
        axes.add_patch(Rectangle((left, top), width, height, edgecolor="black", **frame))
        axes.add_patch(
            Rectangle((left, top), width, height, edgecolor="white", linestyle=(0, (5, 4)), **frame)
        )


def _draw_layer(axes, layer: Layer, rank: int) -> None:
    """Draws bones and joints with light outlines, so that they show on dark pictures too."""
    from matplotlib.collections import LineCollection
    from matplotlib.patheffects import Normal, Stroke

    style = _bone_style(rank)
    people = layer.positions[0]
    edges = np.array(layer.edges, dtype=int).reshape(-1, 2)
    bones = people[:, edges].reshape(-1, 2, 2)
    bones = bones[~np.isnan(bones).any(axis=(1, 2))]
    outline = [Stroke(linewidth=style["linewidth"] + 1.4, foreground="white", alpha=0.8), Normal()]
    drawn = LineCollection(
        bones, colors=style["color"], linewidths=style["linewidth"], capstyle="round",
        zorder=3 + rank, path_effects=outline,
    )  # fmt: skip
    axes.add_collection(drawn, autolim=False)
    there = ~np.isnan(people[..., 0])
    fills = np.broadcast_to(joint_fills(layer, rank), there.shape)[there]
    axes.scatter(*people[there].T, s=(style["linewidth"] + 1.6) ** 2, facecolors=fills,
                 edgecolors=style["color"], linewidths=0.8, zorder=3 + rank)  # fmt: skip


def _write_foot(figure, names: list[str], lines: list[str], foot: float) -> None:
    from matplotlib.lines import Line2D

    page, full = figure.get_size_inches()
    top = foot - _MARGIN
    for rank, name in enumerate(names):
        top -= _LINE_HEIGHT
        middle = (top + _LINE_HEIGHT / 2) / full
        span = [_MARGIN / page, (_MARGIN + 0.3) / page]
        figure.add_artist(Line2D(span, [middle, middle], **_bone_style(rank)))
        _write(figure, name, (_MARGIN + 0.4, middle * full), size=10, color="#374151")
    for line in lines:
        top -= _CAPTION_HEIGHT
        _write(figure, line, (_MARGIN, top + _CAPTION_HEIGHT / 2), size=8.5, color="#6b7280")


def _write(figure, text: str, place: tuple[float, float], *, size: float, color: str) -> None:
    """Writes a text as it is (no mathematics, no TeX), smaller where the page is too narrow."""
    page, full = figure.get_size_inches()
    x, y = place
    drawn = figure.text(x / page, y / full, text, fontsize=size, color=color, va="center",
                        parse_math=False, usetex=False)  # fmt: skip
    excess = drawn.get_window_extent().width / figure.dpi / (page - _MARGIN - x)
    if excess > 1:
        drawn.set_fontsize(size / excess)


def _bone_style(rank: int) -> dict:
    """Returns colour and width; the first layer is broader, so that it shows behind others."""
    return {"color": layer_color(rank), "linewidth": 3.6 if rank == 0 else 1.8}
