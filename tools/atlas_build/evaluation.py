"""How good the atlas is: on unseen motion and bodies, on real frames, and in its widths."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

import skeleton_defs
from skelbridge.atlas import AtlasOptions, Moments
from skelbridge.atlas.by_atlas import AtlasPair
from skelbridge.conversion.by_name import map_by_name

from .moments_build import make_moments, moment_matrix, sample
from .motion import Motion
from .placement import Placements, load_placements, place

#: Unseen samples, bodies, and what is added to the build's seed to draw them.
N_SAMPLES, N_BODIES, SEED_SHIFT = 2000, 100, 1000
#: The pairs that are held to a bound on the mean error, and on that with 10 mm of noise.
PAIRS = (
    ("smpl_24", "h36m_17", 11.0, 20.0), ("h36m_17", "smpl_24", None, None),
    ("coco_17", "h36m_17", 16.0, None), ("coco_17", "smpl_24", 22.0, 30.0),
    ("h36m_17", "coco_17", None, None), ("smpl_24", "coco_17", None, None),
    ("openpose_25", "smpl_24", 16.0, None),
)  # fmt: skip
MAX_RATIO_TO_NAMES = 0.38
MAX_REAL_MM, MAX_FACTOR = 28.0, 1.5
NOISE_MM = 10.0
#: Errors of joints that are all but given say nothing about calibration.
_TOO_SMALL_MM = 1.0
_ALL = AtlasOptions(max_error_mm=1e6)
Print = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class PlacedSamples:
    """Points of all formats on posed bodies.

    Attributes:
      points: `(N, P, 3)` m.
      names: `P`.
    """

    points: np.ndarray
    names: tuple[str, ...]

    def of(self, skeleton_name: str) -> np.ndarray:
        """Return the `(N, J, 3)` poses of a format in mm; NaN for joints without a place."""
        skeleton = skeleton_defs.get(skeleton_name)
        number = {name: k for k, name in enumerate(self.names)}
        poses = np.full((len(self.points), len(skeleton), 3), np.nan)
        for k, joint in enumerate(skeleton.joints):
            if (row := number.get(":".join(skeleton.point_of(joint)))) is not None:
                poses[:, k] = 1000 * self.points[:, row].astype(np.float64)
        return poses


@dataclass(frozen=True)
class PairErrors:
    """Errors of a map in mm, per joint `(J,)` or overall.

    Attributes:
      source, target: formats.
      per_joint: mean distance of each target joint.
      expected: the statistical error that the atlas states for each target joint.
      p95: 95th percentile over samples and joints.
      noisy: mean with 10 mm of noise per axis on the source.
      by_names: mean of the map by names, over the joints it gives.
      ratio: of the mean error to that, over the same joints.
    """

    source: str
    target: str
    per_joint: np.ndarray
    expected: np.ndarray
    p95: float
    noisy: float
    by_names: float
    ratio: float

    @property
    def mean(self) -> float:
        """The mean over joints."""
        return float(self.per_joint.mean())


def held_out(motions: Iterable[Motion], placements: Placements, *, seed: int) -> PlacedSamples:
    """Pose unseen bodies by the takes that were kept out."""
    bodies = sample(motions, seed=seed + SEED_SHIFT, takes="test", n_samples=N_SAMPLES,
                    n_bodies=N_BODIES, recombine=0.0, kicks=0.0)  # fmt: skip
    return PlacedSamples(*place(bodies, placements))


def errors_of_pair(
    moments: Moments, unseen: PlacedSamples, source: str, target: str
) -> PairErrors | None:
    """Apply the map of a pair; None where a joint of it has no place."""
    first, second = skeleton_defs.get(source), skeleton_defs.get(target)
    given, truth = unseen.of(source), unseen.of(target)
    if np.isnan(given).any() or np.isnan(truth).any():
        return None
    found = AtlasPair(first, second, options=_ALL, moments=moments).affine_map()
    noise = np.random.default_rng(0).normal(0, NOISE_MM, given.shape)
    errors = _distances(found.weights, given, truth)
    by_names = map_by_name(first, second).weights
    named = ~np.isnan(by_names).any(axis=1)
    names_error = _distances(by_names[named], given, truth[:, named]).mean()
    return PairErrors(
        source, target, errors.mean(axis=0), found.statistical_error_mm,
        float(np.quantile(errors, 0.95)),
        float(_distances(found.weights, given + noise, truth).mean()),
        float(names_error), float(errors[:, named].mean() / names_error),
    )  # fmt: skip


def _distances(weights: np.ndarray, given: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.linalg.norm(weights @ given - truth, axis=-1)


def calibration(moments: Moments, unseen: PlacedSamples) -> float:
    """Return the true error on unseen motion per error that the atlas expects, over all pairs."""
    true, expected = 0.0, 0.0
    for source, target, *_ in PAIRS:
        pair = errors_of_pair(moments, unseen, source, target)
        if pair is None:
            continue
        counts = pair.expected > _TOO_SMALL_MM
        true += pair.per_joint[counts].sum()
        expected += pair.expected[counts].sum()
    return true / expected * moments.calibration if expected else 1.0


def report(
    moments: Moments, motions: list[Motion], placements: Placements, *,
    placements_folder: str | os.PathLike, samples: str | os.PathLike, seed: int,
    show: Print = print,
) -> None:  # fmt: skip
    """Print the errors on unseen motion, in 2D and on real poses, and widths and lengths."""
    from .left_out_joints import report_left_out_joints
    from .perspective import report_perspective

    unseen = held_out(motions, placements, seed=seed)
    report_unseen(moments, unseen, show=show)
    report_perspective(moments, unseen, show=show)
    report_real(motions, placements_folder, samples, calibration=moments.calibration, seed=seed,
                show=show)  # fmt: skip
    from .ranges import report_ranges

    report_left_out_joints(moments, samples, show=show)
    report_ranges(placements, seed=seed, show=show)


def report_unseen(moments: Moments, unseen: PlacedSamples, *, show: Print = print) -> float:
    """Print the errors on takes and bodies that the build has not seen; return the mean ratio."""
    show("Unseen bodies and takes, mm over all joints (statistics only; '!' where above the bound)")
    show(f"{'':28}{'mean':>6}{'bound':>7}{'p95':>6}{'noise':>7}{'bound':>7}{'names':>7}{'ratio':>7}"
         f"{'expected':>10}")  # fmt: skip
    ratios = []
    for source, target, bound, noisy_bound in PAIRS:
        pair = errors_of_pair(moments, unseen, source, target)
        if pair is None:
            show(f"{source} -> {target}: not all joints have a place")
            continue
        ratios.append(pair.ratio)
        flag = "!" if (bound and pair.mean > bound) or (
            noisy_bound and pair.noisy > noisy_bound) else ""  # fmt: skip
        show(f"{f'{source} -> {target}':28}{pair.mean:6.1f}{bound or '':>7}{pair.p95:6.0f}"
             f"{pair.noisy:7.1f}{noisy_bound or '':>7}{pair.by_names:7.1f}{pair.ratio:7.2f}"
             f"{pair.expected.mean():10.1f} {flag}")  # fmt: skip
    show(f"mean ratio to names {np.mean(ratios):.2f} (bound {MAX_RATIO_TO_NAMES})")
    return float(np.mean(ratios))


def report_real(
    motions, placements_folder, samples, *, calibration: float, seed: int, show: Print = print
):
    """Print errors on four real frames, with offsets that were fitted without the frame tested."""
    from . import h36m_frames as real

    frames = real.load_frames(samples)
    bodies = sample(motions, seed=seed, takes="train", n_samples=3000, n_bodies=150)
    smpl, h36m = skeleton_defs.get("smpl_24"), skeleton_defs.get("h36m_17")
    errors, expected = {}, {}
    names = map_by_name(smpl, h36m).weights
    for label in ("left out", "as shipped"):
        rows = []
        for k in range(len(frames.joints)):
            replaced = {}
            if label == "left out":
                others = [i for i in range(len(frames.joints)) if i != k]
                replaced = h36m_offsets(real.fit_offsets(frames.select(others)).offsets)
            placements = load_placements(placements_folder, replaced=replaced)
            if label == "left out" or k == 0:
                moments = make_moments(moment_matrix(bodies, placements), placements,
                                       provenance={"calibration": calibration})  # fmt: skip
                found = AtlasPair(smpl, h36m, options=_ALL, moments=moments).affine_map()
            joints, _ = real.pose_smpl(frames.rotations[[k]])
            rows.append(real.aligned_error_mm(found.weights @ joints, frames.joints[[k]])[0])
        errors[label] = np.array(rows)
        expected[label] = found.expected_error_mm
    given = ~np.isnan(names).any(axis=1)
    joints, _ = real.pose_smpl(frames.rotations)
    naive = real.aligned_error_mm(names[given] @ joints, frames.joints[:, given]).mean()
    show("")
    show(f"Four real Human3.6M frames, smpl_24 -> h36m_17, mm (bound {MAX_REAL_MM}); by names "
         f"{naive:.1f} over {given.sum()} joints")  # fmt: skip
    for label, rows in errors.items():
        factor = rows.mean() / expected[label].mean()
        show(f"  offsets {label}: {rows.mean():.1f} (frames "
             f"{', '.join(f'{row.mean():.0f}' for row in rows)}); expected "
             f"{expected[label].mean():.1f}, real / expected {factor:.2f}")  # fmt: skip
    show("  joint: real (offsets left out) / expected")
    show("  " + ", ".join(f"{joint} {real_mm:.0f}/{expected_mm:.0f}" for joint, real_mm, expected_mm
                          in zip(h36m.joints, errors["left out"].mean(axis=0),
                                 expected["left out"], strict=True)))  # fmt: skip
    return errors, expected


def h36m_offsets(offsets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Name fitted offsets by the points of the placement table."""
    h36m = skeleton_defs.get("h36m_17")
    return {":".join(h36m.point_of(joint)): offset for joint, offset in offsets.items()}
