import subprocess
import sys

import numpy as np
import pytest

import skeleton_defs
from skelbridge import AffineMap, UserError
from skelbridge.atlas import AtlasOptions, Moments
from skelbridge.atlas import moments as moments_module
from skelbridge.atlas.by_atlas import AtlasPair, map_by_atlas
from skelbridge.conversion.by_name import map_by_name

NAMES = ("smpl_24", "h36m_17", "coco_17", "openpose_25", "mpii_16", "coco_wholebody_133")


def built(source, target, moments, *, observed=None, **options):
    return map_by_atlas(
        skeleton_defs.get(source),
        skeleton_defs.get(target),
        observed=observed,
        options=AtlasOptions(**options),
        moments=moments,
    )


def row_of(affine_map, joint):
    return affine_map.target.joints.index(joint)


def test_copied_joints_stay_copied_and_the_rest_is_combined(shipped):
    affine_map = built("coco", "openpose", shipped)
    by_joint = dict(zip(affine_map.target.joints, affine_map.status, strict=True))
    assert by_joint["nose"] == by_joint["mid_hip"] == "copied"
    # The neck is only nearly the midpoint of the shoulders, by its definition 9 mm off.
    assert by_joint["neck"] == "combined"
    assert by_joint["left_big_toe"] == "unavailable"
    hip = row_of(affine_map, "mid_hip")
    assert affine_map.expected_error_mm[hip] == affine_map.placement_error_mm[hip] == 0
    assert np.count_nonzero(affine_map.weights[hip]) == 2
    assert affine_map.method == "atlas"


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("target", NAMES)
def test_copied_exactly_where_names_copy(shipped, source, target):
    learned = built(source, target, shipped)
    named = map_by_name(skeleton_defs.get(source), skeleton_defs.get(target))
    same = [status == "copied" for status in named.status]
    assert same == [status == "copied" for status in learned.status]
    np.testing.assert_array_equal(learned.weights[same], named.weights[same])
    assert "named" not in learned.status
    np.testing.assert_allclose(np.nansum(learned.weights, axis=1)[
        [s != "unavailable" for s in learned.status]], 1, atol=1e-9)  # fmt: skip


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("source", NAMES[:5])
@pytest.mark.parametrize("target", NAMES)
def test_maps_mirror_exactly(shipped, source, target, sparse):
    affine_map = built(source, target, shipped, sparse=sparse)
    mirrored = affine_map.flip()
    np.testing.assert_array_equal(mirrored.weights, affine_map.weights)
    assert mirrored.status == affine_map.status
    np.testing.assert_allclose(mirrored.expected_error_mm, affine_map.expected_error_mm, rtol=1e-9)


def test_one_step_is_better_than_two(body):
    direct = built("smpl", "h36m", body.moments, max_error_mm=1000)
    chained = built("smpl", "coco", body.moments, max_error_mm=1000).compose(
        built("coco", "h36m", body.moments, max_error_mm=1000)
    )
    truth = body.of("h36m")
    errors = [
        np.linalg.norm(m.apply(body.of("smpl")) - truth, axis=-1).mean() for m in (direct, chained)
    ]
    assert errors[0] < 0.8 * errors[1]


@pytest.mark.parametrize(("source", "target"), [("smpl", "h36m"), ("openpose", "smpl")])
def test_statistical_errors_are_those_of_the_poses(body, source, target):
    affine_map = built(source, target, body.moments, max_error_mm=1000)
    real = np.linalg.norm(affine_map.apply(body.of(source)) - body.of(target), axis=-1).mean(axis=0)
    ratio = real / affine_map.statistical_error_mm
    assert ratio.min() > 0.85
    assert ratio.max() < 1.2
    np.testing.assert_allclose(
        affine_map.expected_error_mm,
        np.hypot(affine_map.statistical_error_mm, affine_map.placement_error_mm),
    )


def test_max_error_decides_what_is_unavailable(shipped):
    loose = built("coco", "smpl", shipped, max_error_mm=1000)
    assert set(loose.status) == {"combined"}
    strict = built("coco", "smpl", shipped, max_error_mm=40)
    lost = loose.expected_error_mm > 40
    assert 3 < lost.sum() < 20
    np.testing.assert_array_equal([s == "unavailable" for s in strict.status], lost)
    assert np.isnan(strict.weights[lost]).all() and np.isnan(strict.expected_error_mm[lost]).all()
    np.testing.assert_array_equal(strict.weights[~lost], loose.weights[~lost])
    foot = row_of(strict, "left_foot")
    note = strict.notes[foot]
    assert f"would be off by {loose.expected_error_mm[foot]:.0f} mm" in note
    assert "nothing in the source tells how it moves" in note and "left_ankle" in note


