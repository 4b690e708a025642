"""What a user may decide about synthetic people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import skeleton_defs
from skeleton_defs import UserError

from ..atlas.low_poly import default_body
from .looks import TRAINED

#: Changes whenever the same options give other pictures.
VERSION = 2
#: Test pictures per look, where the user says nothing; 160 suffice for an interval of 2 mm.
TEST_PICTURES = 200
_SIZES = (32, 1024)
_MOST_EXAMPLES = 100_000_000


@dataclass(frozen=True)
class SynthOptions:
    """What decides the pictures.

    Attributes:
      domains: so many looks to train on, each with labels in one format.
      examples: training pictures of all domains together.
      seed: another one, other people.
      size: px of a picture's side.
      two_d: training pictures with 2D labels only; None is an eighth of `examples`.
      test: test pictures of each look, and of one that is never trained on.
      facing: people face the camera within so many degrees; 180 is a full turn.
      backgrounds: folder of images to use as backgrounds, or None.
      formats: skeleton format of each domain; None is the looks' own.

    Raises:
      UserError: a value is out of range, or a format has joints that the body lacks.
    """

    domains: int = 4
    examples: int = 20000
    seed: int = 0
    size: int = 160
    two_d: int | None = None
    test: int = TEST_PICTURES
    facing: float = 75.0
    backgrounds: str | None = None
    formats: Sequence[str] | None = None

    def __post_init__(self):
        _check("domains", self.domains, 1, len(TRAINED))
        _check("examples", self.examples, self.domains, _MOST_EXAMPLES)
        _check("seed", self.seed, 0, 2**63 - 1)
        _check("size", self.size, *_SIZES)
        _check("test", self.test, 0, _MOST_EXAMPLES)
        if self.two_d is None:
            object.__setattr__(self, "two_d", self.examples // 8)
        _check("two-d", self.two_d, 0, _MOST_EXAMPLES)
        if not 0 <= self.facing <= 180:
            raise UserError(f"facing must be from 0 to 180 degrees. Received {self.facing}")
        formats = self.formats or [look.skeleton for look in TRAINED[: self.domains]]
        if len(formats) != self.domains:
            raise UserError(
                f"formats must name one format per domain ({self.domains}). "
                f"Received {len(formats)}: {', '.join(formats)}"
            )
        names = tuple(skeleton_defs.get(name).name for name in formats)
        for name in names:
            point_rows(name)
        object.__setattr__(self, "formats", names)

    def per_domain(self) -> list[int]:
        """Returns the training pictures of each domain; the first ones take the remainder."""
        each, rest = divmod(self.examples, self.domains)
        return [each + (k < rest) for k in range(self.domains)]


def point_rows(skeleton: str) -> list[int]:
    """Returns where the joints of a format stand among the body's points.

    Raises:
      UserError: the body lacks a joint of the format.
    """
    definition = skeleton_defs.get(skeleton)
    place = {name: k for k, name in enumerate(default_body().points)}
    rows = []
    for joint in definition.joints:
        point = ":".join(definition.point_of(joint))
        if point not in place:
            raise UserError(
                f"{definition.name} cannot label synthetic people: nobody knows where its "
                f"'{joint}' lies on the body; choose another format"
            )
        rows.append(place[point])
    return rows


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UserError(f"{name} must be from {low} to {high}. Received {value}")
