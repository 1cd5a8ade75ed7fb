"""Augmentations that hide bands or dates, so that the network learns to do without."""

from dataclasses import replace

import torch

from instageo.model.augmentations.random_draw import RandomState
from instageo.model.chips.sample import Sample, ignored_value


def band_dropout(batch: Sample, draw: RandomState, share: float) -> Sample:
    """Hide each band with probability `share`, never all: it becomes the band's mean, 0 after normalisation."""
    drawn = draw.uniform(0, 1, batch.image.shape[1])
    hidden = (drawn < share).scatter(1, drawn.argmax(1, keepdim=True), False)
    flat = draw.mean[:, None, None, None]
    return replace(batch, image=torch.where(hidden[..., None, None, None], flat, batch.image))


def date_dropout(batch: Sample, draw: RandomState, share: float) -> Sample:
    """Hide each date with probability `share`: it becomes nodata. One that has observations always stays."""
    drawn = draw.uniform(0, 1, batch.valid.shape[1])
    observed = batch.valid.flatten(2).any(2)
    kept = drawn.masked_fill(~observed, -1).argmax(1, keepdim=True)
    hidden = (drawn < share).scatter(1, kept, False)
    valid = batch.valid & ~hidden[..., None, None]
    label = batch.pixel_label
    if label is None:
        return replace(batch, valid=valid)
    nothing = ignored_value(label, draw.ignore_index)
    return replace(batch, valid=valid, label=label.masked_fill(~valid.any(1), nothing))
