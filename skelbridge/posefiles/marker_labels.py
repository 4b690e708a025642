"""Joint names from the labels of markers."""

from __future__ import annotations

from dataset_adapters.containers.file_text import quote


def names_from_labels(labels: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns a unique joint name per marker label, and notes.

    A prefix up to a colon goes where all labels share it. Labels that start with a star, which
    tools give to trajectories that nobody named, need not have it.

    >>> names_from_labels(("Ann:C7", "Ann:LSHO", "Ann:C7", "*12"))[0]
    ('C7', 'LSHO', 'C7#2', '*12')
    """
    prefixes = {label.rpartition(":")[0] for label in labels if label and label[0] != "*"}
    prefix = f"{prefixes.pop()}:" if len(prefixes) == 1 else ":"
    names = [
        label.removeprefix(prefix) or f"unlabelled_{index + 1}"
        for index, label in enumerate(labels)
    ]
    seen, spelled = set(), set(names)
    repeats: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in seen:
            number = repeats.get(name, 1) + 1
            while f"{name}#{number}" in spelled:
                number += 1
            repeats[name] = number
            names[index] = f"{name}#{number}"
        seen.add(name)
    if not repeats:
        return tuple(names), ()
    name = next(iter(repeats))
    shown = quote(name) + (", ..." if len(repeats) > 1 else "")
    return tuple(names), (
        f"names come more than once ({shown}); the others are numbered ({quote(name + '#2')})",
    )
