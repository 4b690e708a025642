import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import skeleton_defs
from skelbridge.evaluation import head_sizes, mpii_pckh, oks
from skelbridge.evaluation.keypoints_2d import MPII_COLUMNS
from skeleton_defs import UserError

#: reference/eval_2d.md, section 1.5.
BASE = np.array([
    (50, 10), (54, 6), (46, 6), (58, 8), (42, 8), (66, 30), (34, 30), (74, 55), (26, 55),
    (78, 80), (22, 80), (60, 85), (40, 85), (62, 120), (38, 120), (64, 155), (36, 155),
], dtype=float)  # fmt: skip
COCO_SIGMAS = skeleton_defs.get("coco_17").oks_sigmas


def test_oks_of_the_reference():
    true = np.stack([np.add(BASE, (100, 100)), np.add(BASE, (300, 100)), np.add(BASE, (200, 50))])
    predicted = true + np.array([(2.0, 0), (10, 0), (0, 5)])[:, None]
    true[2, 11:] = np.nan
    areas = np.array([6000.0, 12000, 6000])
    found = oks(predicted, true, area=areas, sigmas=COCO_SIGMAS)
    np.testing.assert_allclose(found, [0.961423, 0.683687, 0.730416], atol=1e-6)
    found = oks(predicted, true, area=areas, sigmas=[0.05] * 17)
    np.testing.assert_allclose(found, [0.967216, 0.659241, 0.811936], atol=1e-6)
    options = {"area": 6000.0, "sigmas": COCO_SIGMAS}
    masked = oks(predicted[2], BASE + np.array([200, 50]), mask=np.arange(17) < 11, **options)
    assert masked == pytest.approx(0.730416, abs=1e-6)
    assert oks(true[0], true[1], area=6000.0, sigmas=COCO_SIGMAS) == pytest.approx(0, abs=1e-12)


def test_oks_is_that_of_pycocotools(capsys):
    rng = np.random.default_rng(0)
    true = rng.uniform(0, 200, size=(17, 2))
    predicted = true + rng.normal(size=(17, 2)) * 8
    labelled = rng.random(17) < 0.7
    person = np.column_stack([np.where(labelled[:, None], true, 0), 2 * labelled])
    truth, results = COCO(), COCO()
    for coco, points in ((truth, person), (results, np.column_stack([predicted, np.ones(17)]))):
        coco.dataset = {
            "images": [{"id": 1}],
            "categories": [{"id": 1}],
            "annotations": [{
                "id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 5000.0,
                "score": 1.0, "num_keypoints": int(labelled.sum()), "bbox": [0, 0, 200, 200],
                "keypoints": points.ravel().tolist(),
            }],
        }  # fmt: skip
        coco.createIndex()
    evaluation = COCOeval(truth, results, "keypoints")
    evaluation.params.maxDets = [20]
    evaluation._prepare()
    expected = evaluation.computeOks(1, 1)[0, 0]
    capsys.readouterr()
    wanted = np.where(labelled[:, None], true, np.nan)
    assert oks(predicted, wanted, area=5000.0, sigmas=COCO_SIGMAS) == pytest.approx(expected)


def test_oks_of_what_is_missing():
    predicted = BASE.copy()
    predicted[3] = np.nan
    assert oks(predicted, BASE, area=6000.0, sigmas=COCO_SIGMAS) == pytest.approx(16 / 17)
    nothing = np.full((17, 2), np.nan)
    assert np.isnan(oks(BASE, nothing, area=6000.0, sigmas=COCO_SIGMAS))
    assert oks(BASE, BASE, area=0.0, sigmas=COCO_SIGMAS) == 1
    assert oks(BASE + 1, BASE, area=0.0, sigmas=COCO_SIGMAS) == 0
    with pytest.raises(UserError, match="17 sigmas"):
        oks(BASE, BASE, area=6000.0, sigmas=[0.1])
    with pytest.raises(UserError, match="areas of shape"):
        oks(BASE, BASE, area=np.ones(2), sigmas=COCO_SIGMAS)


def test_head_sizes_of_the_reference():
    # datasets/mpii.md's example: 38.4; eval_2d.md, section 2.3: 19.209373.
    np.testing.assert_allclose(
        head_sizes([[180, 40, 40, 50], [40, 0, 20, 25]]), [38.418745, 19.209373], atol=1e-6
    )
    with pytest.raises(UserError, match="head boxes must have shape"):
        head_sizes([40, 50])


def test_pckh_by_hand():
    """Head size 0.6 * hypot(30, 40) = 30 px: up to 15 px off is right."""
    boxes = np.tile([0, 0, 30, 40], (2, 1))
    true = np.random.default_rng(1).uniform(0, 500, size=(2, 16, 2))
    predicted = true.copy()
    predicted[0, 0, 0] = true[0, 0, 0] + 15.001  # right ankle wrong
    predicted[0, 5, 1] = true[0, 5, 1] - 14.999  # left ankle right
    predicted[1, 11] = np.nan  # right elbow not predicted: wrong
    predicted[:, [6, 7]] += 100  # pelvis and thorax do not count
    true[1, 9] = np.nan  # head top not labelled
    scores = mpii_pckh(predicted, true, boxes)
    assert scores == pytest.approx({
        "head": 1, "shoulder": 1, "elbow": 0.75, "wrist": 1, "hip": 1, "knee": 1, "ankle": 0.75,
        "mean": 25 / 27,
    })  # fmt: skip
    # A column's mean is over left and right, whatever their numbers of labels.
    true[0, 5] = np.nan
    assert mpii_pckh(predicted, true, boxes)["ankle"] == pytest.approx((0.5 + 1) / 2)
    assert mpii_pckh(predicted, true, boxes)["mean"] == pytest.approx(24 / 26)
    exact = np.zeros((1, 16, 2))
    assert mpii_pckh(np.add(exact, [15, 0]), exact, boxes[:1])["mean"] == 1
    assert mpii_pckh(np.add(exact, [15, 0]), exact, boxes[:1], threshold=0.1)["mean"] == 0
    masked = mpii_pckh(exact, exact, boxes[:1], mask=np.arange(16) == 9)
    assert masked["head"] == masked["mean"] == 1 and np.isnan(masked["ankle"])


def test_pckh_names_its_joints_as_the_registry_does():
    joints = skeleton_defs.get("mpii_16").joints
    for column, members in MPII_COLUMNS.items():
        assert all(column in joints[joint] for joint in members)
    counted = {joint for members in MPII_COLUMNS.values() for joint in members}
    assert {joints[j] for j in set(range(16)) - counted} == {"pelvis", "thorax", "upper_neck"}


@pytest.mark.parametrize(
    "joints, boxes, fragment",
    [
        (17, np.ones((2, 4)), r"shape \(N, 16, 2\)"),
        (16, np.ones((3, 4)), r"\(3,\) boxes"),
        (16, np.zeros((2, 4)), "must have an extent"),
    ],
)
def test_wrong_people_are_told(joints, boxes, fragment):
    people = np.zeros((2, joints, 2))
    with pytest.raises(UserError, match=fragment):
        mpii_pckh(people, people, boxes)
