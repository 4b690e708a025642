"""A sheet of a store's pictures with the skeletons drawn in: what numbers miss, an eye sees."""

from __future__ import annotations

import base64
import html
import os
from pathlib import Path

import numpy as np

import skeleton_defs
from dataset_adapters.examples import Example
from skelbridge.atomic import atomic_path
from skeleton_defs import UserError

from .manifest import written_to
from .reading import Group, Store, open_store
from .validation import ValidationReport

_SUFFIXES = (".png", ".html", ".htm")
TILE_PX = 224
PER_GROUP = 8
_CAPTION_PX = 22
#: RGB of bones by side: left, right, centre.
_COLOURS = {"left": (255, 140, 0), "right": (0, 170, 255), "centre": (240, 240, 240)}


def write_sheet(
    path: str | os.PathLike, output: str | os.PathLike, report: ValidationReport
) -> None:
    """Draws examples of every group of a store, evenly spread, as a .png or an .html page.

    Left limbs are orange, right ones blue. The page also holds the report.

    Raises:
      FileError: a file of the store is damaged.
      UserError: the output is neither .png nor .html, or cannot be written.
    """
    if Path(output).suffix.lower() not in _SUFFIXES:
        raise UserError(f"{os.fspath(output)}: a sheet must be a {' or a '.join(_SUFFIXES)} file")
    store = open_store(path)
    strips = [(group, _strip(store, indices)) for group, indices in store.groups.items()]
    with written_to(output), atomic_path(output) as temporary:
        if Path(output).suffix.lower() == ".png":
            temporary.write_bytes(_png(_stacked(strips)))
        else:
            temporary.write_text(_page(strips, report), encoding="utf-8")


def _strip(store: Store, indices: range) -> np.ndarray:
    """Returns the tiles of one group side by side, (TILE_PX, n TILE_PX, 3) uint8 RGB."""
    spread = np.linspace(indices.start, indices.stop - 1, min(PER_GROUP, len(indices)))
    tiles = [_tile(store, int(i)) for i in np.unique(spread.astype(int))]
    return np.concatenate(tiles, axis=1) if tiles else np.zeros((TILE_PX, TILE_PX, 3), np.uint8)


def _tile(store: Store, index: int) -> np.ndarray:
    import cv2

    example = store[index]
    picture = store.image(index)
    joints = example.projected
    if joints is None:
        joints = example.joints3d[:, :2]
    low, side = _region(example, joints, picture)
    scale = TILE_PX / side
    shift = np.array([[scale, 0, -scale * low[0]], [0, scale, -scale * low[1]]])
    if picture is None:
        tile = np.full((TILE_PX, TILE_PX, 3), 60, np.uint8)
    else:
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        tile = cv2.warpAffine(picture, shift, (TILE_PX, TILE_PX), flags=how)
    _draw(tile, (joints - low) * scale, example.skeleton)
    return tile


def _region(example: Example, joints: np.ndarray, picture) -> tuple[np.ndarray, float]:
    """Returns the corner and the side of the square to show, px."""
    known = joints[~np.isnan(joints[:, 0])]
    if example.box is not None and picture is not None:
        center = example.box[:2] + example.box[2:] / 2
        side = 1.3 * float(example.box[2:].max())
    elif len(known):
        center = (known.min(axis=0) + known.max(axis=0)) / 2
        side = 1.3 * float((known.max(axis=0) - known.min(axis=0)).max())
    else:
        center, side = np.zeros(2), 1.0
    side = max(side, 1e-3)
    return center - side / 2, side


def _draw(tile: np.ndarray, joints: np.ndarray, name: str) -> None:
    import cv2

    skeleton = skeleton_defs.get(name)
    sides = skeleton.sides
    points = np.clip(np.nan_to_num(joints, nan=-1e4), -2e4, 2e4).round().astype(int)
    present = ~np.isnan(joints[:, 0])
    for a, b in skeleton.edges:
        if present[a] and present[b]:
            side = sides[a] if sides[a] == sides[b] else "centre"
            start, end = tuple(map(int, points[a])), tuple(map(int, points[b]))
            cv2.line(tile, start, end, _COLOURS[side], 2, cv2.LINE_AA)
    for i in np.flatnonzero(present):
        cv2.circle(tile, tuple(map(int, points[i])), 2, _COLOURS[sides[i]], -1, cv2.LINE_AA)


def _stacked(strips: list[tuple[Group, np.ndarray]]) -> np.ndarray:
    import cv2

    width = max((strip.shape[1] for _, strip in strips), default=TILE_PX)
    rows = []
    for group, strip in strips:
        caption = np.full((_CAPTION_PX, width, 3), 255, np.uint8)
        cv2.putText(
            caption, " ".join(group), (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1,
            cv2.LINE_AA,
        )  # fmt: skip
        rows += [caption, np.pad(strip, ((0, 0), (0, width - strip.shape[1]), (0, 0)))]
    return np.concatenate(rows) if rows else np.full((TILE_PX, TILE_PX, 3), 255, np.uint8)


def _page(strips: list[tuple[Group, np.ndarray]], report: ValidationReport) -> str:
    parts = []
    for group, strip in strips:
        data = base64.b64encode(_png(strip)).decode("ascii")
        parts.append(
            f"<h2>{html.escape(' '.join(group))}</h2>"
            f'<img alt="examples of {html.escape(group.dataset)}" '
            f'src="data:image/png;base64,{data}">'
        )
    text = html.escape("\n".join(report.lines()))
    return (
        '<!doctype html><meta charset="utf-8"><title>Store</title>'
        "<style>body{font:14px sans-serif;margin:2em}img{max-width:100%}</style>"
        f"<h1>{html.escape(Path(report.path).name)}</h1><p>Left limbs orange, right ones blue.</p>"
        f"{''.join(parts)}<pre>{text}</pre>\n"
    )


def _png(picture: np.ndarray) -> bytes:
    import cv2

    done, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    if not done:
        raise ValueError(f"picture of shape {picture.shape} cannot be encoded")
    return data.tobytes()
