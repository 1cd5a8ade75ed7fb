"""Augmentations: functions from a batch and its draws to a changed batch; named in `instageo.model.transforms`."""

from instageo.model.augmentations.draw import Augmentation, Draw
from instageo.model.sample import Sample

__all__ = ["Augmentation", "Draw", "Sample"]
