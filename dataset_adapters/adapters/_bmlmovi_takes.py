"""BML-MoVi's motion capture: markers and joint centres of a recording in a MATLAB file."""

from __future__ import annotations

import numpy as np

from ..columns import CheckedJoints
from ..containers.errors import FileError
from ..containers.file_text import list_names
from ..containers.mat import read_mat
from ._values import as_array, present_joints

N_MARKERS, N_VIRTUAL = 67, 20
#: The S rounds have 12 markers and 5 joint centres, of which these columns go to these points.
REDUCED_COLUMNS = (0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16)
REDUCED_POINTS = (5, 6, 12, 13, 20, 36, 37, 43, 44, 51, 67, 71, 77, 79, 85)


class Take:
    """The points of a recording at 120 Hz, of which cameras with fewer frames need some.

    Args:
      path: the file, for messages.
      move: the struct with the points.

    Raises:
      FileError: it has none.
    """

    def __init__(self, path: str, move: dict):
        if "markerLocation" not in move:
            raise FileError(
                path, f"move: expected the field markerLocation, found {list_names(move)}"
            )
        self._path, self._move = path, move
        self._made: dict[int, CheckedJoints] = {}

    def points(self, step: int = 1) -> CheckedJoints:
        """Returns every `step`-th frame: (n, 87, 3) mm, NaN for missing points.

        Raises:
          FileError: the struct holds something else.
        """
        if step not in self._made:
            self._made[step] = present_joints(self._points(step))
        return self._made[step]

    def _points(self, step: int) -> np.ndarray:
        """Returns (n, 87, 3) mm, zeros for missing points."""
        markers = self._part("markerLocation", step)
        n = markers.shape[1]
        if n == N_MARKERS + N_VIRTUAL:
            return markers
        if n == N_MARKERS and "virtualMarkerLocation" in self._move:
            virtual = self._part("virtualMarkerLocation", step)
            if virtual.shape == (len(markers), N_VIRTUAL, 3):
                return np.concatenate([markers, virtual], axis=1)
        if n == max(REDUCED_COLUMNS) + 1:
            points = np.zeros((len(markers), N_MARKERS + N_VIRTUAL, 3))
            points[:, REDUCED_POINTS] = markers[:, REDUCED_COLUMNS]
            return points
        raise FileError(
            self._path,
            f"move.markerLocation: expected 87, 67 (with 20 virtual ones) or 17 points, found {n}",
        )

    def _part(self, key: str, step: int) -> np.ndarray:
        part = self._move[key]
        part = part[::step] if np.ndim(part) else part
        return as_array(self._path, f"move.{key}", part, (None, None, 3), may_miss=True)


def read_takes(path: str) -> list[Take]:
    """Reads the recordings of a file.

    Raises:
      FileError: it is damaged or holds something else.
    """
    variables = read_mat(path)
    top = next((v for v in variables.values() if isinstance(v, dict) and "move" in v), None)
    if top is None:
        raise FileError(
            path,
            "expected a variable Subject_<n>_F (or _S) with a field 'move', found "
            f"{list_names(variables)}",
        )
    moves = top["move"]
    moves = [moves] if isinstance(moves, dict) else np.asarray(moves, object).ravel().tolist()
    if not moves or not all(isinstance(move, dict) for move in moves):
        raise FileError(path, "move: expected a cell of structs, found something else")
    return [Take(path, move) for move in moves]
