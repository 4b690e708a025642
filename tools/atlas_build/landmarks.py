"""Named points on the body's skin, as vertices of anny's default mesh with weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

LANDMARK_FILE = Path(__file__).with_name("landmarks.json")


@dataclass(frozen=True)
class Landmark:
    """A point on the skin.

    Attributes:
      vertices: of anny's `anny` topology.
      weights: of the vertices; they sum to 1.
      rule: how the point was found (`landmark_rules`).
    """

    vertices: tuple[int, ...]
    weights: tuple[float, ...]
    rule: str


def load_landmarks() -> dict[str, Landmark]:
    """Read the landmarks: name, such as `left_ankle_lateral`, `ibug_31` or `tail:finger1-3.L`."""
    entries = json.loads(LANDMARK_FILE.read_text(encoding="utf-8"))
    return {
        name: Landmark(tuple(entry["vertices"]), tuple(entry["weights"]), entry["rule"])
        for name, entry in entries.items()
    }
