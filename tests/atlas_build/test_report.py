"""The report page and its pictures, on a body made of a few boxes."""

from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from atlas_build import report_drawing as drawing
from atlas_build import report_formats as report
from atlas_build.body import PARTS, PosedBodies
from atlas_build.placement import load_placements
from atlas_build.placement_table import COLUMNS
from atlas_build.report_page import page

#: mm above the floor, x to the left, z forward.
LEFT = {
    "bone:upperleg01": (110, 900, 0), "bone:foot": (110, 80, 0), "bone:wrist": (690, 1400, 0),
    "tail:finger3-3": (870, 1400, 0), "tail:toe1-2": (100, 20, 190),
    "bone:finger1-2": (740, 1390, 60), "bone:finger2-1": (780, 1400, 30),
    "bone:finger3-1": (780, 1400, 10), "bone:finger4-1": (780, 1400, -10),
}  # fmt: skip
ANCHORS = {"coco:nose": (0, 1570, 145), "bone:root": (0, 960, 0)}
for _name, (_x, _y, _z) in LEFT.items():
    ANCHORS |= {f"{_name}.L": (_x, _y, _z), f"{_name}.R": (-_x, _y, _z)}
for _name, (_x, _y, _z) in {"ear": (75, 1580, 40), "eye": (30, 1600, 122)}.items():
    ANCHORS |= {f"coco:left_{_name}": (_x, _y, _z), f"coco:right_{_name}": (-_x, _y, _z)}
ORIGIN = np.array([0, 960.0, 0])
ROWS = [
    "coco:nose,coco:nose,,,,,,10,ours,",
    "coco:left_eye,coco:left_eye,,,,,,11,ours;<theirs>,a < b",
    "coco:left_ear,coco:left_ear,head,10,20,30,none,12,ours,",
    "coco:left_hip,,,,,,,,,nobody knows",
    "mano:right_wrist,bone:wrist.R,,,,,,10,ours,",
    "mano:right_thumb_cmc,bone:finger1-2.R,,,,,,10,ours,",
    "mano:right_index_mcp,bone:finger2-1.R,,,,,,10,ours,",
    "mano:right_middle_mcp,bone:finger3-1.R,,,,,,10,ours,",
]
SOURCES = """{"ours": {"text": "our <own>", "licence": "none", "permissive": true},
              "<theirs>": {"text": "theirs", "licence": "no sale", "permissive": false}}"""


@pytest.fixture(scope="module")
def placements(tmp_path_factory):
    folder = tmp_path_factory.mktemp("placements")
    (folder / "table.csv").write_text("\n".join([",".join(COLUMNS), *ROWS]) + "\n")
    (folder / "sources.json").write_text(SOURCES)
    return load_placements(folder)


@pytest.fixture(scope="module")
def formats(placements):
    points = (np.array(list(ANCHORS.values()), dtype=np.float32) - ORIGIN.astype(np.float32)) / 1000
    body = PosedBodies(
        anchors=points[None], anchor_names=tuple(ANCHORS),
        rotations=np.broadcast_to(np.eye(3, dtype=np.float32), (1, len(PARTS), 3, 3)),
        reference=points[None], stature=np.array([1.73]), body=np.zeros(1, int),
        take=np.zeros(1, int), take_names=("T-pose",),
    )  # fmt: skip
    return report.formats_on_body(
        placements, body, origin=ORIGIN, names=["coco_17", "mano_21", "h36m_17"]
    )


@pytest.fixture(scope="module")
def views():
    """Whole views of the box, details of the body, and their pictures."""
    details = report.detail_views({name: np.array(at, float) for name, at in ANCHORS.items()})
    vertices, faces = box((-900, 0, -150), (900, 1750, 200))
    whole = report.whole_views(vertices)
    every = [*whole, *(view for pair in details.values() for view in pair)]
    bodies = {view.name: drawing.shaded_body(vertices, faces, view, pixels=60) for view in every}
    return whole, details, bodies


def box(low, high):
    """A box of triangles that face outwards."""
    vertices = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T.astype(float)
    middle = vertices.mean(axis=0)
    faces = []
    for axis in range(3):
        for side in (low, high):
            a, b, c, d = np.flatnonzero(vertices[:, axis] == side[axis])
            for face in ((a, b, c), (b, d, c)):
                p, q, r = vertices[list(face)]
                outwards = np.cross(q - p, r - p) @ (p - middle) > 0
                faces.append(face if outwards else face[::-1])
    return vertices, np.array(faces)


