"""The placement table: its rules, and where rows put points on hand-made bodies."""

import json

import numpy as np
import pytest
from atlas_build.anchor_names import anchor_names, other_side
from atlas_build.body import PARTS, PosedBodies
from atlas_build.moments_build import (
    default_placements_folder,
    make_moments,
    moment_matrix,
    symmetric_factor,
)
from atlas_build.permissive import report_points
from atlas_build.placement import REFERENCE_HIP_WIDTH_M, load_placements, place
from atlas_build.placement_table import COLUMNS, parse_anchor

import skeleton_defs
from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from dataset_adapters.containers.errors import FileError

HIPS = {"bone:upperleg01.L": (0.11, 0.9, 0.0), "bone:upperleg01.R": (-0.11, 0.9, 0.0)}
SOURCES = {
    "ours": {"text": "ours", "licence": "none", "permissive": True},
    "theirs": {"text": "theirs", "licence": "no sale", "permissive": False},
}


def write_table(folder, *rows, sources=SOURCES, name="table.csv"):
    (folder / name).write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    (folder / "sources.json").write_text(json.dumps(sources))
    return folder


def make_bodies(anchors, *, turns=None, stature=1.73, hip_scale=1.0):
    """One body whose anchors stand still and whose parts turn."""
    anchors = {**HIPS, **anchors}
    points = np.array(list(anchors.values()), dtype=np.float32)[None]
    rotations = np.broadcast_to(np.eye(3, dtype=np.float32), (1, len(PARTS), 3, 3)).copy()
    for part, turn in (turns or {}).items():
        rotations[0, PARTS.index(part)] = turn
    reference = points.copy()
    reference[..., 0] *= hip_scale * REFERENCE_HIP_WIDTH_M / 0.22
    return PosedBodies(
        anchors=points, anchor_names=tuple(anchors), rotations=rotations, reference=reference,
        stature=np.array([stature], dtype=np.float32), body=np.zeros(1, int),
        take=np.zeros(1, int), take_names=("made up",),
    )  # fmt: skip


def placed(folder, bodies, **options):
    placements = load_placements(folder, **options)
    points, names = place(bodies, placements)
    return dict(zip(names, points[0].tolist(), strict=True))


ANKLES = {
    "bone:foot.L": (0.1, 0.1, 0.0),
    "bone:foot.R": (-0.1, 0.1, 0.0),
    "coco:left_ankle": (0.12, 0.14, 0.02),
    "coco:right_ankle": (-0.12, 0.14, 0.02),
}


def test_a_row_places_both_sides(tmp_path):
    write_table(tmp_path, "smpl:left_ankle,0.25 bone:foot.L + 0.75 coco:left_ankle,,,,,,10,ours,")
    found = placed(tmp_path, make_bodies(ANKLES))
    assert found["smpl:left_ankle"] == pytest.approx([0.115, 0.13, 0.015], abs=1e-6)
    assert found["smpl:right_ankle"] == pytest.approx([-0.115, 0.13, 0.015], abs=1e-6)


@pytest.mark.parametrize(
    ("scale", "stature", "hip_scale", "expected"),
    [
        ("", 1.73, 1.0, (0.02, 0.03, -0.01)),
        ("stature", 1.73 * 1.1, 1.0, (0.022, 0.033, -0.011)),
        ("none", 1.73 * 1.1, 1.0, (0.02, 0.03, -0.01)),
        ("hip_width", 1.73 * 1.1, 0.8, (0.016, 0.033, -0.011)),
    ],
)
def test_offsets_grow_by_their_rule(tmp_path, scale, stature, hip_scale, expected):
    write_table(tmp_path, f"smpl:left_ankle,bone:foot.L,left_shank,20,30,-10,{scale},10,ours,")
    found = placed(tmp_path, make_bodies(ANKLES, stature=stature, hip_scale=hip_scale))
    left = np.subtract(found["smpl:left_ankle"], ANKLES["bone:foot.L"])
    right = np.subtract(found["smpl:right_ankle"], ANKLES["bone:foot.R"])
    assert left == pytest.approx(expected, abs=1e-6)
    assert right == pytest.approx(np.multiply(expected, (-1, 1, 1)), abs=1e-6)


