"""The z-buffer: pixels counted by hand, and a slow oracle."""

import numpy as np
import pytest

from skelbridge.synth.rasteriser import seen_faces


def drawn(triangles, inverse_depth=None, size=(8, 8)):
    corners = np.asarray(triangles, float)
    if inverse_depth is None:
        inverse_depth = np.ones(corners.shape[:2])
    x, y = corners[..., 0].T, corners[..., 1].T
    return seen_faces(x, y, np.asarray(inverse_depth, float).T, size)


def image(seen, size=(8, 8)):
    faces = np.full(size[0] * size[1], -1)
    faces[seen.pixels] = seen.faces
    return faces.reshape(size[::-1])


def test_a_triangle_by_hand():
    # Right angle at the top left; the slanted edge x + y = 3.5 leaves 4, 3, 2, 1 pixels per row.
    found = image(drawn([[(-0.25, -0.25), (3.75, -0.25), (-0.25, 3.75)]])) >= 0
    assert found.sum(axis=1).tolist() == [4, 3, 2, 1, 0, 0, 0, 0]
    assert found.sum(axis=0).tolist() == [4, 3, 2, 1, 0, 0, 0, 0]


def test_two_triangles_share_the_pixels_of_their_common_edge():
    # The diagonal runs through pixel centres.
    square = [(0.5, 0.5), (6.5, 0.5), (6.5, 6.5), (0.5, 6.5)]
    both = [[square[0], square[1], square[2]], [square[0], square[2], square[3]]]
    found = image(drawn(both))
    assert (found[1:7, 1:7] >= 0).all() and (found >= 0).sum() == 36
    alone = [(image(drawn([one])) >= 0) for one in both]
    assert not (alone[0] & alone[1]).any()


def test_only_the_clockwise_side_is_seen():
    corners = [(0, 0), (7, 0), (0, 7)]
    assert len(drawn([corners]).pixels) > 20
    assert not len(drawn([corners[::-1]]).pixels)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_triangle_is_seen_whatever_the_order(order):
    big, small = [(-1, -1), (20, -1), (-1, 20)], [(2, 2), (5.5, 2), (2, 5.5)]
    given = np.array([big, small], float)[list(order)]
    near = np.array([[0.5] * 3, [2.0] * 3])[list(order)]
    found = image(drawn(given, near))
    assert found[3, 3] == order.index(1) and found[7, 0] == order.index(0)


def test_planes_that_cut_each_other_are_split_where_they_are_equally_far():
    # 1 / depth falls from 2 to 0 along x in one, and stays 1 in the other: they meet at x = 3.5.
    corners = [[(0, 0), (7, 0), (7, 7)], [(0, 0), (7, 0), (7, 7)]]
    found = image(drawn(corners, [[2.0, 1e-6, 1e-6], [1.0, 1.0, 1.0]]))
    assert found[0, :7].tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_inverse_depth_is_interpolated():
    seen = drawn([[(0, 0), (7, 0), (0, 7)]], [[1.0, 8.0, 1.0]])
    column = seen.pixels % 8
    assert seen.inverse_depth == pytest.approx(1 + column, abs=1e-9)


def test_what_is_outside_is_cut():
    seen = drawn([[(-50, -60), (90, -20), (-10, 80)], [(100, 100), (120, 100), (100, 120)]])
    assert len(seen.pixels) == 64 and (seen.faces == 0).all()
    assert not len(drawn([[(-9, -9), (-2, -9), (-9, -2)]]).pixels)
    assert not len(seen_faces(np.zeros((3, 0)), np.zeros((3, 0)), np.ones((3, 0)), (4, 4)).pixels)


def test_against_a_slow_oracle():
    rng = np.random.default_rng(3)
    corners = rng.uniform(-6, 36, (60, 3, 2))
    depth = rng.uniform(0.2, 1.0, (60, 3))
    found = image(drawn(corners, depth, (30, 24)), (30, 24))
    ys, xs = np.mgrid[:24, :30]
    best, expected = np.zeros((24, 30)), np.full((24, 30), -1)
    for k, (a, b, c) in enumerate(corners):

        def side(p, q):
            return (q[0] - p[0]) * (ys - p[1]) - (q[1] - p[1]) * (xs - p[0])

        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if area <= 0:
            continue
        shares = np.stack([side(b, c), side(c, a), side(a, b)]) / area
        here = np.tensordot(depth[k], shares, 1)
        wins = (shares >= 0).all(axis=0) & (here > best)
        best[wins], expected[wins] = here[wins], k
    assert (found == expected).all()
