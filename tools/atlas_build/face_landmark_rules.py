"""Where landmarks of the face, the ears and the eyes lie: rules, as in `landmark_rules`.

Eyelids and lips are exact, because the mesh marks what is inside the mouth and behind the eyelids.
The face's outline, brows and lip borders are where an annotator would see them from the front.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .average_body import BACK, DOWN, FRONT, LEFT, UP, AverageBody, Weights
from .landmark_kinds import Rule, ray

#: How far to the sides a rim's upper and lower half are compared.
_RIM_REACH_MM = 3.0


def ear_and_eye_rules() -> list[Rule]:
    """Landmarks of the left ear and eye."""

    def ear(direction: np.ndarray, text: str, name: str) -> Rule:
        return name, f"vertex of the ear furthest to {text}", lambda body: body.extreme(
            direction, body.of("head") & (body.vertices[:, 0] > 77)
            & (body.vertices[:, 1] < body.heads["eye.L"][1] + 8))  # fmt: skip

    rules = [ear(UP, "up", "ear_top"), ear(DOWN, "down", "ear_lobe"), ear(BACK, "back", "ear_back"),
             ear(LEFT, "lateral", "ear_outer"), ray("eye_front", "eye.L", FRONT),
             ray("tragion", "eye.L", LEFT, shift=(0, -18, -58)),
             ray("temple", "eye.L", LEFT, shift=(0, 5, -25)),
             ray("cheek", "eye.L", FRONT, shift=(10, -32, 0)),
             ray("jaw_angle", "eye.L", LEFT, shift=(0, -82, -58))]  # fmt: skip
    for name, share, upper in (("eye_inner_corner", 0.0, None), ("eye_outer_corner", 1.0, None),
                               ("eyelid_upper_inner", 1 / 3, True),
                               ("eyelid_upper_outer", 2 / 3, True),
                               ("eyelid_lower_inner", 1 / 3, False),
                               ("eyelid_lower_outer", 2 / 3, False)):  # fmt: skip
        rules.append(_on_rim(name, "eye_cavity.L", share, upper))
    return rules


def _on_rim(name: str, cavity: str, share: float, upper: bool | None) -> Rule:
    """Pick the vertex on a cavity's rim at a share of the way from right to left."""
    half = {None: "", True: " of its upper half", False: " of its lower half"}[upper]

    def find(body: AverageBody) -> Weights:
        rim = body.rim(cavity)
        points = body.vertices[rim]
        low, high = points[np.argmin(points[:, 0])], points[np.argmax(points[:, 0])]
        target = low + share * (high - low)
        if upper is not None:
            keep = _is_upper(points) == upper
            rim, points = rim[keep], points[keep]
        distance = np.abs(points[:, 0] - target[0])
        return {int(rim[np.argmin(distance)]): 1.0}

    return name, f"vertex{half} on the rim of {cavity} {share:.2f} of the way to the left", find


def _is_upper(points: np.ndarray) -> np.ndarray:
    """Tell the upper half of a rim from the lower one.

    Lips curve: the line between the corners of a closed mouth lies below all of it. What counts is
    the middle between the highest and the lowest vertex within some millimetres to either side.
    """
    near = np.abs(points[:, None, 0] - points[:, 0]) < _RIM_REACH_MM
    highest = np.where(near, points[:, 1], -np.inf).max(axis=1)
    lowest = np.where(near, points[:, 1], np.inf).min(axis=1)
    return points[:, 1] > (highest + lowest) / 2


#: Left half of the 68 face points of iBUG, as (number on the left, number on the right or None).
#: Jaw: angle seen from the front, about the point 46 mm below the eyes, and depth behind the eyes.
_JAW = ((17, 1, 30, -52), (16, 2, 20, -52), (15, 3, 8, -50), (14, 4, -5, -46), (13, 5, -20, -40),
        (12, 6, -36, -30), (11, 7, -52, -17), (10, 8, -72, -4), (9, None, -90, 4))  # fmt: skip
#: mm to the left of the midline and above the eyes' centres, seen from the front.
_FACE_FRONT = (
    (23, 22, 13.0, 14.0, "brow"), (24, 21, 21.0, 17.5, "brow"), (25, 20, 30.0, 19.0, "brow"),
    (26, 19, 39.0, 18.0, "brow"), (27, 18, 47.0, 13.0, "brow"),
    (28, None, 0.0, -1.0, "nose bridge"), (29, None, 0.0, -13.5, "nose bridge"),
    (30, None, 0.0, -26.0, "nose bridge"), (34, None, 0.0, -52.0, "below the nose"),
    (35, 33, 7.0, -51.0, "nostril"), (36, 32, 13.0, -48.0, "nostril"),
    (52, None, 0.0, -60.5, "upper lip's border"), (53, 51, 5.0, -59.5, "upper lip's border"),
    (54, 50, 14.0, -64.0, "upper lip's border"), (58, None, 0.0, -81.5, "lower lip's border"),
    (57, 59, 7.0, -81.0, "lower lip's border"), (56, 60, 15.0, -78.0, "lower lip's border"),
)  # fmt: skip
_FACE_RIM = (
    (43, 40, "eye_cavity.L", 0.0, None), (44, 39, "eye_cavity.L", 1 / 3, True),
    (45, 38, "eye_cavity.L", 2 / 3, True), (46, 37, "eye_cavity.L", 1.0, None),
    (47, 42, "eye_cavity.L", 2 / 3, False), (48, 41, "eye_cavity.L", 1 / 3, False),
    (55, 49, "mouth_cavity", 1.0, None), (65, 61, "mouth_cavity", 0.96, True),
    (64, 62, "mouth_cavity", 0.71, True), (63, None, "mouth_cavity", 0.5, True),
    (66, 68, "mouth_cavity", 0.71, False), (67, None, "mouth_cavity", 0.5, False),
)  # fmt: skip


def ibug_rules() -> list[tuple[int, int | None, Rule]]:
    """The 68 face points: number on the left side, its mirror image, and the rule."""
    rules = []
    for left, right, angle, depth in _JAW:
        turn = np.radians(angle)
        direction = np.array([np.cos(turn), np.sin(turn), 0.0])
        text = f"face's outline {angle} degrees above the horizontal, {-depth} mm behind the eyes"
        rules.append((left, right, (f"ibug_{left:02d}", text, _from_eyes(
            (0.0, -46.0, depth), direction, 110.0))))  # fmt: skip
    for left, right, x, above, what in _FACE_FRONT:
        text = f"{what}: skin from the front, {x:g} mm off the midline, {above:g} mm above the eyes"
        find = _from_eyes((x, above, -40.0), FRONT, 120.0)
        rules.append((left, right, (f"ibug_{left:02d}", text, find)))
    for left, right, cavity, share, upper in _FACE_RIM:
        rules.append((left, right, _on_rim(f"ibug_{left:02d}", cavity, share, upper)))
    rules.append((31, None, (
        "ibug_31", "the nose tip", lambda body: body.extreme(FRONT, body.of("head") & body.midline)
    )))  # fmt: skip
    return rules


def _from_eyes(shift, direction, reach) -> Callable[[AverageBody], Weights]:
    def find(body: AverageBody) -> Weights:
        eyes = body.heads["eye.L"] * (0, 1, 1)
        return body.hit(eyes + np.array(shift), np.asarray(direction), reach)

    return find
