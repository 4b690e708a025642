"""Synthetic people in many pseudo formats at once, for the benchmark and tests of the ACAE.

A body of capsules around SMPL's rest skeleton is posed by random joint rotations and shaped by
random bone lengths and girth. Every pseudo format puts its joints at bone heads with offsets, or
at means of surface points; one is surface markers only. Predictions of a network are imitated by
noise that is partly shared by the joints of one bone, and of one format.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import skeleton_defs

_BODY = skeleton_defs.get("smpl_24")
_PARENTS = np.array(_BODY.parents)
_FLIP = np.array(_BODY.flip)
_CENTRE_BONES = np.flatnonzero(np.arange(24) == _FLIP)
_LEFT_BONES = np.array([i for i, side in enumerate(_BODY.sides) if side == "left"])
#: Radius of the capsule of each bone, mm.
_RADIUS = {"pelvis": 130, "spine1": 125, "spine2": 130, "spine3": 135, "neck": 60, "head": 85}
_LIMB_RADIUS = {"hip": 80, "knee": 55, "ankle": 40, "foot": 35, "collar": 70, "shoulder": 55,
                "elbow": 42, "wrist": 32, "hand": 30}  # fmt: skip
#: How far joints turn, radians (standard deviation).
_TURN = {"pelvis": 0.25, "spine1": 0.15, "spine2": 0.15, "spine3": 0.15, "neck": 0.25, "head": 0.2}
_LIMB_TURN = {"hip": 0.5, "knee": 0.55, "ankle": 0.25, "foot": 0.1, "collar": 0.15,
              "shoulder": 0.7, "elbow": 0.65, "wrist": 0.3, "hand": 0.2}  # fmt: skip
#: Numbers of (joint pairs, centre joints) of the pseudo formats; together 222 and 111, J = 555.
SIZES_555 = (
    (9, 6), (9, 7), (9, 8), (8, 3), (12, 10), (14, 6), (6, 5), (6, 2), (12, 5), (34, 19),
    (7, 5), (5, 5), (18, 7), (8, 5), (9, 4), (7, 3), (13, 6), (22, 2), (14, 3),
)  # fmt: skip
_FEATURES = 5


@dataclass(frozen=True)
class Formats:
    """Where the joints of all pseudo formats sit on the body.

    Attributes:
      weights: (24 * 5, J) of the body's features, see `_features`.
      flip: (J,); sides: per joint; format_of: (J,) number of its format; bone_of: (J,) its bone.
    """

    weights: np.ndarray
    flip: np.ndarray
    sides: tuple[str, ...]
    format_of: np.ndarray
    bone_of: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """`format:joint` per joint."""
        return tuple(f"f{f}:{s}{i}" for i, (f, s) in
                     enumerate(zip(self.format_of, self.sides, strict=True)))  # fmt: skip


def sizes_for(joints: int) -> tuple[tuple[int, int], ...]:
    """(pairs, centre joints) of formats that have so many joints together."""
    known = {42: ((9, 6), (7, 4)), 136: ((9, 6), (9, 7), (8, 4), (8, 3), (12, 3), (8, 5))}
    if joints in known:
        return known[joints]
    sizes, left = [], joints
    while left > 0:
        pairs, centre = SIZES_555[len(sizes) % len(SIZES_555)]
        if 2 * pairs + centre > left:
            pairs, centre = left // 3, left - 2 * (left // 3)
        sizes.append((pairs, centre))
        left -= 2 * pairs + centre
    return tuple(sizes)


def make_formats(joints: int = 555, *, seed: int = 0) -> Formats:
    """Invents pseudo formats; the last but one is surface markers only where there are several."""
    rng = np.random.default_rng(seed)
    columns, flip, sides, format_of, bone_of = [], [], [], [], []
    sizes = sizes_for(joints)
    for number, (pairs, centre) in enumerate(sizes):
        markers = len(sizes) > 2 and number == len(sizes) - 2
        # Joints of one format tend to be spread over the whole body.
        left = rng.permuted(np.resize(rng.permutation(_LEFT_BONES), pairs))
        middle = np.resize(rng.permutation(_CENTRE_BONES), centre)
        for bone in left:
            weights = _joint(bone, rng, surface=markers or rng.random() < 0.5)
            first = len(columns)
            columns += [weights, _mirrored(weights)]
            flip += [first + 1, first]
            sides += ["left", "right"]
            bone_of += [bone, _FLIP[bone]]
        for bone in middle:
            weights = _joint(bone, rng, surface=markers or rng.random() < 0.5)
            columns.append((weights + _mirrored(weights)) / 2)
            flip.append(len(columns) - 1)
            sides.append("centre")
            bone_of.append(bone)
        format_of += [number] * (2 * pairs + centre)
    return Formats(
        np.stack(columns, axis=1), np.array(flip), tuple(sides), np.array(format_of),
        np.array(bone_of),
    )  # fmt: skip


def formats_of(registry: skeleton_defs.JointRegistry, *, seed: int = 0) -> Formats:
    """Puts the joints of real formats somewhere on the body: at random, but with their mirror."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((24 * _FEATURES, len(registry)))
    bone_of = np.zeros(len(registry), dtype=int)
    for i, side in enumerate(registry.sides):
        partner = registry.flip[i]
        if side == "right":
            continue
        bone = rng.choice(_LEFT_BONES if side == "left" else _CENTRE_BONES)
        joint = _joint(bone, rng, surface=rng.random() < 0.5)
        if side == "centre":
            joint = (joint + _mirrored(joint)) / 2
        weights[:, i], weights[:, partner] = joint, joint if side == "centre" else _mirrored(joint)
        bone_of[i], bone_of[partner] = bone, _FLIP[bone]
    families = list(registry.family_counts)
    format_of = np.array([families.index(family) for family, _ in registry.points])
    return Formats(weights, registry.flip, registry.sides, format_of, bone_of)