def test_joints_stand_where_the_table_says(formats):
    coco = formats[0]
    at = dict(zip(coco.skeleton.joints, coco.points.tolist(), strict=True))
    assert at["nose"] == pytest.approx([0, 1570, 145], abs=0.01)
    assert at["left_ear"] == pytest.approx([85, 1600, 70], abs=0.01)
    assert at["right_ear"] == pytest.approx([-85, 1600, 70], abs=0.01)
    assert coco.sigma_mm[coco.skeleton.index("right_eye")] == 11
    assert coco.sources[coco.skeleton.index("left_eye")] == ("ours", "<theirs>")
    assert np.isnan(at["left_hip"]).all() and np.isnan(at["left_wrist"]).all()
    assert len(coco.unavailable) == 12 and "left_hip" in coco.unavailable


def test_views_turn_the_body_as_their_titles_say():
    front, side, top = report.whole_views(np.array([[-855.0, 45, -155], [855, 1755, 205]]))
    assert front.size == (1800, 1800) and side.size == (450, 1800) and top.size == (1800, 450)
    left_front_high = np.array([500.0, 1700.0, 150.0])
    assert front.project(left_front_high).tolist() == [1400, 100]  # the person's left: our right
    assert side.project(left_front_high).tolist() == [100, 100]  # facing left
    assert top.project(left_front_high).tolist() == [1400, 350]  # the front is below
    assert [view.depth(left_front_high) for view in (top, front, side)] == [1700, 150, 500]
    assert front.holds(np.array([[-500.0, 100, 0], [0, 2000, 0], [np.nan] * 3])).tolist() == [
        True, False, False,
    ]  # fmt: skip
    assert not side.holds(np.array([-500.0, 100, 0]))


def test_details_are_drawn_where_there_are_enough_joints(formats, views):
    _, details, _ = views
    names = [[pair[0].name for pair in report.details_of(drawn, details)] for drawn in formats]
    assert names == [["head_front"], ["right_hand_top"], []]


def test_the_body_is_shaded_and_its_surroundings_are_not(views):
    from io import BytesIO

    from PIL import Image

    picture = np.asarray(Image.open(BytesIO(views[2]["front"])).convert("RGBA"))
    assert max(picture.shape[:2]) == 60
    assert picture[0, 0, 3] == 0 and picture[30, 30, 3] > 250
    red, green, blue = picture[30, 30, :3].tolist()
    assert red == green == blue and 220 < red < 250  # it faces us


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.references, self.ids, self.titles, self.in_title = [], [], [], False

    def handle_starttag(self, tag, attrs):
        self.in_title = tag == "title"
        for name, value in attrs:
            if name in ("href", "src", "xlink:href"):
                self.references.append(value)
            elif name == "id":
                self.ids.append(value)

    def handle_data(self, data):
        if self.in_title:
            self.titles.append(data)
            self.in_title = False


def test_the_page_names_every_joint_and_stands_alone(formats, views, placements):
    whole, details, bodies = views
    text = page(formats, whole=whole, details=details, bodies=bodies,
                sources=placements.used_sources, title="T", subtitle="S.")  # fmt: skip
    tags = Tags()
    tags.feed(text)
    inner = [r for r in tags.references if r.startswith("#")]
    assert {r[1:] for r in inner} <= set(tags.ids)
    assert all(r.startswith("data:image/png;") for r in tags.references if r not in inner)
    assert "@import" not in text and "url(" not in text and "<script" not in text
    assert "1 left_eye: sigma 11 mm; ours, <theirs>" in tags.titles
    assert "0 wrist: sigma 10 mm; ours" in tags.titles
    assert "Without a place: left_shoulder, right_shoulder" in text
    assert "our &lt;own&gt;" in text and "a &lt; b" in text
    for start in range(text.count("<svg viewBox")):
        part = text.split("<svg viewBox")[start + 1].partition("</svg>")[0]
        ElementTree.fromstring(f"<svg viewBox{part}</svg>")


def test_the_page_draws_edges_and_sigmas_to_scale(formats, views, placements):
    whole, details, bodies = views
    text = page(formats[:1], whole=whole, details=details, bodies=bodies,
                sources=placements.used_sources, title="T", subtitle="S.")  # fmt: skip
    front = ElementTree.fromstring("<svg" + text.split("<svg")[2].partition("</svg>")[0] + "</svg>")
    assert front.get("viewBox") == "0 0 1890.0 1840.0"
    circles = {g[0].text.split()[1]: g for g in front.iter("g")}
    assert circles["nose:"].get("class") == "centre" and circles["nose:"][1].get("r") == "10"
    # 45 mm of margin: the nose is 945 from the left and 1795 - 1570 from the top.
    assert circles["nose:"].get("transform") == "translate(945.0 225.0)"
    # nose-eyes, eye-eye, eyes-ears; the rest has no place
    assert len(list(front.iter("line"))) == 5


def test_sheets_hold_all_formats(tmp_path, formats, views):
    whole, details, bodies = views
    written = drawing.write_sheets(
        tmp_path, formats, whole=whole, details=details, bodies=bodies, per_sheet=2
    )
    names = [file.name for file in written]
    assert names == ["formats_01.png", "formats_02.png", "details_01.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in written)
