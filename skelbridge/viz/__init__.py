"""Seeing poses: a self-contained HTML page, a PNG sheet, and skeletons over a picture.

plotly and matplotlib are imported when a picture is written, not before.
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "Layer": "scene",
    "write_html": "html",
    "write_overlay": "overlay",
    "write_png": "png",
}

__all__ = ["Layer", "write_html", "write_overlay", "write_png"]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return sorted(__all__)
