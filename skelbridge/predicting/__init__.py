"""Poses of the people in pictures, by a trained run, in any skeleton format."""

from .boxes import read_boxes
from .crops import PersonCrop, camera_from_fov, person_crops
from .images import read_upright
from .overlays import overlay_paths, write_overlays
from .poses import absolute_poses
from .result import ImagePoses, ModelFacts, Predictions
from .running import PredictOptions, TrainedPoses, predict
from .targets import TargetFormat, target_formats
from .writing import check_output, write_predictions

__all__ = [
    "ImagePoses",
    "ModelFacts",
    "PersonCrop",
    "PredictOptions",
    "Predictions",
    "TargetFormat",
    "TrainedPoses",
    "absolute_poses",
    "camera_from_fov",
    "check_output",
    "overlay_paths",
    "person_crops",
    "predict",
    "read_boxes",
    "read_upright",
    "target_formats",
    "write_overlays",
    "write_predictions",
]
