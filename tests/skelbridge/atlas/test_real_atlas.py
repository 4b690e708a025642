"""The shipped atlas: what it covers, how symmetric it is, and how it fares on real frames."""

import sys
from pathlib import Path

import numpy as np
import pytest

import skeleton_defs
from skelbridge.atlas import AtlasOptions, Moments
from skelbridge.atlas.by_atlas import AtlasPair
from skelbridge.atlas.moments import SHIPPED
from skelbridge.conversion.by_name import map_by_name

sys.path.insert(0, str(Path(__file__).parents[3] / "tools"))

from atlas_build import h36m_frames
from atlas_build.motion import HELD_OUT_TAKES
from atlas_build.ranges import RANGES

ALL = AtlasOptions(max_error_mm=1e6)
SMPL, H36M = skeleton_defs.get("smpl_24"), skeleton_defs.get("h36m_17")


@pytest.fixture(scope="module")
def atlas():
    return Moments.load(SHIPPED)


@pytest.fixture(scope="module")
def smpl_to_h36m(atlas):
    return AtlasPair(SMPL, H36M, options=ALL, moments=atlas).affine_map()


def points_of(skeleton):
    return [":".join(skeleton.point_of(joint)) for joint in skeleton.joints]


def rms_distance_mm(atlas, first, second):
    pair = atlas.indices([first, second])
    moments = atlas.covariance(pair, pair)
    return 1000 * np.sqrt(3 * (moments[0, 0] + moments[1, 1] - 2 * moments[0, 1]))


def test_the_file_is_small():
    assert SHIPPED.stat().st_size <= 1_000_000


def test_every_point_of_every_format_has_a_place_or_is_named_as_having_none(atlas):
    wanted = {
        point for name in skeleton_defs.list() for point in points_of(skeleton_defs.get(name))
    }
    placed, unplaced = set(atlas.points), set(atlas.provenance["unplaced"])
    assert placed <= wanted
    assert not placed & unplaced
    assert wanted - placed == unplaced
    assert len(unplaced) < 0.02 * len(wanted)


@pytest.mark.parametrize("name", skeleton_defs.list())
def test_the_moments_are_mirror_images_of_themselves(atlas, name):
    skeleton = skeleton_defs.get(name)
    if skeleton.flip is None or skeleton.family == "mano":
        pytest.skip("one side only")
    numbers = atlas.indices(points_of(skeleton))
    flipped = numbers[list(skeleton.flip)]
    kept = (numbers >= 0) & (flipped >= 0)
    ours = atlas.covariance(numbers[kept], numbers[kept])
    mirrored = atlas.covariance(flipped[kept], flipped[kept])
    assert np.abs(ours - mirrored).max() < 1e-9  # m^2: rounding of sums in another order


def test_the_file_says_what_it_was_made_of(atlas):
    made_of = atlas.provenance
    assert not set(made_of["takes"]) & set(HELD_OUT_TAKES)
    assert len(made_of["takes"]) >= 25
    assert not any("bandai" in take.lower() for take in made_of["takes"])
    assert "CMU" in made_of["credits"] and "MakeHuman" in made_of["credits"]
    assert not made_of["permissive_only"]
    assert made_of["versions"]["anny"].startswith("0.6")
    assert 0.9 <= made_of["calibration"] <= 1.3


def test_definitions_are_exact(atlas):
    for middle, ends in {"h36m:pelvis_h36m": "h36m:{}_hip_h36m", "coco:mid_hip": "coco:{}_hip",
                         "coco:neck_midshoulder": "coco:{}_shoulder"}.items():  # fmt: skip
        numbers = atlas.indices([middle, *(ends.format(side) for side in ("left", "right"))])
        moments = atlas.covariance(numbers, numbers)
        difference = np.array([1, -0.5, -0.5])
        # The rank that is kept leaves out some tenths of a millimetre of each point.
        assert 1000 * np.sqrt(3 * max(difference @ moments @ difference, 0)) < 2


def test_lengths_are_those_of_real_people(atlas):
    """Root mean squares over all poses and bodies, which are up to 5 % off the T-pose's means."""
    lines, outside = [], []
    for family, table in RANGES.items():
        for name, (first, second, low, high) in table.items():
            length = rms_distance_mm(atlas, f"{family}:{first}", f"{family}:{second}")
            lines.append(f"{family} {name}: {length:.0f} mm, real {low}-{high}")
            if not 0.95 * low <= length <= 1.05 * high:
                outside.append(lines[-1])
    print("\n".join(lines))
    assert not outside


def test_smpl_gives_all_of_human36m(atlas, smpl_to_h36m):
    assert smpl_to_h36m.weights.sum(axis=1) == pytest.approx(np.ones(17), abs=1e-9)
    assert smpl_to_h36m.statistical_error_mm.mean() < 12
    usual = AtlasPair(SMPL, H36M, moments=atlas).affine_map()
    assert "unavailable" not in usual.status


def test_real_frames(samples, smpl_to_h36m):
    """The frames were among what the offsets were fitted to; see the next test for those that were
    not.
    """
    frames = h36m_frames.load_frames(samples)
    joints, _ = h36m_frames.pose_smpl(frames.rotations)
    errors = h36m_frames.aligned_error_mm(smpl_to_h36m.weights @ joints, frames.joints)
    by_names = map_by_name(SMPL, H36M).weights
    given = ~np.isnan(by_names).any(axis=1)
    naive = h36m_frames.aligned_error_mm(by_names[given] @ joints, frames.joints[:, given])
    print(f"real frames: {errors.mean():.1f} mm, by names {naive.mean():.1f} over {given.sum()}, "
          f"expected {smpl_to_h36m.expected_error_mm.mean():.1f}")  # fmt: skip
    assert errors.mean() <= 25
    assert errors[:, given].mean() < 0.6 * naive.mean()
    assert 1 / 1.5 <= errors.mean() / smpl_to_h36m.expected_error_mm.mean() <= 1.5


def test_real_frames_with_offsets_that_were_not_fitted_to_them(samples):
    """Offsets alone, without the map: what is fitted to three frames holds for the fourth."""
    frames = h36m_frames.load_frames(samples)
    errors = []
    for k in range(4):
        offsets = h36m_frames.fit_offsets(frames.select([i for i in range(4) if i != k])).offsets
        joints, world = h36m_frames.pose_smpl(frames.rotations[[k]])
        placed = h36m_frames.place_h36m(joints, world, offsets)
        errors.append(h36m_frames.aligned_error_mm(placed, frames.joints[[k]]).mean())
    print("left out:", ", ".join(f"{error:.1f}" for error in errors))
    assert np.mean(errors) <= 28
