"""Encoders for poses that have only some of the joints, fitted again from second moments.

Dropping the rows of missing joints and scaling the rest to sum 1 is off by decimetres: latents that
sat on missing joints go anywhere. The moments of the training poses give the best affine predictor
of all joints from those observed, and the decoder's pseudo-inverse turns it into latents.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import skeleton_defs
from skeleton_defs import Skeleton, UserError

from ..conversion.affine_map import AffineMap
from .matrices import Acae
from .moments import rms_errors

# mm^2 on the diagonal, as if every observed joint had 6 mm of noise on top of what the training
# poses had. To predictions of a network that is nothing; weights fitted to exact poses stay small
# enough for poses that are not (chosen by tools/acae_atlas_poses.py).
_RIDGE_MM2 = 36.0
# A distance of normally distributed errors on three axes is so many times its root mean square.
_MEAN_TO_RMS = np.sqrt(8 / (3 * np.pi))


def refit_encoder(acae: Acae, observed: Sequence[int] | np.ndarray) -> np.ndarray:
    """Returns the (O, L) encoder for the joints at these places; every column sums to 1.

    Args:
      acae: with moments.
      observed: indices of the O observed joints.

    Raises:
      UserError: no joint is observed, or the file holds no moments.
    """
    if acae.moments is None:
        raise UserError(
            "this ACAE holds no moments of its training poses (published files do not), which the "
            "encoder needs to be fitted again for missing joints: fit one with 'skelbridge acae "
            "fit'"
        )
    rows = np.asarray(observed, dtype=np.intp)
    if len(rows) == 0:
        raise UserError("no joint is observed")
    gram = acae.moments[np.ix_(rows, rows)].copy()
    gram[np.diag_indices_from(gram)] += _RIDGE_MM2
    solved = np.linalg.solve(
        gram, np.concatenate([acae.moments[rows], np.ones((len(rows), 1))], axis=1)
    )
    # The constraint that weights sum to one, by its multiplier.
    predictor, ones = solved[:, :-1], solved[:, -1]
    predictor += np.outer(ones / ones.sum(), 1 - predictor.sum(axis=0))
    encoder = predictor @ np.linalg.pinv(acae.w2)
    sums = encoder.sum(axis=0)
    return encoder / np.where(np.abs(sums - 1) < 0.5, sums, 1)


def project_observed(acae: Acae, poses: np.ndarray) -> np.ndarray:
    """Returns decoded poses (..., J, D) from the joints that are there; see `Acae.project`.

    A pose without any joint stays NaN.
    """
    if poses.ndim < 2 or poses.shape[-2] != acae.joints:
        raise UserError(
            f"poses must have shape (..., {acae.joints}, D). Received shape {poses.shape}"
        )
    flat = poses.reshape(-1, *poses.shape[-2:])
    mask = np.isfinite(flat).all(axis=-1)
    result = np.full(flat.shape, np.nan, poses.dtype)
    patterns, which = np.unique(np.packbits(mask, axis=1), axis=0, return_inverse=True)
    for number in range(len(patterns)):
        rows = np.flatnonzero(which.reshape(-1) == number)
        have = np.flatnonzero(mask[rows[0]])
        if len(have) == 0:
            continue
        encoder = acae.w1 if len(have) == acae.joints else refit_encoder(acae, have)
        both = (encoder @ acae.w2).T
        result[rows] = (both @ flat[np.ix_(rows, have)].astype(np.float64)).astype(poses.dtype)
    return result.reshape(poses.shape)


def acae_map(
    acae: Acae,
    source: str | Skeleton,
    target: str | Skeleton,
    *,
    observed: Sequence[str] | None = None,
) -> AffineMap:
    """Returns the map between two formats of an ACAE's registry, through its latents.

    Joints that are the same point of the registry are copied. The expected error of the others is
    that of the held-out poses of the fit, their noise included.

    Args:
      acae: fitted with joint names of a `JointRegistry` (`family:key`).
      source, target: formats whose joints are among them. Of the source it is enough that some are.
      observed: the source joints that the data has, where it lacks some.

    Raises:
      UserError: the ACAE has no such names or no moments, or lacks the format.
    """
    source, target = skeleton_defs.get(source), skeleton_defs.get(target)
    places = _places(acae)
    wanted = (
        source.joints if observed is None else [source.joints[source.index(j)] for j in observed]
    )
    columns = {j: places[key] for j in wanted if (key := _key(source, j)) in places}
    if not columns:
        raise _lacks(acae, source)
    rows = [places.get(_key(target, joint)) for joint in target.joints]
    if all(row is None for row in rows):
        raise _lacks(acae, target)
    # Two joints of a format may be one point: each point counts once.
    first: dict[int, str] = {}
    for joint, place in columns.items():
        first.setdefault(place, joint)
    have = np.array(list(first))
    chain = refit_encoder(acae, have) @ acae.w2
    weights = np.full((len(target), len(source)), np.nan)
    status, notes, errors = [], [], np.full(len(target), np.nan)
    moments = acae.moments if acae.validation_moments is None else acae.validation_moments
    for i, row in enumerate(rows):
        if row is None:
            status.append("unavailable")
            notes.append("the ACAE does not have this joint")
            continue
        weights[i] = 0
        if row in first:
            weights[i, source.joints.index(first[row])] = 1
            errors[i] = 0
            status.append("copied")
            notes.append(f"the same point as {first[row]}")
            continue
        for joint, weight in zip(first.values(), chain[:, row], strict=True):
            weights[i, source.joints.index(joint)] = weight
        weights[i] /= weights[i].sum()
        error = np.zeros(acae.joints)
        error[have] = [weights[i, source.joints.index(joint)] for joint in first.values()]
        error[row] -= 1
        errors[i] = _MEAN_TO_RMS * rms_errors(moments, error[:, None])[0]
        status.append("combined")
        notes.append(f"through {acae.latents} latent points of an ACAE")
    return AffineMap(weights, source, target, tuple(status), errors, tuple(notes), "acae")


def _places(acae: Acae) -> dict[str, int]:
    if acae.joint_names is None or not all(":" in name for name in acae.joint_names):
        raise UserError(
            "this ACAE does not say which joints of which formats it has: fit it with --registry "
            "and a list of format names"
        )
    return {name: i for i, name in enumerate(acae.joint_names)}


def _key(skeleton: Skeleton, joint: str) -> str:
    return ":".join(skeleton.point_of(joint))


def _lacks(acae: Acae, skeleton: Skeleton) -> UserError:
    families = list(dict.fromkeys(name.split(":")[0] for name in acae.joint_names))
    shown = ", ".join(families[:12]) + (", ..." if len(families) > 12 else "")
    return UserError(f"this ACAE has no joint of '{skeleton.name}'. It was fitted to {shown}")