def test_offsets_turn_with_their_part(tmp_path):
    write_table(tmp_path, "smpl:left_ankle,bone:foot.L,left_shank,20,30,10,,10,ours,")
    quarter = matrix_from_axis_angle(np.array([np.pi / 2, 0, 0]))  # up -> forward -> down
    found = placed(tmp_path, make_bodies(ANKLES, turns={"left_shank": quarter}))
    left = np.subtract(found["smpl:left_ankle"], ANKLES["bone:foot.L"])
    right = np.subtract(found["smpl:right_ankle"], ANKLES["bone:foot.R"])
    assert left == pytest.approx((0.02, -0.01, 0.03), abs=1e-6)
    assert right == pytest.approx((-0.02, 0.03, 0.01), abs=1e-6)


def test_points_hang_on_points_in_any_order(tmp_path):
    write_table(
        tmp_path,
        "h36m:pelvis_h36m,0.5 point:h36m:left_hip_h36m + 0.5 point:h36m:right_hip_h36m"
        ",,,,,,5,ours,",
        "h36m:left_hip_h36m,point:smpl:left_hip_smpl,pelvis,50,100,0,,15,ours,",
        "smpl:left_hip_smpl,bone:upperleg01.L,pelvis,-40,-20,10,,15,ours,",
    )
    found = placed(tmp_path, make_bodies({}))
    assert found["h36m:left_hip_h36m"] == pytest.approx([0.12, 0.98, 0.01], abs=1e-6)
    assert found["h36m:pelvis_h36m"] == pytest.approx([0, 0.98, 0.01], abs=1e-6)
    placements = load_placements(tmp_path)
    groups = dict(zip(placements.names, placements.anchor_of.tolist(), strict=True))
    assert groups["h36m:left_hip_h36m"] == groups["smpl:left_hip_smpl"] >= 0
    assert groups["smpl:right_hip_smpl"] not in (-1, groups["smpl:left_hip_smpl"])
    assert groups["h36m:pelvis_h36m"] == -1


def test_offsets_can_be_replaced(tmp_path):
    write_table(tmp_path, "smpl:left_ankle,bone:foot.L,left_shank,20,30,10,none,10,ours,")
    found = placed(tmp_path, make_bodies(ANKLES), replaced={"smpl:left_ankle": (5, 0, 0)})
    assert found["smpl:right_ankle"] == pytest.approx([-0.105, 0.1, 0], abs=1e-6)


def test_one_handed_formats_stay_on_their_side(tmp_path):
    anchors = {"bone:wrist.L": (0.7, 1.4, 0.0), "bone:wrist.R": (-0.7, 1.4, 0.0)}
    write_table(tmp_path, "mano:right_wrist,bone:wrist.R,right_hand,10,0,0,none,10,ours,")
    placements = load_placements(tmp_path)
    points, names = place(make_bodies(anchors), placements)
    assert names == ("mano:right_wrist", "mano:right_wrist~mirrored")
    assert points[0, :, 0] == pytest.approx([-0.71, 0.71], abs=1e-6)
    assert placements.hidden.tolist() == [False, True]
    moments = make_moments(moment_matrix(make_bodies(anchors), placements), placements, rank=2)
    assert moments.points == ("mano:right_wrist",)


def test_permissive_only_takes_what_hangs_on_a_row_with_it(tmp_path):
    write_table(
        tmp_path,
        "smpl:left_hip_smpl,bone:upperleg01.L,pelvis,-40,0,0,,15,ours;theirs,",
        "h36m:left_hip_h36m,point:smpl:left_hip_smpl,,,,,,15,ours,",
        "coco:left_ankle,coco:left_ankle,,,,,,10,ours,",
    )
    placements = load_placements(tmp_path, permissive_only=True)
    assert placements.names == ("coco:left_ankle", "coco:right_ankle")
    assert list(placements.used_sources) == ["ours"]


def test_points_without_a_place_are_listed(tmp_path):
    write_table(tmp_path, "smpl:left_ankle,,,,,,,,,nobody knows",
                "smpl:left_knee,bone:foot.L,,,,,,10,ours,")  # fmt: skip
    placements = load_placements(tmp_path)
    assert placements.unplaced == ("smpl:left_ankle", "smpl:right_ankle")
    assert placements.names == ("smpl:left_knee", "smpl:right_knee")


GOOD = "smpl:left_ankle,bone:foot.L,,,,,,10,ours,"


