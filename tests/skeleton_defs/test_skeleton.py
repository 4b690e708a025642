import json
from pathlib import Path

import numpy as np
import pytest

import skeleton_defs
from skeleton_defs import Skeleton, SkeletonError, UserError

DATA = Path(skeleton_defs.__file__).parent / "data"
FORMATS = sorted(p.stem for p in DATA.glob("[!_]*.json"))


def arm(**changes):
    definition = {
        "name": "arm",
        "joints": ["left_shoulder", "left_elbow", "right_shoulder", "right_elbow", "neck"],
        "parents": [4, 0, 4, 2, -1],
        "edges": [[4, 0], [0, 1], [4, 2], [2, 3]],
        "flip": [2, 3, 0, 1, 4],
        "root": "neck",
    }
    return definition | changes


@pytest.mark.parametrize("name", FORMATS)
def test_every_field_of_a_definition_survives(name):
    definition = json.loads((DATA / f"{name}.json").read_text())
    rebuilt = skeleton_defs.get(name).to_dict()
    assert {k: rebuilt[k] for k in definition} == definition


@pytest.mark.parametrize("name", FORMATS)
def test_flip_swaps_the_sides(name):
    skeleton = skeleton_defs.get(name)
    mirrored = [skeleton.sides[i] for i in skeleton.flip]
    swap = {"left": "right", "right": "left", "centre": "centre"}
    assert mirrored == [swap[side] for side in skeleton.sides]


@pytest.mark.parametrize(
    ("joint", "side"), [("face68_00", "right"), ("face68_16", "left"), ("face68_08", "centre"),
                        ("face68_39", "right"), ("face68_42", "left"), ("face68_57", "centre"),
                        ("face68_55", "left"), ("face68_59", "right")],
)  # fmt: skip
def test_face_sides_follow_the_ibug_numbering(joint, side):
    # iBUG runs along the jaw from the person's right ear to the left one.
    skeleton = skeleton_defs.get("coco_wholebody_133")
    named = {skeleton.canonical[j]: s for j, s in zip(skeleton.joints, skeleton.sides, strict=True)}
    assert named[joint] == side


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": 3}, "name"),
        ({"joints": ["a", "a"]}, "joints"),
        ({"joints": "abc"}, "joints"),
        ({"n_joints": 7}, "n_joints"),
        ({"parents": [4, 0, 4, 2]}, "parents"),
        ({"parents": [1, 0, 4, 2, -1]}, "parents"),
        ({"parents": [4, 0, 4, 9, -1]}, "parents"),
        ({"edges": [[0, 5]]}, "edges"),
        ({"edges": [[0, 1, 2]]}, "edges"),
        ({"edges": 5}, "edges"),
        ({"flip": [2, 3, 0, 4, 1]}, "flip"),
        ({"flip": [2, 3, 0, 1, True]}, "flip"),
        ({"canonical": {"wing": "wing"}}, "canonical"),
        ({"canonical": ["neck"]}, "canonical"),
        ({"aliases": {"neck": "nape"}}, "aliases.neck"),
        ({"near": {"neck": {"note": "no name"}}}, "near.neck"),
        ({"points": {"neck": "neck"}}, "points.neck"),
        ({"root": "pelvis"}, "root"),
        ({"dims": 4}, "dims"),
        ({"units": 1}, "units"),
        ({"oks_sigmas": [0.1]}, "oks_sigmas"),
        ({"rest_pose_m": [[0, 0, 0]]}, "rest_pose_m"),
        ({"rest_pose_m": [[0, 0], [1]]}, "rest_pose_m"),
    ],
)
def test_schema_errors_name_the_field(changes, field):
    with pytest.raises(SkeletonError, match=f"'{field}'") as caught:
        Skeleton.from_dict(arm(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["name", "joints"])
def test_required_fields(missing):
    definition = arm()
    del definition[missing]
    with pytest.raises(SkeletonError, match=f"'{missing}' is missing"):
        Skeleton.from_dict(definition)


def test_a_skeleton_is_frozen():
    with pytest.raises(AttributeError):
        skeleton_defs.get("smpl").name = "other"
    with pytest.raises(ValueError, match="read-only"):
        skeleton_defs.get("smpl").rest_pose[0] = 1


@pytest.mark.parametrize(
    ("name", "word", "joint"),
    [
        ("smpl", "spine1", "spine1"),
        ("smpl", "L_Hip", "left_hip"),
        ("smpl", "lkne", "left_knee"),
        ("smpl", "leftFoot", "left_ankle"),
        ("smpl", 23, "right_hand"),
        ("smpl", -1, "right_hand"),
        ("h36m", "RKnee", "right_knee"),
        ("h36m", "Thorax", "neck"),
        ("h36m", "neck_base", "head"),
        ("h36m", "head_top", "head_top"),
        ("coco", "Left Ear", "left_ear"),
        ("mixamo", "mixamorig:LeftForeArm", "LeftForeArm"),
    ],
)
def test_index_by_name_alias_and_number(name, word, joint):
    skeleton = skeleton_defs.get(name)
    assert skeleton.index(word) == skeleton.joints.index(joint)


@pytest.mark.parametrize(
    ("word", "message"),
    [("head", "ambiguous.*9 = 'head'.*10 = 'head_top'"), ("Head", "ambiguous"),
     ("left_knie", "no joint 'left_knie'. Did you mean left_knee"), (17, r"0..16")],
)  # fmt: skip
def test_unknown_and_contested_words_are_explained(word, message):
    with pytest.raises(UserError, match=message):
        skeleton_defs.get("h36m").index(word)


def test_hop_distances():
    hops = Skeleton.from_dict(arm(joints=["ls", "le", "rs", "re", "neck"], edges=[[4, 0], [0, 1]],
                                  root="neck")).hop_distances  # fmt: skip
    expected = [[0, 1, -1, -1, 1], [1, 0, -1, -1, 2], [-1, -1, 0, -1, -1], [-1, -1, -1, 0, -1],
                [1, 2, -1, -1, 0]]  # fmt: skip
    np.testing.assert_array_equal(hops, expected)


def test_hop_distances_of_smpl_against_scipy():
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import shortest_path

    skeleton = skeleton_defs.get("smpl")
    rows, columns = np.array(skeleton.edges).T
    graph = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(24, 24))
    expected = shortest_path(graph, directed=False, unweighted=True)
    np.testing.assert_array_equal(skeleton.hop_distances, expected)


