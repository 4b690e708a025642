"""Scores of predictions whose errors are known."""

import dataclasses

import numpy as np
import pytest

from skelbridge.evaluation import multi_format_scores
from skelbridge.reproduction import CELL_MEASURES, SCORES, score
from skeleton_defs import UserError

from .conftest import FORMATS, LABELLED, mean_relation, with_error

#: mm that each format as a whole is moved by.
MOVES = {
    "smpl_24": (0.0, 0.0, 0.0),
    "h36m_17": (30.0, 40.0, 0.0),
    "coco_17": (0.0, 0.0, -200.0),
    "mpi_inf_3dhp_17": (0.0, 60.0, 80.0),
}


def moved(test) -> np.ndarray:
    poses = test.true.copy()
    for name, move in MOVES.items():
        poses[:, test.registry.indices(name)] += move
    return poses


def test_truth_is_perfect(test):
    found = score(test.true, test, None)
    for name in SCORES:
        wanted = 1.0 if name.startswith("cps") else 0.0
        if name.startswith("inconsistency"):
            assert np.isnan(found["summary"][name])
        else:
            assert found["summary"][name] == pytest.approx(wanted, abs=1e-6), name
    assert {cell["images"] for row in found["cells"].values() for cell in row.values()} == {6}
    is_labelled = {d: [f for f, c in row.items() if c["is_labelled"]]
                   for d, row in found["cells"].items()}  # fmt: skip
    assert is_labelled == {**{d: [f] for d, f in LABELLED.items()}, "synth_unseen": []}


def test_formats_moved_as_a_whole(test):
    """Alignment forgives the moves; the offset error and the absolute error see them."""
    found = score(moved(test), test, None)["summary"]
    for name in ("mpjpe_labelled", "mpjpe_unlabelled", "mpjpe_unseen", "pmpjpe_unlabelled"):
        assert found[name] == pytest.approx(0, abs=1e-6)
    vectors = {name: np.array(move) for name, move in MOVES.items()}
    lengths = {name: np.linalg.norm(vector) for name, vector in vectors.items()}
    assert found["absolute_labelled"] == pytest.approx(np.mean(list(lengths.values())))
    assert found["absolute_unseen"] == pytest.approx((0 + 50 + 200 + 100) / 4)
    assert found["absolute_unlabelled"] == pytest.approx((0 + 50 + 200 + 100) / 4)

    between = [
        [vectors[other] - vectors[labelled] for other in FORMATS if other != labelled]
        for labelled in FORMATS
    ]
    wanted = np.mean(np.linalg.norm(between, axis=-1))
    assert found["aligned"] == pytest.approx(wanted)
    assert found["aligned_depth"] == pytest.approx(np.mean(np.abs(between)[..., 2]))
    plane = np.linalg.norm(np.array(between)[..., :2], axis=-1)
    assert found["aligned_image_plane"] == pytest.approx(plane.mean())

    format_of = {int(j): name for name in FORMATS for j in test.registry.indices(name)}
    offsets = [
        np.linalg.norm(vectors[format_of[b]] - vectors[format_of[a]])
        for a, b in test.same_named.tolist()
    ]
    assert found["offset_error"] == pytest.approx(np.mean(offsets))
    assert found["offset_error_unseen"] == pytest.approx(np.mean(offsets))


@pytest.mark.parametrize("distance, cps", [(199.9, 1.0), (200.1, 0.0)])
def test_one_wrong_joint(test, distance, cps):
    """A joint that is no hip, of one format, in every picture."""
    poses = test.true.copy()
    head = test.registry.indices("coco_17")[0]
    poses[:, head] += [0, 0, distance]
    found = score(poses, test, None)
    cell = found["cells"]["synth_a"]["coco_17"]
    assert cell["mpjpe"] == pytest.approx(distance / 17)
    assert cell["cps"] == cps
    assert found["cells"]["synth_a"]["smpl_24"]["mpjpe"] == pytest.approx(0, abs=1e-9)
    summary = found["summary"]
    assert summary["mpjpe_labelled"] == pytest.approx(distance / 17 / 4)  # synth_c only
    assert summary["mpjpe_unlabelled"] == pytest.approx(distance / 17 / 3 * 3 / 4)
    assert summary["mpjpe_unseen"] == pytest.approx(distance / 17 / 4)
    assert summary["cps_unseen"] == pytest.approx((3 + cps) / 4)


def test_scaled_people(test):
    """Procrustes forgives size, MPJPE does not."""
    poses = 1.1 * test.true
    found = score(poses, test, None)["summary"]
    assert found["pmpjpe_unlabelled"] == pytest.approx(0, abs=1e-6)
    distances = []
    for name in FORMATS:
        true = test.true[test.is_unseen][:, test.registry.indices(name)]
        middle = test.true[test.is_unseen][:, test.hips[name]].mean(axis=1, keepdims=True)
        distances.append(np.linalg.norm(0.1 * (true - middle), axis=-1).mean())
    assert found["mpjpe_unseen"] == pytest.approx(np.mean(distances))


def test_inconsistency_is_the_distance_from_the_relation(test):
    poses = with_error(test, 1.0)
    found = score(poses, test, mean_relation(test))
    distances = np.linalg.norm(poses - poses.mean(axis=1, keepdims=True), axis=-1).mean(axis=1)
    assert found["summary"]["inconsistency"] == pytest.approx(distances[~test.is_unseen].mean())
    unseen = distances[test.is_unseen].mean()
    assert found["summary"]["inconsistency_unseen"] == pytest.approx(unseen)


def test_cells_agree_with_the_papers_protocol(test):
    """Every cell equals the pooled scores of `multi_format_scores`."""
    poses = with_error(test, 1.0) + np.array([5, 0, 0])
    cells = score(poses, test, None)["cells"]
    for domain in test.domain_names:
        for name in FORMATS:
            joints = test.registry.indices(name)
            root = [joints.tolist().index(hip) for hip in test.hips[name]]
            rows = test.domains == domain
            wanted = multi_format_scores(
                poses[rows][:, joints], test.true[rows][:, joints], root=root
            )
            found = [cells[domain][name][measure] for measure in CELL_MEASURES]
            assert found == pytest.approx([wanted.mpjpe, wanted.pmpjpe, wanted.cps200])


def test_joints_without_truth_do_not_count(test):
    mask = test.mask.copy()
    head = test.registry.indices("coco_17")[0]
    mask[:, head] = False
    poses = test.true.copy()
    poses[:, head] += 5000
    found = score(poses, dataclasses.replace(test, mask=mask), None)["summary"]
    assert found["mpjpe_unlabelled"] == pytest.approx(0, abs=1e-9)
    assert found["offset_error"] == pytest.approx(0, abs=1e-9)


def test_per_image_values_make_the_summary(test):
    found = score(with_error(test, 0.7), test, mean_relation(test))
    for name, value in found["summary"].items():
        assert np.nanmean(found["per_image"][name]) == pytest.approx(value)
    assert np.isnan(found["per_image"]["mpjpe_unseen"]).sum() == 24


def test_predictions_that_do_not_fit_are_told(test):
    with pytest.raises(UserError, match="30 poses of 75 joints"):
        score(test.true[:5], test, None)
    with pytest.raises(UserError, match="sum to 1"):
        score(test.true, test, np.eye(75) * 2)
