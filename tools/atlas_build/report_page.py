"""The report as one page: every format drawn on the body, without anything from elsewhere."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence

import numpy as np

from .placement_table import Source
from .report_drawing import COLORS
from .report_formats import FormatOnBody, View, details_of

_STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 1em 2em; color: #222; background: #fff; }
nav { columns: 14em; margin: 1em 0; }
nav a { display: block; }
section { border-top: 1px solid #ccc; margin-top: 1.5em; }
figure { display: inline-block; margin: 0 .6em .6em 0; vertical-align: top; }
figcaption { font-size: 12px; color: #555; }
svg line { stroke: #222; vector-effect: non-scaling-stroke; stroke-width: 1; }
svg circle { stroke: none; }
.sigma { fill-opacity: .25; }
svg g:hover .sigma { fill-opacity: .6; }
table { border-collapse: collapse; font-size: 12px; }
td, th { text-align: left; padding: 1px 8px 1px 0; vertical-align: top; }
.lost { color: #a00; }
""" + "".join(f".{side} {{ fill: {color}; color: {color}; }}\n" for side, color in COLORS.items())
#: Pixels of the longer side of a view on the page.
_WHOLE_PX, _DETAIL_PX = 560, 330


def page(
    formats: Sequence[FormatOnBody],
    *,
    whole: Sequence[View],
    details: Mapping[str, tuple[View, View]],
    bodies: Mapping[str, bytes],
    sources: Mapping[str, Source],
    title: str,
    subtitle: str,
) -> str:
    """Return the page as HTML.

    Args:
      formats: what to draw.
      whole: views of the whole body, shown for every format.
      details: as of `detail_views`.
      bodies: name of a view -> the shaded body as PNG.
      sources: by id, listed at the end.
      title, subtitle: the heading and the line below it.
    """
    links = "".join(f'<a href="#{_text(f.skeleton.name)}">{_text(f.skeleton.name)}</a>'
                    for f in formats)  # fmt: skip
    views = {view.name: view for view in (*whole, *(v for pair in details.values() for v in pair))}
    shared = "".join(_body(view, bodies[name]) for name, view in views.items())
    sections = "\n".join(_section(drawn, whole, details) for drawn in formats)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{_text(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{_text(title)}</h1>
<p>{_text(subtitle)} Circles: the uncertainty (sigma) of a placement, to scale; hover over a joint
for its name and source. <b class="left">Left</b>, <b class="right">right</b> and
<b class="centre">middle</b> are the person's own.</p>
<svg width="0" height="0"><defs>{shared}</defs></svg>
<nav>{links}</nav>
{sections}
<section id="sources"><h2>Sources</h2>
<table><tr><th>id</th><th>what</th><th>licence</th><th>permissive</th></tr>
{"".join(_source(name, source) for name, source in sorted(sources.items()))}</table></section>
</body>
</html>
"""


def _body(view: View, picture: bytes) -> str:
    width, height = view.size
    data = base64.b64encode(picture).decode("ascii")
    return (f'<image id="body-{view.name}" width="{width:.1f}" height="{height:.1f}" '
            f'href="data:image/png;base64,{data}"/>')  # fmt: skip


def _section(drawn: FormatOnBody, whole, details) -> str:
    skeleton = drawn.skeleton
    placed = ~np.isnan(drawn.sigma_mm)
    parts = [f"{int(placed.sum())} of {len(skeleton)} joints", f"family {skeleton.family}"]
    if placed.any():
        parts.append(f"sigma {np.nanmin(drawn.sigma_mm):.0f} to {np.nanmax(drawn.sigma_mm):.0f} mm")
    lost = ""
    if drawn.unavailable:
        lost = f'<p class="lost">Without a place: {_text(", ".join(drawn.unavailable))}</p>'
    scale = _WHOLE_PX / max(side for view in whole for side in view.size)
    pictures = [_figure(drawn, view, scale) for view in whole]
    for pair in details_of(drawn, details):
        pictures += [_figure(drawn, view, _DETAIL_PX / max(view.size)) for view in pair]
    rows = "".join(_row(drawn, k) for k in range(len(skeleton)))
    return f"""<section id="{_text(skeleton.name)}"><h2>{_text(skeleton.name)}</h2>
<p>{_text(", ".join(parts))}.</p>{lost}
{"".join(pictures)}
<details><summary>Joints</summary><table>
<tr><th>#</th><th>joint</th><th>point</th><th>sigma</th><th>source</th><th>note</th></tr>
{rows}</table></details></section>"""


def _figure(drawn: FormatOnBody, view: View, px_per_mm: float) -> str:
    skeleton = drawn.skeleton
    width, height = view.size
    shown = view.holds(drawn.points)
    at = view.project(drawn.points)
    lines = "".join(
        f'<line x1="{at[a, 0]:.0f}" y1="{at[a, 1]:.0f}" x2="{at[b, 0]:.0f}" y2="{at[b, 1]:.0f}"/>'
        for a, b in skeleton.edges
        if shown[a] and shown[b]
    )
    joints = "".join(_joint(drawn, k, at[k], 2.2 / px_per_mm) for k in np.flatnonzero(shown))
    return (f'<figure><svg viewBox="0 0 {width:.1f} {height:.1f}" '
            f'width="{width * px_per_mm:.0f}" height="{height * px_per_mm:.0f}">'
            f'<use href="#body-{view.name}"/>{lines}{joints}</svg>'
            f"<figcaption>{_text(view.title)}</figcaption></figure>")  # fmt: skip


def _joint(drawn: FormatOnBody, k: int, at: np.ndarray, dot_mm: float) -> str:
    sigma = drawn.sigma_mm[k]
    words = (f"{k} {drawn.skeleton.joints[k]}: sigma {sigma:.0f} mm; "
             f"{', '.join(drawn.sources[k])}")  # fmt: skip
    return (f'<g class="{drawn.skeleton.sides[k]}" transform="translate({at[0]:.1f} {at[1]:.1f})">'
            f'<title>{_text(words)}</title><circle class="sigma" r="{sigma:.0f}"/>'
            f'<circle r="{dot_mm:.1f}"/></g>')  # fmt: skip


def _row(drawn: FormatOnBody, k: int) -> str:
    joint = drawn.skeleton.joints[k]
    sigma = drawn.sigma_mm[k]
    cells = (str(k), joint, ":".join(drawn.skeleton.point_of(joint)),
             "no place" if np.isnan(sigma) else f"{sigma:.0f}", ", ".join(drawn.sources[k]),
             drawn.notes[k])  # fmt: skip
    return "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>\n"


def _source(name: str, source: Source) -> str:
    cells = (name, source.text, source.licence, "yes" if source.permissive else "no")
    return "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>\n"


def _text(words: str) -> str:
    return html.escape(words)
