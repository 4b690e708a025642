"""What is in a store, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEADS = ("dataset", "split", "skeleton", "examples", "read", "dropped", "bad files", "size")


def summary_rows(name: str, splits: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Returns one row of texts per split and skeleton format of a dataset."""
    rows = []
    for split, facts in splits.items():
        n_bytes = sum(entry["bytes"] for entry in facts["shards"])
        counts = [
            f"{facts['examined']}",
            f"{sum(facts['dropped'].values())}",
            f"{len(facts['bad_files'])}",
            readable_bytes(n_bytes),
        ]
        for skeleton, n in facts["kept"].items() or {"-": 0}.items():
            rows.append((name, split, skeleton, f"{n}", *counts))
            counts = [""] * len(counts)
    return rows


def summary_table(rows: list[tuple[str, ...]]) -> str:
    """Returns rows under their heads, columns aligned."""
    cells = [_HEADS, *rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_HEADS))]
    lines = []
    for line in cells:
        texts = [cell.ljust(width) for cell, width in zip(line[:3], widths[:3], strict=True)]
        numbers = [cell.rjust(width) for cell, width in zip(line[3:], widths[3:], strict=True)]
        lines.append("  ".join([*texts, *numbers]).rstrip())
    return "\n".join(lines)


def drop_lines(splits: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns why examples were left out, one line per split and reason, and the notes."""
    lines = []
    for split, facts in splits.items():
        for reason, count in facts["dropped"].items():
            lines.append(f"{split}: {count} dropped: {reason}")
        for file, problem in facts["bad_files"]:
            lines.append(f"{split}: skipped {file}: {problem}")
        for note, count in facts["notes"].items():
            lines.append(f"{split}: {note}" + (f" ({count} times)" if count > 1 else ""))
    return lines


def store_facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the manifest without its lists of files, with sizes instead."""
    datasets = {}
    for name, dataset in manifest["datasets"].items():
        splits = {}
        for split, facts in dataset["splits"].items():
            splits[split] = {k: v for k, v in facts.items() if k not in ("shards", "index")}
            splits[split]["shards"] = len(facts["shards"])
            splits[split]["bytes"] = sum(entry["bytes"] for entry in facts["shards"])
        datasets[name] = {**dataset, "splits": splits}
    return {**manifest, "datasets": datasets}


def readable_bytes(n: float) -> str:
    """Returns a size with a unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.0f} {unit}" if unit == "B" or n >= 10 else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} TB"
