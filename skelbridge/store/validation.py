"""`store validate`: does what was prepared look like people in front of these cameras?

Every check is one number with a limit; what is over it is named, with what usually is the cause.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

import skeleton_defs
from skeleton_defs import UserError

from . import validation_checks as checks
from .batch import Batch
from .finishing import IMPOSSIBLE
from .reading import Group, Store, open_store
from .selection import NO_BOX, OUTSIDE, TOO_FEW_JOINTS

SAMPLES = 5000
_CHUNK = 1000
_MIN_VOTES = 20
#: Reasons for which `prepare` drops what cannot be.
_IMPOSSIBLE = (IMPOSSIBLE, NO_BOX, OUTSIDE, TOO_FEW_JOINTS)


@dataclass(frozen=True)
class Check:
    """One number about a group of examples.

    Attributes:
      name: what it is.
      value: NaN where the data does not allow the check.
      limit: what it may be, in words.
      is_bad: whether it is beyond.
      hint: the usual cause.
    """

    name: str
    value: float
    limit: str
    is_bad: bool
    hint: str = ""

    def line(self) -> str:
        """Returns the check in one line."""
        mark = "BAD" if self.is_bad else " - " if np.isnan(self.value) else "ok "
        value = "not applicable" if np.isnan(self.value) else f"{self.value:.4g}"
        why = f"; {self.hint}" if self.is_bad and self.hint else ""
        return f"  {mark} {self.name}: {value} ({self.limit}){why}"


@dataclass(frozen=True)
class GroupReport:
    """What was found about the examples of one dataset, split and skeleton.

    Attributes:
      missing: joint -> share of the examples that lack it, for those that any lacks.
    """

    group: Group
    n_examples: int
    n_looked_at: int
    checks: tuple[Check, ...]
    missing: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether no check is beyond its limit."""
        return not any(check.is_bad for check in self.checks)


@dataclass(frozen=True)
class ValidationReport:
    """What `validate` found."""

    path: str
    groups: tuple[GroupReport, ...]

    @property
    def is_clean(self) -> bool:
        """Whether no group has a check beyond its limit."""
        return all(group.is_clean for group in self.groups)

    def lines(self) -> list[str]:
        """Returns the report as text."""
        lines = []
        for report in self.groups:
            group = report.group
            looked = (
                "" if report.n_looked_at == report.n_examples
                else f" ({report.n_looked_at} looked at)"
            )  # fmt: skip
            lines.append(
                f"{group.dataset} {group.split} {group.skeleton}: {report.n_examples} examples"
                f"{looked}"
            )
            lines += [check.line() for check in report.checks]
            worst = sorted(report.missing.items(), key=lambda item: (-item[1], item[0]))[:6]
            if worst:
                listed = ", ".join(f"{joint} {100 * share:.0f} %" for joint, share in worst)
                lines.append(f"      most often missing: {listed}")
        bad = sum(check.is_bad for report in self.groups for check in report.checks)
        lines.append("clean" if not bad else f"{bad} check(s) beyond their limits")
        return lines

    def to_dict(self) -> dict:
        """Returns the report for JSON; NaN becomes None."""
        groups = []
        for report in self.groups:
            row = {**report.group._asdict(), "n_examples": report.n_examples,
                   "n_looked_at": report.n_looked_at, "missing": dict(report.missing)}  # fmt: skip
            row["checks"] = [
                {**asdict(c), "value": None if np.isnan(c.value) else c.value}
                for c in report.checks
            ]
            groups.append(row)
        return {"store": self.path, "clean": self.is_clean, "groups": groups}


def validate_store(path: str | os.PathLike, *, samples: int = SAMPLES) -> ValidationReport:
    """Looks at a store's examples, evenly spread.

    Args:
      path: its folder.
      samples: examples to look at per dataset, split and skeleton; 0 looks at all.

    Raises:
      FileError: there is no finished store, or a file of it is damaged.
    """
    if samples < 0:
        raise UserError(f"samples must be at least 0. Received {samples}")
    store = open_store(path)
    reports = [
        _group_report(store, group, indices, samples) for group, indices in store.groups.items()
    ]
    return ValidationReport(os.fspath(path), tuple(reports))


