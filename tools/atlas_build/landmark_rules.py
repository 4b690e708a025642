"""Where named landmarks lie on anny's mesh: geometric rules, applied once to the average body.

    PYTHONPATH=.:tools python -m atlas_build.landmark_rules    # writes landmarks.json

The result is data (`landmarks.json`): vertices and weights per landmark, with the rule in words.
Rules see the average body in the reference T-pose, in millimetres: x to the person's left, y up, z
forward. Landmarks of the left side are mirrored to the right, so that the two are exact images.
"""

from __future__ import annotations

import json

import numpy as np

from .anny_body import AnnyBody
from .average_body import BACK, DOWN, FRONT, LEFT, RIGHT, UP, AverageBody, Weights
from .face_landmark_rules import ear_and_eye_rules, ibug_rules
from .landmark_kinds import Rule, between_bones, finger_tip, furthest, ray, ray_at_height, tail
from .landmarks import LANDMARK_FILE


def midline_rules() -> list[Rule]:
    """Landmarks in the midplane of trunk and head."""
    return [
        ("head_top", "highest vertex on the midline",
         lambda body: body.extreme(UP, body.of("head") & body.midline)),
        ("head_back", "rearmost vertex of the head on the midline",
         lambda body: body.extreme(BACK, body.of("head") & body.midline)),
        ("nose_tip", "foremost vertex of the head on the midline",
         lambda body: body.extreme(FRONT, body.of("head") & body.midline)),
        ("chin_front", "foremost midline vertex 20 to 45 mm below the mouth",
         lambda body: body.extreme(FRONT, _below_mouth(body, 20, 45))),
        ("chin_bottom", "midline vertex furthest to the front and down 30 to 60 mm below the mouth",
         lambda body: body.extreme(FRONT + DOWN, _below_mouth(body, 30, 60))),
        ("c7", "skin behind the first neck bone's head",
         lambda body: body.hit(body.heads["neck01"] * (0, 1, 1), BACK)),
        ray_at_height("t8", 0.745, BACK, why="lower end of the shoulder blades"),
        ray_at_height("t10", 0.705, BACK, why="a quarter of the way from T8 to L5"),
        ray_at_height("l5", 0.585, BACK, why="just above the rear iliac spines"),
        ("suprasternal", "skin from the front 15 mm below the deepest midline point of the throat",
         _suprasternal),
        ray_at_height("xiphoid", 0.730, FRONT, why="a sternum's length, 0.09 of stature, below the "
                                                   "notch"),
        ray_at_height("navel", 0.605, FRONT, why="omphalion height of adults"),
        ray_at_height("pubis", 0.500, FRONT, why="symphysion height of adults"),
    ]  # fmt: skip


def _suprasternal(body: AverageBody) -> Weights:
    throat = body.midline & (body.vertices[:, 2] > 20) & body.of("neck01", "neck02", "spine01")
    (deepest,) = body.extreme(BACK, throat)
    return body.hit(body.vertices[deepest] * (0, 1, 0) - [0, 15, 0], FRONT)


def _below_mouth(body: AverageBody, low: float, high: float) -> np.ndarray:
    mouth = body.vertices[body.rim("mouth_cavity")][:, 1].mean()
    drop = mouth - body.vertices[:, 1]
    return body.midline & (drop > low) & (drop < high) & (body.vertices[:, 2] > 100)


