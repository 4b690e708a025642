"""Poses of all body formats at once from the atlas' posed bodies, and how well an ACAE uses them.

    python tools/acae_atlas_poses.py make POSES.npz --samples FOLDER
    skelbridge acae fit POSES.npz -o ACAE.npz --report ACAE.html
    python tools/acae_atlas_poses.py compare ACAE.npz --samples FOLDER

`make` poses bodies by real motion as the atlas is built and writes the joints of every format that
has a body, in camera frame. `compare` holds conversions through the ACAE against the atlas' own
maps, on bodies and takes that neither was made of. Both need anny and torch
(pip install '.[body]'); FOLDER is that of build_atlas.py.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(_ROOT), str(_ROOT / "tools")]

import accuracy_table  # noqa: E402
from atlas_build import evaluation  # noqa: E402
from atlas_build.body import make_bodies  # noqa: E402
from atlas_build.moments_build import default_placements_folder, rows_of, sample  # noqa: E402
from atlas_build.motion import load_motions  # noqa: E402
from atlas_build.placement import load_placements, place  # noqa: E402

import skeleton_defs  # noqa: E402
from skelbridge.acae import Acae  # noqa: E402
from skelbridge.acae.refit import acae_map  # noqa: E402
from skelbridge.atlas import AtlasOptions  # noqa: E402
from skelbridge.atlas.by_atlas import AtlasPair  # noqa: E402
from skelbridge.conversion.by_name import map_by_name  # noqa: E402

#: Other bodies than the atlas' own (seed 0) and than those of its evaluation (seed 1000).
SEED, N_POSES, N_BODIES = 500, 40_000, 500
#: Where the pelvis stands before the camera, mm: standard deviations of x and y, range of z.
PLACE_SD_MM, DISTANCE_MM = (500.0, 200.0), (3300.0, 6000.0)
_PIECE = 1000
_HAND_PARTS = ("hand", "thumb", "wrist")


def body_formats() -> list[str]:
    """Returns the names of all formats but those of hands alone."""
    return [name for name in skeleton_defs.list_formats() if not _is_hand(skeleton_defs.get(name))]


def _is_hand(skeleton: skeleton_defs.Skeleton) -> bool:
    return all(part.endswith(_HAND_PARTS) for part in skeleton.group.values())


def make(options: argparse.Namespace) -> None:
    """Poses bodies by the takes that the atlas is made of, and writes all formats' joints."""
    started = time.monotonic()
    registry = skeleton_defs.JointRegistry(body_formats())
    placements = load_placements(default_placements_folder())
    number = {name: k for k, name in enumerate(placements.names)}
    placed = np.array([i for i, name in enumerate(registry.names) if name in number])
    rows = [number[registry.names[i]] for i in placed]
    bodies = make_bodies(N_BODIES, seed=options.seed)
    samples = sample(
        load_motions(options.samples), seed=options.seed, takes="train", n_samples=options.poses,
        bodies=bodies,
    )  # fmt: skip
    # Frames of a take next to each other, as in recordings.
    order = np.argsort(samples.take, kind="stable")
    samples = rows_of(samples, order)
    rng = np.random.default_rng([options.seed, 2])
    poses = np.full((options.poses, len(registry), 3), np.nan, np.float32)
    for start in range(0, options.poses, _PIECE):
        piece = slice(start, start + _PIECE)
        points, _ = place(rows_of(samples, piece), placements)
        poses[piece, placed] = seen(points[:, rows], rng)
    if options.noise:
        poses += np.float32(options.noise) * rng.standard_normal(poses.shape, dtype=np.float32)
    np.savez(options.output, poses=poses, joint_names=np.array(registry.names))
    print(
        f"{options.output}: {len(poses)} poses of {len(registry)} joints of "
        f"{len(registry.skeletons)} formats, {len(registry) - len(placed)} of them without a place "
        f"(NaN); {N_BODIES} bodies, {len(samples.take_names)} takes; "
        f"{time.monotonic() - started:.0f} s"
    )


