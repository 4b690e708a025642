"""The atlas file: second moments of the points of all formats, and how surely they are placed."""

from __future__ import annotations

import functools
import io
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dataset_adapters.containers import FileError
from dataset_adapters.containers.npz import NpzArchive, open_npz
from skeleton_defs import UserError

from ..atomic import atomic_path
from .errors import UNSEEN_MOTION, is_calibration
from .products import product

#: Names another atlas file than the one that is installed, e.g. one of a permissive-only build.
ENVIRONMENT_VARIABLE = "SKELBRIDGE_ATLAS"
SHIPPED = Path(__file__).parent / "atlas.npz"
_KEYS = ("points", "factor", "residual", "sigma_mm", "provenance")
# Sizes beyond these are no atlas; they bound what a damaged header can ask for.
_MAX_POINTS, _MAX_RANK, _MAX_TEXT = 50_000, 4096, 1_000_000
#: No joint is farther than this from the middle of a body, so larger factors are not in metres.
_MAX_FACTOR_M = 5.0


@dataclass(frozen=True, eq=False, repr=False)
class Moments:
    """Second moments over the points of all formats, in metres.

    With x_p the position of point p relative to the mean of all points, the moment of two points
    is E[x_p x_q], averaged over the three coordinates, samples and their mirror images. Weights
    that sum to one do not depend on the centre.

    Attributes:
      points: P texts `family:key`, see `Skeleton.point_of`.
      factor: (P, R) metres; the moment matrix is `factor @ factor.T + diag(residual)`.
      residual: (P,) m^2, what the rank R leaves out of the diagonal.
      sigma_mm: (P,) uncertainty of each point's place on the body.
      anchor_of: (P,) numbers; points of equal number share a part of that uncertainty (-1: with
        nobody). None where it is not known.
      provenance: versions, seed, sources and licences, as the build wrote them.

    Raises:
      UserError: shapes or values break these rules.
    """

    points: tuple[str, ...]
    factor: np.ndarray
    residual: np.ndarray
    sigma_mm: np.ndarray
    anchor_of: np.ndarray | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        count = len(self.points)
        shapes = {"factor": (count, self.factor.shape[-1] if self.factor.ndim else 0)}
        shapes |= dict.fromkeys(("residual", "sigma_mm", "anchor_of"), (count,))
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is None:
                continue
            if value.shape != shape:
                raise UserError(f"{name} must have shape {shape}. Received {value.shape}")
            if value.dtype.kind != ("i" if name == "anchor_of" else "f"):
                raise UserError(f"{name} must not be of dtype {value.dtype}")
            if name != "anchor_of" and not np.isfinite(value).all():
                raise UserError(f"{name} must be finite numbers")
        if not count or not all(p.count(":") == 1 and p[0] != ":" != p[-1] for p in self.points):
            raise UserError("points must be texts 'family:key', at least one")
        if len(set(self.points)) != count:
            raise UserError("points must not be repeated")
        if np.abs(self.factor).max(initial=0) > _MAX_FACTOR_M:
            raise UserError(f"factor must be in metres, at most {_MAX_FACTOR_M:g}")
        if (self.residual < 0).any() or self.residual.max() > _MAX_FACTOR_M**2:
            raise UserError(f"residual must be 0 to {_MAX_FACTOR_M**2:g} m^2")
        if (self.sigma_mm < 0).any() or self.sigma_mm.max() > 1e6:
            raise UserError("sigma_mm must be 0 to 1000000 mm")
        if not is_calibration(self.calibration):
            raise UserError(f"calibration must be 0.1 to 10. Received {self.calibration!r}")

    def __repr__(self) -> str:
        return f"Moments({len(self)} points, rank {self.factor.shape[1]})"

    def __len__(self) -> int:
        return len(self.points)

    @property
    def calibration(self) -> float:
        """The factor from errors within the atlas to those on unseen motion."""
        return self.provenance.get("calibration", UNSEEN_MOTION)

    @functools.cached_property
    def _place(self) -> dict[str, int]:
        return {point: number for number, point in enumerate(self.points)}

    @functools.cached_property
    def _factor64(self) -> np.ndarray:
        return self.factor.astype(np.float64)

    def indices(self, points: Iterable[tuple[str, str] | str]) -> np.ndarray:
        """Returns the numbers of points given as (family, key) or `family:key`, -1 for unknown."""
        texts = (point if isinstance(point, str) else ":".join(point) for point in points)
        return np.array([self._place.get(text, -1) for text in texts], dtype=np.intp)

    def covariance(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Returns the (A, B) moments in m^2 of points given by their numbers."""
        result = product(self._factor64[second], self._factor64[first].T).T
        same = np.asarray(first)[:, None] == np.asarray(second)
        if same.any():
            rows, columns = np.nonzero(same)
            result[rows, columns] += self.residual[np.asarray(first)[rows]]
        return result

    def variances(self, points: np.ndarray) -> np.ndarray:
        """Returns the (A,) moments in m^2 of points with themselves."""
        factor = self._factor64[points]
        return np.einsum("pr,pr->p", factor, factor) + self.residual[points]

    @classmethod
    def from_matrix(
        cls, points: Iterable[str], matrix: np.ndarray, *, rank: int, **others
    ) -> Moments:
        """Reduces a (P, P) moment matrix in m^2 to its largest `rank` components.

        Args:
          points, matrix: the points and their moments.
          rank: R, at most P.
          others: `sigma_mm`, `anchor_of`, `provenance`.
        """
        values, vectors = np.linalg.eigh(np.asarray(matrix, dtype=np.float64))
        values, vectors = values[::-1][:rank], vectors[:, ::-1][:, :rank]
        # An eigenvector's sign is arbitrary: its largest entry is made positive.
        vectors = vectors * np.sign(np.take_along_axis(
            vectors, np.abs(vectors).argmax(axis=0)[None], axis=0))  # fmt: skip
        factor = (vectors * np.sqrt(np.maximum(values, 0))).astype(np.float32)
        kept = (factor.astype(np.float64) ** 2).sum(axis=1)
        residual = np.maximum(np.diag(matrix) - kept, 0).astype(np.float32)
        return cls(tuple(points), factor, residual, **others)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the file (atomically); equal moments make equal bytes."""
        arrays = {
            "points": np.array(self.points),
            "factor": self.factor.astype(np.float32),
            "residual": self.residual.astype(np.float32),
            "sigma_mm": self.sigma_mm.astype(np.float32),
            "provenance": np.array(json.dumps(dict(self.provenance), sort_keys=True)),
        }
        if self.anchor_of is not None:
            arrays["anchor_of"] = self.anchor_of.astype(np.int32)
        with (
            atomic_path(path) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        ):
            for key in sorted(arrays):
                stream = io.BytesIO()
                np.lib.format.write_array(stream, arrays[key], allow_pickle=False)
                info = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
                info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 3
                archive.writestr(info, stream.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike) -> Moments:
        """Reads a file that `save` or the build wrote.

        Raises:
          FileError: the file is missing, damaged, or no atlas.
        """
        with open_npz(path) as arrays:
            missing = [key for key in _KEYS if key not in arrays]
            if missing:
                raise FileError(
                    path,
                    f"expected an atlas file with the keys {', '.join(_KEYS)}, found none named "
                    f"{', '.join(missing)}; build it with tools/build_atlas.py",
                )
            _check_sizes(path, arrays)
            provenance = _parse_provenance(path, arrays["provenance"])
            anchor = arrays.get("anchor_of")
            try:
                return cls(
                    tuple(arrays["points"].tolist()),
                    arrays["factor"],
                    arrays["residual"],
                    arrays["sigma_mm"],
                    anchor,
                    provenance,
                )
            except FileError:
                raise
            except UserError as error:
                raise FileError(path, f"the atlas is damaged or of another kind: {error}") from None


def _check_sizes(path: str | os.PathLike, arrays: NpzArchive) -> None:
    """Raises `FileError` where the headers promise what no atlas has."""
    shapes = {key: arrays.header(key) for key in (*_KEYS, "anchor_of") if key in arrays}
    for key, (shape, dtype) in shapes.items():
        axes = {"factor": 2, "provenance": 0}.get(key, 1)
        kinds = {"points": "U", "provenance": "U", "anchor_of": "i"}.get(key, "f")
        allowed = (_MAX_POINTS, _MAX_RANK)[:axes]
        fits = len(shape) == axes and all(n <= most for n, most in zip(shape, allowed, strict=True))
        length_fits = dtype.kind != "U" or dtype.itemsize <= 4 * _MAX_TEXT
        if not (fits and dtype.kind in kinds and length_fits):
            kind = {"U": "text", "i": "integers", "f": "floating-point numbers"}[kinds]
            raise FileError(
                path,
                f"key '{key}': expected {kind} with {axes} axes, found shape {shape} of {dtype}; "
                "build the atlas again with tools/build_atlas.py",
            )


def _parse_provenance(path: str | os.PathLike, text: np.ndarray) -> dict:
    try:
        provenance = json.loads(str(text))
    except (ValueError, RecursionError):
        provenance = None
    if not isinstance(provenance, dict):
        raise FileError(path, "key 'provenance': expected a JSON object; the file is damaged")
    return provenance


def atlas_path() -> Path:
    """Returns the atlas file in use: the installed one, or what `SKELBRIDGE_ATLAS` names."""
    return Path(os.environ.get(ENVIRONMENT_VARIABLE) or SHIPPED)


def available() -> bool:
    """Whether there is an atlas: a development copy may not have built it yet."""
    return bool(os.environ.get(ENVIRONMENT_VARIABLE)) or SHIPPED.exists()


def default_moments() -> Moments:
    """Returns the atlas in use, read once.

    Raises:
      FileError: there is none, or it is damaged.
    """
    return _loaded(atlas_path())


@functools.lru_cache(maxsize=2)
def _loaded(path: Path) -> Moments:
    return Moments.load(path)
