"""Keyword arguments of the Python API as settings: the same checks and defaults as on the command line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from instageo.arguments import as_bands, as_number_pair, expect, to_plain
from instageo.errors import ConfigError, did_you_mean
from instageo.model.settings import AUTO, Settings
from instageo.model.settings.augmentations import Augmentations as AugmentationSettings
from instageo.model.settings.compose import default_settings, settings_to_dict, update_settings
from instageo.model.settings.fields import Role
from instageo.model.settings.keys import flatten, keys_with
from instageo.model.settings.resolve import TableStatistics, resolve
from instageo.model.settings.table_settings import read_table_settings
from instageo.model.user_code import is_user_code

Statistics = Literal["auto"] | str | tuple[Sequence[float], Sequence[float]] | None
"""`auto`, the name of a model whose pre-training statistics are meant, or (mean, std), one number per band."""


Augmentations = Sequence[str] | Mapping[str, Mapping[str, Any]]
"""Names of augmentations, or their parameters by name."""

AUGMENTATIONS = "dataloader.augmentations"

SHIPPED_AUGMENTATIONS = tuple(entry.name for entry in fields(AugmentationSettings) if entry.name != "own")


class ChipOptions(TypedDict, total=False):
    """How the files of a table are read; every option but the first has the name and the meaning of its setting.

    Attributes:
        described_by: Table, or folder, whose `settings.json` says how chips are read where no option does; for a
            DataFrame, since a table's own is read anyway.
        sensor: Product whose layers, scale and no-data value are meant, such as `hls_s30`; see docs/models.md.
        band_names: Names of the bands of one date, where `bands` holds positions.
        temporal_dim: Dates per chip; a file holds all bands of date 1, then those of date 2, …
        no_data_value: Value that means "no observation", besides the file's own no-data tag and NaN.
        constant_multiplier: Factor from stored values to the unit of the statistics.
        constant_offset: Added after the factor.
        radar_unit: `linear` or `db` if scaled values are radar backscatter, as power or in decibels; images are in
            decibels. None: as `sensor` says.
        scale_tags: What to do with scale and offset tags of files: `auto`, `apply` or `ignore`; see docs/reading.md.
        bands_by_name: True chooses layers by what the file calls them, False ignores these names, None refuses files
            whose names contradict.
        label_layer: 0-based layer of label files that have several, or `one_hot`.
        label_colors: Colour of each value from 0 in label files that are pictures, such as `["#000000", "#0000ff"]`.
        max_pixel_value: Larger scaled values are cut to it.
        num_classes: Classes; labels outside 0..num_classes - 1 are an error.
        class_names: Names of the classes.
        class_colors: Red, green and blue in 0..255 of each class.
        ignore_index: Label that does not count.
        label_kind: `raster` for labels that are files, `chip` for one label per chip, `chip_multi` for several.
        reduce_to_zero: Whether label files count classes from 1; their 0 is ignored.
        replace_label: (from, to), applied to label files before anything else.
        is_reg_task: Whether labels are continuous values.
        use_log_scale: Whether a regression works on log(1 + label); labels must be above -1.
        on_bad_row: `error` stops at a row that cannot be used; `skip` leaves it out with a warning.
        cache: `memory` or `disk` keeps decoded chips between epochs; `none` reads files each time.
        cache_dir: Folder of results of table checks, and of `cache="disk"`.
    """

    described_by: str | Path | None
    sensor: str | None
    band_names: Sequence[str] | None
    temporal_dim: int
    no_data_value: float | None
    constant_multiplier: float
    constant_offset: float
    radar_unit: str | None
    scale_tags: str
    bands_by_name: bool | None
    label_layer: int | str | None
    label_colors: Sequence[str] | None
    max_pixel_value: float | None
    num_classes: int
    class_names: Sequence[str] | None
    class_colors: Sequence[Sequence[int]] | None
    ignore_index: int
    label_kind: str
    reduce_to_zero: bool
    replace_label: tuple[float, float] | None
    is_reg_task: bool
    use_log_scale: bool
    on_bad_row: str
    cache: str
    cache_dir: str | None


GROUPS = {
    "num_classes": "model", "class_names": "model", "class_colors": "model", "use_log_scale": "model",
    "ignore_index": "train", "is_reg_task": "",
}  # fmt: skip
"""Group of settings that an option belongs to; all others are in `dataloader`."""


def chip_settings(options: Mapping[str, Any], bands: Sequence[int] | Sequence[str] | None = None) -> dict[str, Any]:
    """Return options of chips as `group.key: value`.

    Args:
        options: As `ChipOptions` describes them.
        bands: Names of the bands of one date, or 0-based positions in the file for all dates.

    Raises:
        TypeError: An option does not exist.
    """
    available = ", ".join(ChipOptions.__annotations__)
    for name in options:
        if name not in ChipOptions.__annotations__:
            hint = did_you_mean(name, ChipOptions.__annotations__) or f"; the options are {available}"
            raise TypeError(f"unknown option {name}{hint}")
    keys = {name: f"{GROUPS.get(name, 'dataloader')}.{name}".lstrip(".") for name in options}
    values = {keys[name]: to_plain(value) for name, value in options.items()}
    if bands is not None:
        bands = as_bands("bands", bands)
        key = "dataloader.band_names" if all(isinstance(band, str) for band in bands) else "dataloader.bands"
        if values.get(key) is not None:
            raise TypeError("bands holds names already; pass band_names only if bands holds positions")
        values[key] = bands
    return values


def statistics_settings(statistics: Statistics) -> dict[str, Any]:
    """Return the settings of mean and standard deviation; none of them for None."""
    if statistics is None:
        return {}
    if isinstance(statistics, str) and statistics == AUTO:
        return {"dataloader.mean": AUTO, "dataloader.std": AUTO}
    if isinstance(statistics, str):
        return {"model.model_name": statistics, "dataloader.mean": None, "dataloader.std": None}
    expected = '"auto", the name of a model, or (mean, std) with one number for each band'
    mean, std = as_number_pair("statistics", statistics, expected)
    return {"dataloader.mean": mean, "dataloader.std": std}


def augmentation_settings(augmentations: Augmentations) -> dict[str, Any]:
    """Return the settings that switch on these augmentations, and no others.

    Args:
        augmentations: Names, or parameters by name; see docs/augmentation.md. A name `FILE.py:FUNCTION` is the
            user's own.

    Raises:
        ConfigError: An augmentation does not exist.
    """
    listed = isinstance(augmentations, Iterable) and not isinstance(augmentations, str)
    expected = "names, such as ['hflip', 'rot90'], or parameters by name, such as {'noise': {'std': 0.1}}"
    expect(listed and all(isinstance(name, str) for name in augmentations), "augmentations", augmentations, expected)
    chosen = augmentations if isinstance(augmentations, Mapping) else {name: {} for name in augmentations}
    expect(all(isinstance(part, Mapping) for part in chosen.values()), "augmentations", augmentations, expected)
    values: dict[str, Any] = {f"{AUGMENTATIONS}.{name}.use": False for name in ("hflip", "vflip")}
    own = []
    for name, parameters in chosen.items():
        if is_user_code(name):
            p, others = parameters.get("p", 0.5), {key: value for key, value in parameters.items() if key != "p"}
            own.append({"function": name, "p": p, "parameters": others})
            continue
        if name not in SHIPPED_AUGMENTATIONS:
            hint = did_you_mean(name, SHIPPED_AUGMENTATIONS) or f"; choose from {', '.join(SHIPPED_AUGMENTATIONS)}"
            raise ConfigError(f"unknown augmentation {name}{hint}")
        values |= {f"{AUGMENTATIONS}.{name}.{key}": value for key, value in {"use": True, **parameters}.items()}
    return values | ({f"{AUGMENTATIONS}.own": own} if own else {})


def settings_from_keywords(
    values: Mapping[str, Any], *, normalized: bool = False, tables: Iterable[str] = ()
) -> Settings:
    """Return the default settings with some values replaced, and what follows from them.

    Args:
        values: As `group.key: value`.
        normalized: Whether mean and standard deviation are filled in if they are not among the values.
        tables: Tables, or folders, whose `settings.json` adds what the values leave open.

    Raises:
        ConfigError: A value does not work, or two contradict each other.
    """
    settings, explicit = update_settings(default_settings(), values), frozenset(values)
    brought = read_table_settings(settings, explicit, tables)
    return resolve(update_settings(settings, brought), explicit | frozenset(brought), normalized=normalized)


def fit_settings(settings: Settings, table: TableStatistics, *, crop: bool = False) -> Settings:
    """Return complete settings with what they leave to a table (`auto`) filled in.

    Args:
        settings: From `settings_from_keywords`.
        table: The inspected table.
        crop: Whether the size of crops is reduced to that of the chips.

    Raises:
        DataError: The table's statistics cannot be used.
    """
    size = settings.dataloader.img_size
    table = table if crop else cast(TableStatistics, _FixedShape(table, (size, size)))
    decided = frozenset(keys_with(Role.set_by_sensor))
    if settings.dataloader.bands is not None:  # `bands_given` says who listed those
        decided -= {"dataloader.bands"}
    return resolve(settings, decided, statistics=lambda _: table, normalized=False)


class _FixedShape:
    """Statistics of a table whose chips count as if they had a given shape."""

    def __init__(self, table: TableStatistics, shape: tuple[int, int]) -> None:
        self.max_shape, self._table = shape, table

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


def settings_of_network(net: object, values: Mapping[str, Any]) -> Settings:
    """Return the settings of a task on a network; what the network itself decides is read from its `config`.

    Args:
        net: A network from `build_network`, whose `config` holds its arguments; any other module has none of these.
        values: Settings of the task, `group.key: value`.

    Raises:
        ConfigError: A value does not work.
    """
    config: Any = getattr(net, "config", None)
    own: dict[str, Any] = {}
    names = ("model_name", "depth", "head", "embed_dim", "head_channels", "date_pooling")
    if all(hasattr(config, name) for name in names):
        model = {name: getattr(config, name) for name in names}
        data = {"temporal_dim": config.temporal_dim, "img_size": config.img_size, "band_names": list(config.bands)}
        own = {f"model.{name}": value for name, value in model.items()}
        own |= {f"dataloader.{name}": value for name, value in data.items()}
    return settings_from_keywords({**own, **{key: to_plain(value) for key, value in values.items()}})


LABEL_SCALE = {"dataloader.label_mean": 0.0, "dataloader.label_std": 1.0}
"""Scale in which a network's output is the label itself."""


