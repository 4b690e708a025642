"""Cameras that frame a person, and the people they frame."""

import numpy as np
import pytest

from dataset_adapters.camera import Camera
from skelbridge.atlas.low_poly import default_body
from skelbridge.synth.people import shape_of
from skelbridge.synth.views import SIDES, ViewChoice, view_of

BODY = default_body()


def standing():
    vertices, _ = BODY.posed(np.tile(np.eye(3), (20, 1, 1)), np.zeros(10))
    return vertices - (0, vertices[:, 1].min(), 0)


def choice(**changes):
    given = {"distance": 4.0, "pitch": 0.2, "roll": 0.0, "fill": 0.8, "shift": np.zeros(2)}
    return ViewChoice(**{**given, **changes})


def framed(size=160, **changes):
    vertices = standing()
    view = view_of(vertices, np.ones(len(vertices)), choice(**changes), size)
    pixels, depth = view.project(vertices)
    return view, pixels, depth


class TestView:
    @pytest.mark.parametrize("roll", [0.0, 0.3])
    def test_the_person_fills_the_middle(self, roll):
        view, pixels, depth = framed(roll=roll)
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        assert np.concatenate([low, high - low]) == pytest.approx(view.box, abs=1e-6)
        assert (high - low).max() == pytest.approx(0.8 * 160)
        assert (low + high) / 2 == pytest.approx((79.5, 79.5), abs=1e-6)
        assert depth.min() > 2

    def test_it_is_upright_and_unmirrored(self):
        _, pixels, _ = framed()
        head, sole = standing()[:, 1].argmax(), standing()[:, 1].argmin()
        left_hand = standing()[:, 0].argmax()
        assert pixels[head, 1] < pixels[sole, 1]
        # People face the camera: their left is on the right of the picture.
        assert pixels[left_hand, 0] > 100

    def test_distance_pitch_and_the_store_s_camera(self):
        view, pixels, depth = framed(pitch=0.3)
        vertices = standing()
        middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
        assert np.linalg.norm(view.center - middle) == pytest.approx(4)
        assert view.center[1] - middle[1] == pytest.approx(4 * np.sin(0.3))
        camera = Camera(R=view.R, t=-1000 * view.R @ view.center, K=view.K)
        assert camera.project(1000 * vertices) == pytest.approx(pixels, abs=1e-8)
        assert camera.to_camera(1000 * vertices)[:, 2] == pytest.approx(1000 * depth)

    def test_cameras_do_not_look_through_the_floor(self):
        view, *_ = framed(pitch=-1.0)
        assert view.center[1] == pytest.approx(0.15)

    @pytest.mark.parametrize("side", range(4))
    @pytest.mark.parametrize("is_black", [True, False])
    def test_the_image_ends_within_the_person(self, side, is_black):
        view, pixels, _ = framed(cut_side=side, cut=0.25, is_black=is_black)
        axis, at_far_end = SIDES[side]
        limit = view.limits[int(at_far_end), axis]
        beyond = pixels[:, axis] > limit if at_far_end else pixels[:, axis] < limit
        assert beyond.mean() == pytest.approx(0.25, abs=0.06)
        left_top, right_bottom = view.box[:2], view.box[:2] + view.box[2:]
        assert (left_top >= view.limits[0] - 1e-9).all()
        assert (right_bottom <= view.limits[1] + 1e-9).all()
        is_edge = limit == (159.5 if at_far_end else -0.5)
        assert is_edge is not is_black


class TestPeople:
    @pytest.mark.parametrize("stature", [1.5, 1.7, 1.98])
    def test_stature_is_as_wanted(self, stature):
        for seed in range(5):
            rng = np.random.default_rng(seed)
            shape = shape_of(BODY, rng, stature=stature, build=0.5)
            vertices, _ = BODY.posed(np.tile(np.eye(3), (20, 1, 1)), shape)
            assert np.ptp(vertices[:, 1]) == pytest.approx(stature, abs=0.02)

    def test_build_widens_the_trunk(self):
        widths = []
        for build in (-1.5, 0.0, 1.5):
            shape = shape_of(BODY, np.random.default_rng(0), stature=1.7, build=build)
            vertices = BODY.shaped(shape).vertices
            waist = np.abs(vertices[:, 1] - 0.15) < 0.05
            widths.append(np.ptp(vertices[waist, 0]))
        assert widths[0] < widths[1] - 0.01 and widths[1] < widths[2] - 0.01

    def test_other_draws_are_other_people(self):
        shapes = [shape_of(BODY, np.random.default_rng(s), stature=1.7, build=0) for s in (0, 1)]
        assert np.abs(shapes[0] - shapes[1]).max() > 0.1