def seen(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns people in the frame of a camera somewhere around them.

    Args:
      points: (N, P, 3) metres, y up, the pelvis near the origin.

    Returns:
      (N, P, 3) mm, x right, y down, z forward.
    """
    count = len(points)
    angle = rng.uniform(-np.pi, np.pi, count)
    cos, sin, zero, one = np.cos(angle), np.sin(angle), np.zeros(count), np.ones(count)
    # A turn about the vertical, then half a turn about x: y down and z away.
    turn = np.array([[cos, zero, sin], [zero, -one, zero], [sin, zero, -cos]]).transpose(2, 0, 1)
    where = np.stack(
        [*(rng.normal(0, sd, count) for sd in PLACE_SD_MM), rng.uniform(*DISTANCE_MM, count)],
        axis=1,
    )
    return 1000 * points @ np.swapaxes(turn, 1, 2) + where[:, None]


def compare(options: argparse.Namespace) -> None:
    """Prints errors of conversions on unseen bodies and takes: ACAE, atlas, names."""
    model = Acae.load(options.acae)
    placements = load_placements(default_placements_folder())
    unseen = evaluation.held_out(load_motions(options.samples), placements, seed=0)
    print(f"Conversions on {len(unseen.points)} poses of unseen bodies and takes, mm; mean over "
          "the target's joints (by names: those that have one); +noise: with 10 mm per axis on the "
          "source")  # fmt: skip
    print(f"{'':30}{'ACAE':>7}{'atlas':>7}{'ratio':>7}{'names':>7}{'ACAE states':>13}"
          f"{'ACAE +noise':>13}{'atlas +noise':>13}")  # fmt: skip
    for source, target, *_ in evaluation.PAIRS:
        row = errors_of(model, unseen, source, target)
        print(f"{f'{source} -> {target}':30}{row['acae']:7.1f}{row['atlas']:7.1f}"
              f"{row['acae'] / row['atlas']:7.2f}{row['names']:7.1f}{row['stated']:13.1f}"
              f"{row['acae_noisy']:13.1f}{row['atlas_noisy']:13.1f}")  # fmt: skip
    formats = options.formats.split(",") if options.formats else accuracy_table.FORMATS
    _matrix(model, unseen, [skeleton_defs.get(name).name for name in formats])


def _matrix(model: Acae, unseen: evaluation.PlacedSamples, formats: Sequence[str]) -> None:
    """Prints ACAE / atlas for every pair of some formats."""
    print("\nFrom the row's format to the column's, ACAE / atlas, mm; the same point is 0")
    print("| from \\ to | " + " | ".join(formats) + " |")
    print("|---" * (len(formats) + 1) + "|")
    ratios = {}
    for source in formats:
        cells = []
        for target in formats:
            if source == target:
                cells.append("0")
                continue
            row = errors_of(model, unseen, source, target)
            cells.append(f"{row['acae']:.0f} / {row['atlas']:.0f}")
            if row["atlas"] > 1:
                ratios[source, target] = row["acae"] / row["atlas"]
        print(f"| **{source}** | " + " | ".join(cells) + " |", flush=True)
    worst = sorted(ratios, key=ratios.get)[-3:][::-1]
    told = ", ".join(f"{a} -> {b} {ratios[a, b]:.2f}" for a, b in worst)
    middle = np.median(list(ratios.values()))
    print(f"\nACAE / atlas over {len(ratios)} pairs: median {middle:.2f}; largest {told}")


def errors_of(
    model: Acae, unseen: evaluation.PlacedSamples, source: str, target: str
) -> dict[str, float]:
    """Returns mean distances in mm over the target joints that all three methods can be had for."""
    first, second = skeleton_defs.get(source), skeleton_defs.get(target)
    given, truth = unseen.of(source), unseen.of(target)
    maps = {
        "acae": acae_map(model, first, second),
        "atlas": AtlasPair(first, second, options=AtlasOptions(max_error_mm=1e6)).affine_map(),
    }
    joints = ~np.isnan(truth).any(axis=(0, 2))
    for found in maps.values():
        joints &= ~np.isnan(found.weights).any(axis=1)
    noise = np.random.default_rng(0).normal(0, evaluation.NOISE_MM, given.shape)
    result = {"stated": float(maps["acae"].expected_error_mm[joints].mean())}
    for name, found in maps.items():
        for suffix, poses in (("", given), ("_noisy", given + noise)):
            result[name + suffix] = _mean_distance(found.weights, poses, truth, joints)
    by_names = map_by_name(first, second).weights
    named = joints & ~np.isnan(by_names).any(axis=1)
    result["names"] = _mean_distance(by_names, given, truth, named)
    return result


def _mean_distance(weights, given, truth, joints) -> float:
    used = (weights[joints] != 0).any(axis=0)
    found = weights[np.ix_(joints, used)] @ given[:, used]
    return float(np.linalg.norm(found - truth[:, joints], axis=-1).mean())


def main(arguments: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("make", help="write POSES.npz")
    making.add_argument("output", metavar="POSES.npz")
    making.add_argument("--poses", type=int, default=N_POSES, metavar="N")
    making.add_argument("--noise", type=float, default=0.0, metavar="MM", help="per axis")
    making.add_argument("--seed", type=int, default=SEED)
    making.set_defaults(run=make)
    comparing = commands.add_parser("compare", help="conversions against the atlas' own")
    comparing.add_argument("acae", metavar="ACAE.npz")
    comparing.add_argument("--formats", metavar="A,B,...", help="of the matrix; 20 by default")
    comparing.set_defaults(run=compare)
    for command in (making, comparing):
        command.add_argument("--samples", required=True, metavar="FOLDER")
        command.add_argument(
            "--cache", metavar="DIR", help="where anny keeps what it downloads (ANNY_CACHE_DIR)"
        )
    options = parser.parse_args(arguments)
    if options.cache:
        os.environ["ANNY_CACHE_DIR"] = options.cache
    try:
        options.run(options)
    except (skeleton_defs.UserError, OSError) as error:
        print(f"acae_atlas_poses: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