def test_noise_shrinks_weights(shipped):
    sizes = [
        np.abs(built("coco", "h36m", shipped, noise_mm=noise).weights).sum()
        for noise in (1, 8, 30, 100)
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_observed_joints_are_solved_anew_not_struck_out(shipped):
    everything = skeleton_defs.get("smpl").joints
    seen = [j for j in everything if j not in ("left_knee", "head")]
    affine_map = built("smpl", "h36m", shipped, observed=seen)
    missing = [everything.index(j) for j in ("left_knee", "head")]
    assert (np.nan_to_num(affine_map.weights[:, missing]) == 0).all()
    knee = row_of(affine_map, "left_knee")
    full = built("smpl", "h36m", shipped)
    assert affine_map.status[knee] == "unavailable"
    assert affine_map.status[row_of(affine_map, "left_hip")] == "combined"
    others = [row_of(affine_map, j) for j in ("right_knee", "left_wrist", "pelvis")]
    assert (affine_map.expected_error_mm[others] >= full.expected_error_mm[others] - 0.1).all()


def test_a_copied_joint_without_its_source_is_combined(shipped):
    smpl = skeleton_defs.get("smpl")
    seen = [j for j in smpl.joints if j not in ("left_collar", "left_foot")]
    affine_map = built("smpl", "surreal", shipped, observed=seen)
    collar, foot = (smpl.joints.index(j) for j in ("left_collar", "left_foot"))
    assert affine_map.status[collar] == "combined"
    assert affine_map.status[foot] == "unavailable"
    assert affine_map.status.count("copied") == 22
    # The same place on the body: half of the evidence is about where it lies.
    assert affine_map.placement_error_mm[collar] > 0


def test_exact_definitions_come_before_the_atlas(shipped):
    h36m = skeleton_defs.get("h36m")
    seen = [j for j in h36m.joints if j != "pelvis"]
    affine_map = built("h36m", "h36m", shipped, observed=seen)
    row = affine_map.weights[0]
    assert affine_map.status[0] == "copied"
    assert {h36m.joints[i]: row[i] for i in np.flatnonzero(row)} == {
        "right_hip": 0.5,
        "left_hip": 0.5,
    }


def test_nothing_observed_is_nothing_known(shipped):
    affine_map = built("smpl", "h36m", shipped, observed=[])
    assert set(affine_map.status) == {"unavailable"}


def test_joints_without_a_place_fall_back_to_names(shipped):
    stick = skeleton_defs.Skeleton.from_dict(
        {"name": "stick", "joints": ["top", "mid", "odd"],
         "canonical": {"mid": "pelvis_smpl", "top": "head_smpl"}}
    )  # fmt: skip
    affine_map = map_by_atlas(skeleton_defs.get("smpl"), stick, moments=shipped)
    assert affine_map.status == ("named", "named", "unavailable")
    assert affine_map.weights[1, 0] == 1
    assert "no place in the atlas" in map_by_atlas(
        skeleton_defs.get("smpl"), with_placed(stick), moments=shipped
    ).notes[0]  # fmt: skip
    back = map_by_atlas(stick, skeleton_defs.get("smpl"), moments=shipped)
    assert back.status[0] == "named"
    assert back.status.count("unavailable") > 20


def with_placed(stick):
    """The same skeleton with a joint that the atlas has, so that something is solved."""
    return skeleton_defs.Skeleton.from_dict(
        stick.to_dict() | {"joints": [*stick.joints, "nose"], "points": {"nose": "coco:nose"},
                           "n_joints": 4}
    )  # fmt: skip


def test_a_source_joint_without_a_place_is_not_used(shipped):
    keep = [i for i, point in enumerate(shipped.points) if point != "smpl:left_knee"]
    fewer = Moments(
        tuple(shipped.points[i] for i in keep),
        shipped.factor[keep],
        shipped.residual[keep],
        shipped.sigma_mm[keep],
        None,
        shipped.provenance,
    )
    affine_map = built("smpl", "h36m", fewer)
    knee = affine_map.source.joints.index("left_knee")
    assert (np.nan_to_num(affine_map.weights[:, knee]) == 0).all()
    assert affine_map.status[row_of(affine_map, "left_hip")] == "combined"
    # One side only has a place, so left and right cannot be made equal; the map is valid still.
    assert affine_map.status[row_of(affine_map, "right_knee")] == "combined"


def test_large_weights_are_reported(body):
    # Three joints of the head alone: where the toes are is guessed with large weights.
    observed = ["nose", "left_eye", "left_ear"]
    affine_map = built(
        "coco", "h36m", body.moments, observed=observed, max_error_mm=5000, noise_mm=0
    )
    total = np.abs(affine_map.weights).sum(axis=1)
    assert total.max() > 3
    for note, size in zip(affine_map.notes, total, strict=True):
        assert (f"add up to {size:.1f}" in note) == (size > 3)


def test_between_uses_the_atlas_with_its_options(atlas_file, shipped):
    expected = built("coco", "smpl", shipped, noise_mm=20, max_error_mm=90, sparse=True)
    result = AffineMap.between("coco", "smpl", noise_mm=20, max_error_mm=90, sparse=True)
    np.testing.assert_array_equal(result.weights, expected.weights)
    named = AffineMap.between("coco", "smpl", method="names")
    assert "combined" not in named.status
    with pytest.raises(UserError, match="noise_mm: only the atlas"):
        AffineMap.between("coco", "smpl", method="names", noise_mm=3)
    with pytest.raises(UserError, match="0 to 1000"):
        AffineMap.between("coco", "smpl", noise_mm=-3)


def test_without_an_atlas_names_are_used(monkeypatch, tmp_path):
    monkeypatch.delenv("SKELBRIDGE_ATLAS", raising=False)
    monkeypatch.setattr(moments_module, "SHIPPED", tmp_path / "none.npz")
    affine_map = AffineMap.between("smpl", "h36m")
    assert affine_map.method == "names"
    assert affine_map.status.count("named") == 16
    assert np.isnan(affine_map.placement_error_mm).all()
    with pytest.raises(UserError, match="no atlas is installed"):
        AffineMap.between("smpl", "h36m", noise_mm=3)


def test_formats_of_one_family_do_not_read_the_atlas(monkeypatch, tmp_path):
    monkeypatch.setenv("SKELBRIDGE_ATLAS", str(tmp_path / "missing.npz"))
    assert set(AffineMap.between("smpl", "surreal").status) == {"copied"}
    with pytest.raises(UserError, match="missing.npz"):
        AffineMap.between("smpl", "h36m")


def test_errors_are_part_of_the_map(shipped):
    affine_map = built("coco", "smpl", shipped)
    first = affine_map.to_dict()["joints"][0]
    assert first["expected_error_mm"] == pytest.approx(
        np.hypot(first["statistical_error_mm"], first["placement_error_mm"])
    )
    restricted = affine_map.restrict(affine_map.source.joints[:3])
    assert np.isnan(restricted.statistical_error_mm).all()
    assert affine_map.unavailable == ("left_foot", "right_foot", "left_hand", "right_hand")
    assert affine_map.mean_error_mm == pytest.approx(np.nanmean(affine_map.expected_error_mm))


@pytest.mark.parametrize("sparse", [False, True])
def test_weights_for_a_pattern_are_those_of_the_map(shipped, sparse):
    source, target = skeleton_defs.get("coco"), skeleton_defs.get("openpose")
    pair = AtlasPair(source, target, options=AtlasOptions(sparse=sparse), moments=shipped)
    rng = np.random.default_rng(0)
    for _ in range(10):
        trust = (rng.random(17) < 0.7).astype(float)
        seen = [j for j, t in zip(source.joints, trust, strict=True) if t]
        expected = built("coco", "openpose", shipped, observed=seen, sparse=sparse)
        np.testing.assert_array_equal(pair.weights(trust), expected.weights)
        np.testing.assert_array_equal(pair.affine_map(trust).weights, expected.weights)


def test_converting_needs_none_of_the_heavy_libraries(atlas_file):
    code = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(name + " is blocked")
BLOCKED = {"torch", "anny", "tensorflow", "keras", "jax", "scipy", "pandas", "socket"}
sys.meta_path.insert(0, Blocked())
import numpy as np, skelbridge
poses = np.random.default_rng(0).normal(size=(10, 24, 3))
poses[3, 5] = np.nan
out = skelbridge.convert(poses, "smpl", "h36m")
assert skelbridge.AffineMap.between("smpl", "h36m").method == "atlas"
print(out.shape, BLOCKED & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "(10, 17, 3) set()", done.stderr
