"""Layers and scenes: validation, choice of frames, notes."""

import subprocess
import sys

import numpy as np
import pytest

from skelbridge.viz import Layer, scene
from skelbridge.viz.scene import build_scene, joint_fills, plain_text
from skeleton_defs.errors import UserError

NAMES = ("head", "left_hip", "right_hip")


def layer(positions, names=NAMES, edges=((0, 1), (0, 2)), name="three"):
    return Layer(name, positions, names, edges)


@pytest.mark.parametrize("shape", [(3, 2), (3, 3), (5, 3, 3), (5, 2, 3, 2), (5, 0, 3, 3)])
def test_positions_get_four_axes(shape):
    positions = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    made = layer(positions)
    assert made.positions.ndim == 4
    assert made.positions.shape[-2:] == shape[-2:]
    np.testing.assert_array_equal(made.positions.ravel(), positions.ravel())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"positions": np.zeros((5, 3, 4))}, r"2 or 3\), at least .* Received \(5, 3, 4\)"),
        ({"positions": np.zeros(3)}, r"Received \(3,\)"),
        ({"positions": np.zeros((0, 3, 3))}, r"at least one frame and joint. Received \(0, 3, 3\)"),
        ({"positions": np.zeros((4, 0, 3)), "names": ()}, "at least one frame and joint"),
        ({"positions": np.zeros((1, 1, 1, 3, 3))}, "frames, people, joints"),
        ({"positions": np.zeros((5, 3, 3), complex)}, "real numbers. Received dtype complex128"),
        ({"positions": np.full((5, 3, 3), "a")}, "real numbers. Received dtype <U1"),
        ({"positions": np.zeros((5, 4, 3))}, r"as many as joints \(4\). Received 3"),
        ({"positions": np.zeros((5, 3, 3)), "edges": ((0, 3),)}, r"below 3. Received \(0, 3\)"),
        ({"positions": np.zeros((5, 3, 3)), "edges": ((-1, 0),)}, r"Received \(-1, 0\)"),
        ({"positions": np.zeros((5, 3, 3)), "edges": ((0, 1, 2),)}, "pair of joint indices"),
    ],
)
def test_layer_that_does_not_fit_together(arguments, message):
    with pytest.raises(UserError, match=message) as error:
        layer(**arguments)
    assert str(error.value).startswith("layer 'three': ")


@pytest.mark.parametrize(
    ("layers", "options", "message"),
    [
        ([], {}, "at least one layer"),
        ([np.zeros((4, 3, 3)), np.zeros((4, 3, 2))], {}, r"\(4 frames, 3D\).*4 frames, 2D"),
        ([np.zeros((4, 3, 3)), np.zeros((5, 3, 3))], {}, r"\(4 frames, 3D\).*5 frames, 3D"),
        ([np.zeros((4, 3, 3))], {"up": "w"}, "up axis must be x, y or z.*'w'"),
        ([np.zeros((4, 3, 3))], {"max_frames": 0}, "at least 1. Received 0"),
    ],
)
def test_scene_that_does_not_fit_together(layers, options, message):
    with pytest.raises(UserError, match=message):
        build_scene([layer(p) for p in layers], **{"max_frames": 10, "up": None, **options})


def test_long_sequence_is_thinned_out_evenly_with_both_ends():
    positions = np.arange(100.0)[:, None, None] * np.ones((3, 3))
    made = build_scene([layer(positions)], max_frames=12, up="y")
    assert made.frames.tolist() == [0, 9, 18, 27, 36, 45, 54, 63, 72, 81, 90, 99]
    np.testing.assert_array_equal(made.layers[0].positions[:, 0, 0, 0], made.frames)
    assert "12 of 100 frames, evenly spaced." in made.notes


def test_short_sequence_is_shown_whole():
    made = build_scene([layer(np.zeros((7, 3, 3)))], max_frames=7, up="y")
    assert made.frames.tolist() == list(range(7))
    assert not any("evenly" in note for note in made.notes)


def test_mesh_sized_layers_get_fewer_frames(monkeypatch):
    monkeypatch.setattr(scene, "MAX_COORDINATES", 9 * 4)  # one frame has 9 coordinates
    made = build_scene([layer(np.zeros((20, 3, 3)))], max_frames=10, up="y")
    assert made.frames.tolist() == [0, 6, 13, 19]


def test_half_missing_and_undrawable_joints_are_missing_altogether():
    positions = np.ones((1, 3, 3), np.float32)
    positions[0, 0, 1] = np.nan
    positions[0, 1, 2] = np.inf
    made = build_scene([layer(positions)], max_frames=1, up="y")
    assert np.isnan(made.layers[0].positions[0, 0]).all(axis=-1).tolist() == [True, True, False]
    assert np.isfinite(positions).sum() == 7, "the given array must stay as it is"
    far = build_scene([layer(np.full((3, 3), 1e200))], max_frames=1, up="y")
    assert np.isnan(far.layers[0].positions).all()


def test_notes_tell_units_and_up_axis():
    made = build_scene([layer(np.ones((3, 3)))], max_frames=1, up="-y", units="m\nm")
    assert made.notes[:2] == ("Units: m m.", "Up axis: -y.")
    assert made.up == "-y"


@pytest.mark.parametrize(
    ("up", "upward", "note"),
    [
        (None, "-y", "2D, y downwards as in images."),
        ("z", "-y", "2D, y downwards as in images."),
        ("y", "y", "2D, y upwards."),
    ],
)
def test_two_dimensional_poses_are_images_unless_y_is_up(up, upward, note):
    made = build_scene([layer(np.ones((3, 2)))], max_frames=1, up=up)
    assert (made.up, made.n_dims) == (upward, 2)
    assert note in made.notes


def test_layer_without_joints_is_said_to_be_empty():
    layers = [layer(np.ones((3, 3))), layer(np.full((3, 3), np.nan), name="ghost")]
    made = build_scene(layers, max_frames=1, up="y")
    assert "'ghost' has no joints to draw: all are missing." in made.notes
    assert not any("'three'" in note for note in made.notes)


def test_left_joints_are_paler():
    assert joint_fills(layer(np.ones((3, 3))), 0) == ["#0072B2", "#B2D5E8", "#0072B2"]
    made = build_scene([layer(np.ones((3, 3)))], max_frames=1, up="y")
    assert "Pale joints: left side." in made.notes
    made = build_scene([layer(np.ones((3, 3)), ("a", "b", "c"))], max_frames=1, up="y")
    assert "Pale joints: left side." not in made.notes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" a\tb\r\nc\x00 ", "a b c"),
        ("\udc80\u202egnp.x", "gnp.x"),
        ("Ärger 骨", "Ärger 骨"),
        ("x" * 200, "x" * 119 + "…"),
    ],
)
def test_texts_are_shown_on_one_line(text, shown):
    assert plain_text(text) == shown


def test_import_is_light():
    """Neither plotly nor matplotlib is loaded before a picture is written."""
    code = (
        "import sys; from skelbridge.viz import Layer, write_html, write_png; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'plotly', 'matplotlib'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
