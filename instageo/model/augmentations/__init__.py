"""Augmentations: functions from a batch and its random state to a changed batch, named in `pipeline`."""

from instageo.model.augmentations.random_draw import Augmentation, RandomState
from instageo.model.chips.sample import Sample

__all__ = ["Augmentation", "RandomState", "Sample"]
