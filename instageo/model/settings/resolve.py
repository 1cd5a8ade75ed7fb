"""Resolve settings: fill in what size, checkpoint, sensor and training table decide, in this order."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from instageo.band_vocabulary import understand_labels
from instageo.errors import CheckpointError, ConfigError, DataError, did_you_mean
from instageo.model.backbones.variants import CONV_VARIANTS, find_variant
from instageo.model.settings.compose import settings_to_dict, update_settings
from instageo.model.settings.data import AUTO, LabelKind
from instageo.model.settings.derived import apply_sensor, band_names, compare_levels
from instageo.model.settings.fields import Role
from instageo.model.settings.keys import flatten, keys_with
from instageo.model.settings.network import SIZES
from instageo.model.settings.run_settings import Settings
from instageo.model.settings.table_settings import KEYS as TABLE_KEYS
from instageo.model.settings.unused_settings import describe_ineffective
from instageo.model.user_code import find_user_code
from instageo.sensors import PRITHVI_BANDS, PRITHVI_STATISTICS

log = logging.getLogger(__name__)

CONV_HEAD, IMAGE_LEVEL_HEAD = "conv", "pooled"
"""Default head of tasks with image-level labels."""


class CheckpointSettings(Protocol):
    """The part of a checkpoint that settings are resolved with."""

    @property
    def path(self) -> Path:
        """File of the checkpoint, for messages."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings that it stores, `group.key: value`."""


class BandMoments(Protocol):
    """Moments of several bands, or of labels and their logarithm."""

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of each, shape (C,)."""

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation of each, shape (C,)."""

    @property
    def low(self) -> NDArray[np.float64]:
        """Lowest value of each, shape (C,)."""


class TableStatistics(Protocol):
    """The part of a checked training table that settings are resolved with."""

    @property
    def num_layers(self) -> int:
        """Number of layers of each file."""

    @property
    def tag_factor(self) -> float | None:
        """Factor from the values that scale tags give to the unit of the chips; None without tags."""

    @property
    def max_shape(self) -> tuple[int, int]:
        """Height of the tallest chip and width of the widest one."""

    @property
    def band_moments(self) -> BandMoments:
        """Moments of the bands; used only if `dataloader.mean` is `auto`."""

    def check_extremes(self, band_names: Sequence[str]) -> None:
        """Report or refuse a value that would decide mean and std by itself."""

    @property
    def label_moments(self) -> BandMoments:
        """Moments of regression labels and, with `model.use_log_scale`, of their logarithm."""

    def class_weights(self, weighting: str) -> list[float]:
        """Return a weight per class, computed from the labelled pixels of each."""


def resolve(
    settings: Settings,
    explicit: frozenset[str] = frozenset(),
    *,
    checkpoint: CheckpointSettings | None = None,
    statistics: Callable[[Settings], TableStatistics] | None = None,
    normalized: bool = True,
) -> Settings:
    """Return settings with everything filled in that they leave to other sources.

    In this order: `model.size`, the checkpoint, the sensor, the training table's statistics, the size of its chips.

    Args:
        settings: As composed from YAML and command line.
        explicit: Keys that the user set. They take precedence over size, sensor and the checkpoint's defaults, and may
            not contradict what the checkpoint fixes.
        checkpoint: Checkpoint of the network to run or to start from.
        statistics: For modes that train: inspects the training table. It is called once, with settings in which the
            layers, bands and scale are resolved, so that files can be read.
        normalized: Whether chips will be normalised, so that mean and std must be filled in.

    Raises:
        ConfigError: Sources contradict each other, or a band has no default statistics.
        CheckpointError: An explicit setting contradicts the checkpoint.
        DataError: Statistics of the training table cannot be used.
    """
    if checkpoint is None or "model.size" in explicit:
        from_size = _size_settings(settings, explicit)
        settings, explicit = update_settings(settings, from_size), explicit | frozenset(from_size if checkpoint else ())
    if checkpoint is not None:
        settings = _apply_checkpoint(settings, checkpoint, explicit, training=statistics is not None)
    settings = _apply_layers(apply_sensor(settings, explicit), explicit)
    if checkpoint is not None and statistics is None:
        compare_levels(settings, checkpoint.settings.get("dataloader.processing_level"), checkpoint.path)
    if checkpoint is None and "model.head" not in explicit:
        settings = update_settings(settings, _usual_head(settings))
    if settings.dataloader.mean is None and normalized:
        settings = update_settings(settings, _default_statistics(settings, training=statistics is not None))
    for sentence in describe_ineffective(settings, explicit):
        log.warning("%s", sentence)
    if statistics is None:
        if settings.dataloader.mean == AUTO and normalized:
            raise ConfigError(
                f"dataloader.mean=auto needs a training table, which mode={settings.mode.value} does not read; remove "
                "dataloader.mean and dataloader.std, they are read from the checkpoint"
            )
        return settings
    table = statistics(settings)
    settings = update_settings(_apply_statistics(settings, table), record_files(settings, table))
    return _fit_crop_size(settings, table)


