"""What is to be said about a fitted ACAE: tables for the terminal, and numbers for the page."""

from __future__ import annotations

import numpy as np

from .joint_names import formats_among, groups_of, part_of, part_rank
from .matrices import Acae
from .summary import negative_mass

_SHOWN_WEIGHTS = 4


def summary_lines(acae: Acae) -> list[str]:
    """Returns facts about an ACAE, a line each."""
    facts = acae.facts
    sides = acae.latent_sides
    latents = f"{acae.latents} latent points"
    if sides is not None:
        latents += f" ({sides.count('left')} pairs and {sides.count('centre')} centre)"
    lines = [f"{acae.joints} joints, {latents}"]
    if sides is None:
        lines.append("without mirror symmetry")
    if _number(facts, "objective") is not None:
        lines.append(
            f"fitted by the {facts.get('solver', '?')} solver to {facts.get('poses', '?')} poses: "
            f"loss {facts.get('loss', '?')}, lambda {facts.get('lambda', '?')}"
        )
        excess = _number(facts, "objective") - (_number(facts, "floor") or 0.0)
        lines.append(
            f"objective {_number(facts, 'objective'):.5f} on held-out poses, {excess:.5f} above "
            f"its floor; main term {1000 * (_number(facts, 'main') or 0.0):.2f} mm"
        )
    errors = joint_errors(acae)
    if errors is not None:
        lines.append(f"reconstruction error {np.mean(errors):.1f} mm (rms over held-out poses)")
    used = (np.abs(acae.w2) > 0.01).sum(axis=0).mean()
    lines.append(
        f"{used:.1f} latents per joint (weights over 0.01); negative mass per column: encoder "
        f"{negative_mass(acae.w1):.3f}, decoder {negative_mass(acae.w2):.4f}"
    )
    dead, pairs = _listed(facts, "dead_latents"), _listed(facts, "duplicate_latents")
    if dead is not None and pairs is not None:
        lines.append(f"{len(dead)} dead latents, {len(pairs)} pairs closer than 20 mm")
    if acae.moments is None:
        lines.append("no moments of training poses: it cannot convert between formats")
    return lines


def joint_errors(acae: Acae) -> np.ndarray | None:
    """Returns the (J,) rms reconstruction errors of held-out poses in mm, None where not known."""
    errors = acae.facts.get("error_mm")
    if not isinstance(errors, list) or len(errors) != acae.joints:
        return None
    try:
        return np.array(errors, dtype=np.float64)
    except (ValueError, TypeError):
        return None


def format_errors(acae: Acae) -> dict[str, tuple[int, float, str, float]]:
    """Returns per format: joints, mean error in mm, the worst joint and its error."""
    errors = joint_errors(acae)
    if errors is None:
        return {}
    result = {}
    for name, rows in groups_of(acae.joint_names, formats_of(acae)).items():
        worst = rows[int(np.argmax(errors[rows]))]
        result[name] = (
            len(rows), float(errors[rows].mean()), acae.joint_names[worst], float(errors[worst]),
        )  # fmt: skip
    return result


def formats_of(acae: Acae) -> list[str]:
    """Returns the names of the formats that an ACAE was fitted to, or that its joints make up."""
    said = [name for name in _listed(acae.facts, "formats") or [] if isinstance(name, str)]
    return said or formats_among(acae.joint_names)


def format_table(acae: Acae) -> str:
    """Returns `format_errors` as a table."""
    rows = format_errors(acae)
    if not rows:
        return ""
    width = max(len(name) for name in rows)
    lines = [f"{'format':{width}}  joints  error mm  worst joint"]
    lines += [
        f"{name:{width}}  {count:6}  {mean:8.1f}  {joint} ({worst:.1f})"
        for name, (count, mean, joint, worst) in rows.items()
    ]
    return "\n".join(lines)


def latent_names(acae: Acae) -> list[str]:
    """Returns what each latent is called: its side and number, and the joint it is nearest to."""
    sides = acae.latent_sides or ("",) * acae.latents
    names = []
    for latent, side in enumerate(sides):
        joint = int(np.argmax(acae.w2[latent]))
        near = f"joint {joint}" if acae.joint_names is None else acae.joint_names[joint]
        names.append(f"{latent} {side} ~ {near}".replace("  ", " "))
    return names


def latent_table(acae: Acae) -> str:
    """Returns the latents: what they are made of, and how many joints use them."""
    names = acae.joint_names or [f"joint {i}" for i in range(acae.joints)]
    sides = acae.latent_sides or ("",) * acae.latents
    lines = ["latent  side    joints  largest weight  made of"]
    for latent, side in enumerate(sides):
        column, row = acae.w1[:, latent], acae.w2[latent]
        top = np.argsort(-np.abs(column), kind="stable")[:_SHOWN_WEIGHTS]
        parts = ", ".join(f"{column[i]:.2f} {names[i]}" for i in top if abs(column[i]) > 1e-3)
        used = int((np.abs(row) > 0.05).sum())
        lines.append(f"{latent:6}  {side:6}  {used:6}  {row.max():14.2f}  {parts}")
    return "\n".join(lines)


def joint_order(acae: Acae) -> np.ndarray:
    """Returns the (J,) joints from head to toe; unknown names by the latent they use most."""
    names = acae.joint_names or ("",) * acae.joints
    main = np.argmax(acae.w2, axis=0)
    keys = [(*part_rank(part_of(name)), int(main[i]), i) for i, name in enumerate(names)]
    return np.array(sorted(range(acae.joints), key=keys.__getitem__))


def latent_order(acae: Acae, joints: np.ndarray) -> np.ndarray:
    """Returns the (L,) latents in the order in which the ordered joints come to use them."""
    place = np.arange(len(joints))
    use = np.maximum(acae.w2[:, joints], 0) ** 2
    return np.argsort(use @ place / np.maximum(use.sum(axis=1), 1e-12), kind="stable")


def _number(facts, key: str) -> float | None:
    value = facts.get(key)
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else None


def _listed(facts, key: str) -> list | None:
    value = facts.get(key)
    return value if isinstance(value, list) else None
