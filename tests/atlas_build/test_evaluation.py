"""The whole way from motion files to measured errors. Needs anny; slow."""

import pytest
from atlas_build import evaluation
from atlas_build import moments_build as build
from atlas_build.motion import load_motions
from atlas_build.placement import load_placements
from atlas_build.ranges import report_ranges

from skelbridge.atlas import Moments
from skelbridge.atlas.moments import SHIPPED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def motions(samples):
    pytest.importorskip("anny", reason="anny is needed to pose bodies")
    return load_motions(samples)


@pytest.fixture(scope="module")
def placements():
    return load_placements(build.default_placements_folder())


@pytest.fixture(scope="module")
def atlas():
    return Moments.load(SHIPPED)


@pytest.fixture(scope="module")
def unseen(motions, placements):
    return evaluation.held_out(motions, placements, seed=0)


@pytest.mark.parametrize(("source", "target", "bound", "noisy_bound"), evaluation.PAIRS)
def test_errors_on_unseen_motion(atlas, unseen, source, target, bound, noisy_bound):
    pair = evaluation.errors_of_pair(atlas, unseen, source, target)
    print(f"{source} -> {target}: {pair.mean:.1f} mm, noisy {pair.noisy:.1f}")
    assert pair.mean <= (bound or 25)
    assert pair.noisy <= (noisy_bound or 35)
    assert 0.8 <= pair.mean / pair.expected.mean() <= 1.25


def test_the_ratio_to_names(atlas, unseen):
    ratio = evaluation.report_unseen(atlas, unseen)
    assert ratio <= evaluation.MAX_RATIO_TO_NAMES


def test_real_frames_left_out(atlas, motions, samples):
    errors, expected = evaluation.report_real(
        motions, build.default_placements_folder(), samples, calibration=atlas.calibration, seed=0
    )
    assert errors["left out"].mean() <= evaluation.MAX_REAL_MM
    factor = errors["left out"].mean() / expected["left out"].mean()
    assert 1 / evaluation.MAX_FACTOR <= factor <= evaluation.MAX_FACTOR


def test_lengths_of_sampled_adults(motions, placements):
    assert report_ranges(placements, seed=0) == []


def test_building_twice_gives_the_same_bytes(motions, placements, tmp_path):
    files = []
    for name in ("first.npz", "second.npz"):
        bodies = build.sample(motions, seed=3, takes="train", n_samples=300, n_bodies=20)
        build.make_moments(build.moment_matrix(bodies, placements), placements).save(
            tmp_path / name
        )
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]