def _usual_head(settings: Settings) -> dict[str, object]:
    """Return the head that kind of labels and network decide; nothing if they leave it open."""
    if settings.dataloader.label_kind is not LabelKind.raster:
        return {"model.head": IMAGE_LEVEL_HEAD}
    return {"model.head": CONV_HEAD} if settings.model.model_name in CONV_VARIANTS else {}


def _size_settings(settings: Settings, explicit: frozenset[str]) -> dict[str, object]:
    """Return the keys that `model.size` decides and the user did not set, with their values."""
    name = settings.model.size
    if name is None:
        return {}
    if name not in SIZES:
        raise ConfigError(f"model.size={name} is unknown; choose one of {', '.join(SIZES)}{did_you_mean(name, SIZES)}")
    preset = {f"model.{entry.name}": getattr(SIZES[name], entry.name) for entry in fields(SIZES[name])}
    if "model.head" in explicit:  # channels are those of the preset's own head
        del preset["model.head_channels"]
    return {key: value for key, value in preset.items() if key not in explicit}


def _apply_checkpoint(
    settings: Settings, checkpoint: CheckpointSettings, explicit: frozenset[str], *, training: bool
) -> Settings:
    from_sensor = set(keys_with(Role.set_by_sensor)) if "dataloader.sensor" in explicit else set()
    stored = {key: value for key, value in checkpoint.settings.items() if key not in from_sensor}
    fixed, defaults = (set(keys_with(role)) for role in (Role.fixed_by_checkpoint, Role.default_from_checkpoint))
    current = flatten(settings_to_dict(settings)) | {"dataloader.band_names": list(band_names(settings))}
    for key in sorted(explicit & fixed & set(stored)):
        if current[key] not in (stored[key], AUTO):
            origin = " (also from settings.json next to the table)" if key.partition(".")[2] in TABLE_KEYS else ""
            raise CheckpointError(
                f"{checkpoint.path}: was trained with {key}={stored[key]}, but you passed {key}={current[key]}; remove "
                f"{key}{origin}, it is read from the checkpoint"
            )
    adopted = {key: stored[key] for key in stored if key in fixed or (key in defaults and key not in explicit)}
    code = find_user_code(adopted.get("train.loss"))
    if training and code:  # for inference it is not loaded
        raise CheckpointError(
            f"{checkpoint.path}: was trained with train.loss={code}, and a checkpoint may not choose code to run; pass "
            "train.loss, with that name only if you trust the code"
        )
    if not from_sensor:
        adopted["dataloader.sensor"] = None  # what the sensor decided in training is stored in the checkpoint
    try:
        return update_settings(settings, adopted)
    except ConfigError as error:
        raise CheckpointError(f"{checkpoint.path}: {error}") from error


def _apply_layers(settings: Settings, explicit: frozenset[str]) -> Settings:
    """Fill in how many layers a file must have, and whether the user listed the layers to read."""
    data = settings.dataloader
    given = data.bands is not None and ("dataloader.bands" in explicit or data.bands_given)
    values: dict[str, Any] = {"dataloader.bands_given": given}
    if given and data.bands_by_name:
        raise ConfigError(
            "dataloader.bands and dataloader.bands_by_name=true contradict each other; leave one of them out"
        )
    if data.bands_by_name:
        nameless = [name for name in band_names(settings) if not understand_labels((name,), data.sensor)[0].bands]
        if nameless:
            raise ConfigError(
                f"dataloader.bands_by_name=true needs names of bands, but {', '.join(nameless)} is not one; name the "
                f"bands with dataloader.band_names, such as {', '.join(PRITHVI_BANDS)}"
            )
    all_layers = data.bands is None and "dataloader.bands" in explicit and "dataloader.num_layers" not in explicit
    if (data.num_layers is None or all_layers) and not given:
        if data.bands is None:
            values["dataloader.num_layers"] = data.temporal_dim * len(band_names(settings))
        elif sorted(data.bands) == list(range(len(data.bands))):  # checkpoints that do not say how many there were
            values["dataloader.num_layers"] = len(data.bands)
    return update_settings(settings, values)


