"""What is true in a picture, in any skeleton format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

import skeleton_defs
from dataset_adapters.examples import Example
from skeleton_defs import Skeleton, UserError

from ..atlas.low_poly import default_body
from ..store import Batch, Store
from .generating import POINT_NAMES
from .shards import POINTS


def true_joints(
    examples: Example | Sequence[Example] | Batch,
    skeleton: str | Skeleton,
    *,
    store: Store | None = None,
) -> np.ndarray:
    """Returns the true joints of pictures in a skeleton format.

    Test pictures know all points of the body; training pictures the joints of the formats that the
    store was made with.

    Args:
      examples: one example, several, or a batch (then `store` is needed: a batch has no extras).
      skeleton: any format whose joints lie on the body.
      store: that they come from; its manifest names the points, else they are taken to be those
        of the installed body.

    Returns:
      `(J, 3)` for one example, else `(N, J, 3)`: mm in the world; NaN for joints that have no
      place on the body.

    Raises:
      UserError: an example does not come from what `skelbridge synth` made.
    """
    if isinstance(examples, Batch):
        if store is None:
            raise UserError("true joints of a batch need the store that it comes from")
        examples = [store[int(index)] for index in examples.indices]
    if isinstance(examples, Example):
        return _joints_of(examples, skeleton, store)
    joints = [_joints_of(example, skeleton, store) for example in examples]
    n_joints = skeleton_defs.get(skeleton).n_joints
    return np.stack(joints) if joints else np.zeros((0, n_joints, 3))


def _joints_of(example: Example, skeleton: str | Skeleton, store: Store | None) -> np.ndarray:
    points = example.extras.get(POINTS)
    if points is None:
        raise UserError(
            f"{example.dataset} {example.split} has labels in {example.skeleton} only; true joints "
            "in all formats are in what `skelbridge synth` makes"
        )
    place = _places(example, len(points), store)
    definition = skeleton_defs.get(skeleton)
    rows = [place.get(":".join(definition.point_of(joint)), -1) for joint in definition.joints]
    joints = points[rows].astype(float)
    joints[np.array(rows) < 0] = np.nan
    return joints


def _places(example: Example, count: int, store: Store | None) -> Mapping[str, int]:
    names = default_body().points
    if store is not None:
        stated = store.manifest["datasets"][example.dataset].get(POINT_NAMES, {})
        names = stated.get(example.split, names)
    if len(names) != count:
        raise UserError(
            f"{example.dataset} {example.split} was made with {count} points, the installed body "
            f"has {len(names)}; pass the store"
        )
    return {name: k for k, name in enumerate(names)}
