"""The sheet, looked at as pixels and as a laid-out figure."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from skelbridge.viz import Layer, write_png
from skelbridge.viz.scene import PALETTE
from skeleton_defs.errors import UserError


@pytest.fixture
def write(tmp_path):
    """Returns a function that writes a sheet and returns its pixels `(rows, columns, 3)`, 0-255."""

    def make(layers, title="A title", **options):
        path = tmp_path / "sheet.png"
        write_png(path, layers, title=title, **options)
        assert path.read_bytes().startswith(b"\x89PNG")
        return np.round(imread(path)[..., :3] * 255)

    return make


@pytest.fixture
def figures(monkeypatch):
    """Returns the list of figures that are saved, with their texts and panels still in place."""
    saved, save = [], Figure.savefig

    def spy(figure, *args, **options):
        saved.append(figure)
        return save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", spy)
    return saved


def places(pixels, rank):
    """Returns rows and columns of the pixels of a layer's colour, the legend left out."""
    color = [int(PALETTE[rank][at : at + 2], 16) for at in (1, 3, 5)]
    found = (np.abs(pixels - color) <= 12).all(axis=-1)
    found[:, :120] &= np.arange(len(found))[:, None] > 240  # the legend, upper left
    rows, columns = np.nonzero(found)
    assert len(rows) > 20, f"nothing drawn in {PALETTE[rank]}"
    return rows, columns


@pytest.mark.parametrize("up", ["y", "z", "-y", "x", "-z"])
def test_people_stand_upright_and_are_not_mirrored(write, person, up):
    parts = [
        ("neck", "left_shoulder", "right_shoulder", "pelvis"),
        ("head", "neck"),
        ("left_shoulder", "left_wrist"),
        ("right_shoulder", "right_wrist"),
        ("pelvis", "left_ankle", "right_ankle"),
    ]
    layers = [person(" ".join(p), joints=p, up=up) for p in parts]
    pixels = write(layers, up=up)
    (torso, _), (head, _), (_, left), (_, right), (legs, _) = (
        [np.median(axis) for axis in places(pixels, rank)] for rank in range(5)
    )
    assert head < torso < legs
    assert right + 50 < left, "who is seen from the front has the left hand on the viewer's right"


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 1), (1, 2)])
def test_aspect_is_equal(write, width, height):
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    box = Layer("box", corners, tuple("abcd"), ((0, 1), (1, 2), (2, 3), (3, 0)))
    rows, columns = places(write([box]), 0)
    line = 9  # joints and bones are drawn as broad as this
    assert (np.ptp(columns) - line) / (np.ptp(rows) - line) == pytest.approx(width / height, 0.03)


def test_images_have_y_downwards(write):
    upper = Layer("upper", np.array([[0.0, 0.0], [9.0, 0.0]]), ("a", "b"), ((0, 1),))
    lower = Layer("lower", np.array([[0.0, 9.0], [9.0, 9.0]]), ("a", "b"), ((0, 1),))
    pixels = write([upper, lower])
    assert places(pixels, 0)[0].max() < places(pixels, 1)[0].min()
    pixels = write([upper, lower], up="y")
    assert places(pixels, 0)[0].min() > places(pixels, 1)[0].max()


def test_poses_are_heights_and_widths_of_the_person(write, person):
    """Without perspective, the share of the person's height is that of the joints' heights."""
    bars = [
        Layer("tall", np.array([[0.0, 0, 0], [0, 2, 0]]), ("a", "b"), ((0, 1),)),
        Layer("half", np.array([[1.0, 0, 0], [1, 1, 0]]), ("a", "b"), ((0, 1),)),
    ]
    pixels = write(bars, up="y")
    tall, half = (np.ptp(places(pixels, rank)[0]) for rank in (0, 1))
    assert (half - 6) / (tall - 9) == pytest.approx(0.5, abs=0.03)


def test_missing_joints_and_their_bones_are_not_drawn(write):
    def bar(color_rank_name, end):
        return Layer(color_rank_name, np.array([[0.0, 0.0], [1.0, 1.0], end]), tuple("abc"),
                     ((0, 1), (1, 2)))  # fmt: skip

    whole = len(places(write([bar("a", [2.0, 2.0])]), 0)[0])
    frame = Layer("frame", np.array([[0.0, 0.0], [2.0, 2.0]]), ("a", "b"), ())
    part = len(places(write([bar("a", [np.nan, 2.0]), frame]), 0)[0])
    assert part < 0.7 * whole


