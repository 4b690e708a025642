"""Pictures of the report: the shaded body, and sheets of formats drawn on it (matplotlib)."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .report_formats import FormatOnBody, View, details_of

#: Told apart by colour-blind readers too (Okabe and Ito).
COLORS = {"left": "#0072B2", "right": "#D55E00", "centre": "#009E73"}
#: A shade of grey per cosine between a triangle's normal and the viewer.
_DARKEST, _BRIGHTEST = 0.55, 0.93
_MM_PER_INCH = 430.0  # on sheets of whole bodies
_DPI = 150
_TITLE_INCH = 0.22


def shaded_body(vertices: np.ndarray, faces: np.ndarray, view: View, *, pixels: int) -> bytes:
    """Draw a mesh in greys on a transparent ground.

    Args:
      vertices: `(V, 3)` mm.
      faces: `(F, 3)`.
      view: what to show of it.
      pixels: the longer side of the picture.

    Returns:
      a PNG file.
    """
    from matplotlib.collections import PolyCollection

    width, height = view.size
    dpi = pixels / max(width, height)
    figure = _figure(width, height, dpi)
    axes = _axes(figure, view, (0, 0, 1, 1))
    corners = vertices[faces]
    # Only what is in the box: a hand has no trunk behind it.
    corners = corners[view.holds(corners.mean(axis=1))]
    flat, depth = view.project(corners), view.depth(corners)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.maximum(np.linalg.norm(normal, axis=1), 1e-9)
    facing = view.depth(normal) / lengths
    order = np.argsort(depth.mean(axis=1))
    order = order[facing[order] > 0]
    grey = _DARKEST + (_BRIGHTEST - _DARKEST) * facing[order]
    colors = np.repeat(grey[:, None], 3, axis=1)
    axes.add_collection(
        PolyCollection(flat[order], facecolors=colors, edgecolors=colors, linewidths=0.4)
    )
    file = io.BytesIO()
    figure.savefig(file, format="png", transparent=True)
    return _with_few_shades(file)


def _with_few_shades(file: io.BytesIO) -> bytes:
    """Make a picture a quarter of its size."""
    from PIL import Image

    small = io.BytesIO()
    shades = Image.open(file).quantize(64, method=Image.Quantize.FASTOCTREE)
    shades.save(small, format="png", optimize=True)
    return small.getvalue()


def write_sheets(
    folder: str | os.PathLike,
    formats: Sequence[FormatOnBody],
    *,
    whole: Sequence[View],
    details: Mapping[str, tuple[View, View]],
    bodies: Mapping[str, bytes],
    per_sheet: int = 12,
) -> list[Path]:
    """Draw formats on sheets of whole bodies, and their heads, hands and feet on others.

    Args:
      folder: where `formats_01.png`, ... and `details_01.png`, ... go.
      formats: what to draw.
      whole: views from the front, the side and above.
      details: as of `detail_views`.
      bodies: name of a view -> the shaded body as PNG.
      per_sheet: formats on a sheet.
    """
    from matplotlib.image import imread

    pictures = {name: imread(io.BytesIO(data)) for name, data in bodies.items()}
    written = []
    for start in range(0, len(formats), per_sheet):
        figure = _whole_sheet(formats[start : start + per_sheet], whole, pictures)
        written.append(Path(folder) / f"formats_{start // per_sheet + 1:02d}.png")
        figure.savefig(written[-1], dpi=_DPI)
    rows = [(drawn, pair) for drawn in formats for pair in details_of(drawn, details)]
    for start in range(0, len(rows), per_sheet):
        figure = _detail_sheet(rows[start : start + per_sheet], pictures)
        written.append(Path(folder) / f"details_{start // per_sheet + 1:02d}.png")
        figure.savefig(written[-1], dpi=_DPI)
    return written


def _whole_sheet(formats: Sequence[FormatOnBody], views: Sequence[View], pictures):
    front, side, top = views
    wide, high = front.size[0] + side.size[0], front.size[1] + top.size[1]
    columns = min(4, len(formats))
    rows = -(-len(formats) // columns)
    cell = np.array([wide / _MM_PER_INCH, high / _MM_PER_INCH + _TITLE_INCH])
    sheet = _figure(*(cell * (columns, rows)), 1.0)
    for k, drawn in enumerate(formats):
        corner = np.array([k % columns, rows - 1 - k // columns]) * cell
        for view, across, up in ((top, 0, front.size[1]), (front, 0, 0),
                                 (side, front.size[0], 0)):  # fmt: skip
            lower_left = corner + np.array([across, up]) / _MM_PER_INCH
            box = [*lower_left, *np.array(view.size) / _MM_PER_INCH]
            _draw(_axes(sheet, view, _relative(box, sheet)), drawn, view, pictures)
        x, y = (corner + cell - (cell[0] - 0.05, 0.15)) / sheet.get_size_inches()
        sheet.text(x, y, _heading(drawn), fontsize=9, weight="bold", va="center")
    return sheet


def _detail_sheet(rows: Sequence[tuple[FormatOnBody, tuple[View, View]]], pictures):
    columns = min(3, len(rows))
    lines = -(-len(rows) // columns)
    cell = np.array([7.0, 4.4])
    sheet = _figure(*(cell * (columns, lines)), 1.0)
    for k, (drawn, pair) in enumerate(rows):
        corner = np.array([k % columns, lines - 1 - k // columns]) * cell
        for side, view in enumerate(pair):
            scale = min(3.4 / view.size[0], 4.0 / view.size[1])
            size = scale * np.array(view.size)
            box = [corner[0] + 0.05 + 3.5 * side, corner[1] + cell[1] - 0.3 - size[1], *size]
            _draw(_axes(sheet, view, _relative(box, sheet)), drawn, view, pictures)
        x, y = np.add(corner, (0.05, cell[1] - 0.15)) / sheet.get_size_inches()
        sheet.text(x, y, f"{drawn.skeleton.name}: {pair[0].title}, {pair[1].title}", fontsize=9,
                   weight="bold", va="center")  # fmt: skip
    return sheet


def _heading(drawn: FormatOnBody) -> str:
    lost = drawn.unavailable
    return drawn.skeleton.name + (f"   no place: {', '.join(lost)}" if lost else "")


def _draw(axes, drawn: FormatOnBody, view: View, pictures) -> None:
    from matplotlib.collections import LineCollection, PatchCollection
    from matplotlib.patches import Circle

    width, height = view.size
    axes.imshow(pictures[view.name], extent=(0, width, height, 0), interpolation="bilinear",
                aspect="auto")  # fmt: skip
    shown = view.holds(drawn.points)
    at = view.project(drawn.points)
    edges = [at[list(edge)] for edge in drawn.skeleton.edges if shown[list(edge)].all()]
    axes.add_collection(LineCollection(edges, colors="#222222", linewidths=0.6))
    colors = np.array([COLORS[side] for side in drawn.skeleton.sides])
    circles = [Circle(at[k], drawn.sigma_mm[k]) for k in np.flatnonzero(shown)]
    axes.add_collection(PatchCollection(circles, facecolors=colors[shown], alpha=0.25,
                                        linewidths=0))  # fmt: skip
    axes.scatter(*at[shown].T, s=5, c=colors[shown], linewidths=0, zorder=3)
    for k in np.flatnonzero(shown):
        axes.annotate(str(k), at[k], xytext=(1.5, 1.5), textcoords="offset points", fontsize=5.5,
                      color=colors[k])  # fmt: skip


def _figure(width: float, height: float, dpi: float):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi)
    FigureCanvasAgg(figure)
    return figure


def _axes(figure, view: View, box):
    axes = figure.add_axes(box)
    axes.set_axis_off()
    axes.set_xlim(0, view.size[0])
    axes.set_ylim(view.size[1], 0)
    return axes


def _relative(box, figure):
    width, height = figure.get_size_inches()
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height
