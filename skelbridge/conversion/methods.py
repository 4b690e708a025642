"""Which method builds a map: the registry of methods, and saved files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skeleton_defs import Skeleton, UserError, suggestions

from .affine_map import AffineMap
from .by_name import map_by_name

if TYPE_CHECKING:
    from ..atlas.by_atlas import AtlasPair
    from ..atlas.converting import AtlasConverter

#: Methods by the name that `--method` takes, beside `auto`.
METHODS: dict[str, Callable[..., AffineMap]] = {"names": map_by_name}


def build_map(
    source: Skeleton,
    target: Skeleton,
    *,
    method: str | os.PathLike = "auto",
    observed: Sequence[str] | None = None,
    atlas_options: Mapping[str, Any] | None = None,
) -> AffineMap:
    """Builds the map from `source` to `target`; see `AffineMap.between`.

    Raises:
      UserError: the method is unknown, a saved map joins other formats, or atlas options are given
        to another method.
    """
    if pair := atlas_pair(source, target, method=method, atlas_options=atlas_options):
        return pair.affine_map(None if observed is None else pair.trust_of(observed))
    name = os.fspath(method)
    if name == "auto":
        name = "names"
    if name in METHODS:
        return METHODS[name](source, target, observed=observed)
    if not os.path.exists(name):
        hint = suggestions(name, list(METHODS))
        raise UserError(
            f"--method must be auto, {', '.join(METHODS)} or the file of a saved map or ACAE. "
            f"Received '{name}', which is neither{hint}"
        )
    from ..acae import Acae, is_acae
    from ..acae.refit import acae_map

    if is_acae(name):
        return acae_map(Acae.load(name), source, target, observed=observed)
    loaded = AffineMap.load(name)
    if (loaded.source, loaded.target) != (source, target):
        raise UserError(
            f"{name}: the saved map converts {loaded.source.name} -> "
            f"{loaded.target.name}, not {source.name} -> {target.name}"
        )
    return loaded if observed is None else loaded.restrict(observed)


def build_converter(
    source: Skeleton,
    target: Skeleton,
    *,
    method: str | os.PathLike = "auto",
    observed: Sequence[str] | None = None,
    atlas_options: Mapping[str, Any] | None = None,
) -> AffineMap | AtlasConverter:
    """Builds what converts poses: the map itself, or the atlas, which solves anew for every
    pattern of missing joints. Both have `apply`, `apply_confidence` and `target`.
    """
    pair = atlas_pair(source, target, method=method, atlas_options=atlas_options)
    if pair is None:
        return build_map(source, target, method=method, observed=observed)
    from ..atlas.converting import AtlasConverter

    return AtlasConverter(pair, observed=observed)


def atlas_pair(
    source: Skeleton,
    target: Skeleton,
    *,
    method: str | os.PathLike = "auto",
    atlas_options: Mapping[str, Any] | None = None,
) -> AtlasPair | None:
    """Returns the maps of the atlas where the method is `auto` and an atlas is installed.

    Raises:
      UserError: atlas options are given where no atlas is used.
    """
    from .. import atlas

    used = os.fspath(method) == "auto" and atlas.available()
    given = dict(atlas_options or {})
    if not used:
        if given:
            why = "no atlas is installed" if os.fspath(method) == "auto" else f"not '{method}'"
            raise UserError(f"{', '.join(given)}: only the atlas (--method auto) has that; {why}")
        return None
    from ..atlas.by_atlas import AtlasPair

    return AtlasPair(source, target, options=atlas.AtlasOptions(**given))