def record_files(settings: Settings, table: TableStatistics) -> dict[str, Any]:
    """Return what a checkpoint records of the training files: how many layers they have, and what their tags mean."""
    tag_factor = settings.dataloader.tag_factor
    by_name = settings.dataloader.bands_by_name
    return {
        "dataloader.num_layers": None if by_name else table.num_layers,
        "dataloader.tag_factor": tag_factor if tag_factor is not None else table.tag_factor,
    }


def _default_statistics(settings: Settings, *, training: bool) -> dict[str, Any]:
    """Return mean and standard deviation where none are given: of the training table for radar, else of the weights."""
    names = band_names(settings)
    if settings.dataloader.radar_unit is not None:
        if training:
            return {"dataloader.mean": AUTO, "dataloader.std": AUTO}
        raise ConfigError(
            f"dataloader.mean has no default for radar ({', '.join(names)}); pass mean and std in decibels as "
            "mode=stats prints them, or auto where there is a training table"
        )
    mean, std = PRITHVI_STATISTICS[find_variant(settings.model.model_name).statistics]
    unknown = [name for name in names if name not in PRITHVI_BANDS]
    if unknown:
        raise ConfigError(
            f"dataloader.mean has no default for the bands {', '.join(unknown)}; compute mean and std with mode=stats, "
            f"or name the bands with dataloader.band_names (there are defaults for {', '.join(PRITHVI_BANDS)})"
        )
    indices = [PRITHVI_BANDS.index(name) for name in names]
    return {
        "dataloader.mean": [mean[index] for index in indices],
        "dataloader.std": [std[index] for index in indices],
    }


MIN_SPREAD = 1e-6
"""Ratio of standard deviation to mean up to which a band counts as constant: float32 has no more digits."""


def _apply_statistics(settings: Settings, table: TableStatistics) -> Settings:
    """Replace `auto` in mean, std, label scale and class weights by numbers from the training table."""
    values: dict[str, Any] = {}
    if settings.dataloader.mean == AUTO:
        bands, names = table.band_moments, band_names(settings)
        table.check_extremes(names)
        spread = zip(names, bands.mean, bands.std, strict=True)
        constant = [name for name, mean, std in spread if std <= MIN_SPREAD * abs(mean)]
        if constant:
            raise DataError(
                f"{settings.train_filepath}: {', '.join(constant)} is constant in all chips, so it cannot be "
                "normalised; leave it out with dataloader.bands, or set dataloader.mean and dataloader.std"
            )
        values |= {"dataloader.mean": bands.mean.tolist(), "dataloader.std": bands.std.tolist()}
    if settings.is_reg_task and settings.dataloader.label_mean == AUTO:
        mean, std = float(table.label_moments.mean[-1]), float(table.label_moments.std[-1])
        if std == 0:
            raise DataError(
                f"{settings.train_filepath}: all labels have the value {table.label_moments.low[0]:g}; expected labels "
                "that vary"
            )
        values |= {"dataloader.label_mean": mean, "dataloader.label_std": std}
    weighting = settings.train.class_weights
    if isinstance(weighting, str):
        name = "inverse" if weighting == AUTO else weighting
        values["train.class_weights"] = table.class_weights(name)
    for key, value in values.items():
        shown = [float(f"{number:.5g}") for number in np.atleast_1d(value)]
        log.info("%s=%s from %s", key, shown if isinstance(value, list) else shown[0], settings.train_filepath)
    return update_settings(settings, values)


def _fit_crop_size(settings: Settings, table: TableStatistics) -> Settings:
    """Reduce `dataloader.img_size` to the largest chip, rounded up to whole patches."""
    size, largest = settings.dataloader.img_size, max(table.max_shape)
    if size <= largest:
        if size < largest:
            log.info("chips have up to %d pixels: each epoch takes a random %d-pixel window of each", largest, size)
        return settings
    patch = find_variant(settings.model.model_name).patch_size
    needed = -(-largest // patch) * patch
    log.warning(
        "chips have at most %d pixels, but dataloader.img_size=%d: training with %d", largest, size, min(needed, size)
    )
    return update_settings(settings, {"dataloader.img_size": min(needed, size)})
