"""Adult bodies in captured poses: positions of named anchors and rotations of body parts.

This is what the atlas is measured on. Metres; x to the person's left, y up, z forward.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dataset_adapters.body_models.rotations import matrix_from_axis_angle

from .anchors import Anchors, make_anchors
from .anny_body import AnnyBody, RestBodies, Shapes, sample_shapes
from .kicks import with_kicks
from .motion import Motion, select_takes
from .posing import RestFrames, bone_transforms, bone_turns, collar_rotations, rest_frames
from .transfer import PART_INDEX, PARTS

__all__ = ["PARTS", "Bodies", "PosedBodies", "make_bodies", "sample_posed_bodies"]

MIN_STATURE_M, MAX_STATURE_M = 1.50, 1.95
#: Standard deviation of the random turns that parts get on top of the motion, in radians.
NOISE_RAD = {"pelvis": 0.03, "spine1": 0.04, "spine2": 0.04, "spine3": 0.05, "neck": 0.07,
             "head": 0.10, "collar": 0.05, "upper_arm": 0.10, "forearm": 0.07, "hand": 0.10,
             "thigh": 0.07, "shank": 0.05, "foot": 0.08}  # fmt: skip
#: Samples posed at a time: some 60 MB of bone rotations.
CHUNK = 2000
_SOLE = ("skin:left_heel_sole", "skin:left_ball_sole", "skin:right_heel_sole",
         "skin:right_ball_sole")  # fmt: skip
_ARM = ("upper_arm", "forearm", "hand")
_LEG = ("thigh", "shank", "foot")


@dataclass(frozen=True, eq=False)
class PosedBodies:
    """`N` samples, each one body in one pose.

    Attributes:
      anchors: `(N, A, 3)` float32 metres, the pelvis' bone head at the origin, y up in the world.
      anchor_names: `A` names, see `anchors.Anchors`.
      rotations: `(N, P, 3, 3)` float32 world rotation of each part of `PARTS` relative to the
        reference T-pose (`transfer`), as posed: with the random turns, and collars that follow the
        arms.
      reference: `(N, A, 3)` float32: the anchors of the same bodies in the reference T-pose.
      stature: `(N,)` metres.
      body: `(N,)` index of the body.
      take: `(N,)` index into `take_names`.
      take_names: names of the takes.
    """

    anchors: np.ndarray
    anchor_names: tuple[str, ...]
    rotations: np.ndarray
    reference: np.ndarray
    stature: np.ndarray
    body: np.ndarray
    take: np.ndarray
    take_names: tuple[str, ...]

    def index(self, anchor: str) -> int:
        """Return the index of an anchor.

        Raises:
          ValueError: there is none of that name.
        """
        if anchor not in self.anchor_names:
            raise ValueError(f"anchor must be one of anchor_names. Received {anchor!r}")
        return self.anchor_names.index(anchor)


@dataclass(frozen=True, eq=False)
class Bodies:
    """`B` bodies ready to be posed.

    Attributes:
      model: anny.
      anchors: the named points.
      shapes: the shape parameters.
      frames: the bodies' limbs at rest.
      attached: per body the anchors as `Anchors.on_body` gives them, float32.
      reference: `(B, A, 3)` anchors in the reference T-pose, metres.
      t_pose_turns: `(B, K, 3, 3)` bone turns of the reference T-pose.
      stature: `(B,)` metres, in the reference T-pose.
    """

    model: AnnyBody
    anchors: Anchors
    shapes: Shapes
    frames: RestFrames
    attached: tuple[np.ndarray, ...]
    reference: np.ndarray
    t_pose_turns: np.ndarray
    stature: np.ndarray


def make_bodies(n_bodies: int, *, seed: int, model: AnnyBody | None = None) -> Bodies:
    """Draw adults between `MIN_STATURE_M` and `MAX_STATURE_M`.

    Args:
      n_bodies: how many.
      seed: the same seed gives the same bodies.
      model: anny, where it has been loaded already.
    """
    model = model or AnnyBody()
    anchors = make_anchors(model)
    rng = np.random.default_rng([seed, 0])
    found: list[Bodies] = []
    while (missing := n_bodies - sum(len(bodies.stature) for bodies in found)) > 0:
        shapes = sample_shapes(rng, missing + missing // 6 + 2)
        rest = model.rest(shapes, vertices=anchors.vertices)
        bodies = bodies_of(model, anchors, shapes, rest)
        keep = (bodies.stature >= MIN_STATURE_M) & (bodies.stature <= MAX_STATURE_M)
        found.append(_select(bodies, np.flatnonzero(keep)))
    return _select(_join(found), np.arange(n_bodies))


def bodies_of(model: AnnyBody, anchors: Anchors, shapes: Shapes, rest: RestBodies) -> Bodies:
    """Get bodies ready to be posed."""
    frames = rest_frames(model.rig, rest.heads)
    upright = np.broadcast_to(np.eye(3), (len(rest.heads), len(PARTS), 3, 3))
    turns = bone_turns(model.rig, frames, upright)
    transforms = bone_transforms(model.rig, rest.heads, turns)
    attached = [anchors.on_body(heads, vertices)
                for heads, vertices in zip(rest.heads, rest.vertices, strict=True)]  # fmt: skip
    reference = np.concatenate([Anchors.posed(points, transforms[k : k + 1])
                                for k, points in enumerate(attached)])  # fmt: skip
    sole = [anchors.names.index(name) for name in _SOLE]
    top = reference[:, anchors.names.index("skin:head_top"), 1]
    return Bodies(
        model=model, anchors=anchors, shapes=shapes, frames=frames,
        attached=tuple(points.astype(np.float32) for points in attached), reference=reference,
        t_pose_turns=turns, stature=top - reference[:, sole, 1].min(axis=1),
    )  # fmt: skip


def _select(bodies: Bodies, rows: np.ndarray) -> Bodies:
    shapes = Shapes(bodies.shapes.phenotypes[rows], bodies.shapes.local_changes[rows])
    return Bodies(bodies.model, bodies.anchors, shapes, bodies.frames.of(rows),
                  tuple(bodies.attached[k] for k in rows), bodies.reference[rows],
                  bodies.t_pose_turns[rows], bodies.stature[rows])  # fmt: skip


def _join(found: Sequence[Bodies]) -> Bodies:
    def joined(get):
        return np.concatenate([get(bodies) for bodies in found])

    shapes = Shapes(joined(lambda b: b.shapes.phenotypes), joined(lambda b: b.shapes.local_changes))
    frames = RestFrames(joined(lambda b: b.frames.heads), joined(lambda b: b.frames.to_t_pose))
    return Bodies(found[0].model, found[0].anchors, shapes, frames,
                  tuple(points for bodies in found for points in bodies.attached),
                  joined(lambda b: b.reference), joined(lambda b: b.t_pose_turns),
                  joined(lambda b: b.stature))  # fmt: skip


def sample_posed_bodies(
    motions: Iterable[Motion],
    *,
    n_samples: int,
    n_bodies: int,
    seed: int,
    takes: str | Iterable[str] = "train",
    noise: float = 1.0,
    recombine: float = 0.0,
    kicks: float = 0.0,
    bodies: Bodies | None = None,
) -> PosedBodies:
    """Pose random adults by random frames.

    Takes are drawn in proportion to the square root of their length, so that long ones do not rule.

    Args:
      motions: takes, as of `motion.load_motions`.
      n_samples: how many samples.
      n_bodies: how many different bodies; each gets the same number of samples, give or take one.
      seed: the same seed and arguments give the same samples.
      takes: `"train"`, `"test"` (held out), `"all"`, or names of takes.
      noise: factor on the random turns (`NOISE_RAD`) and finger bends; 0 for the captured pose.
      recombine: share of the samples that get their legs from one frame, their trunk from another
        (which counts as their take) and their arms from a third.
      kicks: share of the samples that raise a leg, see `kicks`; where they are upright.
      bodies: use these instead of drawing `n_bodies` by the seed.

    Raises:
      ValueError: there are no such takes.
    """
    chosen = select_takes(motions, takes)
    bodies = bodies or make_bodies(n_bodies, seed=seed)
    rng = np.random.default_rng([seed, 1])
    take, parts = _draw_poses(chosen, n_samples, rng, recombine)
    # Numbers of their own, so that kicks change nothing else.
    parts = with_kicks(parts, np.random.default_rng([seed, 2]), kicks)
    body = rng.permutation(np.arange(n_samples) % len(bodies.stature))
    parts = _disturbed(parts, rng, noise)
    curls = noise * _draw_curls(rng, n_samples)
    anchors, rotations = pose(bodies, body, parts, curls=curls)
    return PosedBodies(
        anchors=anchors, anchor_names=bodies.anchors.names, rotations=rotations,
        reference=bodies.reference.astype(np.float32)[body],
        stature=bodies.stature.astype(np.float32)[body], body=body, take=take,
        take_names=tuple(motion.name for motion in chosen),
    )  # fmt: skip


def pose(
    bodies: Bodies, body: np.ndarray, parts: np.ndarray, *, curls: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pose bodies.

    Args:
      bodies: to pose.
      body: `(N,)` which of them for each sample.
      parts: `(N, P, 3, 3)` rotations relative to the reference T-pose.
      curls: `(N, 2, 5)` bends of the fingers, see `posing.bone_turns`.

    Returns:
      `(N, A, 3)` float32 anchors in metres, and `(N, P, 3, 3)` float32 rotations as posed.
    """
    rig = bodies.model.rig
    anchors = np.empty((len(body), len(bodies.anchors.names), 3), dtype=np.float32)
    rotations = parts.astype(np.float32)
    order = np.argsort(body, kind="stable")
    for start in range(0, len(order), CHUNK):
        rows = order[start : start + CHUNK]
        rest = bodies.frames.of(body[rows])
        turns = bone_turns(rig, rest, parts[rows].astype(np.float64),
                           curls=None if curls is None else curls[rows])  # fmt: skip
        transforms = bone_transforms(rig, rest.heads, turns).astype(np.float32)
        for which in np.unique(body[rows]):
            mine = body[rows] == which
            anchors[rows[mine]] = Anchors.posed(bodies.attached[which], transforms[mine])
        collars = collar_rotations(rig, turns, bodies.t_pose_turns[body[rows]])
        for side, collar in zip(("left", "right"), collars, strict=True):
            rotations[rows, PART_INDEX[f"{side}_collar"]] = collar
    return anchors, rotations


