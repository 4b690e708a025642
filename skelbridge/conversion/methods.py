"""Which method builds a map: the registry of methods, and saved files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from skeleton_defs import Skeleton, UserError, suggestions

from .affine_map import AffineMap
from .by_name import map_by_name

#: Methods by the name that `--method` takes. A learned method joins by adding itself here.
METHODS: dict[str, Callable[..., AffineMap]] = {"names": map_by_name}
#: What `auto` stands for.
DEFAULT_METHOD = "names"


def build_map(
    source: Skeleton,
    target: Skeleton,
    *,
    method: str | os.PathLike = "auto",
    observed: Sequence[str] | None = None,
) -> AffineMap:
    """Builds the map from `source` to `target`; see `AffineMap.between`.

    Raises:
      UserError: the method is unknown, or a saved map joins other formats.
    """
    name = os.fspath(method)
    if name == "auto":
        name = DEFAULT_METHOD
    if name in METHODS:
        return METHODS[name](source, target, observed=observed)
    if not os.path.exists(name):
        hint = suggestions(name, list(METHODS))
        raise UserError(
            f"--method must be auto, {', '.join(METHODS)} or the file of a saved map. "
            f"Received '{name}', which is neither{hint}"
        )
    loaded = AffineMap.load(name)
    if (loaded.source, loaded.target) != (source, target):
        raise UserError(
            f"{name}: the saved map converts {loaded.source.name} -> "
            f"{loaded.target.name}, not {source.name} -> {target.name}"
        )
    return loaded if observed is None else loaded.restrict(observed)