def test_select_keeps_ancestors_edges_and_flip():
    body = Skeleton.from_dict(arm())
    part = body.select(["neck", "right_elbow", "left_elbow"])
    assert part.joints == ("neck", "right_elbow", "left_elbow")
    assert part.parents == (-1, 0, 0)
    assert part.edges == ()
    assert part.flip == (0, 2, 1)
    one_side = body.select(["neck", "left_shoulder"])
    assert one_side.flip is None
    assert one_side.edges == ((0, 1),)
    with pytest.raises(UserError, match="twice"):
        body.select(["neck", 4])
    h36m = skeleton_defs.get("h36m")
    assert h36m.select(h36m.joints, name="h36m_17") == h36m


@pytest.mark.parametrize(
    ("extra", "fragment"),
    [
        ({"rest_pose": 5}, "must be named 'rest_pose_m'"),
        ({"rest_pose_m": [[10**400, 0, 0], [0, 0, 0]]}, "list of .x, y, z. numbers"),
        ({"parents": [10**30, 0]}, "'parents'"),
    ],
)
def test_odd_fields_of_a_file_are_told(extra, fragment):
    with pytest.raises(SkeletonError, match=fragment):
        Skeleton.from_dict({"name": "own", "joints": ["a", "b"]} | extra)


def test_a_field_of_any_other_name_is_a_detail():
    own = Skeleton.from_dict({"name": "own", "joints": ["a", "b"], "details": 7, "remark": "x"})
    assert own.details == {"details": 7, "remark": "x"}
    assert Skeleton.from_dict(own.to_dict()).to_dict() == own.to_dict()
