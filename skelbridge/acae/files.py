"""`skelbridge acae`: from files to files."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from dataset_adapters.containers import FileError
from skeleton_defs import UserError

from . import report_page
from .fitting import Progress, fit_acae
from .matrices import Acae
from .objective import check_depth
from .options import FitOptions
from .reading import read_poses, registry_of


@dataclass(frozen=True, eq=False)
class FileFit:
    """A fit of a file.

    Attributes:
      acae: what was written.
      notes: remarks.
      seconds: wall time.
      interrupted: whether Ctrl-C ended it early.
    """

    acae: Acae
    notes: tuple[str, ...]
    seconds: float
    interrupted: bool


def fit_file(
    path: str | os.PathLike,
    output: str | os.PathLike,
    *,
    registry: str | None = None,
    key: str | None = None,
    report: str | os.PathLike | None = None,
    options: FitOptions | None = None,
    progress: Progress | None = None,
) -> FileFit:
    """Fits an ACAE to a pose file and writes it, and a report where one is wanted.

    Args:
      path: `.npz` or `.npy` of poses (N, J, 3) in mm.
      output: the `.npz` to write.
      registry: formats or a file of joint names, see `registry_of`; without it the file's
        `joint_names`.
      key: which array.
      report: an `.html` or `.png` to write.

    Raises:
      UserError: what the files hold, or the options, cannot be used.
    """
    start = time.perf_counter()
    options = options or FitOptions()
    _check_targets(path, output, report)
    stated = None if registry is None else registry_of(registry)
    poses, named = read_poses(path, key=key)
    names = stated or named
    if names is not None and names.names is not None and len(names.names) != poses.shape[1]:
        raise FileError(
            path,
            f"expected {len(names.names)} joints as --registry says, found {poses.shape[1]}",
        )
    if options.loss == "projected":
        try:
            check_depth(poses)
        except UserError as error:
            raise FileError(path, str(error)) from None
    fit = fit_acae(
        poses,
        flip=None if names is None else names.flip,
        sides=None if names is None else names.sides,
        joint_names=None if names is None else names.names,
        options=options,
        progress=progress,
    )
    notes = fit.notes
    if names is None or names.flip is None:
        notes += (
            "nothing says which joints mirror each other: fitted without mirror symmetry "
            "(give --registry)",
        )
    facts = {**fit.acae.facts, "formats": [] if names is None else list(names.formats)}
    acae = replace(fit.acae, facts=facts)
    acae.save(output)
    if report is not None:
        report_page.write_report(
            report, acae, title=f"Affine-combining autoencoder {Path(output).name}"
        )
    return FileFit(acae, notes, time.perf_counter() - start, fit.interrupted)


def _check_targets(path, output, report) -> None:
    """Refuses what could not be written before anything is computed."""
    if Path(output).suffix != ".npz":
        raise UserError(f"an ACAE is an .npz file. Received '{output}'")
    if report is not None:
        report_page.check_suffix(report)
    for target in (output, report):
        if target is None:
            continue
        if not Path(target).absolute().parent.is_dir():
            raise FileError(target, "cannot be written: its folder does not exist")
        if os.path.exists(target) and os.path.exists(path) and os.path.samefile(target, path):
            raise FileError(target, "these are the poses to fit to: give another file to write")
