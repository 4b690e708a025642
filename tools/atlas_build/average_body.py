"""The average adult's mesh in the reference T-pose, and the ways to pick points on it."""

from __future__ import annotations

import numpy as np

from .anny_body import AnnyBody, average_shape
from .posing import bone_transforms, bone_turns, rest_frames
from .transfer import PARTS

LEFT, RIGHT, UP, DOWN, FRONT, BACK = np.array(
    [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float
)
#: Vertex -> weight.
Weights = dict[int, float]


class AverageBody:
    """The mesh that rules are applied to.

    Attributes:
      vertices: `(V, 3)` mm, the feet on y = 0.
      heads: bone label -> `(3,)` mm.
      stature: mm.
      carrier: `(V,)` the bone with the largest share in each vertex.
    """

    def __init__(self, body: AnnyBody):
        rest = body.rest(average_shape())
        frames = rest_frames(body.rig, rest.heads)
        upright = np.broadcast_to(np.eye(3), (1, len(PARTS), 3, 3))
        transforms = bone_transforms(body.rig, rest.heads, bone_turns(body.rig, frames, upright))[0]
        posed = body.skin(rest.vertices[0], transforms)
        floor = posed[:, 1].min()
        heads = np.einsum("kij,kj->ki", transforms[..., :3], rest.heads[0]) + transforms[..., 3]
        self.vertices = 1000 * (posed - [0, floor, 0])
        self.heads = dict(zip(body.rig.labels, 1000 * (heads - [0, floor, 0]), strict=True))
        self.stature = np.ptp(self.vertices[:, 1])
        self.faces = body.faces
        largest = np.argmax(body.skin_weights, axis=1)
        owner = np.take_along_axis(body.skin_bones, largest[:, None], axis=1)[:, 0]
        self.carrier = np.array(body.rig.labels)[owner]
        self.mirror = _mirror_vertices(rest.vertices[0])
        self.midline = np.abs(rest.vertices[0][:, 0]) < 1e-4
        self.cavities = body.cavity_faces()

    def of(self, *bones: str) -> np.ndarray:
        """Return a mask of the vertices that these bones carry the most."""
        return np.isin(self.carrier, bones)

    def at_height(self, share: float, z: float = 0.0) -> np.ndarray:
        """Return the midline point at a share of the stature."""
        return np.array([0.0, share * self.stature, z])

    def extreme(self, direction: np.ndarray, mask: np.ndarray) -> Weights:
        """Pick the vertex of the mask that lies furthest in a direction."""
        candidates = np.flatnonzero(mask)
        return {int(candidates[np.argmax(self.vertices[candidates] @ direction)]): 1.0}

    def hit(self, origin: np.ndarray, direction: np.ndarray, reach: float = 120.0) -> Weights:
        """Find where a ray leaves the body for the last time within `reach` mm."""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        edge1, edge2, to_origin = b - a, c - a, np.asarray(origin) - a
        p = np.cross(direction, edge2)
        determinant = np.sum(edge1 * p, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.sum(to_origin * p, axis=1) / determinant
            q = np.cross(to_origin, edge1)
            v = q @ direction / determinant
            t = np.sum(edge2 * q, axis=1) / determinant
        slack = 1e-9
        inside = (u >= -slack) & (v >= -slack) & (u + v <= 1 + slack) & (t > 0) & (t < reach)
        if not inside.any():
            raise ValueError(f"ray from {origin} towards {direction} must leave the body")
        face = np.flatnonzero(inside)[np.argmax(t[inside])]
        shares = np.clip([1 - u[face] - v[face], u[face], v[face]], 0, 1)
        return {int(k): float(s) for k, s in zip(self.faces[face], shares, strict=True) if s > 1e-6}

    def rim(self, cavity: str) -> np.ndarray:
        """Return the vertices on the rim of a cavity (`mouth_cavity`, `eye_cavity.L`)."""
        inside = self.cavities[cavity]
        return np.intersect1d(self.faces[inside], self.faces[~inside])

    def mirrored(self, weights: Weights) -> Weights:
        """Return the image of a point on the other side."""
        return {int(self.mirror[vertex]): weight for vertex, weight in weights.items()}

    def centred(self, weights: Weights) -> Weights:
        """Average a point with its mirror image."""
        both = {vertex: weight / 2 for vertex, weight in weights.items()}
        for vertex, weight in self.mirrored(weights).items():
            both[vertex] = both.get(vertex, 0.0) + weight / 2
        return both


def _mirror_vertices(vertices: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    distance, mirror = cKDTree(vertices * [-1, 1, 1]).query(vertices)
    if distance.max() > 1e-4:
        raise ValueError(f"the mesh must be symmetric. Received {distance.max():.1e} m between "
                         "vertices and images")  # fmt: skip
    return mirror
