"""The report as an offline HTML page (plotly) or a PNG picture (matplotlib)."""

from __future__ import annotations

import html
import os
import textwrap
from pathlib import Path

import numpy as np

from dataset_adapters.containers import FileError
from skeleton_defs import UserError

from ..atomic import atomic_path
from .joint_names import bones_of
from .matrices import Acae
from .report import (
    format_errors,
    formats_of,
    joint_errors,
    joint_order,
    latent_names,
    latent_order,
    summary_lines,
)

_SIDE_COLORS = {"left": "#0072B2", "right": "#D55E00", "centre": "#009E73", "": "#0072B2"}
_GREY = "#9aa1ab"
#: Weights beyond this are drawn as this: most are small.
_STRONG = 0.5
_CONFIG = {
    "displaylogo": False,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "responsive": True,
}
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 0 auto; max-width: 1280px; padding: 12px 20px 40px; background: #fff;
  color: #1f2937; font: 14px/1.45 system-ui, sans-serif; }}
h1 {{ font-size: 20px; overflow-wrap: anywhere; }} h2 {{ font-size: 16px; margin: 28px 0 6px; }}
table {{ border-collapse: collapse; }} td, th {{ padding: 2px 14px 2px 0; text-align: left; }}
td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
p {{ margin: 4px 0; }} .note {{ color: #6b7280; }}
</style><script>{plotly}</script></head><body>
<h1>{title}</h1>
{body}
</body></html>
"""


def write_report(path: str | os.PathLike, acae: Acae, *, title: str) -> None:
    """Writes the report: errors, sparsity, weights, and latents on a body.

    Args:
      path: `.html` for a page that loads nothing, `.png` for a picture.

    Raises:
      UserError: another suffix, or the file cannot be written.
    """
    check_suffix(path)
    try:
        with atomic_path(path) as temporary:
            if Path(path).suffix.lower() == ".png":
                _write_png(temporary, acae, title)
            else:
                temporary.write_text(_page(acae, title), encoding="utf-8")
    except OSError as error:
        raise FileError(path, f"cannot be written: {error.strerror or error}") from None


def check_suffix(path: str | os.PathLike) -> None:
    """Raises `UserError` where a report cannot have this name."""
    if Path(path).suffix.lower() not in (".html", ".htm", ".png"):
        raise UserError(f"a report is an .html or .png file. Received '{path}'")


def _page(acae: Acae, title: str) -> str:
    from plotly.offline import get_plotlyjs

    sections = ["".join(f"<p>{html.escape(line)}</p>" for line in summary_lines(acae))]
    if rows := format_errors(acae):
        sections += ["<h2>Reconstruction error per format</h2>", _format_table(rows)]
    if (errors := joint_errors(acae)) is not None:
        sections += ["<h2>Reconstruction error per joint</h2>", _div(_error_figure(acae, errors))]
    if acae.example_pose is not None:
        sections += ["<h2>Latent points on a body</h2>", _div(_body_figure(acae))]
    sections += [
        "<h2>Weights</h2>",
        '<p class="note">Joints from head to toe, or by the latents they use. '
        f"Weights beyond {_STRONG} have the strongest colour.</p>",
        _div(_weights_figure(acae)),
    ]
    return _PAGE.format(title=html.escape(title), plotly=get_plotlyjs(), body="\n".join(sections))


def _format_table(rows) -> str:
    cells = "".join(
        f'<tr><td>{html.escape(name)}</td><td class="n">{count}</td><td class="n">{mean:.1f}</td>'
        f"<td>{html.escape(joint)} ({worst:.1f})</td></tr>"
        for name, (count, mean, joint, worst) in rows.items()
    )
    return (
        '<table><tr><th>format</th><th class="n">joints</th><th class="n">rms error, mm</th>'
        f"<th>worst joint</th></tr>{cells}</table>"
    )


def _div(figure) -> str:
    return figure.to_html(full_html=False, include_plotlyjs=False, config=_CONFIG)


def _error_figure(acae: Acae, errors: np.ndarray):
    import plotly.graph_objects as go

    order = joint_order(acae)
    bars = go.Bar(x=_labels(acae, order), y=errors[order].round(2), marker_color="#0072B2")
    figure = go.Figure(bars)
    figure.update_layout(
        height=360, margin={"l": 50, "r": 10, "t": 10, "b": 10}, plot_bgcolor="#fff",
        yaxis={"title": "rms error, mm", "gridcolor": "#e5e7eb"},
        xaxis={"showticklabels": len(order) <= 60, "type": "category"},
    )  # fmt: skip
    return figure


def _weights_figure(acae: Acae):
    from plotly.subplots import make_subplots

    joints = joint_order(acae)
    latents = latent_order(acae, joints)
    names = np.array(latent_names(acae), dtype=object)[latents]
    figure = make_subplots(
        1, 2, shared_yaxes=True, horizontal_spacing=0.02,
        subplot_titles=("decoder: latents in joints", "encoder: joints in latents, times 5"),
    )  # fmt: skip
    columns = [_escaped(name) for name in names]
    for place, matrix in enumerate((acae.w2.T, 5 * acae.w1), 1):
        figure.add_heatmap(
            z=matrix[np.ix_(joints, latents)].round(3), x=columns, y=_labels(acae, joints),
            zmin=-_STRONG, zmax=_STRONG, colorscale="RdBu", showscale=place == 2,
            row=1, col=place,
        )  # fmt: skip
    figure.update_yaxes(autorange="reversed", type="category", showticklabels=len(joints) <= 150)
    figure.update_yaxes(showticklabels=False, col=2)
    figure.update_xaxes(type="category", showticklabels=False)
    figure.update_layout(
        height=int(np.clip(12 * len(joints), 500, 1400)),
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
    )
    return figure


def _body_figure(acae: Acae):
    import plotly.graph_objects as go

    pose, latents, sides = _upright(acae)
    figure = go.Figure()
    if bones := bones_of(acae.joint_names, formats_of(acae)):
        lines = np.full((len(bones), 3, 3), np.nan)
        lines[:, :2] = pose[np.array(bones)]
        x, y, z = lines.reshape(-1, 3).T
        figure.add_scatter3d(
            x=x, y=y, z=z, mode="lines", name="bones", hoverinfo="skip", connectgaps=False,
            line={"width": 2, "color": "#d1d5db"},
        )  # fmt: skip
    figure.add_scatter3d(
        x=pose[:, 0], y=pose[:, 1], z=pose[:, 2], mode="markers", name="joints",
        marker={"size": 2.5, "color": _GREY}, hovertext=_labels(acae, np.arange(acae.joints)),
        hoverinfo="text",
    )  # fmt: skip
    names = latent_names(acae)
    for side in dict.fromkeys(sides):
        own = [i for i, s in enumerate(sides) if s == side]
        figure.add_scatter3d(
            x=latents[own, 0], y=latents[own, 1], z=latents[own, 2], mode="markers",
            name=f"{side} latents".strip(), marker={"size": 6, "color": _SIDE_COLORS[side]},
            hovertext=[_escaped(names[i]) for i in own], hoverinfo="text",
        )  # fmt: skip
    axis = {"title": "", "showticklabels": False, "showbackground": False, "gridcolor": "#e5e7eb"}
    figure.update_layout(
        height=640, margin={"l": 0, "r": 0, "t": 0, "b": 0},
        scene={"aspectmode": "data", "xaxis": axis, "yaxis": axis, "zaxis": axis,
               "camera": {"eye": {"x": 0.3, "y": -2.1, "z": 0.3}}},
        legend={"orientation": "h", "y": 1},
    )  # fmt: skip
    return figure


def _upright(acae: Acae) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Example pose and its latents with z up, from camera axes (y down, z away)."""
    pose = acae.example_pose - acae.example_pose.mean(axis=0)
    turned = [points[:, [0, 2, 1]] * [1, 1, -1] for points in (pose, acae.encode(pose))]
    return *turned, acae.latent_sides or ("",) * acae.latents


def _labels(acae: Acae, joints: np.ndarray) -> list[str]:
    if acae.joint_names is None:
        return [f"joint {i}" for i in joints]
    return [_escaped(acae.joint_names[i]) for i in joints]


def _escaped(text: str) -> str:
    """A text that plotly shows as it is: it would read tags otherwise."""
    return html.escape(text[:80], quote=False)


def _write_png(path: Path, acae: Acae, title: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 9), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.03, 0.96, title, fontsize=14, weight="bold", parse_math=False)
    lines = [part for line in summary_lines(acae) for part in textwrap.wrap(line, 75)]
    for i, line in enumerate(lines):
        figure.text(0.03, 0.925 - 0.022 * i, line, fontsize=9, color="#374151", parse_math=False)
    joints = joint_order(acae)
    latents = latent_order(acae, joints)
    for left, matrix, name in (
        (0.44, acae.w2.T, "decoder: latents in joints"),
        (0.73, 5 * acae.w1, "encoder: joints in latents, times 5"),
    ):
        axes = figure.add_axes((left, 0.06, 0.26, 0.84))
        axes.imshow(
            matrix[np.ix_(joints, latents)], aspect="auto", cmap="RdBu", vmin=-_STRONG,
            vmax=_STRONG, interpolation="nearest",
        )  # fmt: skip
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("latents", fontsize=9)
        axes.set_yticks([])
    if acae.example_pose is not None:
        pose, points, sides = _upright(acae)
        axes = figure.add_axes((0.03, 0.06, 0.37, 0.64))
        for a, b in bones_of(acae.joint_names, formats_of(acae)):
            axes.plot(pose[[a, b], 0], pose[[a, b], 2], color="#d1d5db", linewidth=1, zorder=0)
        axes.scatter(pose[:, 0], pose[:, 2], s=4, color=_GREY, label="joints")
        for side in dict.fromkeys(sides):
            own = [i for i, s in enumerate(sides) if s == side]
            axes.scatter(
                points[own, 0], points[own, 2], s=36, color=_SIDE_COLORS[side],
                label=f"{side} latents".strip(),
            )  # fmt: skip
        axes.set_aspect("equal")
        figure.legend(*axes.get_legend_handles_labels(), fontsize=8, loc="lower left", ncols=4)
        axes.set_axis_off()
    figure.savefig(path, format="png")