def _group_report(store: Store, group: Group, indices: range, samples: int) -> GroupReport:
    n = len(indices)
    step = 1 if not samples else max(1, n // samples)
    chosen = np.arange(indices.start, indices.stop, step)
    found = _looked_at(store, group, chosen)
    missing = 1 - found.validity.mean(axis=0) if len(chosen) else np.zeros(0)
    joints = skeleton_defs.get(group.skeleton).joints
    return GroupReport(
        group,
        n,
        len(chosen),
        tuple(_checks(store, group, found)),
        {joint: float(share) for joint, share in zip(joints, missing, strict=False) if share > 0},
    )


@dataclass(frozen=True, eq=False)
class _Arrays:
    """The columns of all examples looked at; joints that are not valid are NaN."""

    joints3d: np.ndarray
    joints2d: np.ndarray
    projected: np.ndarray
    validity: np.ndarray
    boxes: np.ndarray
    sizes: np.ndarray
    up: np.ndarray
    people: np.ndarray
    views: list


def _looked_at(store: Store, group: Group, indices: np.ndarray) -> _Arrays:
    names = ("joints3d", "joints2d", "projected", "validity", "boxes", "sizes", "up")
    parts: dict[str, list] = {name: [] for name in names}
    people, views = [], []
    for start in range(0, len(indices), _CHUNK):
        batch = store.batch(indices[start : start + _CHUNK])
        valid = batch.validity[..., None]
        joints3d = np.where(valid, batch.joints3d, np.nan)
        parts["joints3d"].append(joints3d)
        parts["joints2d"].append(np.where(valid, batch.joints2d, np.nan))
        parts["projected"].append(_projected(batch, joints3d))
        parts["validity"].append(batch.validity)
        parts["boxes"].append(batch.box)
        parts["sizes"].append(batch.image_size)
        parts["up"].append(batch.world_up)
        people += zip(batch.subject, batch.sequence, batch.person, strict=True)
        views += zip(batch.sequence, batch.camera_name, batch.person, strict=True)
    numbers = {who: i for i, who in enumerate(dict.fromkeys(people))}
    return _Arrays(
        **{name: np.concatenate(part) for name, part in parts.items()},
        people=np.array([numbers[who] for who in people]),
        views=views,
    )


def _projected(batch: Batch, joints3d: np.ndarray) -> np.ndarray:
    """Returns where 3D joints are seen (N, J, 2) px, camera by camera."""
    from dataset_adapters.camera import distorted

    in_camera = np.einsum("nij,nkj->nki", batch.R, joints3d) + batch.t[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        depth = np.where(in_camera[..., 2:] > 0, in_camera[..., 2:], np.nan)
        ideal = in_camera[..., :2] / depth
    for row in np.flatnonzero(batch.distortion.any(axis=1)):
        ideal[row] = distorted(ideal[row], batch.distortion[row])
    pixels = np.einsum("nij,nkj->nki", batch.K[:, :2, :2], ideal) + batch.K[:, None, :2, 2]
    return np.where(batch.has_camera[:, None, None], pixels, np.nan)


def _checks(store: Store, group: Group, found: _Arrays):
    skeleton = group.skeleton
    if not np.isnan(found.joints3d).all():
        yield from _checks_3d(skeleton, found)
    if not np.isnan(found.joints2d).all():
        share = checks.side_order_2d(found.joints2d, skeleton)
        yield Check(
            "shoulders and hips agree on left and right in the image", share, "at least 0.7",
            share < 0.7, "left and right may be exchanged in some joints",
        )  # fmt: skip
    pixels = np.where(np.isnan(found.joints2d), found.projected, found.joints2d)
    outside = checks.outside_share(pixels, found.sizes)
    yield Check(
        "share of joints outside of the image", outside, "at most 0.3", outside > 0.3,
        "camera, units or box may be wrong",
    )  # fmt: skip
    joints = found.joints2d if np.isnan(found.joints3d).all() else found.joints3d
    same = checks.duplicate_share(joints, found.views)
    yield Check(
        "share of poses that repeat an earlier one of the same view and person", same,
        "at most 0.05", same > 0.05, "frames may be duplicated",
    )  # fmt: skip
    # Joints that nobody has (fingers without a body model) are listed, not held against the data.
    given = found.validity[:, found.validity.any(axis=0)]
    missing = 1 - float(given.mean()) if given.size else 1.0
    yield Check(
        "share of missing joints, among those that anybody has", missing, "at most 0.5",
        missing > 0.5,
    )  # fmt: skip
    dropped = _dropped_share(store, group)
    yield Check(
        "share of examples that `prepare` dropped as implausible or unseen", dropped,
        "at most 0.3", dropped > 0.3, "camera, units or frame numbers may be wrong",
    )  # fmt: skip


def _checks_3d(skeleton: str, found: _Arrays):
    joints = found.joints3d
    length = checks.limbs_mm(joints, skeleton)
    hint = ""
    if length > 0:
        for unit, factor in (("metres", 1000), ("centimetres", 10), ("inches", 25.4)):
            if 0.6 < length * factor / checks.TYPICAL_LIMBS_MM < 1.4:
                hint = f"the unit looks like {unit}"
    yield Check(
        "torso, thigh and shin together, mm", length, "600 to 2000",
        length < 600 or length > 2000, hint or "the unit is not mm, or these are no people",
    )  # fmt: skip
    spread = checks.bone_spread(joints, skeleton, found.people)
    yield Check(
        "spread of a bone's length over a person's frames", spread, "at most 0.12", spread > 0.12,
        "people may be mixed up, or joints in another order",
    )  # fmt: skip
    sides = checks.side_difference(joints, skeleton)
    yield Check(
        "difference of left and right limbs", sides, "at most 0.15", sides > 0.15,
        "joints may be in another order",
    )  # fmt: skip
    share, votes = checks.facing_votes(joints, skeleton)
    share = share if votes >= _MIN_VOTES else np.nan
    yield Check(
        "knees, toes and noses point where the body faces", share, "at least 0.6", share < 0.6,
        "left and right are exchanged, or the world is mirrored",
    )  # fmt: skip
    cosine = checks.uprightness(joints, skeleton, found.up)
    yield Check(
        "bodies stand along the stated upward direction (cosine)", cosine, "at least 0.4",
        cosine < 0.4, "the world's upward axis or the camera's rotation may be wrong",
    )  # fmt: skip
    error = checks.projection_error(found.projected, found.joints2d, found.boxes)
    yield Check(
        "distance of projected 3D from the 2D annotation, in box sides", error, "at most 0.05",
        error > 0.05, "frames may be shifted, or the camera wrong",
    )  # fmt: skip
    behind = _behind_share(found)
    yield Check(
        "share of joints that the camera cannot see", behind, "at most 0.02", behind > 0.02,
        "the camera's rotation or translation may be wrong",
    )  # fmt: skip


def _behind_share(found: _Arrays) -> float:
    has_camera = ~np.isnan(found.projected).all(axis=(1, 2)) | ~np.isnan(found.up).all(axis=1)
    known = ~np.isnan(found.joints3d[..., 0]) & has_camera[:, None]
    if not known.any():
        return np.nan
    return float(np.isnan(found.projected[..., 0])[known].mean())


def _dropped_share(store: Store, group: Group) -> float:
    """Returns the share of a split's examples that cannot be, of those that were wanted."""
    facts = store.manifest["datasets"][group.dataset]["splits"][group.split]
    bad = sum(facts["dropped"].get(reason, 0) for reason in _IMPOSSIBLE)
    kept = sum(facts["kept"].values())
    return bad / (bad + kept) if bad + kept else np.nan
