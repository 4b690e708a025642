"""Impossible bones: the published rule by hand, and sums that add up."""

import numpy as np
import pytest

import skeleton_defs
from skelbridge.store.plausibility import BoneSums, bone_lengths, plausible


def test_the_rule_by_hand():
    mean = np.array([100.0, 400.0, 1000.0, np.nan])
    rows = np.array(
        [
            [100, 400, 1000, 5],
            [9, 400, 1000, 5],  # A tenth, but not 150 mm off.
            [100, 39, 1000, 5],  # A tenth, and 361 mm off.
            [301, 400, 1000, 5],  # Three times, and 201 mm off.
            [299, 400, 1000, 5],  # Not three times.
            [100, 400, 2999, 5],
            [100, 400, 3001, 5],
            [np.nan, 400, np.nan, np.nan],
        ]
    )
    expected = [True, True, False, False, True, True, False, True]
    assert plausible(rows, mean).tolist() == expected


def test_bones_with_a_missing_or_doubted_end_do_not_count():
    joints = np.random.default_rng(0).uniform(0, 1000, (3, 16, 3))
    validity = np.ones((3, 16), bool)
    joints[0, 2] = np.nan
    validity[0, 2] = validity[1, 0] = False
    lengths = bone_lengths("mpii_16", joints, validity)
    edges = skeleton_defs.get("mpii_16").edges
    for i, (a, b) in enumerate(edges):
        assert np.isnan(lengths[0, i]) == (2 in (a, b))
        assert np.isnan(lengths[1, i]) == (0 in (a, b))
        assert lengths[2, i] == pytest.approx(np.linalg.norm(joints[2, a] - joints[2, b]))


def test_sums_of_parts_give_the_mean_of_all():
    joints = np.random.default_rng(1).uniform(0, 1000, (20, 16, 3))
    validity = np.random.default_rng(2).random((20, 16)) < 0.7
    whole = BoneSums.of("mpii_16", joints, validity).mean
    parts = [
        BoneSums.from_json(BoneSums.of("mpii_16", joints[rows], validity[rows]).to_json())
        for rows in (slice(0, 7), slice(7, 20))
    ]
    np.testing.assert_allclose((parts[0] + parts[1]).mean, whole)
    none = BoneSums.of("mpii_16", joints, np.zeros_like(validity))
    assert np.isnan(none.mean).all()