@pytest.mark.parametrize(
    ("rows", "line", "message"),
    [
        (["smpl:left_tail,bone:foot.L,,,,,,10,ours,"], 2, "no format of the registry"),
        (["smpl:right_ankle,bone:foot.R,,,,,,10,ours,"], 2, "expected the left one"),
        ([GOOD, "smpl:left_knee,bone:tail.L,,,,,,10,ours,"], 3, "no 'bone:tail.L' on the body"),
        (["smpl:left_ankle,0.5 bone:foot.L,,,,,,10,ours,"], 2, "sum to 1, found 0.5"),
        (["smpl:left_ankle,0.5 bone:foot.L 0.5 bone:wrist.L,,,,,,10,ours,"], 2, "weight name ."),
        (["smpl:left_ankle,bone:foot.L,,5,,,,10,ours,"], 2, "frame: expected one where"),
        (["smpl:left_ankle,bone:foot.L,left_foot,,,,,10,ours,"], 2, "frame: expected one where"),
        (["smpl:left_ankle,bone:foot.L,left_wing,5,,,,10,ours,"], 2, "frame: expected one of"),
        (["smpl:left_ankle,bone:foot.L,left_foot,x,,,,10,ours,"], 2, "lateral: expected"),
        (["smpl:left_ankle,bone:foot.L,left_foot,inf,,,,10,ours,"], 2, "lateral: expected"),
        (["smpl:left_ankle,bone:foot.L,left_foot,1,,,twice,10,ours,"], 2, "scale: expected one of"),
        (["smpl:left_ankle,bone:foot.L,,,,,,0,ours,"], 2, "sigma: expected mm above 0"),
        (["smpl:left_ankle,bone:foot.L,,,,,,10,,"], 2, "source: expected an id"),
        (["smpl:left_ankle,bone:foot.L,,,,,,10,hearsay,"], 2, "found 'hearsay'"),
        (["smpl:left_ankle,bone:foot.L,,,,,,10,ours"], 2, "expected 10 cells, found 9"),
        ([GOOD, GOOD], 3, "found another in table.csv:2"),
        (["smpl:pelvis_smpl,bone:root,pelvis,5,,,,10,ours,"], 2, "its own mirror image"),
        (["smpl:pelvis_smpl,bone:foot.L,,,,,,10,ours,"], 2, "its own mirror image"),
        (["smpl:left_ankle,point:smpl:left_knee,,,,,,10,ours,"], 2, "stands in no table"),
        ([GOOD.replace("bone:foot.L", ""), "smpl:left_knee,point:smpl:left_ankle,,,,,,9,ours,"], 3,
         "has no place"),
        (["smpl:left_ankle,point:smpl:left_knee,,,,,,10,ours,",
          "smpl:left_knee,point:smpl:left_ankle,,,,,,10,ours,"], 3, "hang on each other"),
        (["smpl:pelvis_smpl,point:smpl:pelvis_smpl,,,,,,10,ours,"], 2, "hang on each other"),
    ],
)  # fmt: skip
def test_broken_rows_are_named(tmp_path, rows, line, message):
    write_table(tmp_path, *rows)
    with pytest.raises(FileError, match=message) as caught:
        load_placements(tmp_path)
    assert f"table.csv:{line}: " in str(caught.value)


def test_broken_files_are_named(tmp_path):
    with pytest.raises(FileError, match="found none"):
        load_placements(tmp_path)
    write_table(tmp_path, GOOD)
    (tmp_path / "table.csv").write_text("point,anchor\n")
    with pytest.raises(FileError, match=r"table.csv:1: expected the columns"):
        load_placements(tmp_path)
    write_table(tmp_path, GOOD)
    (tmp_path / "sources_more.json").write_text('{"ours": {"text": "", "licence": ""}}')
    with pytest.raises(FileError, match="source 'ours': expected text, licence"):
        load_placements(tmp_path)
    (tmp_path / "sources_more.json").write_text("{")
    with pytest.raises(FileError, match="expected JSON"):
        load_placements(tmp_path)
    write_table(tmp_path, GOOD)
    other = {"ours": {"text": "", "licence": "", "permissive": False}}
    (tmp_path / "sources_more.json").write_text(json.dumps(other))
    with pytest.raises(FileError, match="says otherwise about permissive"):
        load_placements(tmp_path)


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("bone:wrist.L", {"bone:wrist.L": 1}),
        ("0.5 a + 0.5 b", {"a": 0.5, "b": 0.5}),
        ("1.5 a - 0.5 finger2-1.L", {"a": 1.5, "finger2-1.L": -0.5}),
        ("1.5 a + -0.5 b", {"a": 1.5, "b": -0.5}),
        ("1/3 a + 1/3 b + 1/3 c", {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}),
        ("0.333 a + 0.333 b + 0.333 c", {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}),
        ("0.5 a + 0.5 a", {"a": 1}),
    ],
)
def test_anchors_are_mixtures(text, weights):
    assert parse_anchor(text) == pytest.approx(weights)


