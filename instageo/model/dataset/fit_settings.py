"""What settings leave to the training table: statistics, class weights, and the size of windows."""

import logging
from typing import Any

import numpy as np

from instageo.errors import DataError
from instageo.model.backbones.variants import find_variant
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.statistics import compute_class_weights
from instageo.model.settings import AUTO, Settings
from instageo.model.settings.compose import update_settings
from instageo.model.settings.resolve import band_names

log = logging.getLogger(__name__)


def fit_statistics(settings: Settings, learn: TableReport) -> Settings:
    """Settings whose mean, std and class weights are numbers, from the training table where they are left to it.

    Raises:
        DataError: A band has no deviation.
    """
    found: dict[str, Any] = {}
    if settings.dataloader.mean == AUTO:
        bands = learn.values
        constant = [name for name, std in zip(band_names(settings), bands.std, strict=True) if std == 0]
        if constant:
            raise DataError(
                f"{settings.train_filepath}: {', '.join(constant)} has one value alone in all chips and cannot be "
                "normalised; leave it out with dataloader.bands, or set dataloader.mean and std"
            )
        found |= {"dataloader.mean": bands.mean.tolist(), "dataloader.std": bands.std.tolist()}
    if settings.is_reg_task and settings.dataloader.label_mean == AUTO:
        found |= _label_scale(settings, learn)
    weighting = settings.train.class_weights
    if isinstance(weighting, str):
        counts = learn.class_counts
        found["train.class_weights"] = compute_class_weights(counts, "inverse" if weighting == AUTO else weighting)
    for key, values in found.items():
        shown = [float(f"{value:.5g}") for value in np.atleast_1d(values)]
        log.info("%s=%s of %s", key, shown if isinstance(values, list) else shown[0], settings.train_filepath)
    return update_settings(settings, found)


def _label_scale(settings: Settings, learn: TableReport) -> dict[str, float]:
    """Mean and deviation of the labels, after the logarithm if there is one."""
    mean, std = float(learn.target.mean[-1]), float(learn.target.std[-1])
    if std == 0:
        raise DataError(
            f"{settings.train_filepath}: all labels have the value {learn.target.low[0]:g}; nothing to learn"
        )
    return {"dataloader.label_mean": mean, "dataloader.label_std": std}


def fit_crop_size(settings: Settings, learn: TableReport) -> Settings:
    """Settings whose `img_size` is no larger than the chips, rounded up to whole patches."""
    wanted, largest, patch = (
        settings.dataloader.img_size,
        max(learn.largest),
        find_variant(settings.model.model_name).patch,
    )
    needed = -(-largest // patch) * patch
    if wanted <= largest:
        if wanted < largest:
            log.info("chips of up to %d pixels: each epoch takes a random %d-pixel window of each", largest, wanted)
        return settings
    log.warning(
        "chips have at most %d pixels, dataloader.img_size=%d asks for more: training at %d", largest, wanted, needed
    )
    return update_settings(settings, {"dataloader.img_size": min(needed, wanted)})
