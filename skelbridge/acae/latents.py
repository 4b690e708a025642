"""How many latent points: the published 40 + 8, or what is asked for, where it can be had."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from skeleton_defs import UserError

DEFAULT_LATENTS = 48
#: 40 of the published 48 latents are sided.
_SIDED_SHARE = 40 / 48


class LatentOptions(Protocol):
    """What may be asked for; see `FitOptions`."""

    sided: int | None
    centre: int | None
    latents: int | None


def latent_counts(options: LatentOptions, joints: int, flip: np.ndarray | None) -> tuple[int, int]:
    """Returns numbers of (pairs of sided latents, centre latents).

    Raises:
      UserError: there cannot be as many, or the options contradict each other.
    """
    pairs = 0 if flip is None else int((flip != np.arange(joints)).sum()) // 2
    sided, centre, total = options.sided, options.centre, options.latents
    if total is not None and (sided is not None or centre is not None):
        raise UserError("give either the number of latents, or those of sided and centre ones")
    for name, value, least in (
        ("the number of latents", total, 1),
        ("sided latents", sided, 0),
        ("centre latents", centre, 0),
    ):
        if value is not None and not least <= value <= joints:
            raise UserError(
                f"{name} must be from {least} to the number of joints ({joints}). Received {value}"
            )
    if sided is None and centre is None:
        if total is None:
            total = min(DEFAULT_LATENTS, max(joints // 2, 1))
        sided = 0 if flip is None else min(2 * round(total * _SIDED_SHARE / 2), 2 * pairs)
        centre = total - sided
    elif flip is None:
        return 0, _checked((sided or 0) + (centre or 0), joints)
    sided, centre = sided or 0, centre or 0
    if sided % 2:
        raise UserError(f"sided latents come in pairs: their number must be even. Received {sided}")
    if sided > 2 * pairs or centre > joints - pairs:
        raise UserError(
            f"there are {pairs} pairs of joints and {joints - 2 * pairs} centre joints: at most "
            f"{2 * pairs} sided and {joints - pairs} centre latents. Received {sided} and {centre}"
        )
    _checked(sided + centre, joints)
    return sided // 2, centre


def _checked(total: int, joints: int) -> int:
    if not 1 <= total <= joints:
        raise UserError(
            f"the number of latents must be from 1 to the number of joints ({joints}). "
            f"Received {total}"
        )
    return total
