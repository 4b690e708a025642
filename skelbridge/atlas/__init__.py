"""The atlas: where every format's joints lie relative to each other on moving human bodies.

One file of second moments over the points of all formats (`Moments`) gives, for any set of observed
joints, the best affine map to any other joint, and how far off it is expected to be. The file is
made by `tools/build_atlas.py`; reading it and solving needs numpy alone.
"""

from .errors import AtlasOptions
from .moments import Moments, available, default_moments

__all__ = ["AtlasOptions", "Moments", "available", "default_moments"]