def sided_rules() -> list[Rule]:
    """Landmarks of the left half of trunk and limbs."""
    rules = [
        ray("acromion", "upperarm01.L", UP, shift=(-8, 0, 0)),
        ray("shoulder_front", "upperarm01.L", FRONT), ray("shoulder_back", "upperarm01.L", BACK),
        ray_at_height("asis", 0.560, FRONT, x=0.067, why="front iliac spine"),
        ray_at_height("psis", 0.575, BACK, x=0.026, why="rear iliac spine, a little above the "
                                                        "front one"),
        ray_at_height("iliac_crest", 0.610, LEFT, why="iliocristale height of adults"),
        ray("trochanter", "upperleg01.L", LEFT, reach=200),
        ray("elbow_lateral", "lowerarm01.L", UP), ray("elbow_medial", "lowerarm01.L", DOWN),
        ray("elbow_back", "lowerarm01.L", BACK), ray("elbow_front", "lowerarm01.L", FRONT),
        ray("wrist_thumb_side", "wrist.L", FRONT), ray("wrist_little_side", "wrist.L", BACK),
        ray("wrist_back", "wrist.L", UP), ray("wrist_palm", "wrist.L", DOWN),
        ray("knee_lateral", "lowerleg01.L", LEFT), ray("knee_medial", "lowerleg01.L", RIGHT),
        ray("knee_front", "lowerleg01.L", FRONT), ray("knee_back", "lowerleg01.L", BACK),
        ray("ankle_lateral", "foot.L", LEFT), ray("ankle_medial", "foot.L", RIGHT),
        ray("ankle_front", "foot.L", FRONT),
        between_bones("upper_arm_outer", "upperarm01.L", "lowerarm01.L", 0.5, UP),
        between_bones("forearm_back", "lowerarm01.L", "wrist.L", 0.5, UP),
        between_bones("thigh_front", "upperleg01.L", "lowerleg01.L", 0.6, FRONT),
        between_bones("thigh_lateral", "upperleg01.L", "lowerleg01.L", 0.6, LEFT),
        between_bones("shank_front", "lowerleg01.L", "foot.L", 0.5, FRONT),
        between_bones("shank_lateral", "lowerleg01.L", "foot.L", 0.5, LEFT),
        between_bones("palm", "wrist.L", "finger3-1.L", 0.6, DOWN),
        between_bones("hand_back", "wrist.L", "finger3-1.L", 0.6, UP),
        ("heel", "rearmost vertex less than 60 mm above the floor",
         lambda body: body.extreme(BACK, body.of("foot.L") & (body.vertices[:, 1] < 60))),
        ("heel_sole", "lowest vertex of the foot behind the ankle",
         lambda body: body.extreme(DOWN, body.of("foot.L") & _behind_ankle(body))),
        ray("ball_dorsal", "toe2-1.L", UP), ray("ball_sole", "toe2-1.L", DOWN),
        ray("ball_medial", "toe1-1.L", RIGHT), ray("ball_lateral", "toe5-1.L", LEFT),
        furthest("big_toe_tip", FRONT, "toe1-2.L"),
        *(furthest(f"toe{k}_tip", FRONT, f"toe{k}-3.L") for k in (2, 3, 4)),
        furthest("small_toe_tip", FRONT, "toe5-3.L"),
        *(ray(f"knuckle{k}", f"finger{k}-1.L", UP) for k in range(1, 6)),
    ]  # fmt: skip
    for k, name in enumerate(("thumb", "index", "middle", "ring", "little"), start=1):
        rules.append(finger_tip(f"{name}_tip", k))
    return rules


def _behind_ankle(body: AverageBody) -> np.ndarray:
    return body.vertices[:, 2] < body.heads["foot.L"][2] - 10


def tail_rules() -> list[Rule]:
    """Ends of the left side's last finger and toe bones, and of the head: centres, not skin."""
    bones = [f"finger{k}-3.L" for k in range(1, 6)] + ["toe1-2.L"]
    return [tail(bone) for bone in bones + [f"toe{k}-3.L" for k in range(2, 6)]]


def find_landmarks(body: AverageBody) -> dict[str, dict]:
    """Apply all rules.

    Returns:
      Landmark -> `vertices` and `weights` (which sum to 1), and the `rule` in words.
    """
    found: dict[str, dict] = {}

    def keep(name: str, weights: Weights, rule: str) -> None:
        order = sorted(weights)
        total = sum(weights.values())
        found[name] = {"vertices": order, "weights": [round(weights[k] / total, 6) for k in order],
                       "rule": rule}  # fmt: skip

    for name, rule, find in midline_rules():
        keep(name, body.centred(find(body)), rule)
    for name, rule, find in [*sided_rules(), *ear_and_eye_rules()]:
        weights = find(body)
        keep(f"left_{name}", weights, rule)
        keep(f"right_{name}", body.mirrored(weights), f"mirror image of left_{name}")
    for name, rule, find in tail_rules():
        weights = find(body)
        keep(name, weights, rule)
        keep(f"{name[:-1]}R", body.mirrored(weights), f"mirror image of {name}")
    for _, right, (name, rule, find) in sorted(ibug_rules(), key=lambda entry: entry[0]):
        weights = find(body)
        keep(name, weights if right else body.centred(weights), rule)
        if right:
            keep(f"ibug_{right:02d}", body.mirrored(weights), f"mirror image of {name}")
    return found


def main() -> None:
    """Write the landmarks next to this file."""
    found = find_landmarks(AverageBody(AnnyBody()))
    lines = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in found.items()]
    LANDMARK_FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
