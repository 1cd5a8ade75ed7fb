"""Warn if chips seem to be in another unit than the mean they are normalised with."""

import logging
from contextlib import suppress
from enum import Enum

import numpy as np

from instageo.errors import InstaGeoError
from instageo.model.chips.from_settings import chip_format_from_settings
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.statistics import sample_pixels
from instageo.model.settings import Settings

log = logging.getLogger(__name__)

UNIT_CHECK_CHIPS = 4
"""Chips that are read to compare the unit of their values with that of mean and std."""


class MeanFrom(Enum):
    """Where the mean is from that chips are normalised with; the value says what to do if it does not fit them."""

    settings = "correct dataloader.constant_multiplier, or use mean and std of these chips (dataloader.mean=auto)"
    table = "compare the first chips of the table with the others, and look for no-data values that are not marked"
    checkpoint = "correct dataloader.constant_multiplier, so that they are in the unit that the model was trained in"


def warn_if_units_differ(settings: Settings, report: TableReport, mean_from: MeanFrom = MeanFrom.checkpoint) -> None:
    """Warn if some chips' values are a hundred times smaller or larger than the mean they are normalised with."""
    data, values = settings.dataloader, np.zeros((0, 0), np.float32)
    with suppress(InstaGeoError):  # reported when the chip is read
        values = sample_pixels(report.rows[:UNIT_CHECK_CHIPS], chip_format_from_settings(settings))
    if not values.size or not data.given_mean:
        return
    typical, mean = np.median(np.abs(values), axis=1), np.abs(data.given_mean)
    ratio = float(np.median(typical / np.maximum(mean, 1e-12)))
    if not 0.01 <= ratio <= 100:
        log.warning(
            "chips hold values of about %.3g, but dataloader.mean is about %.3g: they seem to be in different units; "
            "%s",
            np.median(typical), np.median(mean), mean_from.value,
        )  # fmt: skip
