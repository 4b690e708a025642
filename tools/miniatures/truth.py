"""What a miniature holds, said by its writer independently of any reader."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class TruthRow:
    """One person in one image that an adapter must yield with default options.

    Attributes:
      split: `train`, `valid` or `test`.
      skeleton: format id.
      image: path below the root with forward slashes, or None for data without images.
      video_frame: 0-based index where `image` is a video.
      joints3d: (J, 3) mm in CAMERA coordinates (x right, y down, z forward; without a camera: in
        the file's own axes, mm), NaN for missing; None for 2D datasets.
      joints2d: (J, 2) px in the stored image, with its distortion; NaN for missing, or None.
      up: (3,) unit vector against gravity in camera coordinates, or None.
      sequence: what sequence it belongs to, in the dataset's words; checked where not "".
      frame: number of the annotated moment; only used in messages.
    """

    split: str
    skeleton: str
    image: str | None = None
    video_frame: int | None = None
    joints3d: np.ndarray | None = None
    joints2d: np.ndarray | None = None
    up: np.ndarray | None = None
    sequence: str = ""
    frame: int = 0


@dataclass(frozen=True, eq=False)
class Truth:
    """All rows of a miniature.

    Attributes:
      rows: every example that a correct adapter yields with its default options, in any order.
      tolerance_mm, tolerance_px: the dataset's own stored rounding where it is coarser than the
        general 0.1 mm and 0.1 px; say why in `rounding`.
    """

    rows: tuple[TruthRow, ...]
    tolerance_mm: float = 0.1
    tolerance_px: float = 0.1
    rounding: str = ""
