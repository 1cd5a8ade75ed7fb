"""Augmentations that hide bands or dates, so that the network depends on none of them."""

from dataclasses import replace

import torch

from instageo.model.augmentations.random_state import RandomState
from instageo.model.chips.sample import Sample, ignored_value


def band_dropout(batch: Sample, rng: RandomState, share: float) -> Sample:
    """Hide each band with probability `share`, never all: it becomes the band's mean, 0 after normalisation."""
    numbers = rng.uniform(0, 1, batch.image.shape[1])
    hidden = (numbers < share).scatter(1, numbers.argmax(1, keepdim=True), False)
    mean = rng.mean[:, None, None, None]
    return replace(batch, image=torch.where(hidden[..., None, None, None], mean, batch.image))


def date_dropout(batch: Sample, rng: RandomState, share: float) -> Sample:
    """Hide each date with probability `share`: it becomes no-data. One date with observations always stays."""
    numbers = rng.uniform(0, 1, batch.valid.shape[1])
    observed = batch.valid.flatten(2).any(2)
    retained = numbers.masked_fill(~observed, -1).argmax(1, keepdim=True)
    hidden = (numbers < share).scatter(1, retained, False)
    valid = batch.valid & ~hidden[..., None, None]
    label = batch.pixel_label
    if label is None:
        return replace(batch, valid=valid)
    ignored = ignored_value(label, rng.ignore_index)
    return replace(batch, valid=valid, label=label.masked_fill(~valid.any(1), ignored))
