"""Make the low-poly body out of anny's bodies and the placement table."""

from __future__ import annotations

import numpy as np

from skelbridge.atlas.body_parts import LOW_POLY_PARTS, PARTS
from skelbridge.atlas.low_poly import LowPolyBody

from .anny_body import LOW_POLY_TOPOLOGY, AnnyBody
from .body import Bodies
from .placement import Placements, scale_factors
from .posing import Rig, bone_transforms, bone_turns

#: Shape components that are kept.
N_SHAPES = 10
#: Shares of a part in a point below this are given to the point's other parts.
_SMALLEST_SHARE = 0.01
#: Part -> the bones about the middle of whose heads it turns: several, where a turn is spread.
_PIVOTS = {
    "pelvis": ("root",), "spine1": ("spine05", "spine04"), "spine2": ("spine03",),
    "spine3": ("spine02",), "neck": ("neck01",), "head": ("neck02", "neck03", "head"),
    **{f"{side}_{part}": (f"{bone}.{s}",) for side, s in (("left", "L"), ("right", "R"))
       for part, bone in (("collar", "clavicle"), ("shoulder", "shoulder01"),
                          ("upper_arm", "upperarm01"), ("forearm", "lowerarm01"),
                          ("hand", "wrist"), ("thigh", "upperleg01"), ("shank", "lowerleg01"),
                          ("foot", "foot"))},
}  # fmt: skip
#: Bones that turn part of the way from one part to another.
_BETWEEN = {
    "spine05": {"pelvis": 0.5, "spine1": 0.5}, "neck02": {"neck": 2 / 3, "head": 1 / 3},
    "neck03": {"neck": 1 / 3, "head": 2 / 3},
}  # fmt: skip


def make_low_poly_body(bodies: Bodies, placements: Placements) -> LowPolyBody:
    """Average bodies and find how they differ.

    Args:
      bodies: anny's, on its default mesh.
      placements: where the points lie.
    """
    model = AnnyBody(topology=LOW_POLY_TOPOLOGY)
    rig, shares = model.rig, shares_of_parts(model.rig)
    upright = np.broadcast_to(np.eye(3), (len(bodies.stature), len(PARTS), 3, 3))
    transforms = bone_transforms(rig, bodies.frames.heads,
                                 bone_turns(rig, bodies.frames, upright))  # fmt: skip
    vertices = np.stack([
        model.skin(skin, moves)
        for skin, moves in zip(model.rest(bodies.shapes).vertices, transforms, strict=True)
    ])  # fmt: skip
    heads = np.einsum("bkij,bkj->bki", transforms[..., :3], bodies.frames.heads)
    heads += transforms[..., 3]
    pivots = np.stack([heads[:, [rig.index(bone) for bone in _PIVOTS[part]]].mean(axis=1)
                       for part in LOW_POLY_PARTS], axis=1)  # fmt: skip
    found = _entries(bodies, placements, transforms, shares)
    components = _components(vertices, pivots)
    different = (vertices, pivots, found["entries"])
    mean, shapes = zip(*(_regressed(values, components) for values in different), strict=True)
    skin_parts, skin_weights = _skin(model, shares)
    return LowPolyBody(
        faces=model.faces, vertices=mean[0], vertex_shapes=shapes[0], skin_parts=skin_parts,
        skin_weights=skin_weights, pivots=mean[1], pivot_shapes=shapes[1],
        points=found["points"], entry_points=found["of_point"], entry_parts=found["of_part"],
        entry_weights=found["weights"], entries=mean[2], entry_shapes=shapes[2],
    )  # fmt: skip


def shares_of_parts(rig: Rig) -> np.ndarray:
    """Return `(bones, parts)` how much of each part's turn a bone makes; rows sum to 1."""
    own = {bones[-1]: {part: 1.0} for part, bones in _PIVOTS.items()} | _BETWEEN
    shares = np.zeros((len(rig.labels), len(LOW_POLY_PARTS)))
    for bone, (label, parent) in enumerate(zip(rig.labels, rig.parents, strict=True)):
        if label in own:
            for part, share in own[label].items():
                shares[bone, LOW_POLY_PARTS.index(part)] = share
        else:
            shares[bone] = shares[parent]
    return shares


def _entries(bodies: Bodies, placements: Placements, transforms, shares) -> dict:
    """Find what carries each point: its share and vector per part, over all bodies."""
    names = bodies.anchors.names
    columns = [names.index(name) for name in placements.weights]
    mixture = np.stack(list(placements.weights.values()), axis=1)  # points, anchors
    shown = np.flatnonzero(~placements.hidden)
    mixture, offsets = mixture[shown], placements.offsets[shown]
    part_of = [LOW_POLY_PARTS.index(part) for part in PARTS]
    factors = scale_factors(bodies.reference, bodies.stature, names)
    n_bones, kept, vectors = len(shares), None, []
    for attached, moves, factor in zip(bodies.attached, transforms, factors, strict=True):
        local = attached.reshape(n_bones, 4, -1)[..., columns].astype(np.float64)
        at = np.concatenate([np.einsum("kij,kja->kia", moves, local), local[:, 3:]], axis=1)
        by_part = np.einsum("kp,kia->pia", shares, at)
        carried = np.einsum("qa,pia->qpi", mixture, by_part)  # points, parts, x y z share
        carried[:, part_of, :3] += np.einsum("s,qpsi->qpi", factor, offsets)
        if kept is None:
            moved = np.zeros(carried.shape[:2], dtype=bool)
            moved[:, part_of] = offsets.any(axis=(2, 3))
            kept = (np.abs(carried[..., 3]) >= _SMALLEST_SHARE) | moved
        vectors.append(_without_crumbs(carried, kept)[kept])
    of_point, of_part = np.nonzero(kept)
    return {
        "points": tuple(placements.names[k] for k in shown), "of_point": of_point,
        "of_part": of_part, "weights": np.mean(vectors, axis=0)[:, 3],
        "entries": np.stack(vectors)[..., :3],
    }  # fmt: skip


def _without_crumbs(carried: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Give the smallest shares, place and all, to the part with the largest."""
    crumbs = np.where(kept[..., None], 0, carried).sum(axis=1)
    largest = np.argmax(carried[..., 3], axis=1)
    carried = carried.copy()
    carried[np.arange(len(carried)), largest] += crumbs
    return carried


def _components(vertices: np.ndarray, pivots: np.ndarray) -> np.ndarray:
    """Return `(B, S)` each body's place along the main ways in which bodies differ, in s.d."""
    flat = np.concatenate([vertices, pivots], axis=1).reshape(len(vertices), -1)
    left, _, right = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    # A component's sign is arbitrary: its largest entry is made positive.
    signs = np.sign(np.take_along_axis(right, np.abs(right).argmax(axis=1)[:, None], 1))[:, 0]
    return (left * signs)[:, :N_SHAPES] * np.sqrt(len(flat))


def _regressed(values: np.ndarray, components: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean `(..., 3)` and what each component adds `(S, ..., 3)`."""
    mean = values.mean(axis=0)
    return mean, np.tensordot(components.T, values - mean, 1) / len(values)


def _skin(model: AnnyBody, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    weights = np.einsum("vi,vip->vp", model.skin_weights, shares[model.skin_bones])
    order = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    largest = np.take_along_axis(weights, order, axis=1)
    return order, largest / largest.sum(axis=1, keepdims=True)