def with_data(settings: Settings, data: Settings) -> Settings:
    """Return the settings of a task with those that its data decide.

    Raises:
        ConfigError: Task and data do not fit together.
    """
    of_task, of_data = (flatten(settings_to_dict(part)) for part in (settings, data))
    for key in keys_with(Role.shared_with_data):
        if of_task[key] != of_data[key]:
            name = key.rpartition(".")[2]
            raise ConfigError(
                f"the task has {name}={of_task[key]}, but its data have {name}={of_data[key]}; pass the same to both"
            )
    stored = (*keys_with(Role.fixed_by_checkpoint), *keys_with(Role.default_from_checkpoint))
    decided = {key for key in stored if key.startswith("dataloader.")} - {
        *keys_with(Role.shared_with_data),
        *LABEL_SCALE,
    }
    adopted = {key: of_data[key] for key in decided}
    for key in ("model.class_names", "model.class_colors"):
        adopted[key] = of_task[key] or of_data[key]
    return update_settings(settings, adopted)


def task_settings_of_data(data: Settings) -> dict[str, Any]:
    """Return the settings of the task that the labels of these data are for, in which a network's output is the value.

    Losses and optimisation are not among them: a network that was trained elsewhere does not need them.
    """
    of_data = flatten(settings_to_dict(data))
    of_network = "dataloader.band_names", "dataloader.temporal_dim"
    return {key: of_data[key] for key in keys_with(Role.shared_with_data) if key not in of_network} | LABEL_SCALE


def without_measures(settings: Settings) -> Settings:
    """Return settings with usual values for what a table has not decided yet, so that a loss can be built."""
    values: dict[str, Any] = {}
    if settings.is_reg_task and settings.dataloader.label_mean == AUTO:
        values |= LABEL_SCALE
    if isinstance(settings.train.class_weights, str):
        values["train.class_weights"] = None
    if settings.dataloader.mean is None:
        count = len(settings.dataloader.band_names or ())
        values |= {"dataloader.mean": [0.0] * count, "dataloader.std": [1.0] * count}
    return update_settings(settings, values)
