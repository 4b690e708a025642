"""How long a video is, without a decoder where its header is understood."""

from __future__ import annotations

from pathlib import Path

from ..containers.mp4 import read_mp4_header
from ..images import video_rate, video_size


def length_and_rate(video: Path) -> tuple[int, float]:
    """Returns the number of frames and the frames per second that a video states.

    Raises:
      FileError: the file is missing or is no video.
    """
    header = read_mp4_header(video)
    if header is None:
        return video_size(video)[2], video_rate(video)
    return header.n_frames, header.rate
