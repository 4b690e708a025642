"""Training data: which example comes when, and crops of it. The same for any number of workers."""

from .backgrounds import Backgrounds
from .batch_plan import BatchPlan, PlannedExamples
from .colour_corrections import PUBLISHED_CORRECTIONS, ColourCorrection
from .compositions import PRESETS, Composition, composition
from .feeding import BatchFeed, evaluation_batches, training_feed
from .loading import ExampleLoader
from .occluders import Occluders
from .options import Augmentation, CropOptions
from .randomness import Purpose, generator, uniforms

__all__ = [
    "PRESETS",
    "PUBLISHED_CORRECTIONS",
    "Augmentation",
    "Backgrounds",
    "BatchFeed",
    "BatchPlan",
    "ColourCorrection",
    "Composition",
    "CropOptions",
    "ExampleLoader",
    "Occluders",
    "PlannedExamples",
    "Purpose",
    "composition",
    "evaluation_batches",
    "generator",
    "training_feed",
    "uniforms",
]
