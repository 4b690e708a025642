"""An HTML page that shows moving skeletons and needs nothing but a browser."""

from __future__ import annotations

import html
import json
import math
import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from skelbridge.viz.framing import padded_limits, round_step, up_vector, view_axes
from skelbridge.viz.page import PAGE, SCRIPT, STYLE
from skelbridge.viz.scene import Layer, Scene, build_scene, joint_fills, layer_color, plain_text
from skeleton_defs.errors import UserError

#: Playing speed where the poses do not state theirs.
DEFAULT_FPS = 25.0

#: plotly.js draws 3D scenes with a vertical field of view of 45 degrees.
_TAN_HALF_VIEW = math.tan(math.radians(22.5))


def write_html(
    path: str | os.PathLike,
    layers: Sequence[Layer],
    *,
    title: str,
    fps: float | None = None,
    units: str | None = None,
    up: str | None = None,
    max_frames: int = 300,
) -> None:
    """Writes a page with all layers overlaid: play button, frame slider, legend, names on hover.

    The page holds plotly.js and the poses, and loads nothing. 3D poses can be orbited; 2D poses are
    drawn flat.

    Args:
      path: the file to write.
      layers: one or several skeletons with as many frames each, all 2D or all 3D.
      title: the heading.
      fps: frames per second; None plays at `DEFAULT_FPS`.
      units: of the coordinates, for axis titles and caption.
      up: the upward axis (`"y"`, `"z"`, `"-y"`, ...); None assumes one and says so in the caption.
      max_frames: longer sequences are thinned out evenly to so many frames.

    Raises:
      UserError: where layers do not fit together or an option is out of range.
    """
    from plotly.offline import get_plotlyjs

    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise UserError(f"frames per second must be a positive number. Received {fps}")
    scene = build_scene(layers, max_frames=max_frames, up=up, units=units)
    page = PAGE.format(
        title=html.escape(plain_text(title)),
        caption=html.escape(" ".join(_caption(scene, fps))),
        style=STYLE,
        plotly=get_plotlyjs(),
        scene=_script_json(_page_scene(scene, fps or DEFAULT_FPS, units)),
        script=SCRIPT,
    )
    Path(path).write_text(page, encoding="utf-8")


def _caption(scene: Scene, fps: float | None) -> list[str]:
    sentences = list(scene.notes)
    if len(scene.frames) > 1:
        unstated = f"Frame rate not stated: played at {DEFAULT_FPS:g} per second."
        sentences.append(f"{fps:g} frames per second." if fps else unstated)
    if scene.n_dims == 3:
        sentences.append("Drag to orbit, scroll to zoom.")
    sentences.append("Click a legend entry to hide or show it.")
    return sentences


def _page_scene(scene: Scene, fps: float, units: str | None) -> dict:
    """Returns everything that the page's script needs, as JSON values."""
    limits = padded_limits(scene.limits)
    # A ten-thousandth of the picture is finer than the screen.
    decimals = min(12, max(0, 4 - math.floor(math.log10((limits[1] - limits[0]).max()))))
    return {
        "axes": _display_order(scene),
        "fps": fps,
        "frames": scene.frames.tolist(),
        "n_frames_given": scene.n_frames_given,
        "layers": [_page_layer(layer, rank, decimals) for rank, layer in enumerate(scene.layers)],
        "traces": [
            trace
            for rank, layer in enumerate(scene.layers)
            for trace in _traces(layer, rank, _display_order(scene), max(0, decimals - 1))
        ],
        "config": _CONFIG,
        "layout": _layout_3d(scene, limits, units)
        if scene.n_dims == 3
        else _layout_2d(scene, limits, units),
    }


def _display_order(scene: Scene) -> list[int]:
    """Returns the coordinates that plotly's x, y and z axes show, the upward one last.

    plotly turns 3D scenes around its own z axis only. The order is such that nothing is mirrored
    when the last axis is reversed for a downward one.
    """
    if scene.n_dims == 2:
        return [0, 1]
    vertical = "xyz".index(scene.up[-1])
    level = [(vertical + 1) % 3, (vertical + 2) % 3]
    return [*(level[::-1] if scene.up.startswith("-") else level), vertical]


def _page_layer(layer: Layer, rank: int, decimals: int) -> dict:
    frames = np.round(layer.positions, decimals).reshape(len(layer.positions), -1)
    return {
        "joints": [_plotly_text(name) for name in layer.joint_names],
        "edges": [[int(a), int(b)] for a, b in layer.edges],
        "fills": joint_fills(layer, rank),
        "people": layer.positions.shape[1],
        "frames": [[None if math.isnan(v) else v for v in frame] for frame in frames.tolist()],
    }


