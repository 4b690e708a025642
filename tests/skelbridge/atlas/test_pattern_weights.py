import numpy as np
import pytest

import skeleton_defs
from skelbridge.atlas import AtlasOptions
from skelbridge.atlas import pattern_weights as module
from skelbridge.atlas.by_atlas import AtlasPair
from skelbridge.atlas.pattern_weights import PatternWeights


def trusts(count, rng, patterns=70):
    """Random patterns: few and many missing joints, all, none, mirror images, less trust."""
    result = (rng.random((patterns, count)) > rng.choice([0.05, 0.3, 0.9], (patterns, 1))) * 1.0
    result[0], result[1] = 0, 1
    result[40:60] *= rng.choice([0.25, 0.5, 1.0], (20, count))
    return result


@pytest.mark.parametrize(
    "source, target",
    [
        ("smpl", "h36m"),
        ("coco", "smpl"),  # unavailable joints
        ("coco", "openpose_25"),  # copied joints
        ("openpose_25", "mpii"),
        ("smpl", "surreal_24"),  # copied altogether
        ("coco_wholebody", "smpl"),  # too many joints to solve together
    ],
)
def test_many_patterns_are_as_one_by_one(shipped, source, target):
    pair = AtlasPair(skeleton_defs.get(source), skeleton_defs.get(target), moments=shipped)
    patterns = trusts(len(pair.source), np.random.default_rng(1))
    found = PatternWeights(pair)(patterns)
    for trust, weights in zip(patterns, found, strict=True):
        np.testing.assert_allclose(weights, pair.weights(trust), atol=1e-9, rtol=0)


def test_one_sided_patterns_are_each_other_mirrored(shipped):
    smpl, h36m = skeleton_defs.get("smpl"), skeleton_defs.get("h36m")
    pair = AtlasPair(smpl, h36m, moments=shipped)
    left = trusts(24, np.random.default_rng(2))
    right = left[:, list(smpl.flip)]
    weights = PatternWeights(pair)
    mirrored = weights(right)[:, list(h36m.flip)][:, :, list(smpl.flip)]
    np.testing.assert_allclose(weights(left), mirrored, atol=1e-9)


@pytest.mark.parametrize("options", [{"noise_mm": 0}, {"max_error_mm": 15}, {"sparse": True}])
def test_options_count(shipped, options):
    smpl, h36m = skeleton_defs.get("smpl"), skeleton_defs.get("h36m")
    pair = AtlasPair(smpl, h36m, moments=shipped, options=AtlasOptions(**options))
    patterns = trusts(24, np.random.default_rng(3), patterns=66)[[0, 1, 2, 5, 8, 45]]
    expected = np.stack([pair.weights(trust) for trust in patterns])
    # Without noise the weights are large, and tell less.
    np.testing.assert_allclose(PatternWeights(pair)(patterns), expected, atol=1e-5)


def test_patterns_are_solved_in_parts(shipped, monkeypatch):
    smpl, h36m = skeleton_defs.get("smpl"), skeleton_defs.get("h36m")
    weights = PatternWeights(AtlasPair(smpl, h36m, moments=shipped))
    patterns = trusts(24, np.random.default_rng(4))
    whole = weights(patterns)
    monkeypatch.setattr(module, "_PATTERNS_AT_ONCE", 7)
    np.testing.assert_array_equal(weights(patterns), whole)
    assert weights(patterns[:0]).shape == (0, 17, 24)


def test_the_atlas_is_not_read_where_names_decide_all():
    class Unread:
        def __getattr__(self, name):
            raise AssertionError(name)

    pair = AtlasPair(skeleton_defs.get("smpl"), skeleton_defs.get("surreal_24"), moments=Unread())
    assert PatternWeights(pair)(np.ones((2, 24))).shape == (2, 24, 24)