def clean_poses(formats: Formats, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, J, 3) float32 mm without noise, camera frame, 3 to 6 m away."""
    # (count, 3, J): the features of a body times where joints sit.
    poses = _features(count, rng) @ formats.weights
    place = np.stack([rng.normal(0, 500, count), rng.normal(0, 200, count),
                      rng.uniform(3300, 6000, count)], axis=1)  # fmt: skip
    return np.swapaxes(poses + place[:, :, None], 1, 2).astype(np.float32)


def with_noise(
    poses: np.ndarray, formats: Formats, rng: np.random.Generator, *, extra_mm: float = 0.0
) -> np.ndarray:
    """Adds prediction noise: per joint 5 to 15 mm in plane, 2 to 3 times that in depth.

    Of its variance 36 % are independent, 25 % shared by the joints of a bone, 39 % by a format.
    """
    spread = np.random.default_rng(len(formats.flip))
    sd = spread.uniform(5, 15, len(formats.flip)) + extra_mm
    sd = (sd + sd[formats.flip]) / 2
    depth = spread.uniform(2, 3)
    shape = (len(poses), len(formats.flip), 3)
    noise = 0.6 * rng.standard_normal(shape, dtype=np.float32)
    for share, group in ((0.25, formats.bone_of), (0.39, formats.format_of)):
        common = rng.standard_normal((len(poses), group.max() + 1, 3), dtype=np.float32)
        noise += np.float32(np.sqrt(share)) * common[:, group]
    noise *= (sd[:, None] * np.array([1, 1, depth])).astype(np.float32)
    noise += poses
    return noise


def make_poses(formats: Formats, count: int, *, seed: int, noise: bool = True) -> np.ndarray:
    """(count, J, 3) float32 mm in the camera frame, made in pieces."""
    rng = np.random.default_rng([seed, 7])
    result = np.empty((count, len(formats.flip), 3), np.float32)
    for start in range(0, count, 1000):
        piece = clean_poses(formats, min(1000, count - start), rng)
        result[start : start + 1000] = with_noise(piece, formats, rng) if noise else piece
    return result


def exchange_sides(
    poses: np.ndarray, formats: Formats, *, share: float, formats_hit: int, seed: int
) -> np.ndarray:
    """Returns poses of which some have left and right exchanged in some formats."""
    rng = np.random.default_rng(seed)
    hit = np.flatnonzero(rng.random(len(poses)) < share)
    joints = np.flatnonzero(formats.format_of < formats_hit)
    result = poses.copy()
    result[np.ix_(hit, joints)] = poses[np.ix_(hit, formats.flip[joints])]
    return result


def _of_bone(table: dict, limbs: dict, bone: int) -> float:
    name = _BODY.joints[bone]
    return table[name] if name in table else limbs[name.split("_")[1]]


def _joint(bone: int, rng: np.random.Generator, *, surface: bool) -> np.ndarray:
    """(120,) weights of one joint that moves with a bone, and a little with its parent."""
    radius = _of_bone(_RADIUS, _LIMB_RADIUS, bone)
    parent = max(_PARENTS[bone], 0)
    if not surface:
        return _point(bone, parent, 0.0, rng.normal(0, 18, 3), rng.uniform(0, 0.15))
    count = rng.integers(1, 61) if rng.random() < 0.7 else 1
    around = rng.normal(size=3)
    points = around / np.linalg.norm(around) + rng.normal(size=(count, 3)) * 0.5
    along, blend = rng.uniform(-0.4, 0.6), rng.uniform(0, 0.4)
    offsets = radius * points / np.linalg.norm(points, axis=1, keepdims=True)
    return _point(bone, parent, along, offsets.mean(axis=0), blend)


def _point(bone: int, parent: int, along: float, offset: np.ndarray, blend: float) -> np.ndarray:
    """Weights of a point at a bone's head, moved along the bone and off its axis (mm)."""
    weights = np.zeros((24, _FEATURES))
    weights[bone, 0] = 1
    weights[bone, 1] = along * (1 - blend)
    weights[parent, 1] = along * blend * 0.5
    weights[bone, 2:] = offset * (1 - blend)
    weights[parent, 2:] += offset * blend
    return weights.reshape(-1)


