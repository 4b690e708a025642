"""Which joints of all formats stand for a joint that is labelled in 2D only.

2D datasets annotate "the left elbow", not one format's. The prediction compared with such a label
is the average of the projections of that body part's joints in all formats.
"""

from __future__ import annotations

import numpy as np

from skeleton_defs import JointRegistry, UserError

#: Body part -> beginning of joint names in the published rule. The 17 parts of 2D labels.
BODY_PARTS = {
    "nose": "nose",
    **{
        f"{side}_{part}": f"{side[0]}{short}"
        for part, short in (
            ("eye", "eye"), ("ear", "ear"), ("shoulder", "sho"), ("elbow", "elb"), ("wrist", "wri"),
            ("hip", "hip"), ("knee", "kne"), ("ankle", "ank"),
        )
        for side in ("left", "right")
    },
}  # fmt: skip


def body_part_averages(registry: JointRegistry, *, rule: str = "group") -> np.ndarray:
    """Returns the averages that are compared with 2D labels, `(J, J)` float64.

    Row j belongs to a label of channel j. It averages all channels of j's body part, or is zero
    where j is none of `BODY_PARTS` (pelvis, neck, head, markers: formats mean different points).

    Args:
      registry: the union of formats.
      rule: `"group"`: a channel is of the body part that the skeleton files state as its group.
        `"prefix"`, published: also if one of its names begins with the part's short name, which
        takes markers for joints (`lelbm`, `lwripinkieside`, `lhipb`).

    Raises:
      UserError: another rule.
    """
    if rule not in ("group", "prefix"):
        raise UserError(f"rule must be group or prefix. Received {rule!r}")
    find = _stated_parts if rule == "group" else _named_parts
    members = np.zeros((len(BODY_PARTS), len(registry)))
    for skeleton in registry.skeletons:
        for channel, joint in zip(registry.indices(skeleton), skeleton.joints, strict=True):
            for part in find(skeleton, joint):
                members[part, channel] = 1
    # A channel in two parts (no real format has one) counts as the first.
    part_of = np.where(members.any(axis=0), members.argmax(axis=0), -1)
    averages = members / np.maximum(members.sum(axis=1, keepdims=True), 1)
    return np.where(part_of[:, None] >= 0, averages[part_of], 0.0)


def _stated_parts(skeleton, joint: str) -> list[int]:
    parts = list(BODY_PARTS)
    group = skeleton.group.get(joint)
    return [parts.index(group)] if group in BODY_PARTS else []


def _named_parts(skeleton, joint: str) -> list[int]:
    names = (joint, *skeleton.aliases.get(joint, ()))
    short = enumerate(BODY_PARTS.values())
    begun = [i for i, start in short if any(name.startswith(start) for name in names)]
    return _stated_parts(skeleton, joint) or begun
