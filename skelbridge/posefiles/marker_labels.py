"""Joint names from the labels of markers."""

from __future__ import annotations

from dataset_adapters.containers.file_text import number_repeats


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
    return number_repeats(names)