def test_other_side_is_an_involution_without_loss():
    assert other_side("skin:ibug_17") == "skin:ibug_01"
    assert other_side("skin:ibug_31") == "skin:ibug_31"
    assert other_side("bone:finger2-1.L") == "bone:finger2-1.R"
    assert {other_side(name) for name in anchor_names()} == anchor_names()
    assert all(other_side(other_side(name)) == name for name in anchor_names())


def test_moments_are_mirror_images_of_themselves(tmp_path):
    write_table(
        tmp_path, GOOD, "coco:left_ankle,coco:left_ankle,,,,,,10,ours,",
        "smpl:pelvis_smpl,0.5 bone:upperleg01.L + 0.5 bone:upperleg01.R,,,,,,10,ours,",
    )  # fmt: skip
    placements = load_placements(tmp_path)
    bodies = make_bodies(ANKLES)
    bodies.anchors[0, 2:] += np.array([[0.3, 0.1, 0.2], [0, 0.2, 0.1], [0, 0, 0], [0.1, 0, 0]])
    matrix = moment_matrix(bodies, placements)
    points = place(bodies, placements)[0][0].astype(np.float64)
    points -= points.mean(axis=0)
    mirrored = points[placements.flip] * (-1, 1, 1)
    expected = (points @ points.T + mirrored @ mirrored.T) / 6
    assert matrix == pytest.approx(expected, abs=1e-12)
    factor = symmetric_factor(matrix, placements.flip, rank=5)
    assert factor @ factor.T == pytest.approx(matrix, abs=1e-6)
    assert (np.abs(factor[placements.flip]) == np.abs(factor)).all()


def test_the_table_of_this_repository_is_whole():
    placements = load_placements(default_placements_folder())
    names = set(placements.names)
    for name in ("smpl_24", "h36m_25", "coco_17", "openpose_25", "mpi_inf_3dhp_28", "mpii_16",
                 "lsp_14"):  # fmt: skip
        skeleton = skeleton_defs.get(name)
        assert {":".join(skeleton.point_of(joint)) for joint in skeleton.joints} <= names
    assert (placements.sigma_mm >= 1).all() and (placements.sigma_mm <= 150).all()
    permissive = load_placements(default_placements_folder(), permissive_only=True)
    assert {"coco:left_hip", "smpl:left_knee"} <= set(permissive.names) < names
    assert all(source.permissive for source in permissive.used_sources.values())


def test_what_is_permissive_keeps_whole_what_images_show():
    """Hips of image sets are COCO's; a restricted figure in that row would take them all along."""
    permissive = set(load_placements(default_placements_folder(), permissive_only=True).names)
    coco = skeleton_defs.get("openpose_25")
    assert {":".join(coco.point_of(joint)) for joint in coco.joints} <= permissive
    lines = []
    report_points(default_placements_folder(), load_placements(
        default_placements_folder(), permissive_only=True), show=lines.append)  # fmt: skip
    lost = sum(int(line.split()[1]) for line in lines[1:])
    assert lines[0].startswith(f"permissive only: {lost} of ")
    assert "  h36m: 25 of 25" in lines
    assert not any(line.startswith("  coco:") for line in lines)


def test_midpoints_are_no_surer_than_what_they_lie_between():
    """Two points of a pair share their errors up, down and forward; only sideways they cancel."""
    placements = load_placements(default_placements_folder())
    sigma = dict(zip(placements.names, placements.sigma_mm, strict=True))
    for middle, left in {"coco:mid_hip": "coco:left_hip", "mpii:pelvis_mpii": "mpii:left_hip",
                         "coco:neck_midshoulder": "coco:left_shoulder",
                         "mpii:thorax": "mpii:left_shoulder",
                         "h36m:pelvis_h36m": "h36m:left_hip_h36m",
                         "3dhp:pelvis_3dhp": "3dhp:left_hip_3dhp"}.items():  # fmt: skip
        assert 0.7 * sigma[left] < sigma[middle] <= sigma[left], middle
