"""The test pictures of the miniature, with true joints in all formats."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.npz import open_npz, write_npz_archive
from skeleton_defs import JointRegistry, Skeleton, UserError

from ..atomic import atomic_path
from ..evaluation import root_of, same_named_pairs

_HIPS = ("left_hip", "right_hip")


@dataclass(frozen=True, eq=False)
class TestSet:
    """N test pictures, of which k are shown in the report.

    Attributes:
      registry: of the formats; J joints altogether.
      domains: (N,) texts, the dataset that each picture belongs to.
      labelled: domain -> the format that it is labelled in for training. A domain that is not
        named here is one that was never trained on.
      joints3d: (N, J, 3) true joints of all formats, mm, in the frame of the crop's camera.
      mask: (N, J) bool, False where a joint has no truth.
      images: (k, S, S, 3) uint8 RGB crops of the pictures to show.
      intrinsics: (k, 3, 3) of their cameras, px; the centre of the first pixel is (0, 0).
      shown: (k,) which of the N pictures they are.

    Raises:
      UserError: shapes do not fit, or a labelled format is not in the registry.
    """

    __test__ = False  # The name is not for pytest.

    registry: JointRegistry
    domains: np.ndarray
    labelled: Mapping[str, str]
    joints3d: np.ndarray
    mask: np.ndarray
    images: np.ndarray
    intrinsics: np.ndarray
    shown: np.ndarray

    def __post_init__(self):
        for field in ("domains", "joints3d", "mask", "images", "intrinsics", "shown"):
            object.__setattr__(self, field, np.asarray(getattr(self, field)))
        object.__setattr__(self, "labelled", dict(self.labelled))
        count, joints, n_shown = len(self.domains), len(self.registry), len(self.shown)
        side = self.images.shape[1] if self.images.ndim == 4 else 0
        wanted = {
            "domains": ((count,), "U"), "joints3d": ((count, joints, 3), "f"),
            "mask": ((count, joints), "b"), "images": ((n_shown, side, side, 3), "u"),
            "intrinsics": ((n_shown, 3, 3), "f"), "shown": ((n_shown,), "iu"),
        }  # fmt: skip
        for field, (shape, kinds) in wanted.items():
            value = getattr(self, field)
            if value.shape != shape or value.dtype.kind not in kinds:
                raise UserError(
                    f"{field} of a test set of {count} pictures and {joints} joints must have "
                    f"shape {shape}. Received {value.dtype} of shape {value.shape}"
                )
        if not count:
            raise UserError("a test set must have at least one picture")
        if not ((self.shown >= 0) & (self.shown < count)).all():
            raise UserError(f"shown must number the {count} test pictures from 0")
        unknown = sorted(set(self.labelled.values()) - set(self.formats))
        if unknown:
            raise UserError(
                f"test set: labelled format '{unknown[0]}' is not in its registry: "
                f"{', '.join(self.formats)}"
            )

    def __len__(self) -> int:
        return len(self.domains)

    @property
    def formats(self) -> tuple[str, ...]:
        """Names of the F formats."""
        return tuple(skeleton.name for skeleton in self.registry.skeletons)

    @functools.cached_property
    def domain_names(self) -> tuple[str, ...]:
        """The domains: trained ones in alphabetical order, then those never trained on."""
        return tuple(sorted(set(self.domains.tolist()), key=lambda d: (d not in self.labelled, d)))

    @functools.cached_property
    def is_labelled(self) -> np.ndarray:
        """(N, F) bool: whether the picture's domain is labelled in the format."""
        own = [self.labelled.get(domain) for domain in self.domains.tolist()]
        return np.array([[f == name for f in self.formats] for name in own]).reshape(len(self), -1)

    @functools.cached_property
    def is_unseen(self) -> np.ndarray:
        """(N,) bool: whether the picture's domain was never trained on."""
        return ~np.isin(self.domains, list(self.labelled))

    @functools.cached_property
    def true(self) -> np.ndarray:
        """(N, J, 3) true joints, mm, NaN where there is none."""
        return np.where(self.mask[..., None], self.joints3d, np.nan).astype(np.float64)

    @functools.cached_property
    def hips(self) -> dict[str, np.ndarray]:
        """Format -> joints whose mean its poses are aligned at: both hips, else its root."""
        return {s.name: self.registry.indices(s)[_hips(s)] for s in self.registry.skeletons}

    @functools.cached_property
    def same_named(self) -> np.ndarray:
        """(P, 2) joints of different formats that have one name, and are not one point."""
        skeletons = self.registry.skeletons
        joints = np.concatenate([self.registry.indices(s) for s in skeletons])
        pairs = joints[same_named_pairs([s.joints for s in skeletons])]
        return pairs[pairs[:, 0] != pairs[:, 1]]

    def images_per_domain(self) -> dict[str, int]:
        """Returns how many test pictures each domain has."""
        return {name: int((self.domains == name).sum()) for name in self.domain_names}

    def save(self, path: str | os.PathLike) -> None:
        """Writes an `.npz` file; equal test sets make equal bytes."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        labelled = sorted(self.labelled.items())
        arrays["registry"] = np.array(self.formats)
        arrays["labelled"] = np.array(labelled, dtype=str).reshape(-1, 2)
        arrays["joint_names"] = np.array(self.registry.names)
        with atomic_path(path) as temporary:
            write_npz_archive(temporary, {name: arrays[name] for name in sorted(arrays)})

    @classmethod
    def load(cls, path: str | os.PathLike) -> TestSet:
        """Reads a file that `save` wrote.

        Raises:
          FileError: no such file, or not one of a test set.
        """
        names = [f.name for f in fields(cls)]
        with open_npz(path) as archive:
            missing = [name for name in (*names, "joint_names") if name not in archive]
            if missing:
                raise FileError(
                    path, f"expected a test set, found no '{missing[0]}'; make it again"
                )
            arrays = {name: archive[name] for name in names}
            joint_names = archive["joint_names"]
        try:
            registry = JointRegistry(arrays.pop("registry").tolist())
            labelled = {domain: name for domain, name in arrays.pop("labelled").tolist()}
            test = cls(registry=registry, labelled=labelled, **arrays)
        except (UserError, TypeError, ValueError, AttributeError) as error:
            raise FileError(Path(path), f"is not a test set: {error}; make it again") from None
        if tuple(joint_names.tolist()) != registry.names:
            raise FileError(
                path, "expected the joints of the installed formats, found others; make it again"
            )
        return test


def _hips(skeleton: Skeleton) -> list[int]:
    if set(_HIPS) <= set(skeleton.joints):
        return [skeleton.joints.index(name) for name in _HIPS]
    return list(root_of(skeleton))
