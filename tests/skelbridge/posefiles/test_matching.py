import numpy as np
import pytest

import skeleton_defs
from skelbridge.posefiles import PoseData, match_skeleton
from skelbridge.posefiles.matching import recognise
from skeleton_defs import UserError

SMPL = skeleton_defs.get("smpl").joints


def poses(names=None, count=None, **fields):
    count = len(names) if names is not None else count
    positions = np.arange(2 * count * 3, dtype=np.float64).reshape(2, count, 3)
    return PoseData(positions, joint_names=names and tuple(names), **fields)


def test_names_are_matched_whatever_their_order():
    shuffled = list(SMPL[::-1])
    match = match_skeleton(poses(shuffled), "smpl")
    arranged = match.arrange(poses(shuffled).positions)
    np.testing.assert_array_equal(arranged, poses(shuffled).positions[:, ::-1])
    assert match.observed is None


def test_missing_and_extra_names_are_told():
    names = ["C7", *SMPL[1:], "STRN"]
    data = poses(names, confidence=np.ones((2, 25)))
    match = match_skeleton(data, "smpl")
    assert match.observed == list(SMPL[1:])
    arranged = match.arrange(data.positions)
    assert np.isnan(arranged[:, 0]).all()
    np.testing.assert_array_equal(arranged[:, 1:], data.positions[:, 1:24])
    np.testing.assert_array_equal(np.isnan(match.arrange(data.confidence, axis=-1)[0]),
                                  [True] + [False] * 23)  # fmt: skip
    assert any("pelvis" in note for note in match.notes)
    assert any("C7, STRN" in note for note in match.notes)


def test_files_in_order_need_no_rearranging():
    assert match_skeleton(poses(SMPL), "smpl").columns is None
    assert match_skeleton(poses(count=24), "smpl").columns is None
    numbered = poses([f"joint_{i}" for i in range(24)])
    assert match_skeleton(numbered, "smpl").columns is None


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (poses(count=17), "smpl", r"'smpl_24' \(24 joints\).*has 17.*coco_17"),
        (poses(count=17), None, "name it with --from.*coco_17"),
        (poses(count=99), None, "no known format has 99 joints"),
        (poses(["a", "b", "c"]), "smpl", "none of the file's joint names.*Found a, b, c"),
        (poses(["a", "b", "c"]), None, "no skeleton format"),
        (poses(count=24), "smlp", "Did you mean smpl"),
    ],
)
def test_what_does_not_fit_is_explained(data, name, message):
    with pytest.raises(UserError, match=message) as caught:
        match_skeleton(data, name)
    assert "\n" not in str(caught.value)


def test_the_format_that_a_file_states_is_taken():
    assert match_skeleton(poses(count=17, skeleton="coco_17")).skeleton.name == "coco_17"
    # What the user says counts more.
    assert match_skeleton(poses(count=17, skeleton="coco_17"), "h36m").skeleton.name == "h36m_17"


def own_names_recognised():
    """Formats whose own joint names lead back to the same points."""
    return [n for n in skeleton_defs.list() if len(skeleton_defs.get(n)) >= 8]


@pytest.mark.parametrize("name", own_names_recognised())
def test_recognised_by_names_alone_or_told_apart(name):
    skeleton = skeleton_defs.get(name)
    try:
        match = recognise(skeleton.joints)
    except UserError as error:
        assert name in str(error) or "fit several" in str(error)
        return
    if match.skeleton.family != skeleton.family:
        # The names of a reordered or re-annotated copy lead to the original.
        assert skeleton.variant_of == match.skeleton.name
        return
    found = [match.skeleton.point_of(j) for j in match.skeleton.joints]
    columns = match.columns if match.columns is not None else np.arange(len(skeleton))
    expected = [skeleton.point_of(skeleton.joints[c]) for c in columns]
    assert found == expected


def test_short_names_of_a_family_lead_to_its_common_format():
    assert recognise(SMPL).skeleton.name == "smpl_24"
    assert recognise(skeleton_defs.get("cmu").joints).skeleton.name == "cmu_asf_31"


def test_rigs_that_only_share_words_are_not_taken_for_a_format():
    rig = [
        "Hips",
        "Chest",
        "Chest2",
        "Neck",
        "Head",
        "LeftCollar",
        "LeftShoulder",
        "LeftElbow",
        "RightCollar",
    ]
    with pytest.raises(UserError, match="Nearest: cmu_bvh_38"):
        recognise(rig)
