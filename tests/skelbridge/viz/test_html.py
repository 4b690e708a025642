"""The viewer page as a file; `test_browser.py` opens it."""

import html
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from skelbridge.viz import Layer, write_html
from skelbridge.viz.framing import view_axes
from skelbridge.viz.html import _script_json
from skelbridge.viz.scene import build_scene
from skeleton_defs.errors import UserError

NASTY = "</script><script>alert(1)</script><b>&amp;%{x} \"q\" 'p'"


class Tags(HTMLParser):
    """Collects the elements that a browser would find."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)


@pytest.fixture
def write(tmp_path):
    """Returns a function that writes a page and returns its text."""

    def make(layers, title="A title", **options):
        path = tmp_path / "page.html"
        write_html(path, layers, title=title, **options)
        return path.read_text(encoding="utf-8")

    return make


def scene_of(page):
    (text,) = re.findall(r'<script type="application/json" id="scene">(.*?)</script>', page, re.S)
    return json.loads(text)


def caption_of(page):
    (text,) = re.findall(r'<p id="caption">(.*?)</p>', page, re.S)
    return html.unescape(text)


def test_page_loads_nothing(write, person):
    page = write([person()])
    assert page.startswith("<!DOCTYPE html>")
    assert re.findall(r"<script[^>]*>", page) == [
        "<script>",
        '<script type="application/json" id="scene">',
        "<script>",
    ]
    assert not re.search(r"<(link|img|iframe|object|embed|base)\b", page.split("<script>")[0])
    assert "default-src 'none'" in page
    assert "plotly.js v" in page, "the library must be inside"


def test_page_offers_no_upload_of_the_poses(write, person):
    config = scene_of(write([person()]))["config"]
    assert config["showSendToCloud"] is False
    assert config["plotlyServerURL"] == ""


def test_hundred_frames_of_two_skeletons_stay_small(write):
    rng = np.random.default_rng(0)
    layers = [
        Layer(f"{j} joints", 1000 * rng.standard_normal((100, j, 3)),
              tuple(f"joint {k}" for k in range(j)), tuple((k, k + 1) for k in range(j - 1)))
        for j in (24, 17)
    ]  # fmt: skip
    page = write(layers, units="mm", up="z")
    assert len(page) < 8e6
    assert len(json.dumps(scene_of(page), separators=(",", ":"))) < 150_000


@pytest.mark.parametrize(("dims", "units"), [(3, "m"), (2, None)])
def test_traces_and_layout_are_what_plotly_knows(write, person, dims, units):
    """plotly's own validation raises on unknown attributes and bad values."""
    from plotly import graph_objects

    layers = [person(dims=dims, n_frames=2), person("second", dims=dims, n_frames=2)]
    scene = scene_of(write(layers, units=units, up="y", fps=30))
    figure = graph_objects.Figure(data=scene["traces"], layout=scene["layout"])
    kind = {3: "scatter3d", 2: "scatter"}[dims]
    assert [trace.type for trace in figure.data] == [kind] * 4
    assert [trace.legendgroup for trace in figure.data] == ["layer 0"] * 2 + ["layer 1"] * 2
    assert [trace.showlegend for trace in figure.data] == [None, False, None, False]
    assert ("scene" in scene["layout"]) == (dims == 3)
    assert ("yaxis" in scene["layout"]) == (dims == 2)


