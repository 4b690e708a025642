"""Writers of small, format-faithful copies of the datasets, from known ground truth.

Each module has `write(root, *, seed=0) -> Truth` and knows its dataset's documentation, not the
adapter that reads it.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from .truth import Truth

#: Adapter name -> module of its writer, where the name is no Python name.
_MODULES = {"3doh50k": "threedoh50k", "3dpeople": "threedpeople", "3dpw": "threedpw"}
_NOT_WRITERS = {"__init__", "scene", "truth"}

NAMES = sorted(
    {module: name for name, module in _MODULES.items()}.get(path.stem, path.stem)
    for path in Path(__file__).parent.glob("*.py")
    if path.stem not in _NOT_WRITERS and not path.stem.startswith("_")
)


def write_miniature(name: str, root: Path, *, seed: int = 0) -> Truth:
    """Writes the miniature of one dataset below `root`, an existing empty folder."""
    if name not in NAMES:
        raise ValueError(f"no miniature is named {name!r}. Known: {', '.join(NAMES)}")
    module = importlib.import_module(f".{_MODULES.get(name, name)}", __name__)
    return module.write(Path(root), seed=seed)
