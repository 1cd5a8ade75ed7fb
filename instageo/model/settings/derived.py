"""Derive from settings what they imply: band names, class names, folders, and what the sensor decides."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from instageo.band_vocabulary import suggest_band
from instageo.errors import ConfigError
from instageo.locations import is_remote, user_cache
from instageo.model.settings.compose import update_settings
from instageo.model.settings.run_settings import Settings
from instageo.sensors import MAX_REFLECTANCE, PRITHVI_BANDS, REFLECTANCE_UNIT, find_sensor

log = logging.getLogger(__name__)


def band_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the bands of one date.

    They are `dataloader.band_names`, with codes of the sensor (`B02`, `SR_B3`) replaced by what they measure. By
    default radar has the layers of its sensor, six bands have the names of the published weights, and any other number
    of bands is numbered.
    """
    data = settings.dataloader
    sensor = find_sensor(data.sensor) if data.sensor else None
    if data.band_names is None and sensor is not None and sensor.radar_unit is not None:
        return sensor.bands
    if data.band_names is not None:
        return tuple(sensor.bands[sensor.band_index(name)] if sensor else name for name in data.band_names)
    count = len(PRITHVI_BANDS)
    if data.given_mean is not None:
        count = len(data.given_mean)
    elif data.bands is not None:
        count = len(data.bands) // data.temporal_dim
    return PRITHVI_BANDS if count == len(PRITHVI_BANDS) else tuple(f"BAND_{number}" for number in range(1, count + 1))


def class_names(settings: Settings) -> list[str]:
    """Return the names of the classes; by default their values in label files."""
    first = int(settings.dataloader.reduce_to_zero)
    return settings.model.class_names or [str(first + number) for number in range(settings.model.num_classes)]


def layers_by_date(settings: Settings, layers: Sequence[int]) -> list[dict[str, int]]:
    """Return which layer of a file is read as which band, for each date.

    Args:
        settings: Say which bands each date has.
        layers: 0-based layers that are read, all bands of date 1 first.
    """
    names = band_names(settings)
    starts = range(0, len(layers), len(names))
    return [dict(zip(names, layers[start : start + len(names)], strict=True)) for start in starts]


def describe_layout(settings: Settings, layers: Sequence[int]) -> str:
    """Return a sentence for the log that says which layer of a file is read as which date and band.

    Args:
        settings: Say which bands each date has.
        layers: 0-based layers that are read, all bands of date 1 first.
    """
    names = band_names(settings)
    dates = [list(date.values()) for date in layers_by_date(settings, layers)]
    text = "; ".join(f"date {number}: layers {date}" for number, date in enumerate(dates, start=1))
    return f"reading {', '.join(names)} as {text} (counted from 0)" + (
        ", in the first file; in others by their names" if settings.dataloader.bands_by_name else ""
    )


def table_root(settings: Settings) -> str:
    """Return the folder, or its URL, that the tables' paths start from."""
    root = str(settings.root_dir)
    return root if is_remote(root) else str(Path(root).expanduser())


def cache_dir(settings: Settings) -> Path:
    """Return the folder for results of checks and decoded chips: `dataloader.cache_dir`, else the user's cache."""
    chosen = settings.dataloader.cache_dir
    return Path(chosen).expanduser() if chosen else user_cache()


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