@pytest.mark.parametrize("up", ["y", "z", "-y", "x", "-z"])
def test_up_axis_is_the_last_and_nothing_is_mirrored(write, person, turned, up):
    """The display shows (x, y, z) of the data as a rotation of the y-up person."""
    layer = person(up=up, n_frames=2)
    scene = scene_of(write([layer], up=up))
    layout = scene["layout"]["scene"]
    order = scene["axes"]
    assert [layout[f"{axis}axis"]["title"]["text"] for axis in "xyz"] == ["xyz"[d] for d in order]
    ranges = np.array([layout[f"{axis}axis"]["range"] for axis in "xyz"])
    display = np.eye(3)[order] * np.sign(ranges[:, 1] - ranges[:, 0])[:, None]
    assert np.linalg.det(display) == pytest.approx(1)
    shown_up = display @ turned[up](np.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(shown_up, [0, 0, 1], atol=1e-12)
    eye = np.array([layout["camera"]["eye"][axis] for axis in "xyz"])
    shown_front = display @ turned[up](np.array([0.0, 0.0, 1.0]))
    assert eye @ shown_front > 0.8 * np.linalg.norm(eye), "the people must be seen from the front"
    assert layout["camera"]["up"] == {"x": 0, "y": 0, "z": 1}


def test_three_dimensional_aspect_is_equal(write, person):
    layout = scene_of(write([person(n_frames=50)], up="y"))["layout"]["scene"]
    assert layout["aspectmode"] == "manual"
    scale = [
        layout["aspectratio"][axis] / abs(np.diff(layout[f"{axis}axis"]["range"]).item())
        for axis in "xyz"
    ]
    np.testing.assert_allclose(scale, scale[0])
    assert len({layout[f"{axis}axis"]["dtick"] for axis in "xyz"}) == 1


def test_whole_box_is_in_view(write, person):
    """The corners of the axes' box lie within plotly's 45 degree view."""
    layer = person(n_frames=80)
    layout = scene_of(write([layer], up="y"))["layout"]["scene"]
    eye = np.array([layout["camera"]["eye"][axis] for axis in "xyz"])
    half = np.array([layout["aspectratio"][axis] for axis in "xyz"]) / 2
    corners = half * (2 * np.indices((2, 2, 2)).reshape(3, -1).T - 1)
    towards = eye / np.linalg.norm(eye)
    right = np.cross([0, 0, 1], towards)
    right /= np.linalg.norm(right)
    depth = np.linalg.norm(eye) - corners @ towards
    heights = np.abs(corners @ np.cross(towards, right)) / depth
    assert heights.max() < np.tan(np.radians(22.5))
    assert (np.abs(corners @ right) / depth).max() < 1.5 * np.tan(np.radians(22.5))


def test_images_have_y_downwards_and_equal_aspect(write, person):
    layout = scene_of(write([person(dims=2)], units="px"))["layout"]
    assert layout["yaxis"]["range"][0] > layout["yaxis"]["range"][1]
    assert layout["yaxis"]["scaleanchor"] == "x"
    assert layout["xaxis"]["range"][0] < layout["xaxis"]["range"][1]
    upright = scene_of(write([person(dims=2)], up="y"))["layout"]
    assert upright["yaxis"]["range"][0] < upright["yaxis"]["range"][1]


def test_positions_are_kept_to_a_ten_thousandth_of_the_picture(write, person):
    layer = person(n_frames=3, step=1 / 3)
    (shown,) = scene_of(write([layer], up="y"))["layers"]
    frames = np.array(shown["frames"]).reshape(layer.positions.shape)
    assert np.abs(frames - layer.positions).max() < 1.7e-4
    assert max(len(str(v)) for frame in shown["frames"] for v in frame) <= 7


def test_missing_joints_are_null_in_all_coordinates(write, person):
    positions = person(n_frames=2).positions.copy()
    positions[1, 0, 3, 0] = np.nan
    layer = Layer("a", positions, person().joint_names, person().edges)
    (shown,) = scene_of(write([layer], up="y"))["layers"]
    assert shown["frames"][1][9:12] == [None] * 3
    assert shown["frames"][1].count(None) == 3
    assert None not in shown["frames"][0]


def test_several_people_are_all_there(write, person):
    walk = person(n_frames=2).positions
    layer = Layer("a", np.concatenate([walk, walk + 1, walk + 2], 1), person().joint_names, ())
    (shown,) = scene_of(write([layer], up="y"))["layers"]
    assert shown["people"] == 3
    assert len(shown["frames"][0]) == 3 * 9 * 3


def test_caption_tells_what_was_thinned_out_and_assumed(write, person):
    page = write([person(n_frames=500)], max_frames=40, units="m")
    caption = caption_of(page)
    assert "40 of 500 frames, evenly spaced." in caption
    assert "Units: m." in caption
    assert "Up axis not stated: y assumed" in caption
    assert "Frame rate not stated: played at 25 per second." in caption
    scene = scene_of(page)
    assert (len(scene["frames"]), scene["frames"][-1], scene["n_frames_given"]) == (40, 499, 500)
    assert scene["fps"] == 25
    page = write([person(n_frames=5)], fps=29.97, up="y")
    assert "29.97 frames per second. " in caption_of(page)
    assert scene_of(page)["fps"] == 29.97


def test_page_of_missing_joints_says_so(write, person):
    empty = Layer("ghost", np.full((4, 9, 3), np.nan), person().joint_names, person().edges)
    page = write([empty])
    assert "'ghost' has no joints to draw: all are missing." in caption_of(page)
    assert set(scene_of(page)["layers"][0]["frames"][3]) == {None}


def test_texts_cannot_leave_their_place(write):
    layer = Layer(NASTY, np.eye(3), (NASTY, "b", "c"), ((0, 1),))
    page = write([layer], title=NASTY, units=NASTY)
    assert "alert(1)</script>" not in page
    tags = Tags()
    tags.feed(page)
    expected = (
        "html head meta meta meta title style body h1 p noscript div div button input output "
        "script script script"
    )
    assert " ".join(tags.found) == expected
    head = page.split("<script>")[0]
    assert head.count(html.escape(NASTY)) == 3, "title, heading and caption"
    scene = scene_of(page)
    shown = scene["layers"][0]["joints"][0]
    assert html.unescape(shown) == NASTY
    # plotly reads tags, entities and %{...} in its texts.
    for text in (shown, scene["traces"][0]["name"]):
        assert not re.search(r"[<>%]", text)
    assert "<script" not in json.dumps(scene["layout"])


def test_json_cannot_end_its_script_element():
    value = {"<!--<script>": "</script>&lt;"}
    assert not re.search("[<>&]", _script_json(value))
    assert json.loads(_script_json(value)) == value


def test_odd_characters_are_written(write):
    page = write([Layer("骨\udc80\u2028", np.eye(3), ("\x00", "b", "c"), ())], title="\ud800é")
    assert "<h1>é</h1>" in page
    assert scene_of(page)["traces"][0]["name"] == "骨"


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_impossible_frame_rate(write, person, fps):
    with pytest.raises(UserError, match="frames per second must be a positive number"):
        write([person()], fps=fps)


def test_nothing_is_written_where_layers_do_not_fit(tmp_path, person):
    with pytest.raises(UserError, match="2D"):
        write_html(tmp_path / "a.html", [person(), person(dims=2)], title="a")
    assert not list(tmp_path.iterdir())


def test_real_walk_is_upright_and_seen_from_the_front(samples, write):
    """HumanML3D's walker: y up, and the first pose looks along z as its documents say."""
    walk = np.load(samples / "humanml3d" / "new_joints" / "012314.npy")
    names = ("pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2",
             "left_ankle", "right_ankle", "spine3", "left_foot", "right_foot", "neck",
             "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder",
             "left_elbow", "right_elbow", "left_wrist", "right_wrist")  # fmt: skip
    layer = Layer("humanml3d_22", walk, names, ((12, 15),))
    made = build_scene([layer], max_frames=300, up=None)
    assert made.up == "y"
    first = build_scene([Layer("a", walk[:1], names, ())], max_frames=1, up="y")
    view = view_axes(first.layers, "y", turn_deg=0, rise_deg=0)
    assert view[2] @ [0, 0, 1] > 0.9
    assert len(write([layer], fps=20, units="m")) < 8e6
