"""Test pictures with every format overlaid, from the front and from the side."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from ..viz.scene import PALETTE
from .test_set import TestSet

_PANEL_INCHES = 2.2
_PICTURE_DPI, _CHART_DPI = 100, 130
_MOST_REACH_MM = 1800.0
_INK = "#1b2430"


def format_colors(test: TestSet) -> dict[str, str]:
    """Returns the colour that each format is drawn in."""
    return {name: PALETTE[rank % len(PALETTE)] for rank, name in enumerate(test.formats)}


def example_png(test: TestSet, which: int, poses: Mapping[str, np.ndarray]) -> bytes:
    """Draws one of the shown pictures: a column per prediction, the front above the side.

    The front view is projected onto the picture. The side view looks along the picture's x axis:
    depth to the right, away from the camera; each prediction is moved as a whole, so that the mean
    of all formats' hips stands in the middle, and what is left shows how the formats differ.

    Args:
      which: place among the shown pictures.
      poses: heading -> (J, 3) mm in the crop camera's frame; the last one the truth.
    """
    figure = new_figure(_PANEL_INCHES * len(poses), 2 * _PANEL_INCHES + 0.34, dpi=_PICTURE_DPI)
    centred = {name: _centred(test, pose) for name, pose in poses.items()}
    reach = [np.nanmax(np.abs(pose), initial=0) for pose in centred.values()]
    reach = 1.05 * min(max([*reach, 300.0]), _MOST_REACH_MM)
    width = 1 / len(poses)
    height = _PANEL_INCHES / (2 * _PANEL_INCHES + 0.34)
    for column, (name, pose) in enumerate(poses.items()):
        middle = (column + 0.5) * width
        figure.text(middle, 0.985, name, ha="center", va="top", fontsize=12, color=_INK)
        box = (column * width + 0.004, height + 0.006, width - 0.008, height - 0.01)
        front = figure.add_axes(box)
        image = test.images[which]
        front.imshow(image, interpolation="bilinear")
        front.set_xlim(-0.5, image.shape[1] - 0.5)
        front.set_ylim(image.shape[0] - 0.5, -0.5)
        _draw(front, test, projected(pose, test.intrinsics[which]), halo="#ffffff")
        side = figure.add_axes((box[0], 0.004, box[2], box[3]))
        side.set_facecolor("#f5f7f9")
        side.set_xlim(-reach, reach)
        side.set_ylim(reach, -reach)
        _draw(side, test, centred[name][:, [2, 1]])
        for axes in (front, side):
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(False)
        if column == 0:
            start, end = (-0.94 * reach, 0.93 * reach), (-0.94 * reach + 500, 0.93 * reach)
            side.plot(*zip(start, end, strict=True), color=_INK, linewidth=1.6)
            side.text(start[0], start[1] - 0.05 * reach, "500 mm", fontsize=8.5, color=_INK)
    return png_of(figure)


def projected(pose: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Returns the pixels (J, 2) of a pose (J, 3) in mm, NaN for joints not before the camera."""
    depth = np.where(pose[:, 2:] > 1.0, pose[:, 2:], np.nan)
    return ((pose / depth) @ np.asarray(intrinsics, dtype=np.float64).T)[:, :2]


def new_figure(width: float, height: float, *, dpi: int = _CHART_DPI):
    """Returns an empty matplotlib figure of so many inches that no window belongs to."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def png_of(figure) -> bytes:
    """Returns a figure as a PNG."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _draw(axes, test: TestSet, points: np.ndarray, halo: str | None = None) -> None:
    """Draws the bones of all formats at (J, 2) points."""
    from matplotlib.collections import LineCollection
    from matplotlib.patheffects import Normal, Stroke

    effects = [Stroke(linewidth=2.8, foreground=halo, alpha=0.75), Normal()] if halo else None
    for name, color in format_colors(test).items():
        joints = test.registry.indices(name)
        edges = np.array(test.registry.skeletons[test.formats.index(name)].edges, dtype=int)
        bones = points[joints][edges.reshape(-1, 2)]
        bones = bones[np.isfinite(bones).all(axis=(1, 2))]
        lines = LineCollection(bones, colors=color, linewidths=1.5, capstyle="round")
        if effects:
            lines.set_path_effects(effects)
        axes.add_collection(lines)


def _centred(test: TestSet, pose: np.ndarray) -> np.ndarray:
    middles = np.array([pose[hips].mean(axis=0) for hips in test.hips.values()])
    known = middles[~np.isnan(middles).any(axis=1)]
    return pose - (known.mean(axis=0) if len(known) else 0)
