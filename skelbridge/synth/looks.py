"""The pseudo-datasets: how each one looks, who is in it, what they do, and from where one sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .activities import ACTIVITIES
from .clothes import Palette

_Range = tuple[float, float]


@dataclass(frozen=True)
class Look:
    """One pseudo-dataset.

    Attributes:
      dataset: name in the store.
      number: part of every picture's seed; never changes.
      title: one line for people.
      skeleton: format of its labels, where no other is asked for.
      background: key of `backgrounds.DRAWN`.
      activities: what people do -> how often, in any unit.
      stature: from and to, m.
      build: from and to, standard deviations of the trunk's width.
      palette: their clothes.
      pitch: degrees by which cameras look down, from and to.
      distance: of the cameras, m.
      roll: up to so many degrees either way.
      light: share of the light that comes from one direction, from and to.
      contrast: of the whole picture, from and to.
      grain: standard deviation of the camera's noise, of 255.
      has_shadow: whether people throw a shadow on the floor.
    """

    dataset: str
    number: int
    title: str
    skeleton: str
    background: str
    activities: Mapping[str, float]
    stature: _Range
    build: _Range
    palette: Palette
    pitch: _Range
    distance: _Range
    roll: float = 3.0
    light: _Range = (0.35, 0.65)
    contrast: _Range = (0.85, 1.1)
    grain: float = 2.0
    has_shadow: bool = False


_ALL = dict.fromkeys(ACTIVITIES, 1.0)

#: Looks to train on, in the order in which `--domains` takes them.
TRAINED = (
    Look(
        "synth_a", 0, "Bright clothes before blurred colours, all kinds of poses", "smpl_24",
        "blurred_colours",
        {"anything": 4, "stand": 2, "walk": 2, "reach": 1.5, "bend_over": 1, "lunge": 1},
        (1.56, 1.86), (-1.0, 1.0), Palette((0.5, 1.0), (0.45, 1.0)), (-10, 15), (3, 7),
    ),
    Look(
        "synth_b", 1, "Slim people in dark clothes in a brown studio, standing or sitting",
        "h36m_17", "studio", {"stand": 4, "sit": 3, "walk": 2, "reach": 1},
        (1.6, 1.84), (-1.8, -0.4), Palette((0.0, 0.45), (0.06, 0.35), striped=0.0), (3, 15),
        (4, 6), roll=1.5, grain=4.0, has_shadow=True,
    ),
    Look(
        "synth_c", 2, "Tall heavy people before clutter, wide poses, rolling cameras", "coco_17",
        "polygons_and_noise", {"wide": 5, "reach": 3, "one_leg": 2, "lunge": 1},
        (1.8, 2.0), (0.5, 2.0), Palette(striped=0.4), (-8, 18), (2.2, 4.5), roll=20.0,
        contrast=(0.7, 1.2),
    ),
    Look(
        "synth_d", 3, "Short people with bright specks, mostly crouching, seen from above",
        "mpi_inf_3dhp_17", "dark_stripes",
        # Some stand or walk, as in any real dataset: a head that never saw straight legs makes them
        # short.
        {"crouch": 4, "half_crouch": 3, "kneel": 2, "bend_over": 1.5, "stand": 3, "walk": 1},
        (1.48, 1.64), (-0.6, 1.2), Palette((0.2, 0.8), (0.2, 0.6), speckled=0.1), (15, 45), (3, 6),
        light=(0.4, 0.8), has_shadow=True,
    ),
)  # fmt: skip
#: Labelled in 2D only.
TWO_D = Look(
    "synth_2d", 8, "All kinds of people and poses in rooms, with 2D labels only", "coco_17",
    "rooms", _ALL, (1.5, 1.95), (-1.4, 1.6), Palette(striped=0.25), (-10, 35), (2.2, 8),
    roll=8.0, contrast=(0.75, 1.15), grain=3.0,
)  # fmt: skip
#: Never trained on.
UNSEEN = Look(
    "synth_unseen", 9, "All kinds of poses before gradients and discs; for testing only", "smpl_24",
    "gradients_and_discs", _ALL, (1.52, 1.95), (-1.3, 1.6),
    Palette((0.15, 0.6), (0.4, 0.95), striped=0.3), (-15, 40), (2.5, 7), roll=8.0,
    light=(0.3, 0.7), has_shadow=True,
)  # fmt: skip
LOOKS = {look.dataset: look for look in (*TRAINED, TWO_D, UNSEEN)}
