"""Readers of human pose datasets and of the files they are made of. Never imports TensorFlow."""

from .adapter import Adapter, DatasetInfo, Defect, Finding, Item, Source, Thinning
from .adapters import adapter_class, get_adapter, list_adapters
from .camera import Camera
from .examples import Example, ExampleBlock, ImageRef

__all__ = [
    "Adapter",
    "Camera",
    "DatasetInfo",
    "Defect",
    "Example",
    "ExampleBlock",
    "Finding",
    "ImageRef",
    "Item",
    "Source",
    "Thinning",
    "adapter_class",
    "get_adapter",
    "list_adapters",
]
