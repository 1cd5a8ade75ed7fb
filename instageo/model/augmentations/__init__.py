"""Augmentations: functions from a batch and its random state to a changed batch, listed in `pipeline`."""

from instageo.model.augmentations.random_state import Augmentation, RandomState
from instageo.model.chips.sample import Sample

__all__ = ["Augmentation", "RandomState", "Sample"]
