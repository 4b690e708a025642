"""MATLAB struct arrays and cells for `scipy.io.savemat`."""

from __future__ import annotations

import numpy as np

#: A field that an element of a struct array does not fill.
EMPTY = np.zeros((0, 0))


def struct_array(elements: list[dict], *, column: bool = False) -> np.ndarray:
    """Returns a 1xN (or Nx1) struct array; what an element lacks of the fields is empty."""
    names = list(dict.fromkeys(name for element in elements for name in element))
    made = np.empty((1, len(elements)), dtype=[(name, object) for name in names])
    for i, element in enumerate(elements):
        for name in names:
            made[0, i][name] = element.get(name, EMPTY)
    return made.T if column else made


def cell(values: list, *, column: bool = False) -> np.ndarray:
    """Returns a 1xN (or Nx1) cell array."""
    made = np.empty((1, len(values)), object)
    for i, value in enumerate(values):
        made[0, i] = value
    return made.T if column else made