def _mirrored(weights: np.ndarray) -> np.ndarray:
    mirrored = weights.reshape(24, _FEATURES)[_FLIP].copy()
    mirrored[:, 2] *= -1
    return mirrored.reshape(-1)


def _features(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 3, 24 * 5): per bone its head, its vector to the next, and its frame times girth.

    Mirror images of bodies are as likely as the bodies.
    """
    rest = np.array(_BODY.rest_pose) * 1000
    rest = (rest + rest[_FLIP] * [-1, 1, 1]) / 2
    vectors = np.zeros((24, 3))
    for bone, parent in enumerate(_PARENTS):
        if parent >= 0:
            vectors[bone] = rest[bone] - rest[parent]
    turn = np.array([_of_bone(_TURN, _LIMB_TURN, bone) for bone in range(24)])
    rotation = _rotations(rng.normal(size=(count, 24, 3)) * turn[:, None])
    yaw = np.zeros((count, 3))
    yaw[:, 1] = rng.uniform(-np.pi, np.pi, count)
    # The rest skeleton's y is up, the camera's down, and it looks against the body's z.
    view = _rotations(yaw) * np.array([1.0, -1.0, -1.0])[:, None]
    stature, girth = rng.normal(1, 0.06, (count, 1)), rng.normal(1, 0.12, (count, 1))
    length = rng.normal(1, 0.04, (count, 24))
    length = stature * (length + length[:, _FLIP]) / 2
    world, head = np.empty((count, 24, 3, 3)), np.zeros((count, 24, 3))
    result = np.empty((count, 3, 24, _FEATURES))
    for bone, parent in enumerate(_PARENTS):
        if parent < 0:
            world[:, bone] = view @ rotation[:, bone]
        else:
            world[:, bone] = world[:, parent] @ rotation[:, bone]
            step = vectors[bone] * length[:, bone, None]
            head[:, bone] = head[:, parent] + np.einsum("nij,nj->ni", world[:, parent], step)
        outward = vectors[bone] * length[:, bone, None]
        result[:, :, bone, 0] = head[:, bone]
        result[:, :, bone, 1] = np.einsum("nij,nj->ni", world[:, bone], outward)
        result[:, :, bone, 2:] = world[:, bone] * (stature * girth)[:, :, None]
    return result.reshape(count, 3, -1)


def _rotations(vectors: np.ndarray) -> np.ndarray:
    """Rodrigues' formula, (..., 3) to (..., 3, 3)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vectors / np.maximum(angle[..., 0], 1e-12), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
