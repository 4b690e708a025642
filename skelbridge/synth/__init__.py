"""Synthetic people: pseudo-datasets that are rendered from the atlas' body, in all formats."""

from .generating import synthesize
from .looks import LOOKS, Look
from .options import SynthOptions
from .truth import true_joints

__all__ = ["LOOKS", "Look", "SynthOptions", "synthesize", "true_joints"]
