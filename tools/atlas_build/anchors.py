"""Points that travel with posed bodies: bone heads, regressed keypoints and landmarks on the skin.

Under linear blend skinning every such point is a sum over bones of the bone's transform times four
numbers that depend on the body alone. They are worked out once per body, so that posing thousands
of samples never touches the mesh.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .anny_body import AnnyBody
from .landmarks import load_landmarks


@dataclass(frozen=True, eq=False)
class Anchors:
    """Named points of the body.

    Attributes:
      names: `A` names: `bone:` a bone's head, `tail:` the end of a last bone, `coco:` a regressed
        keypoint, `skin:` a landmark on the skin.
      vertices: `(U,)` the mesh vertices that any of them needs.
      n_bones: bones of the rig, whose heads are the first anchors.
    """

    names: tuple[str, ...]
    vertices: np.ndarray
    n_bones: int
    _rows: np.ndarray
    _starts: np.ndarray
    _columns: np.ndarray
    _values: np.ndarray

    def on_body(self, heads: np.ndarray, vertices: np.ndarray) -> np.ndarray:
        """Attach the points to the bones of one body.

        Args:
          heads: `(K, 3)` bone heads at rest, metres.
          vertices: `(U, 3)` at rest, those of `self.vertices`.

        Returns:
          `(K * 4, A)`: what `posed` needs.
        """
        attached = np.zeros((len(self.names), self.n_bones, 4))
        bones = np.arange(self.n_bones)
        attached[bones, bones] = np.concatenate([heads, np.ones((len(heads), 1))], axis=1)
        points = np.concatenate([vertices, np.ones((len(vertices), 1))], axis=1)
        shares = self._values[:, None] * points[self._columns]
        sums = np.add.reduceat(shares, self._starts, axis=0)
        attached.reshape(-1, 4)[self._rows] = sums
        return attached.reshape(len(self.names), -1).T

    @staticmethod
    def posed(attached: np.ndarray, transforms: np.ndarray) -> np.ndarray:
        """Place the points of one body.

        Args:
          attached: `(K * 4, A)` as of `on_body`.
          transforms: `(N, K, 3, 4)` of its bones.

        Returns:
          `(N, A, 3)` metres.
        """
        flat = np.moveaxis(transforms, 1, 2).reshape(len(transforms) * 3, -1)
        return np.swapaxes((flat @ attached).reshape(len(transforms), 3, -1), 1, 2)


def make_anchors(body: AnnyBody) -> Anchors:
    """Collect all anchors of anny's rig and default mesh."""
    labels = body.rig.labels
    points = []
    for name, weights in zip(body.coco_names, body.coco_weights, strict=True):
        points.append((f"coco:{name}", np.flatnonzero(weights), weights[weights != 0]))
    for name, landmark in load_landmarks().items():
        full_name = name if name.startswith("tail:") else f"skin:{name}"
        points.append((full_name, np.array(landmark.vertices), np.array(landmark.weights)))
    used = np.unique(np.concatenate([vertices for _, vertices, _ in points]))
    rows, columns, values = [], [], []
    for anchor, (_, vertices, weights) in enumerate(points, start=len(labels)):
        weights = weights / weights.sum()
        row = anchor * len(labels) + body.skin_bones[vertices]
        value = weights[:, None] * body.skin_weights[vertices]
        column = np.broadcast_to(np.searchsorted(used, vertices)[:, None], row.shape)
        keep = value > 0
        rows.append(row[keep])
        columns.append(column[keep])
        values.append(value[keep])
    row, column = np.concatenate(rows), np.concatenate(columns)
    order = np.lexsort((column, row))
    unique, starts = np.unique(row[order], return_index=True)
    names = (*(f"bone:{label}" for label in labels), *(name for name, _, _ in points))
    return Anchors(
        names=names, vertices=used, n_bones=len(labels), _rows=unique, _starts=starts,
        _columns=column[order], _values=np.concatenate(values)[order],
    )  # fmt: skip
