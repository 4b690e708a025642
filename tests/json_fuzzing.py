"""Well-formed JSON with wrong content: what damaged bytes rarely get as far as."""

import copy
import random

_WRONG = [
    None, True, False, 0, -1, 1, 2.5, 10**400, -(10**30), 2**63, 1e308, float("nan"), "", "nose",
    "two\nlines", "1.5", [], [[]], [None], [0, 0, 0], ["a", None, 3], {}, {"x": 1},
    {"keypoints": []}, [[1, 2, 3], [1, 2]], [[[0.5]]], {"id": [1]}, [{}, None],
]  # fmt: skip


def document_mutations(document, count: int, seed: int = 0):
    """Yields `count` copies of a parsed document with some entries replaced, removed or moved."""
    rng = random.Random(seed)
    for _ in range(count):
        damaged = copy.deepcopy(document)
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            holder = _somewhere(damaged, rng)
            if holder is None:
                continue
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            key = rng.choice(keys)
            kind = rng.randrange(8)
            if kind == 0:
                del holder[key]
            elif kind == 1 and isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            elif kind == 2 and isinstance(holder, dict):
                holder[rng.choice(["id", "x", "joints", "keypoints", "\x1b[0m"])] = holder.pop(key)
            elif kind == 3:
                holder[key] = [copy.deepcopy(holder[key])]
            else:
                holder[key] = copy.deepcopy(rng.choice(_WRONG))
        yield damaged


def _somewhere(value, rng):
    """Returns a random non-empty dict or list of the document, nearer to the root more often."""
    holder = None
    while isinstance(value, (dict, list)) and value:
        holder = value
        if rng.random() < 0.25:
            break
        value = rng.choice(list(value.values()) if isinstance(value, dict) else value)
    return holder
