"""The report's HTML: its frame, its style, and how tables, pictures and numbers are written."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Iterable, Sequence

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

STYLE = """
:root { color-scheme: light; --ink: #1b2430; --soft: #5b6675; --line: #dfe3e8; --wash: #f5f7f9;
  --good: #0b6e4f; --bad: #a8330f; --blue: #0072b2; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: #fff; color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 18px 72px; }
p, li, .lead { max-width: 44em; }
h1 { font-size: clamp(24px, 5vw, 34px); line-height: 1.2; margin: 0 0 4px; letter-spacing: -.01em; }
h2 { font-size: 22px; line-height: 1.3; margin: 52px 0 8px; }
h3 { font-size: 17px; margin: 28px 0 6px; }
.kicker, .note, figcaption, caption, small { color: var(--soft); }
.kicker { margin: 0 0 22px; }
.lead { font-size: 19px; line-height: 1.5; }
.note, figcaption, caption { font-size: 14px; }
a { color: var(--blue); }
.scroll { overflow-x: auto; margin: 10px 0 18px; -webkit-overflow-scrolling: touch; }
table { border-collapse: separate; border-spacing: 0; font-size: 15px;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0 0 6px; }
caption span { display: inline-block; position: sticky; left: 0;
  max-width: min(44em, calc(100vw - 36px)); }
th, td { padding: 7px 12px 7px 6px; text-align: right; vertical-align: top;
  border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th, thead td { border-bottom: 2px solid var(--ink); vertical-align: bottom; font-weight: 600;
  white-space: normal; max-width: 8.5em; line-height: 1.3; }
#verdict th { text-align: left; } #verdict th:nth-child(n+4) { text-align: right; }
th:first-child, td.text, thead th.text { text-align: left; }
th:first-child, thead td { position: sticky; left: 0; background: #fff; font-weight: 500;
  white-space: normal; min-width: 8.5em; max-width: 16em; padding-left: 0; }
tbody th.group { padding-top: 18px; font-weight: 700; max-width: none; }
th.group span { position: sticky; left: 0; }
td.text { white-space: normal; min-width: 6.5em; }
td small { display: block; font-size: 12.5px; line-height: 1.35; }
td.labelled { background: #fff4d6; box-shadow: inset 3px 0 #e69f00; }
.met, .missed { font-weight: 650; } .met { color: var(--good); } .missed { color: var(--bad); }
figure { margin: 0; } figure img { display: block; width: 100%; height: auto; }
.pictures { display: grid; gap: 30px 26px; margin: 16px 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 440px), 1fr)); }
.single { max-width: 720px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 0; margin: 8px 0;
  list-style: none; font-size: 15px; }
.legend i { display: inline-block; width: 22px; height: 5px; border-radius: 3px; margin-right: 7px;
  vertical-align: middle; }
details { margin: 10px 0; } summary { cursor: pointer; font-weight: 500; padding: 4px 0; }
pre { overflow-x: auto; background: var(--wash); padding: 12px 14px; border-radius: 6px;
  font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace; }
dl { display: grid; grid-template-columns: minmax(7em, max-content) 1fr; gap: 4px 18px;
  font-size: 15px; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 560px) { main { padding: 18px 14px 56px; } th, td { padding-right: 9px; }
  th:first-child { min-width: 7em; max-width: 8.5em; } .lead { font-size: 17px; }
  dl { grid-template-columns: 1fr; gap: 2px; } dd { margin-bottom: 10px; } }
@media print { details { display: block; } .scroll { overflow: visible; } }
"""

MISSING = "–"


def escape(text: object) -> str:
    """Returns a text of a file or user as HTML."""
    return html.escape(str(text))


def number(value: float | None, digits: int = 1) -> str:
    """Returns a number as people read it, a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:.{digits}f}"
    text = text.lstrip("-") if float(text) == 0 else text
    return text.replace("-", "−")


def signed(value: float | None, digits: int = 1) -> str:
    """Returns a number with its sign, a dash where there is none."""
    text = number(value, digits)
    is_positive = text[0].isdigit() and float(text) > 0
    return f"+{text}" if is_positive else text


def interval(entry: Sequence[float], digits: int = 1, *, scale: float = 1.0) -> str:
    """Returns `[low, high]` of a [value, low, high]; nothing where there is none."""
    low, high = (scale * bound for bound in entry[1:])
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def cell(value: str, *below: str, css: str = "") -> str:
    """Returns a table cell with a number, and smaller lines below it."""
    lines = "".join(f"<small>{line}</small>" for line in below if line)
    attribute = f' class="{css}"' if css else ""
    return f"<td{attribute}>{value}{lines}</td>"


def row(head: str, cells: Iterable[str]) -> str:
    """Returns a table row; `head` is HTML."""
    return f'<tr><th scope="row">{head}</th>{"".join(cells)}</tr>'


def group_row(head: str, columns: int) -> str:
    """Returns a row that names the rows below it."""
    return (
        f'<tr><th scope="rowgroup" class="group" colspan="{columns + 1}"><span>{head}</span></th>'
        "</tr>"
    )


def table(caption: str, heads: Sequence[str], rows: Iterable[str]) -> str:
    """Returns a table that scrolls sideways on narrow screens; all texts are HTML."""
    columns = "".join(f'<th scope="col">{head}</th>' for head in heads[1:])
    first = f'<th scope="col">{heads[0]}</th>' if heads[0] else "<td></td>"
    return (
        f'<div class="scroll" tabindex="0"><table><caption><span>{caption}</span></caption>'
        f"<thead><tr>{first}{columns}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def picture(png: bytes, alt: str, caption: str = "", css: str = "") -> str:
    """Returns a figure that holds its picture."""
    data = base64.b64encode(png).decode("ascii")
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    attribute = f' class="{css}"' if css else ""
    return (
        f'<figure{attribute}><img alt="{escape(alt)}" src="data:image/png;base64,{data}">{below}'
        "</figure>"
    )


def folded(title: str, body: str) -> str:
    """Returns a part that opens when asked to."""
    return f"<details><summary>{escape(title)}</summary>{body}</details>"
