"""Build the atlas: place all formats on posed bodies, and keep the second moments.

    python tools/build_atlas.py --samples FOLDER [-o skelbridge/atlas/atlas.npz]
    python tools/build_atlas.py --samples FOLDER --evaluate
    python tools/build_atlas.py --body [FILE]

Needs anny and torch; the installed library needs neither. One seed gives the same bytes every time.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

# Sums of floating-point numbers depend on how threads share them: one thread, the same bytes.
# numpy and torch read these when they are imported.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
_ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(_ROOT), str(_ROOT / "tools")]

OUTPUT = _ROOT / "skelbridge" / "atlas" / "atlas.npz"
BODY = OUTPUT.with_name("body.npz")


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--samples",
        metavar="FOLDER",
        help="folder of motion capture collections (see atlas_build/motion.py)",
    )
    parser.add_argument(
        "--cache",
        metavar="DIR",
        help="where anny keeps what it downloads (default: ANNY_CACHE_DIR)",
    )
    parser.add_argument("--placements", metavar="FOLDER", help="other placement tables")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--permissive-only",
        action="store_true",
        help="leave out placements whose source is not permissive, and report what that costs",
    )
    parser.add_argument(
        "--evaluate", action="store_true", help="measure the atlas file instead of building it"
    )
    parser.add_argument(
        "--body",
        nargs="?",
        type=Path,
        const=BODY,
        metavar="FILE",
        help="write the low-poly body that pictures are drawn from, and nothing else",
    )
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    options = parser.parse_args(arguments)
    if not (options.samples or options.body):
        parser.error("the following arguments are required: --samples (except with --body)")
    if options.cache:
        os.environ["ANNY_CACHE_DIR"] = options.cache

    from skeleton_defs import UserError

    try:
        if options.body:
            return _export_body(options)
        return _evaluate(options) if options.evaluate else _build(options)
    except UserError as error:
        print(f"build_atlas: {error}", file=sys.stderr)
        return 1


def _placements(options):
    from atlas_build.moments_build import default_placements_folder
    from atlas_build.placement import load_placements

    folder = options.placements or default_placements_folder()
    return folder, load_placements(folder, permissive_only=options.permissive_only)


def _build(options) -> int:
    from atlas_build import evaluation, permissive
    from atlas_build import moments_build as build
    from atlas_build.coverage import kinds_text
    from atlas_build.motion import load_motions
    from atlas_build.placement import load_placements

    started = time.monotonic()
    folder, placements = _placements(options)
    if options.permissive_only:
        permissive.report_points(folder, placements)
    motions = load_motions(options.samples)
    bodies = build.make_bodies(build.N_BODIES, seed=options.seed)
    samples = build.sample(motions, seed=options.seed, takes="train", bodies=bodies)
    print(f"{time.monotonic() - started:.0f} s: {len(samples.anchors)} samples, "
          f"{len(bodies.stature)} bodies, {len(samples.take_names)} takes")  # fmt: skip
    print(f"poses, percent: {kinds_text(samples.rotations)}")
    matrix = build.moment_matrix(samples, placements)
    held_out = evaluation.held_out(motions, placements, seed=options.seed)
    provenance = build.provenance_of(
        motions, placements, seed=options.seed, permissive_only=options.permissive_only,
        anny_version=bodies.model.version, n_samples=len(samples.anchors),
        n_bodies=len(bodies.stature),
    )  # fmt: skip
    raw = build.make_moments(matrix, placements, provenance={"calibration": 1.0})
    provenance["calibration"] = round(evaluation.calibration(raw, held_out), 3)
    moments = build.make_moments(matrix, placements, provenance=provenance)
    moments.save(options.output)
    left_out = 1000 * (3 * moments.residual) ** 0.5
    print(f"{time.monotonic() - started:.0f} s: {len(moments)} points, rank "
          f"{moments.factor.shape[1]} leaves out {left_out.mean():.1f} mm (at most "
          f"{left_out.max():.1f}); calibration {provenance['calibration']}")  # fmt: skip
    print(f"{options.output}: {options.output.stat().st_size} bytes")
    if options.permissive_only:
        everything = load_placements(folder)
        whole = build.make_moments(build.moment_matrix(samples, everything), everything)
        unseen = evaluation.held_out(motions, everything, seed=options.seed)
        permissive.report_errors(whole, moments, unseen)
    return 0


def _export_body(options) -> int:
    from atlas_build import moments_build as build
    from atlas_build.low_poly_build import make_low_poly_body

    _, placements = _placements(options)
    bodies = build.make_bodies(build.N_BODIES, seed=options.seed)
    body = make_low_poly_body(bodies, placements)
    body.save(options.body, build.body_provenance_of(
        placements, seed=options.seed, permissive_only=options.permissive_only,
        anny_version=bodies.model.version, n_bodies=len(bodies.stature),
    ))  # fmt: skip
    print(f"{options.body}: {options.body.stat().st_size} bytes; {len(body.vertices)} vertices, "
          f"{len(body.faces)} triangles, {len(body.vertex_shapes)} shapes, "
          f"{len(body.points)} points")  # fmt: skip
    return 0


def _evaluate(options) -> int:
    from atlas_build import evaluation
    from atlas_build.motion import load_motions

    from skelbridge.atlas.moments import Moments

    folder, placements = _placements(options)
    evaluation.report(
        Moments.load(options.output), load_motions(options.samples), placements,
        placements_folder=folder, samples=options.samples, seed=options.seed,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
