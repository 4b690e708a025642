"""What one model's predictions on the test pictures are worth.

Every number is first made per picture: the mean over the joints of a format, then over the formats
that count (of a labelled domain one is labelled, the others are not). A score is the plain mean of
that over pictures, so that all pictures, all formats of a picture and all joints of a format weigh
the same, and bootstrap over pictures is simple.
"""

from __future__ import annotations

import numpy as np

from skeleton_defs import UserError

from ..evaluation import (
    absolute_errors,
    cps,
    cross_format_offset_errors,
    mean_over,
    procrustes_errors,
    relation_errors,
    root_aligned,
    root_aligned_errors,
)
from .test_set import TestSet

#: CPS of the WACV 2023 tables: a pose is right where its worst joint is nearer than this.
CPS_THRESHOLD_MM = 200.0
#: What is measured per (domain, format) cell.
CELL_MEASURES = ("mpjpe", "pmpjpe", "cps")

#: What is said of every score of `score(...)["summary"]`; `{}` stands for which formats.
_OVER_FORMATS = {
    "mpjpe": "MPJPE, {}",
    "pmpjpe": "PMPJPE, {}",
    "cps": "CPS, {}",
    "absolute": "Absolute error, {}",
}
_WHICH = {"labelled": "labelled", "unlabelled": "unlabelled", "unseen": "unseen look"}
#: Names of the scores, in the order of tables. CPS is a share, all others are in mm.
SCORES = {
    **{
        f"{measure}_{which}": text.format(words)
        for measure, text in _OVER_FORMATS.items()
        for which, words in _WHICH.items()
        if measure != "absolute"
    },
    "inconsistency": "Inconsistency",
    "inconsistency_unseen": "Inconsistency, unseen look",
    "offset_error": "Cross-format offset error",
    "offset_error_unseen": "Cross-format offset error, unseen look",
    "aligned": "Unlabelled, aligned on the labelled format",
    "aligned_depth": "… of which depth",
    "aligned_image_plane": "… of which image plane",
    **{f"absolute_{which}": _OVER_FORMATS["absolute"].format(w) for which, w in _WHICH.items()},
}


def score(predicted: np.ndarray, test: TestSet, relation: np.ndarray | None) -> dict:
    """Scores predictions on the test pictures.

    * MPJPE: each format aligned at its own hip midpoint; PMPJPE: after the best similarity; CPS:
      share of poses whose worst joint is within 200 mm at the hip midpoint.
    * inconsistency: distance between a joint and its affine combination of the others; offset
      error: of the vectors between same-named joints of two formats. Absolute poses, all joints.
    * aligned: unlabelled joints, after the picture's labelled format was moved to its true hip
      midpoint, with the mean absolute depth part and the mean image-plane part.

    `labelled`, `unlabelled` and those without a word are over pictures of trained domains,
    `unseen` over all formats of the look that was never trained on.

    Args:
      predicted: (N, J, 3) mm, frame of the crop's camera.
      relation: (J, J) rows that sum to 1, fitted on TRUE poses; None leaves inconsistency out.

    Returns:
      `summary`: name of `SCORES` -> number, NaN where nothing was measured; `cells`: domain ->
      format -> `CELL_MEASURES`, number of images and whether it is labelled; `per_image`: name ->
      (N,) and `cell_mpjpe`, ... -> (N, F), for `compare`; not to be written.

    Raises:
      UserError: predictions do not fit the test set.
    """
    predicted = np.asarray(predicted)
    if predicted.shape != test.joints3d.shape:
        raise UserError(
            f"predictions must be {len(test)} poses of {len(test.registry)} joints, shape "
            f"{test.joints3d.shape}. Received shape {predicted.shape}"
        )
    cells = _cell_values(predicted, test)
    per_image = {}
    for measure in (*CELL_MEASURES, "absolute"):
        values = cells[measure]
        unlabelled = ~test.is_labelled & ~test.is_unseen[:, None]
        per_image[f"{measure}_labelled"] = _over(values, test.is_labelled)
        per_image[f"{measure}_unlabelled"] = _over(values, unlabelled)
        per_image[f"{measure}_unseen"] = _over(values, test.is_unseen[:, None])
    per_image |= _agreement(predicted, test, relation) | _after_labelled_alignment(predicted, test)
    summary = {name: float(mean_over(per_image[name])) for name in SCORES}
    per_image |= {f"cell_{measure}": cells[measure] for measure in CELL_MEASURES}
    return {"summary": summary, "cells": _cell_table(cells, test), "per_image": per_image}