def _traces(layer: Layer, rank: int, order: list[int], decimals: int) -> list[dict]:
    """Returns the line trace of the bones and the marker trace of the joints, without points."""
    color = layer_color(rank)
    kind = "scatter3d" if len(order) == 3 else "scatter"
    # The first layer is drawn broader, so that it shows behind others that coincide with it.
    if kind == "scatter3d":
        width, size, ring = (8, 6, 4) if rank == 0 else (5, 4, 4)
    else:
        width, size, ring = (5, 9, 1.5) if rank == 0 else (2.5, 6, 1.5)
    name, group = _plotly_text(layer.name), f"layer {rank}"
    where = " ".join(
        f"{'xyz'[d]} %{{{'xyz'[order.index(d)]}:.{decimals}f}}" for d in range(len(order))
    )
    bones = {
        "type": kind, "mode": "lines", "name": name, "legendgroup": group, "connectgaps": False,
        "line": {"color": color, "width": width}, "hoverinfo": "skip",
    }  # fmt: skip
    joints = {
        "type": kind, "mode": "markers", "name": name, "legendgroup": group, "showlegend": False,
        "marker": {"size": size, "opacity": 1, "line": {"color": color, "width": ring}},
        "hovertemplate": f"{name}<br><b>%{{text}}</b><br>{where}<extra></extra>",
    }  # fmt: skip
    return [bones, joints]


def _layout_3d(scene: Scene, limits: np.ndarray, units: str | None) -> dict:
    order = _display_order(scene)
    size = limits[1] - limits[0]
    distance, towards = _viewpoint(scene, limits)
    eye = distance * np.where(up_vector(scene.up) < 0, -towards, towards)
    axis = {
        "dtick": round_step(float(size.max())), "backgroundcolor": "#f4f5f7",
        "gridcolor": "#d9dce1", "zerolinecolor": "#c3c7ce", "showspikes": False,
        "showbackground": True, "tickfont": {"size": 11, "color": "#6b7280"},
    }  # fmt: skip
    axes = {
        f"{place}axis": {
            **axis, "title": {"text": _axis_title("xyz"[d], units)}, "range": limits[:, d].tolist(),
        }
        for place, d in zip("xyz", order, strict=True)
    }  # fmt: skip
    if scene.up.startswith("-"):
        axes["zaxis"]["range"].reverse()
    return {
        **_LAYOUT,
        "scene": {
            **axes, "aspectmode": "manual", "dragmode": "turntable",
            # A box with a longest side of 1, which is what the camera's distance counts in.
            "aspectratio": dict(zip("xyz", (size / size.max())[order].tolist(), strict=True)),
            "camera": {"eye": dict(zip("xyz", eye[order].tolist(), strict=True)),
                       "center": {"x": 0, "y": 0, "z": 0}, "up": {"x": 0, "y": 0, "z": 1}},
        },
    }  # fmt: skip


def _viewpoint(scene: Scene, limits: np.ndarray) -> tuple[float, np.ndarray]:
    """Returns distance and direction to look from: front left or right, which shows more."""
    views = [view_axes(scene.layers, scene.up, turn_deg=turn, rise_deg=15) for turn in (30, -30)]
    return min(
        ((_viewing_distance(limits, view), view[2]) for view in views),
        key=lambda choice: choice[0],
    )


def _viewing_distance(limits: np.ndarray, view: np.ndarray) -> float:
    """Returns how far from the middle, in longest sides, a viewer sees the whole box."""
    half = (limits[1] - limits[0]) / (limits[1] - limits[0]).max() / 2
    corners = np.array(list(product([-1, 1], repeat=3))) * half
    wide, high, deep = (corners @ view.T).T
    # Windows are wider than high; a little room is left for the axis titles.
    reach = 1.1 * np.maximum(np.abs(high), np.abs(wide) / 1.5)
    return float((deep + reach / _TAN_HALF_VIEW).max())


def _layout_2d(scene: Scene, limits: np.ndarray, units: str | None) -> dict:
    axis = {"gridcolor": "#e5e7eb", "zeroline": False, "constrain": "domain",
            "tickfont": {"size": 11, "color": "#6b7280"}}  # fmt: skip
    y_range = limits[:, 1] if scene.up == "y" else limits[::-1, 1]
    return {
        **_LAYOUT,
        "margin": {"l": 64, "r": 24, "t": 40, "b": 52},
        "plot_bgcolor": "#ffffff",
        "xaxis": {**axis, "title": {"text": _axis_title("x", units)},
                  "range": limits[:, 0].tolist()},
        "yaxis": {**axis, "title": {"text": _axis_title("y", units)},
                  "range": y_range.tolist(), "scaleanchor": "x", "scaleratio": 1},
    }  # fmt: skip


def _axis_title(name: str, units: str | None) -> str:
    return f"{name} ({_plotly_text(units)})" if units else name


def _plotly_text(text: str) -> str:
    """Returns a text that plotly shows as it is: it would read tags and entities otherwise."""
    return html.escape(plain_text(text, 80), quote=False).replace("%", "&#37;")


def _script_json(value: dict) -> str:
    """Returns JSON that cannot end the script element it stands in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


_LAYOUT = {
    "margin": {"l": 8, "r": 8, "t": 40, "b": 8},
    "font": {"family": "system-ui, sans-serif", "color": "#374151"},
    "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "font": {"size": 13}},
    "hoverlabel": {"align": "left"},
    # Keeps the camera and what is hidden while frames change.
    "uirevision": "fixed",
}

_CONFIG = {
    "responsive": True,
    "displaylogo": False,
    # plotly would offer to upload the poses to its makers' server.
    "showSendToCloud": False,
    "plotlyServerURL": "",
}
