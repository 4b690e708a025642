"""Draw every format on the average body, so that a misplaced joint is seen at a glance.

    python tools/atlas_report.py --out DIR [FORMAT ...]

Writes DIR/report.html (one file, works offline) and sheets of pictures, DIR/formats_01.png, ... and
DIR/details_01.png, ... (heads, hands, feet). Needs anny and torch (pip install '.[body]').
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(_ROOT), str(_ROOT / "tools")]

#: Pixels of the longer side of the body's pictures.
_PIXELS = 900


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument("--placements", metavar="FOLDER", help="other placement tables")
    parser.add_argument("--per-sheet", type=int, default=12, metavar="N", help="formats on a PNG")
    parser.add_argument(
        "--cache",
        metavar="DIR",
        help="where anny keeps what it downloads (default: ANNY_CACHE_DIR)",
    )
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help="names or patterns; all")
    options = parser.parse_args(arguments)
    if options.cache:
        os.environ["ANNY_CACHE_DIR"] = options.cache

    import skeleton_defs

    patterns = options.formats or ["*"]
    names = [name for name in skeleton_defs.list_formats()
             if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]  # fmt: skip
    if not names:
        parser.error(f"no format of the registry is called {' or '.join(options.formats)}")
    if options.per_sheet < 1:
        parser.error("--per-sheet must be at least 1")
    try:
        written = _report(options, names)
    except skeleton_defs.UserError as error:
        print(f"atlas_report: {error}", file=sys.stderr)
        return 1
    for file in written:
        print(file)
    return 0


def _report(options, names: list[str]) -> list[Path]:
    from atlas_build import report_formats as report
    from atlas_build.anchors import make_anchors
    from atlas_build.anny_body import AnnyBody, average_shape
    from atlas_build.average_body import AverageBody
    from atlas_build.body import bodies_of
    from atlas_build.moments_build import default_placements_folder
    from atlas_build.placement import load_placements
    from atlas_build.ranges import upright
    from atlas_build.report_drawing import shaded_body, write_sheets
    from atlas_build.report_page import page

    placements = load_placements(options.placements or default_placements_folder())
    model = AnnyBody()
    average, anchors = AverageBody(model), make_anchors(model)
    rest = model.rest(average_shape(), vertices=anchors.vertices)
    body = upright(bodies_of(model, anchors, average_shape(), rest))
    origin = average.heads["root"] - 1000 * body.anchors[0, body.index("bone:root")]
    formats = report.formats_on_body(placements, body, origin=origin, names=names)
    at = dict(zip(body.anchor_names, 1000 * body.anchors[0] + origin, strict=True))
    whole, details = report.whole_views(average.vertices), report.detail_views(at)
    views = [*whole, *(view for pair in details.values() for view in pair)]
    pictures = {view.name: shaded_body(average.vertices, average.faces, view, pixels=_PIXELS)
                for view in views}  # fmt: skip
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "report.html"
    file.write_text(page(
        formats, whole=whole, details=details, bodies=pictures, sources=placements.used_sources,
        title="Where each format's joints lie on the body",
        subtitle=f"{len(formats)} formats on the average adult ({average.stature:.0f} mm tall) in "
                 "the reference T-pose.",
    ), encoding="utf-8")  # fmt: skip
    sheets = write_sheets(options.out, formats, whole=whole, details=details, bodies=pictures,
                          per_sheet=options.per_sheet)  # fmt: skip
    return [file, *sheets]


if __name__ == "__main__":
    sys.exit(main())