def test_all_frames_share_one_scale_and_are_labelled(figures, write, person):
    write([person(n_frames=50)], n_frames=6, up="y")
    (figure,) = figures
    assert len(figure.axes) == 6
    assert {axes.get_xlim() for axes in figure.axes} == {figure.axes[0].get_xlim()}
    labels = [text.get_text() for text in figure.texts if text.get_text().startswith("frame")]
    assert labels == ["frame 0", "frame 10", "frame 20", "frame 29", "frame 39", "frame 49"]


def test_panels_follow_the_people(figures, write, person):
    """Someone who walks 100 m is drawn as large as someone who stands."""
    write([person(n_frames=50, step=0.0)], up="y")
    write([person(n_frames=50, step=2.0)], up="y")
    standing, walking = (figure.axes[0].get_ylim()[1] for figure in figures)
    assert walking == pytest.approx(standing)


@pytest.mark.parametrize(
    ("n_frames", "title"),
    [
        (1, "w" * 300),
        (1, "short"),
        (2, "a long title " * 9),
        (5, "$\\frac{a$ ^ _ $$ \\"),
        (8, "two\nlines"),
        (30, "W" * 300),
    ],
)
def test_texts_and_panels_do_not_overlap(figures, write, person, n_frames, title):
    layers = [person("_source " * 20, n_frames=n_frames), person("target $x", n_frames=n_frames)]
    write(layers, title=title, n_frames=n_frames, units="$")
    (figure,) = figures
    boxes = [text.get_window_extent() for text in figure.texts]
    boxes += [axes.get_window_extent() for axes in figure.axes]
    assert len(figure.axes) == n_frames
    for first, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0, box
        assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height, box
        assert not any(box.overlaps(other) for other in boxes[first + 1 :])


def test_caption_tells_what_is_assumed(figures, write, person):
    write([person(n_frames=50)], units="m")
    text = " ".join(text.get_text() for text in figures[0].texts)
    assert "8 of 50 frames, evenly spaced." in text
    assert "Up axis not stated: y assumed" in text
    assert "Floor squares: 0.5 m." in text


@pytest.mark.parametrize("dims", [2, 3])
def test_layer_of_missing_joints(write, dims):
    empty = Layer("ghost", np.full((3, 2, 4, dims), np.nan), tuple("abcd"), ((0, 1),))
    assert write([empty]).min() < 128, "title and caption"


def test_frame_without_people_among_others(write, person):
    walk = person(n_frames=3)
    positions = walk.positions.copy()
    positions[1] = np.nan
    places(write([Layer("a", positions, walk.joint_names, walk.edges)], up="y"), 0)


def test_single_joint_and_stray_values(write):
    places(write([Layer("a", np.full((1, 3), 1e6), ("a",), ())], up="y"), 0)
    positions = np.zeros((20, 3, 3)) + np.arange(3)[:, None]
    positions[3, 0] = 1e25
    places(write([Layer("a", positions, tuple("abc"), ((0, 1),))], up="z"), 0)


def test_names_that_the_font_lacks_raise_no_warning(write, person):
    write([person("骨格 🦴")], title="\udc80 骨", up="y")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_frames": 0}, "at least 1. Received 0"),
        ({"n_frames": 201}, "at most 200 frames. Received 201"),
        ({"up": "left"}, "up axis must be"),
    ],
)
def test_impossible_options(tmp_path, person, options, message):
    with pytest.raises(UserError, match=message):
        write_png(tmp_path / "a.png", [person()], title="a", **options)
    assert not list(tmp_path.iterdir())


def test_pyplot_is_left_alone(tmp_path):
    code = (
        "import sys, numpy as np; from skelbridge.viz import Layer, write_png; "
        f"write_png({str(tmp_path / 'a.png')!r}, "
        "[Layer('a', np.eye(3), ('a', 'b', 'c'), ())], title='a'); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "False"