def _draw_poses(motions, n_samples, rng, recombine) -> tuple[np.ndarray, np.ndarray]:
    take, parts = _draw_frames(motions, n_samples, rng)
    mixed = np.flatnonzero(rng.random(n_samples) < recombine)
    for limbs, root in ((_LEG, "pelvis"), (_ARM, "spine3")):
        _, other = _draw_frames(motions, len(mixed), rng)
        onto = parts[mixed, PART_INDEX[root]] @ np.swapaxes(other[:, PART_INDEX[root]], -1, -2)
        for limb in (f"{side}_{limb}" for side in ("left", "right") for limb in limbs):
            parts[mixed, PART_INDEX[limb]] = onto @ other[:, PART_INDEX[limb]]
    return take, parts


def _draw_frames(motions, n_samples, rng) -> tuple[np.ndarray, np.ndarray]:
    seconds = np.array([len(motion.rotations) / motion.fps for motion in motions])
    chance = np.sqrt(seconds) / np.sqrt(seconds).sum()
    take = rng.choice(len(motions), size=n_samples, p=chance)
    place = rng.random(n_samples)
    parts = np.empty((n_samples, len(PARTS), 3, 3))
    for k, motion in enumerate(motions):
        mine = np.flatnonzero(take == k)
        parts[mine] = motion.rotations[(place[mine] * len(motion.rotations)).astype(int)]
    return take, parts


def _disturbed(parts: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    sizes = [NOISE_RAD[part.removeprefix("left_").removeprefix("right_")] for part in PARTS]
    turns = rng.normal(size=(*parts.shape[:2], 3)) * np.array(sizes)[:, None]
    return parts @ matrix_from_axis_angle(noise * turns)


def _draw_curls(rng: np.random.Generator, n_samples: int) -> np.ndarray:
    """Draw how far fingers are bent: a hand's fingers alike, most of them a little."""
    hand = rng.beta(0.8, 2.0, size=(n_samples, 2, 1))
    return np.clip(hand + rng.normal(0, 0.10, size=(n_samples, 2, 5)), -0.15, 1.1)
