"""Acclaim motion capture: a skeleton (`.asf`) and the motion of its bones (`.amc`).

The formats: the Acclaim skeleton file definition 1.10 and Oxford Metrics' notes on it,
http://graphics.cs.cmu.edu/nsp/course/cs229/info/ACCLAIMdef.html
"""

from dataset_adapters.containers.acclaim_motion import Amc, parse_amc
from dataset_adapters.containers.acclaim_skeleton import (
    MAX_BONES,
    MM_PER_INCH,
    ROOT,
    Asf,
    parse_asf,
)
from dataset_adapters.containers.text_numbers import MAX_VALUE

__all__ = [
    "MAX_BONES",
    "MAX_VALUE",
    "MM_PER_INCH",
    "ROOT",
    "Amc",
    "Asf",
    "parse_amc",
    "parse_asf",
]
