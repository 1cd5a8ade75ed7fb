"""Derive band names, class names and folders from settings."""

from collections.abc import Sequence
from pathlib import Path

from instageo.locations import is_remote, user_cache
from instageo.model.settings.run_settings import Settings
from instageo.sensors import PRITHVI_BANDS, find_sensor


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
