import json

import pytest

import skeleton_defs
from skeleton_defs import UnknownFormatError, UserError


def test_all_formats_are_listed():
    assert len(skeleton_defs.list()) >= 91
    assert skeleton_defs.list("smplx_*") == ["smplx_127", "smplx_144", "smplx_42", "smplx_55"]
    assert "h36m_17_posepile" in skeleton_defs.list("h36m")
    assert skeleton_defs.list("no such") == []


@pytest.mark.parametrize(("alias", "name"), sorted(skeleton_defs.format_aliases().items()))
def test_every_alias_leads_to_its_format(alias, name):
    assert skeleton_defs.get(alias).name == name
    assert skeleton_defs.get(alias.upper()).name == name


@pytest.mark.parametrize(
    "word",
    "smpl h36m coco mpii 3dhp openpose halpe mediapipe blazepose kinect ntu panoptic amass".split(),
)
def test_words_that_people_say(word):
    assert skeleton_defs.get(word).n_joints > 0


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("smlp", "Did you mean smpl"),
        ("coco19", "ambiguous.*Panoptic order.*COCO-17 order"),
        ("COCO-19", "ambiguous"),
        ("head", "a joint, not a format"),
        ("", "unknown"),
        (7, "by name"),
    ],
)
def test_unknown_and_ambiguous_words(word, message):
    with pytest.raises(UnknownFormatError, match=message):
        skeleton_defs.get(word)


def test_families_group_what_is_the_same_by_construction():
    families = {}
    for name in skeleton_defs.list():
        families.setdefault(skeleton_defs.get(name).family, set()).add(name)
    assert {"smpl_24", "surreal_24", "3dpw_24", "agora_smpl_24"} <= families["smpl"]
    assert families["smplx"].isdisjoint(families["smpl"])
    assert {"h36m_17", "h36m_25", "h36m_32", "imar_25"} == families["h36m"] - {"h36m_17_posepile"}


DEFINITION = {"name": "stick", "joints": ["top", "bottom"], "flip": [0, 1], "edges": [[0, 1]]}


def test_own_format_from_json_and_toml(tmp_path):
    (tmp_path / "stick.json").write_text(json.dumps(DEFINITION))
    (tmp_path / "stick.toml").write_text(
        'name = "stick"\njoints = ["top", "bottom"]\nflip = [0, 1]\nedges = [[0, 1]]\n'
        "[canonical]\ntop = 'head_top'\n"
    )
    from_json = skeleton_defs.get(str(tmp_path / "stick.json"))
    from_toml = skeleton_defs.load(tmp_path / "stick.toml")
    assert from_json == from_toml
    assert from_json.family == "stick"
    assert from_toml.canonical == {"top": "head_top"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "not valid JSON"),
        ("a.json", "[" * 100_000, "not valid JSON"),
        ("a.json", "[1]", "must be an object"),
        ("a.json", '{"name": "a"}', "'joints' is missing"),
        ("a.json", '{"name": "a", "joints": ["b"], "flip": [1]}', "'flip'"),
        ("a.toml", "name = ", "not valid TOML"),
    ],
)
def test_definition_file_errors_name_file_and_field(tmp_path, name, text, message):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        skeleton_defs.load(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_definition_files(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        skeleton_defs.get(str(tmp_path / "none.json"))
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="UTF-8"):
        skeleton_defs.get(str(tmp_path / "b.json"))


def test_register(monkeypatch):
    monkeypatch.setattr(skeleton_defs.formats, "_registered", {})
    stick = skeleton_defs.register(skeleton_defs.Skeleton.from_dict(DEFINITION))
    assert skeleton_defs.get("Stick") is stick
    assert "stick" in skeleton_defs.list()
    for taken in ("stick", "smpl_24", "smpl"):
        with pytest.raises(UserError, match="exists already"):
            skeleton_defs.register(skeleton_defs.Skeleton.from_dict(DEFINITION | {"name": taken}))


MMPOSE_H36M = (
    "root right_hip right_knee right_foot left_hip left_knee left_foot spine thorax neck_base head "
    "left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist"
).split()
SURREAL = (
    "hips leftUpLeg rightUpLeg spine leftLeg rightLeg spine1 leftFoot rightFoot spine2 leftToeBase "
    "rightToeBase neck leftShoulder rightShoulder head leftArm rightArm leftForeArm rightForeArm "
    "leftHand rightHand leftHandIndex1 rightHandIndex1"
).split()


@pytest.mark.parametrize(("name", "words"), [("h36m", MMPOSE_H36M), ("smpl", SURREAL)])
def test_names_with_several_meanings_are_settled_together(name, words):
    # mmpose's "head" is our "head_top"; SURREAL's "spine1" is SMPL's spine2.
    skeleton = skeleton_defs.get(name)
    assert skeleton_defs.match_joints(skeleton, words) == list(range(len(words)))
    backwards = list(range(len(words)))[::-1]
    assert skeleton_defs.match_joints(skeleton, words[::-1]) == backwards


def test_names_of_other_things_match_nothing():
    smpl = skeleton_defs.get("smpl")
    assert skeleton_defs.match_joints(smpl, ["time", "pelvis", "C7"]) == [None, 0, None]
