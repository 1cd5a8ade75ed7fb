"""Which layers of a file are which bands, and with what statistics they are normalised: what settings leave open."""

from collections.abc import Iterable, Sequence
from typing import Any

from instageo.errors import ConfigError
from instageo.model.backbones.variants import find_variant
from instageo.model.config import overlay
from instageo.model.settings import AUTO, LabelKind, Mode, Settings
from instageo.model.sizes import told_by_size
from instageo.sensors import PRITHVI_BANDS, PRITHVI_STATISTICS, find_sensor

GIVEN_BY_SENSOR = (
    "dataloader.bands", "dataloader.no_data_value", "dataloader.constant_multiplier", "dataloader.constant_offset",
)  # fmt: skip
"""Settings that `dataloader.sensor` decides, unless they are set themselves."""


MEASURING = Mode.train, Mode.batch_figure, Mode.lr_find
"""Modes that can take mean and std from the training table."""


CHIP_HEAD = "pooled"
"""Head of tasks whose labels are of whole chips, unless another is named."""


def complete(settings: Settings, explicit: frozenset[str], *, statistics: bool = True) -> Settings:
    """Settings in which band names, layers, scale, statistics and what `model.size` decides are told.

    Args:
        settings: As composed, or as a checkpoint decides them.
        explicit: Keys that the user set; sensor and size do not change these.
        statistics: Whether mean and std are needed; they default to those of the variant's pre-training.

    Raises:
        ConfigError: Names, layers and statistics do not fit each other, or a band has no default statistics.
    """
    settings = overlay(settings, told_by_size(settings, explicit))
    data = settings.dataloader
    names = band_names(settings)
    found: dict[str, Any] = {"dataloader.band_names": list(names)}
    if data.label_kind is not LabelKind.raster and "model.head" not in explicit and not settings.checkpoint_path:
        found["model.head"] = CHIP_HEAD
    if data.sensor is not None:
        found |= {key: value for key, value in _told_by_sensor(settings, names, explicit) if key not in explicit}
        _refuse_small_units(settings)
    if data.mean == AUTO and statistics and settings.mode not in MEASURING:
        raise ConfigError(
            "dataloader.mean=auto is for modes that read the training table; leave mean and std out, the checkpoint "
            "knows them"
        )
    if data.mean is None and statistics:
        mean, std = _pretraining_statistics(settings.model.model_name, names)
        found |= {"dataloader.mean": mean, "dataloader.std": std}
    return overlay(settings, found)


def _told_by_sensor(settings: Settings, names: Sequence[str], explicit: frozenset[str]) -> Iterable[tuple[str, object]]:
    data = settings.dataloader
    sensor = find_sensor(str(data.sensor))
    layers = data.bands if "dataloader.bands" in explicit else sensor.positions(names, data.temporal_dim)
    return zip(GIVEN_BY_SENSOR, (layers, sensor.no_data_value, sensor.scale, sensor.offset), strict=True)


def band_names(settings: Settings) -> tuple[str, ...]:
    """Names of the bands of one date: as told; else, if there are six, the published ones; else their numbers.

    A sensor's own codes (`B02`, `SR_B3`) are told as what they measure.
    """
    data = settings.dataloader
    if data.band_names is not None:
        sensor = find_sensor(data.sensor) if data.sensor else None
        return tuple(sensor.bands[sensor.position(name)] if sensor else name for name in data.band_names)
    count = len(PRITHVI_BANDS)
    if data.measured is not None:
        count = len(data.measured)
    elif data.bands is not None:
        count = len(data.bands) // data.temporal_dim
    return PRITHVI_BANDS if count == len(PRITHVI_BANDS) else tuple(f"BAND_{number}" for number in range(1, count + 1))


def class_names(settings: Settings) -> list[str]:
    """Names of the classes; where none were given, their values in label files."""
    first = int(settings.dataloader.reduce_to_zero)
    return settings.model.class_names or [str(first + number) for number in range(settings.model.num_classes)]


def _refuse_small_units(settings: Settings) -> None:
    """Sensors give reflectance x 10000; statistics of reflectance in 0..1 would make nonsense of it."""
    mean = settings.dataloader.measured
    if mean is not None and max(mean) <= 2:
        raise ConfigError(
            f"dataloader.sensor={settings.dataloader.sensor} gives reflectance x 10000, but dataloader.mean={mean} is "
            "of another unit; leave mean and std out or compute them with mode=stats, or set bands and "
            "constant_multiplier instead of the sensor"
        )


def _pretraining_statistics(model_name: str, names: Sequence[str]) -> tuple[list[float], list[float]]:
    mean, std = PRITHVI_STATISTICS[find_variant(model_name).statistics]
    unknown = [name for name in names if name not in PRITHVI_BANDS]
    if unknown:
        raise ConfigError(
            f"dataloader.mean has no default for the bands {', '.join(unknown)}; compute mean and std with mode=stats, "
            f"or name the bands with dataloader.band_names (known are {', '.join(PRITHVI_BANDS)})"
        )
    places = [PRITHVI_BANDS.index(name) for name in names]
    return [mean[place] for place in places], [std[place] for place in places]


def describe_layout(settings: Settings, layers: int) -> str:
    """Which layer of the file is taken as which date and band, for the log."""
    data, names = settings.dataloader, band_names(settings)
    positions = data.bands or list(range(layers))
    dates = [positions[start : start + len(names)] for start in range(0, len(positions), len(names))]
    text = "; ".join(f"date {number}: layers {date}" for number, date in enumerate(dates, start=1))
    return f"reading {', '.join(names)} as {text} (counted from 0)"
