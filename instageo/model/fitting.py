"""What settings leave to the training table: statistics, class weights, and the size of windows."""

import logging

from instageo.errors import DataError
from instageo.model.backbones.variants import find_variant
from instageo.model.check import TableReport
from instageo.model.class_weights import class_weights
from instageo.model.config import overlay
from instageo.model.layout import band_names
from instageo.model.settings import AUTO, Settings

log = logging.getLogger(__name__)


def measured(settings: Settings, learn: TableReport) -> Settings:
    """Settings whose mean, std and class weights are numbers, from the training table where they are left to it.

    Raises:
        DataError: A band has no deviation.
    """
    found: dict[str, list[float]] = {}
    if settings.dataloader.mean == AUTO:
        bands = learn.values
        constant = [name for name, std in zip(band_names(settings), bands.std, strict=True) if std == 0]
        if constant:
            raise DataError(
                f"{settings.train_filepath}: {', '.join(constant)} has one value alone in all chips and cannot be "
                "normalised; leave it out with dataloader.bands, or set dataloader.mean and std"
            )
        found |= {"dataloader.mean": bands.mean.tolist(), "dataloader.std": bands.std.tolist()}
    weighting = settings.train.class_weights
    if isinstance(weighting, str):
        counts = learn.class_counts
        found["train.class_weights"] = class_weights(counts, "inverse" if weighting == AUTO else weighting)
    for key, values in found.items():
        log.info("%s=%s of %s", key, [float(f"{value:.5g}") for value in values], settings.train_filepath)
    return overlay(settings, found)


def fit_size(settings: Settings, learn: TableReport) -> Settings:
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
    return overlay(settings, {"dataloader.img_size": min(needed, wanted)})
