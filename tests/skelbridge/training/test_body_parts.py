"""Which channels are averaged for a 2D label."""

import numpy as np
import pytest

from skelbridge.training.body_parts import BODY_PARTS, body_part_averages
from skeleton_defs import JointRegistry, UserError

REGISTRY = JointRegistry(["smpl_24", "h36m_17", "coco_17", "bmlmovi_87", "berkeley_mhad_43"])


def members(averages, registry, skeleton, joint):
    """Joints (format's own names) that a label of a joint is compared with."""
    channel = registry.indices(skeleton)[
        registry.skeletons[_place(registry, skeleton)].index(joint)
    ]
    row = averages[channel]
    found = set()
    for other in registry.skeletons:
        for index, name in zip(registry.indices(other), other.joints, strict=True):
            if row[index]:
                assert row[index] == pytest.approx(1 / np.count_nonzero(row))
                found.add((other.name, name))
    return found


def _place(registry, skeleton):
    return [s.name for s in registry.skeletons].index(skeleton)


def test_groups_are_the_same_part_in_every_format():
    averages = body_part_averages(REGISTRY)
    found = members(averages, REGISTRY, "coco_17", "left_elbow")
    named = {(name, "left_elbow") for name in ("smpl_24", "h36m_17", "coco_17")}
    assert found == named | {("bmlmovi_87", "lelb")}
    assert members(averages, REGISTRY, "coco_17", "nose") == {("coco_17", "nose")}
    assert members(averages, REGISTRY, "smpl_24", "pelvis") == set()
    assert members(averages, REGISTRY, "bmlmovi_87", "lelbm") == set()


def test_prefix_rule_takes_markers_too():
    averages = body_part_averages(REGISTRY, rule="prefix")
    found = members(averages, REGISTRY, "coco_17", "left_elbow")
    assert {("smpl_24", "left_elbow"), ("h36m_17", "left_elbow"), ("coco_17", "left_elbow"),
            ("bmlmovi_87", "lelb"), ("bmlmovi_87", "lelbm"), ("bmlmovi_87", "lelbinner"),
            ("berkeley_mhad_43", "lelb")} == found  # fmt: skip
    hips = {name for _, name in members(averages, REGISTRY, "coco_17", "left_hip")}
    assert {"lhipb", "lhipf", "lhipl", "left_hip", "lhip"} == hips


@pytest.mark.parametrize("rule", ["group", "prefix"])
def test_rows_and_mirror(rule):
    averages = body_part_averages(REGISTRY, rule=rule)
    sums = averages.sum(axis=1)
    assert np.allclose(sums[sums > 0], 1) and (sums[REGISTRY.indices("coco_17")] > 0).all()
    flip = REGISTRY.flip
    assert np.allclose(averages[np.ix_(flip, flip)], averages)
    # Left and right never share a row.
    left = [i for i, side in enumerate(REGISTRY.sides) if side == "left"]
    right = [i for i, side in enumerate(REGISTRY.sides) if side == "right"]
    assert not averages[np.ix_(left, right)].any()


def test_unknown_rule_and_number_of_parts():
    assert len(BODY_PARTS) == 17
    with pytest.raises(UserError, match="rule must be group or prefix"):
        body_part_averages(REGISTRY, rule="name")
