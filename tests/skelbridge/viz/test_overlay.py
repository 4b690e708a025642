"""Skeletons over pictures: at the right pixels, in the right colours."""

import cv2
import numpy as np
import pytest

from skelbridge.viz import Layer, write_overlay
from skelbridge.viz.scene import PALETTE
from skeleton_defs import UserError


def layer(positions, name="smpl_24 (predicted)"):
    positions = np.asarray(positions, float)
    n_joints = positions.shape[-2]
    edges = tuple((i, i + 1) for i in range(n_joints - 1))
    return Layer(name, positions, tuple(f"joint{i}" for i in range(n_joints)), edges)


def drawn(path, picture, layers, **options):
    write_overlay(path, picture, layers, **options)
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def is_color(page, rank):
    color = [int(PALETTE[rank][at : at + 2], 16) for at in (1, 3, 5)]
    return (np.abs(page.astype(int) - color) < 12).all(-1)


@pytest.mark.parametrize("size", [(90, 60), (1200, 800), (3600, 2400)])
def test_joints_are_at_their_pixels(tmp_path, size):
    width, height = size
    picture = np.full((height, width, 3), 90, np.uint8)
    joint = np.array([0.25 * width, 0.6 * height])
    page = drawn(tmp_path / "a.png", picture, [layer(joint[None, None])])
    factor = np.clip(width, 900, 1800) / width
    assert page.shape[1] == round(width * factor)
    rows, columns = np.nonzero(is_color(page[: round(height * factor)], 0))
    # The centre of the first pixel is (0, 0), also when it is enlarged.
    # Drawing rounds markers to whole pixels of the page.
    np.testing.assert_allclose(
        [columns.mean(), rows.mean()], (joint + 0.5) * factor - 0.5, atol=1.05
    )


def test_the_picture_is_under_it(tmp_path):
    picture = np.zeros((900, 900, 3), np.uint8)
    picture[:450] = (10, 200, 30)
    page = drawn(tmp_path / "a.png", picture, [layer([[[2.0, 2.0]]])])
    np.testing.assert_array_equal(page[100:440, 100:800], picture[100:440, 100:800])
    np.testing.assert_array_equal(page[460:890, 100:800], picture[460:890, 100:800])


def test_every_layer_has_its_colour_and_legend(tmp_path):
    picture = np.zeros((300, 900, 3), np.uint8)
    bone = np.array([[[100.0, 50], [800.0, 50]]])
    layers = [layer(bone + np.array([0, 100 * k]), name=f"layer {k}") for k in range(3)]
    page = drawn(tmp_path / "a.png", picture, layers, caption="A remark.")
    for rank in range(3):
        assert is_color(page[30 + 100 * rank : 70 + 100 * rank], rank).sum() > 700
        assert is_color(page[300:], rank).any()  # legend
    assert drawn(tmp_path / "b.png", picture, layers).shape[0] < page.shape[0]


def test_missing_and_stray_joints_are_not_drawn(tmp_path):
    picture = np.zeros((100, 900, 3), np.uint8)
    positions = [[[10, 50], [np.nan, np.nan], [20, 50], [1e9, 50], [np.inf, 3]]]
    page = drawn(tmp_path / "a.png", picture, [layer(positions)])
    columns = np.nonzero(is_color(page[:100], 0))[1]
    assert len(columns) and columns.max() < 40


def test_nobody(tmp_path):
    page = drawn(
        tmp_path / "a.png", np.zeros((60, 60, 3), np.uint8), [layer(np.zeros((1, 0, 4, 2)))]
    )
    assert not is_color(page[:900], 0).any()


def test_boxes_are_drawn(tmp_path):
    picture = np.full((900, 900, 3), 128, np.uint8)
    boxes = np.array([[200, 300, 400, 100.0]])
    page = drawn(tmp_path / "a.png", picture, [layer([[[2.0, 2.0]]])], boxes=boxes)
    changed = np.argwhere((page[:900] != 128).any(-1))
    changed = changed[changed[:, 0] > 100]
    np.testing.assert_allclose(changed.min(0), [300, 200], atol=2)
    np.testing.assert_allclose(changed.max(0), [400, 600], atol=2)


@pytest.mark.parametrize("shape", [(2, 1, 3, 2), (1, 1, 3, 3)])
def test_unfit_layers(tmp_path, shape):
    with pytest.raises(UserError, match="one frame of 2D"):
        write_overlay(tmp_path / "a.png", np.zeros((9, 9, 3), np.uint8), [layer(np.zeros(shape))])


def test_strange_names_are_drawn_as_they_are(tmp_path):
    name = r"$\frac{a$ 骨 " + "x" * 500
    drawn(tmp_path / "a.png", np.zeros((20, 20, 3), np.uint8), [layer([[[2.0, 2.0]]], name)],
          caption=name)  # fmt: skip
