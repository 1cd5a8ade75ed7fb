"""Which layers of a file are which bands, and with what statistics they are normalised: what settings leave open."""

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instageo.errors import CheckpointError, ConfigError
from instageo.locations import is_remote
from instageo.model.backbones.variants import find_variant
from instageo.model.networks.checkpoint import Checkpoint
from instageo.model.settings import AUTO, LabelKind, Mode, Settings
from instageo.model.settings.compose import flatten, settings_to_dict, update_settings
from instageo.model.settings.roles import DEFAULTS, FIXED, SET_BY_SENSOR
from instageo.sensors import PRITHVI_BANDS, PRITHVI_STATISTICS, find_sensor

log = logging.getLogger(__name__)


MEASURING = Mode.train, Mode.show_batch, Mode.lr_find
"""Modes that can take mean and std from the training table."""


CHIP_HEAD = "pooled"
"""Head of tasks whose labels are of whole chips, unless another is named."""


def resolve_layout(settings: Settings, explicit: frozenset[str], *, statistics: bool = True) -> Settings:
    """Settings in which band names, layers, scale, statistics and what `model.size` decides are told.

    Args:
        settings: As composed, or as a checkpoint decides them.
        explicit: Keys that the user set; sensor and size do not change these.
        statistics: Whether mean and std are needed; they default to those of the variant's pre-training.

    Raises:
        ConfigError: Names, layers and statistics do not fit each other, or a band has no default statistics.
    """
    settings = update_settings(settings, size_settings(settings, explicit))
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
    return update_settings(settings, found)


def _told_by_sensor(settings: Settings, names: Sequence[str], explicit: frozenset[str]) -> Iterable[tuple[str, object]]:
    data = settings.dataloader
    sensor = find_sensor(str(data.sensor))
    layers = data.bands if "dataloader.bands" in explicit else sensor.positions(names, data.temporal_dim)
    return zip(SET_BY_SENSOR, (layers, sensor.no_data_value, sensor.scale, sensor.offset), strict=True)


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


@dataclass(frozen=True)
class SizePreset:
    """What `model.size` decides, in the words of the settings.

    Attributes:
        model_name: Variant.
        depth: Transformer blocks; -1 for the variant's own.
        embed_dim: Channels of a token; None for the variant's own.
        head: Head.
        head_channels: Channels within the head; None for the usual.
    """

    model_name: str
    depth: int = -1
    embed_dim: int | None = None
    head: str = "light"
    head_channels: int | None = None


SIZES = {
    "tiny": SizePreset("prithvi_eo_tiny"),
    "student": SizePreset("prithvi_eo_v2_tiny_tl"),
    "normal": SizePreset("prithvi_eo_v2_100_tl"),
    "teacher": SizePreset("prithvi_eo_v2_300_tl"),
}
"""By name, the smallest first."""


def size_settings(settings: Settings, explicit: frozenset[str]) -> dict[str, object]:
    """The settings that `model.size` decides, as `model.key: value`: all of its own but those in `explicit`.

    Raises:
        ConfigError: There is no such size.
    """
    name = settings.model.size
    if name is None:
        return {}
    if name not in SIZES:
        raise ConfigError(f"model.size={name} is unknown; choose one of {', '.join(SIZES)}")
    told = {f"model.{key}": value for key, value in vars(SIZES[name]).items()}
    if "model.head" in explicit:  # another head has a width of its own
        del told["model.head_channels"]
    return {key: value for key, value in told.items() if key not in explicit}


def apply_checkpoint(settings: Settings, checkpoint: Checkpoint, explicit: frozenset[str]) -> Settings:
    """Settings with all that the checkpoint decides.

    Args:
        settings: As composed from YAML and command line.
        checkpoint: Its word counts.
        explicit: Keys that the user set.

    Raises:
        CheckpointError: The user set a key to something that contradicts the checkpoint.
    """
    told = size_settings(settings, explicit)
    settings, explicit = update_settings(settings, told), explicit | told.keys()
    given = set(SET_BY_SENSOR) if "dataloader.sensor" in explicit else set()
    theirs = {key: value for key, value in checkpoint.settings.items() if key not in given}
    flat = flatten(settings_to_dict(settings)) | {"dataloader.band_names": list(band_names(settings))}
    for key in sorted(explicit & set(FIXED) & set(theirs)):
        if flat[key] not in (theirs[key], AUTO):
            raise CheckpointError(
                f"{checkpoint.path}: was trained with {key}={theirs[key]}, but {key}={flat[key]} was asked for; "
                f"leave {key} out, the checkpoint knows it"
            )
    wanted = {key: theirs[key] for key in theirs if key in FIXED or (key in DEFAULTS and key not in explicit)}
    wanted |= {} if given else {"dataloader.sensor": None}  # what it decided in training, the checkpoint tells
    try:
        return update_settings(settings, wanted)
    except ConfigError as error:
        raise CheckpointError(f"{checkpoint.path}: {error}") from error


def table_root(settings: Settings) -> str:
    """The folder, or URL of one, that the tables' paths start from."""
    root = str(settings.root_dir)
    return root if is_remote(root) else str(Path(root).expanduser())


def cache_dir(settings: Settings) -> Path:
    """Where checks and decoded chips are kept: `dataloader.cache_dir`, else $INSTAGEO_CACHE, else ~/.cache/instageo."""
    told = settings.dataloader.cache_dir or os.environ.get("INSTAGEO_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(told or Path(base) / "instageo").expanduser()
