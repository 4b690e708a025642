"""What the headers of videos state, read without a decoder.

Opening a video with a decoder takes milliseconds (it decodes some frames to know more than was
asked), and adapters ask for the length of thousands.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VideoHeader:
    """What a video says about itself: px, frames in decoding order, frames per second (mean)."""

    width: int
    height: int
    n_frames: int
    rate: float
