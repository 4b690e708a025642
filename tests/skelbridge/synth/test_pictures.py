"""Pictures of people: joints in the silhouette, one person one body, everything by the seed."""

import cv2
import numpy as np
import pytest

import skeleton_defs
from skelbridge.atlas.low_poly import default_body
from skelbridge.synth.looks import LOOKS
from skelbridge.synth.occluders import LEAST_FREE, occlude
from skelbridge.synth.options import point_rows
from skelbridge.synth.pictures import Chances, Photographer

SIZE = 120


def photographer(look, skeleton="smpl_24", *, seed=0, split=0, **chances):
    return Photographer(
        default_body(), LOOKS[look], seed=seed, split=split, size=SIZE,
        points=np.array(point_rows(skeleton)), chances=Chances(**chances),
    )  # fmt: skip


def shots(look, skeleton="smpl_24", people=3, each=8, **options):
    made = photographer(look, skeleton, **options)
    return [
        shot
        for number in range(people)
        for shot in made.shots(made.person(number), range(each * number, each * (number + 1)))
    ]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("skeleton, least", [("smpl_24", 1.0), ("h36m_17", 0.95), ("coco_17", 0.98),
                                             ("mpi_inf_3dhp_17", 0.93)])  # fmt: skip
def test_joints_project_into_the_silhouette(look, skeleton, least):
    inside = []
    for shot in shots(look, skeleton, people=2, occluded=0.0, cut_off=0.0):
        column, row = np.round(shot.camera.project(shot.points)).astype(int).T
        inside.append(shot.silhouette[row, column])
        # Some formats put shoulders, elbows, eyes and the crown on the skin or a little above it.
        px = cv2.distanceTransform((~shot.silhouette).astype(np.uint8), cv2.DIST_L2, 5)[row, column]
        mm_per_px = shot.camera.to_camera(shot.points)[:, 2] / shot.camera.K[0, 0]
        assert (px * mm_per_px).max() < 40
    assert np.mean(inside) >= least


@pytest.mark.parametrize("look", LOOKS)
def test_what_is_seen_is_in_the_silhouette_and_in_the_box(look):
    found = shots(look, "coco_17", people=2, occluded=1.0, cut_off=0.5)
    assert 0.2 < np.mean([shot.seen for shot in found]) < 0.9
    for shot in found:
        pixels = shot.camera.project(shot.points)[shot.seen]
        column, row = np.round(pixels).astype(int).T
        assert shot.silhouette[row, column].all()
        left, top, width, height = shot.box
        assert (pixels >= (left - 1, top - 1)).all()
        assert (pixels <= (left + width + 1, top + height + 1)).all()


def test_pictures_show_something_and_are_of_the_stated_size():
    for look in LOOKS:
        for shot in shots(look, people=1, each=4):
            assert shot.picture.shape == (SIZE, SIZE, 3) and shot.picture.dtype == np.uint8
            assert shot.picture.std() > 5
            assert 0.02 < shot.silhouette.mean() < 0.6


def test_a_person_keeps_their_bones():
    edges = np.array(skeleton_defs.get("smpl_24").edges)
    for shot_group in np.array_split(np.array(shots("synth_unseen"), dtype=object), 3):
        joints = np.stack([shot.points for shot in shot_group])
        lengths = np.linalg.norm(joints[:, edges[:, 0]] - joints[:, edges[:, 1]], axis=-1)
        limbs = [k for k, (a, b) in enumerate(edges.tolist())
                 if {skeleton_defs.get("smpl_24").joints[a].split("_")[-1],
                     skeleton_defs.get("smpl_24").joints[b].split("_")[-1]}
                 in ({"elbow", "wrist"}, {"knee", "ankle"}, {"shoulder", "elbow"})]  # fmt: skip
        assert len(limbs) == 6
        # Points near a joint hang on both of its parts, so that their distance changes a little.
        assert (np.ptp(lengths[:, limbs], axis=0) < 0.05 * lengths[:, limbs].mean(axis=0)).all()
    others = [np.linalg.norm(s.points[4] - s.points[7]) for s in shots("synth_unseen", each=1)]
    assert np.ptp(others) > 5


@pytest.mark.parametrize("degrees", [0.0, 40.0])
def test_people_face_the_camera(degrees):
    left, right = (skeleton_defs.get("smpl_24").index(f"{side}_hip") for side in ("left", "right"))
    angles = []
    for shot in shots("synth_b", facing_degrees=degrees):
        across = shot.points[left] - shot.points[right]
        angles.append(np.degrees(np.arctan2(-across[2], across[0])))
    assert np.abs(angles).max() < degrees + 8
    assert degrees == 0 or np.ptp(angles) > degrees


def test_people_stand_on_the_floor_and_look_ahead():
    joints = skeleton_defs.get("smpl_24").joints
    for shot in shots("synth_b"):
        height = dict(zip(joints, shot.points[:, 1], strict=True))
        assert 0 < min(height["left_foot"], height["right_foot"]) < 150
        assert height["head"] > height["pelvis"] + 250


def test_each_picture_is_the_same_whichever_others_are_taken():
    made = photographer("synth_d")
    person = made.person(1)
    together, alone = made.shots(person, range(8, 13)), made.shots(person, range(10, 11))
    assert (together[2].picture == alone[0].picture).all()
    assert (together[2].points == alone[0].points).all()
    assert (together[2].picture != together[1].picture).any()


@pytest.mark.parametrize("change", [{"seed": 1}, {"split": 2}])
def test_seeds_and_splits_have_other_people(change):
    one, other = (shots("synth_a", people=1, each=1, **options)[0] for options in ({}, change))
    assert np.abs(one.points - other.points).max() > 10


class TestOccluders:
    def test_at_least_half_of_the_person_stays_free(self):
        silhouette = np.zeros((SIZE, SIZE), bool)
        silhouette[20:100, 50:70] = True
        picture = np.full((SIZE, SIZE, 3), 128, np.uint8)
        hidden = []
        for seed in range(60):
            after, free = occlude(picture, silhouette, np.random.default_rng(seed))
            assert not (free & ~silhouette).any()
            assert free.sum() >= LEAST_FREE * silhouette.sum()
            changed = (after != picture).any(axis=-1)
            assert changed[silhouette & ~free].mean() > 0.9 if (silhouette & ~free).any() else True
            hidden.append(1 - free.sum() / silhouette.sum())
        assert 0.05 < np.mean(hidden) < 0.4

    def test_nobody_is_there(self):
        picture, nobody = np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool)
        after, free = occlude(picture, nobody, np.random.default_rng(0))
        assert after is picture and not free.any()

    def test_how_often(self):
        free, hidden = (
            shots("synth_b", people=5, occluded=share, cut_off=0.0) for share in (0.0, 0.25)
        )
        share = np.mean([(a.silhouette != b.silhouette).any()
                         for a, b in zip(free, hidden, strict=True)])  # fmt: skip
        assert 0.1 < share < 0.45