def _cell_values(predicted: np.ndarray, test: TestSet) -> dict[str, np.ndarray]:
    """Measure -> (N, F) means over the joints of each format."""
    columns = {measure: [] for measure in (*CELL_MEASURES, "absolute")}
    for name in test.formats:
        joints = test.registry.indices(name)
        hips = [int(np.flatnonzero(joints == hip)[0]) for hip in test.hips[name]]
        poses = predicted[:, joints], test.true[:, joints]
        errors = root_aligned_errors(*poses, root=hips)
        columns["mpjpe"].append(mean_over(errors, axis=-1))
        columns["pmpjpe"].append(mean_over(procrustes_errors(*poses), axis=-1))
        columns["cps"].append(cps(errors, CPS_THRESHOLD_MM, axis=()))
        columns["absolute"].append(mean_over(absolute_errors(*poses), axis=-1))
    return {measure: np.stack(values, axis=1) for measure, values in columns.items()}


def _over(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(N,) means of values (N, F) over the formats that count, NaN where none does."""
    return mean_over(np.where(counts, values, np.nan), axis=-1)


def _agreement(predicted, test: TestSet, relation) -> dict[str, np.ndarray]:
    """Per picture, how well the formats agree: inconsistency and offset error."""
    offsets = cross_format_offset_errors(predicted, test.true, test.same_named)
    values = {"offset_error": mean_over(offsets, axis=-1)}
    values["inconsistency"] = np.full(len(test), np.nan)
    if relation is not None:
        values["inconsistency"] = mean_over(relation_errors(predicted, predicted, relation), -1)
    result = {}
    for name, numbers in values.items():
        result[name] = np.where(test.is_unseen, np.nan, numbers)
        result[f"{name}_unseen"] = np.where(test.is_unseen, numbers, np.nan)
    return result


def _after_labelled_alignment(predicted, test: TestSet) -> dict[str, np.ndarray]:
    """Per picture, errors of the unlabelled formats in the frame of the labelled one."""
    names = ("aligned", "aligned_depth", "aligned_image_plane")
    result = {name: np.full(len(test), np.nan) for name in names}
    for labelled in set(test.labelled.values()):
        rows = np.flatnonzero(test.is_labelled[:, test.formats.index(labelled)])
        true = test.true[rows]
        moved = root_aligned(predicted[rows], true, root=test.hips[labelled])
        for name, axes in zip(names, (slice(3), slice(2, 3), slice(2)), strict=True):
            errors = absolute_errors(moved[..., axes], true[..., axes])
            formats = [
                mean_over(errors[:, test.registry.indices(other)], axis=-1)
                for other in test.formats
                if other != labelled
            ]
            if formats:
                result[name][rows] = mean_over(np.stack(formats, axis=-1), axis=-1)
    return result


def _cell_table(cells: dict[str, np.ndarray], test: TestSet) -> dict:
    table = {}
    for domain in test.domain_names:
        rows = test.domains == domain
        table[domain] = {
            name: {
                **{measure: float(mean_over(cells[measure][rows, f])) for measure in CELL_MEASURES},
                "images": int((~np.isnan(cells["mpjpe"][rows, f])).sum()),
                "is_labelled": test.labelled.get(domain) == name,
            }
            for f, name in enumerate(test.formats)
        }
    return table
