"""Fill in what `dataloader.sensor` decides: names and positions of bands, the unit of values, the no-data value."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from instageo.band_vocabulary import suggest_band
from instageo.errors import ConfigError
from instageo.model.settings.compose import update_settings
from instageo.model.settings.derived import band_names
from instageo.model.settings.run_settings import Settings
from instageo.sensors import MAX_REFLECTANCE, REFLECTANCE_UNIT, find_sensor

log = logging.getLogger(__name__)


def apply_sensor(settings: Settings, explicit: frozenset[str]) -> Settings:
    """Fill in band names and, from the sensor, the keys that the user did not set.

    Args:
        settings: Say which sensor, if any.
        explicit: Keys that the user set.

    Raises:
        ConfigError: A band is unknown, or mean and std are in another unit than the sensor's.
    """
    if "dataloader.band_names" in explicit:
        check_band_names(settings.dataloader.band_names or ())
    values: dict[str, Any] = {"dataloader.band_names": list(band_names(settings))}
    if settings.dataloader.sensor is not None:
        values |= {key: value for key, value in _sensor_settings(settings, explicit).items() if key not in explicit}
    settings = update_settings(settings, values)
    _check_unit(settings)
    return settings


def _sensor_settings(settings: Settings, explicit: frozenset[str]) -> dict[str, object]:
    data = settings.dataloader
    sensor = find_sensor(str(data.sensor))
    own = "dataloader.bands" in explicit or data.bands_given
    layers = data.bands if own else sensor.layer_indices(band_names(settings), data.temporal_dim)
    unit = {"dataloader.constant_multiplier", "dataloader.constant_offset"}
    return {
        "dataloader.bands": layers,
        "dataloader.num_layers": len(sensor.bands) * data.temporal_dim,
        "dataloader.tag_factor": None if unit & explicit else 1.0 if sensor.radar_unit else REFLECTANCE_UNIT,
        "dataloader.no_data_value": sensor.no_data_value,
        "dataloader.constant_multiplier": sensor.scale,
        "dataloader.constant_offset": sensor.offset,
        "dataloader.processing_level": sensor.level,
        "dataloader.radar_unit": sensor.radar_unit,
    }


def check_band_names(names: Sequence[str]) -> None:
    """Refuse names that look like misspelt names of bands; other names are a user's own.

    Raises:
        ConfigError: A name is one letter away from that of a band.
    """
    for name in names:
        hint = suggest_band(name)
        if hint:
            raise ConfigError(f"dataloader.band_names: unknown band {name}{hint}")


LEVEL_NAMES = {"surface": "surface reflectance", "toa": "top-of-atmosphere reflectance"}


def compare_levels(settings: Settings, trained: str | None, checkpoint: Path) -> None:
    """Warn if the files to predict are of another processing level than those of the training.

    Args:
        settings: Describe the files to predict.
        trained: Processing level of the training, one of `LEVELS`; None if it is unknown.
        checkpoint: File of the network, for the message.
    """
    given = settings.dataloader.processing_level
    if trained and given and trained != given:
        source = f"dataloader.sensor={settings.dataloader.sensor}" if settings.dataloader.sensor else "the input"
        log.warning(
            "%s was trained on %s, but %s is %s, which is brighter in the blue: predictions may be wrong; use products "
            "of the same level (such as sentinel2_l2a), or train with dataloader.augmentations.haze.use=true",
            checkpoint, LEVEL_NAMES[trained], source, LEVEL_NAMES[given],
        )  # fmt: skip


def _check_unit(settings: Settings) -> None:
    """Refuse statistics in another unit than images: reflectance in 0..1, or radar that is not in decibels."""
    data, mean = settings.dataloader, settings.dataloader.given_mean
    sensor = find_sensor(data.sensor) if data.sensor else None
    if sensor is not None and (sensor.radar_unit is None) != (data.radar_unit is None):
        kind = "reflectance" if sensor.radar_unit is None else "radar backscatter"
        raise ConfigError(
            f"dataloader.sensor={data.sensor} is {kind}, but dataloader.radar_unit={data.radar_unit or 'null'}; remove "
            "dataloader.radar_unit"
        )
    if mean is not None and data.radar_unit is not None and min(mean) >= 0:
        raise ConfigError(
            f"dataloader.mean={mean} is not in decibels, which networks see of radar (means are about -25 to -5); "
            "compute mean and std with mode=stats or dataloader.mean=auto"
        )
    if mean is not None and data.radar_unit is None and sensor is not None and max(mean) <= MAX_REFLECTANCE:
        raise ConfigError(
            f"dataloader.sensor={data.sensor} gives reflectance x 10000, but dataloader.mean={mean} is "
            "in another unit; remove mean and std or compute them with mode=stats, or set bands and "
            "constant_multiplier instead of the sensor"
        )
