"""The page of a dataset: what to download, how to arrange it, what is wrong with it."""

from __future__ import annotations

import dataclasses
import textwrap

from .adapter import Adapter, BoneLimits, DatasetInfo, Finding, Thinning

_WIDTH = 98


def page(adapter: type[Adapter]) -> str:
    """Returns the page of one adapter as plain text, made from the facts in its code."""
    info = adapter.info
    tree = textwrap.indent(textwrap.dedent(info.tree).strip("\n"), "  ")
    defects = [f"{defect.problem} -> {defect.treatment}" for defect in info.defects]
    parts = [
        f"{info.name}: {info.title}",
        _facts(info),
        f"Expected below the root:\n{tree}",
        _listed("What to download", [_item_line(item) for item in info.items]),
        _listed("Known defects, and what we do", defects),
        _listed("Options (--option NAME=VALUE)", _option_lines(adapter)),
        _listed("Frames that `prepare` keeps", [thinning_line(info.thinning)]),
        _listed(
            "Joints that `prepare` takes for missing",
            [bone_limits_line(info.bone_limits)] if info.bone_limits else [],
        ),
        _listed("Notes", list(info.facts)),
    ]
    return "\n\n".join(part for part in parts if part)


def findings_table(findings: list[Finding]) -> str:
    """Returns what `check` found, a line per item; what is missing says where to get it."""
    lines = []
    for finding in findings:
        item = finding.item
        if finding.count:
            state = f"found {finding.count}"
        else:
            state = "MISSING" if item.required else "absent (optional)"
        line = f"{state:<18} {item.pattern}: {item.what}"
        if not finding.count and item.download:
            line += f"; from {item.download}"
        lines.append(line)
    return "\n".join(lines)


def thinning_line(thinning: Thinning) -> str:
    """Returns the sampling rule in words."""
    where = "in all splits" if len(thinning.splits) == 3 else f"in {' and '.join(thinning.splits)}"
    parts = [f"every {thinning.every}th frame" if thinning.every > 1 else "every frame"]
    if thinning.distance_mm is not None or thinning.image_distance is not None:
        against = {1: "the last kept one", None: "all kept ones of the sequence"}.get(
            thinning.memory, f"each of the last {thinning.memory} kept ones"
        )
        centered = "(each centred on its mean) " if thinning.centered else ""
        parts.append(f"of these {centered}those where {_motion(thinning)} against {against}")
    if thinning.keep_newly_valid:
        parts.append("or a joint has appeared")
    text = " ".join(parts) + " " + where
    if len(thinning.splits) < 3 and thinning.every_elsewhere > 1:
        text += f"; elsewhere every {thinning.every_elsewhere}th frame"
    return text


def bone_limits_line(limits: BoneLimits) -> str:
    """Returns the rule for joints at the ends of wrong bones in words."""
    return (
        f"in train, both ends of a bone that is shorter than {limits.min_ratio:g} or longer than "
        f"{limits.max_ratio:g} times the person's median in the sequence, and more than "
        f"{limits.difference_mm:g} mm off; the frame stays (PosePile compares with the dataset's "
        "mean); --no-plausibility leaves them"
    )


def _motion(thinning: Thinning) -> str:
    n = "a joint" if thinning.moved_joints == 1 else f"{thinning.moved_joints} joints"
    who = f"{n} (of the extra {thinning.joints})" if thinning.joints else n
    if thinning.ignore_missing and not thinning.carry_missing:
        who += " (of those in both poses)"
    if thinning.image_distance is None:
        return f"{who} moved at least {thinning.distance_mm:g} mm"
    size = {
        "head_box": "the diagonal of the head's box",
        "joint_box": "the larger side of the joints' enlarged box",
    }[thinning.image_scale]
    return f"{who} moved in the image by at least {thinning.image_distance:g} of {size}"


def _facts(info: DatasetInfo) -> str:
    rows = {
        "kind": info.kind,
        "skeleton": ", ".join(info.skeletons),
        "splits": ", ".join(info.splits),
        "homepage": info.homepage,
        "licence": info.licence,
        "access": info.access,
        "paper": info.paper,
    }
    return "\n".join(
        textwrap.fill(value, _WIDTH, initial_indent=f"{name + ':':<10}", subsequent_indent=" " * 10)
        for name, value in rows.items()
        if value
    )


def _item_line(item) -> str:
    origin = f" (from {item.download})" if item.download else ""
    return f"{item.pattern}: {item.what}{origin}" + ("" if item.required else ", optional")


def _option_lines(adapter: type[Adapter]) -> list[str]:
    return [
        f"{f.name}={f.default}: {f.metadata.get('help', '')}" for f in dataclasses.fields(adapter)
    ]


def _listed(head: str, lines: list[str]) -> str:
    if not lines:
        return ""
    filled = (
        textwrap.fill(line, _WIDTH, initial_indent="  - ", subsequent_indent="    ")
        for line in lines
    )
    return head + ":\n" + "\n".join(filled)
