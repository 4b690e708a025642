"""From a source of an adapter to the examples that are worth storing, with their boxes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from dataset_adapters.adapter import DatasetInfo
from dataset_adapters.camera import Camera
from dataset_adapters.examples import ExampleBlock

from . import rle
from .bone_limits import joints_of_wrong_bones, note_of, without_joints
from .boxes import count_within, joint_boxes
from .detections import image_keys, load_detections, matched_boxes, matched_masks
from .options import PrepareOptions
from .plausibility import EXEMPT, MIN_JOINTS_IN_BOX
from .silhouettes import Supplemented, silhouette_of
from .tally import Tally
from .thinning import Thinner

NO_JOINT = "no valid joint"
NO_BOX = "no box: no joint is seen by the camera"
OUTSIDE = "box outside the image"
UNMATCHED = "no detection fits"
TOO_FEW_JOINTS = f"fewer than {MIN_JOINTS_IN_BOX} joints in the box"


def select(
    blocks: Iterable[ExampleBlock], info: DatasetInfo, options: PrepareOptions, tally: Tally
) -> list[ExampleBlock]:
    """Returns the examples of one source that come into the store, counting the others.

    Args:
      blocks: all blocks of the source.
      info: the dataset's facts: thinning rule, limits of bones, box expansion.
    """
    if options.boxes or options.masks:
        blocks = _with_detections(list(blocks), info, options, tally)
    thinner = None
    selected = []
    for block in blocks:
        if not (options.boxes or options.masks):
            _examine(block, tally)
        kept = np.ones(len(block), bool)
        if options.thinning:
            if thinner is None:
                rule, expansion = info.thinning, info.box_expansion
                thinner = Thinner(rule, block.split, box_expansion=expansion)
            kept, dropped = thinner.keep(block)
            for reason, count in dropped.items():
                tally.drop(reason, count)
        block = _with_usual_bones(block, kept, info, options, tally)
        block = _without_extra(block, info.thinning.joints)
        block = _with_plausible_boxes(block, info, options, tally)
        if len(block):
            selected.append(block)
    return selected


def seen_joints(block: ExampleBlock) -> np.ndarray | None:
    """Returns (N, J, 2) px: the annotated 2D joints, else the valid 3D joints that cameras see."""
    if block.joints2d is not None or block.joints3d is None or block.cameras is None:
        points = block.projected()
    elif isinstance(block.cameras, Camera):
        points = block.cameras.project(block.joints3d)
    else:
        points = np.full((*block.joints3d.shape[:2], 2), np.nan)
        rows_of: dict[int, list[int]] = {}
        for row, camera in enumerate(block.cameras):
            rows_of.setdefault(id(camera), []).append(row)
        for rows in rows_of.values():
            camera = block.cameras[rows[0]]
            if camera is not None:
                points[rows] = camera.project(block.joints3d[rows])
    return None if points is None else np.where(block.validity[..., None], points, np.nan)


def boxes_of(block: ExampleBlock, points: np.ndarray | None, factor: float) -> np.ndarray:
    """Returns the boxes (N, 4) px: given, else around the joints; NaN where there is neither."""
    boxes = np.full((len(block), 4), np.nan)
    if block.boxes is not None:
        boxes[:] = block.boxes
        boxes[(boxes[:, 2:] <= 0).any(1)] = np.nan
    lacking = np.isnan(boxes).any(1)
    if lacking.any() and points is not None:
        boxes[lacking] = joint_boxes(points[lacking], factor)
        boxes[(boxes[:, 2:] <= 0).any(1)] = np.nan
    return boxes


def _examine(block: ExampleBlock, tally: Tally) -> None:
    tally.examined += len(block)
    for note in block.notes:
        tally.note(note)


def _with_detections(
    blocks: list[ExampleBlock], info: DatasetInfo, options: PrepareOptions, tally: Tally
) -> list[ExampleBlock]:
    """Gives detector's boxes and silhouettes to the people of one source.

    All people of an image compete for its detections, so this comes before any of them goes.
    """
    for block in blocks:
        _examine(block, tally)
    keys = [key for block in blocks for key in image_keys(block)]
    boxes = [boxes_of(block, seen_joints(block), info.box_expansion) for block in blocks]
    boxes = np.concatenate([np.zeros((0, 4)), *boxes])
    masks: list = [None] * len(keys)
    if options.boxes:
        found = load_detections(options.boxes, "boxes")
        matched = matched_boxes(keys, boxes, found, options.min_overlap)
        keep = options.unmatched == "keep"
        boxes = np.where(np.isnan(matched) & keep, boxes, matched)
    if options.masks:
        found = load_detections(options.masks, "masks")
        masks = matched_masks(keys, boxes, found, options.min_overlap)
    result, at = [], 0
    for block in blocks:
        rows = slice(at, at + len(block))
        at += len(block)
        good = ~np.isnan(boxes[rows]).any(1)
        if block.images is None:
            result.append(block)
            continue
        if options.boxes:
            tally.drop(UNMATCHED, int((~good).sum()))
            block = replace(block, boxes=np.nan_to_num(boxes[rows]))
        else:
            good[:] = True
        if options.masks:
            block = replace(block, masks=Supplemented(block.masks, masks[rows]))
        result.append(_selected(block, good))
    return result


def _with_usual_bones(
    block: ExampleBlock, kept: np.ndarray, info: DatasetInfo, options: PrepareOptions, tally: Tally
) -> ExampleBlock:
    """Returns the kept rows; joints whose bones break the dataset's limits are missing in them.

    What is usual is told by all rows of the block, as the thinned ones have the jumps in plenty.
    """
    if info.bone_limits is None or not _is_checked(block, options):
        return _selected(block, kept)
    gone = joints_of_wrong_bones(block, info.bone_limits)[kept]
    block = _selected(block, kept)
    if not gone.any():
        return block
    tally.note(note_of(info.bone_limits), int(gone.sum()))
    return without_joints(block, gone)


def _without_extra(block: ExampleBlock, name: str) -> ExampleBlock:
    """Returns the block without the extra that only the thinning needs."""
    if name not in block.extras:
        return block
    rest = {key: column for key, column in block.extras.items() if key != name}
    return replace(block, extras=rest)


def _with_plausible_boxes(
    block: ExampleBlock, info: DatasetInfo, options: PrepareOptions, tally: Tally
) -> ExampleBlock:
    """Returns the rows that have valid joints and a box in the image, with these boxes."""
    valid = block.validity.any(1)
    tally.drop(NO_JOINT, int((~valid).sum()))
    block = _selected(block, valid)
    points = seen_joints(block)
    boxes = boxes_of(block, points, info.box_expansion)
    if block.images is None:
        known = not np.isnan(boxes).any()
        return replace(block, boxes=boxes if known else None)
    good = ~np.isnan(boxes).any(1)
    tally.drop(NO_BOX, int((~good).sum()))
    inside = ~good | _touch_image(block, boxes)
    tally.drop(OUTSIDE, int((good & ~inside).sum()))
    good &= inside
    if info.boxes_within_masks and block.boxes is None and block.masks is not None:
        block, boxes = _within_masks(block, boxes, good, tally)
    if _is_checked(block, options) and points is not None:
        needed = min(MIN_JOINTS_IN_BOX, block.validity.shape[1])
        enough = ~good | (count_within(points, boxes) >= needed)
        tally.drop(TOO_FEW_JOINTS, int((good & ~enough).sum()))
        good &= enough
    return _selected(replace(block, boxes=np.nan_to_num(boxes)), good)


def _within_masks(
    block: ExampleBlock, boxes: np.ndarray, wanted: np.ndarray, tally: Tally
) -> tuple[ExampleBlock, np.ndarray]:
    """Returns the block, and boxes that end where the silhouettes end.

    A silhouette that is elsewhere, empty or of another size than its image changes no box. The
    silhouettes of the wanted rows are read now; the block keeps them, as reading may be slow.
    """
    boxes = boxes.copy()
    masks = [silhouette_of(block.masks, i, tally) if wanted[i] else None for i in range(len(block))]
    for row, mask in enumerate(masks):
        width_height = None if mask is None else tuple(mask["size"][::-1])
        if mask is None or width_height != (block.image_size(row) or width_height):
            continue
        around = rle.box_of(mask)
        low = np.maximum(boxes[row, :2], around[:2])
        high = np.minimum(boxes[row, :2] + boxes[row, 2:], around[:2] + around[2:])
        if (low < high).all():
            boxes[row] = [*low, *(high - low)]
    return replace(block, masks=masks), boxes


def _is_checked(block: ExampleBlock, options: PrepareOptions) -> bool:
    return (
        options.plausibility
        and block.split == "train"
        and block.joints3d is not None
        and block.dataset not in EXEMPT
    )


def _touch_image(block: ExampleBlock, boxes: np.ndarray) -> np.ndarray:
    sizes = [block.image_size(row) or (np.inf, np.inf) for row in range(len(block))]
    sizes = np.array(sizes, float).reshape(-1, 2)
    with np.errstate(invalid="ignore"):
        return ((boxes[:, :2] < sizes) & (boxes[:, :2] + boxes[:, 2:] > 0)).all(1)


def _selected(block: ExampleBlock, kept: np.ndarray) -> ExampleBlock:
    return block if kept.all() else block.select(kept)
