"""Settings of how files are read: the group `dataloader`."""

import math
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from instageo.errors import ConfigError
from instageo.model.settings.augmentations import Augmentations
from instageo.model.settings.fields import ANYTIME, UNIT, Role, are_numbers, check, group, setting
from instageo.sensors import LEVELS, RADAR_UNITS, find_sensor
from instageo.wording import counted


class CacheKind(Enum):
    """Places for decoded chips between epochs."""

    none = "none"
    memory = "memory"
    disk = "disk"


class SamplerKind(Enum):
    """Ways to choose the chips of an epoch: each once, or with equal shares of all classes."""

    shuffle = "shuffle"
    balanced = "balanced"


class LabelKind(Enum):
    """Kinds of labels in a table: label files, one label per chip, or any number of classes per chip."""

    raster = "raster"
    chip = "chip"
    chip_multi = "chip_multi"


class ScaleTags(Enum):
    """What to do with scale and offset tags: use them if they agree with the settings, always, or never."""

    auto = "auto"
    apply = "apply"
    ignore = "ignore"


AUTO = "auto"
"""Value of mean, std or class weights that are computed from the training table."""


MAX_DATES = 1000
"""Most dates of a chip."""

MAX_PIXELS = 2**26
"""Most pixels of all dates that a network takes at once; larger images are predicted in tiles."""


@dataclass
class DataSettings:
    """Settings of how files are read."""

    sensor: str | None = setting(
        None,
        "hls_s30 | hls_l30 | sentinel2_l1c | sentinel2_l2a | landsat5_c2 | landsat7_c2 | landsat8_c2 | landsat9_c2 | "
        "sentinel1_rtc | sentinel1_grd: sets layers, scale to reflectance x 10000 or unit of radar, and no-data value",
    )
    processing_level: str | None = setting(
        None,
        "surface | toa: whether values are reflectance at the surface or at the top of the atmosphere; null: as "
        "dataloader.sensor, else unknown",
        Role.default_from_checkpoint,
        Role.set_by_sensor,
    )
    bands: list[int] | None = setting(
        None,
        "0-based layers of the file: all bands of date 1, then of date 2, …; null: all layers",
        Role.default_from_checkpoint,
        Role.set_by_sensor,
    )
    band_names: list[str] | None = setting(
        None,
        "names of the bands of one date; null: BLUE, GREEN, RED, NIR_NARROW, SWIR_1, SWIR_2, or VV, VH with Sentinel-1",
        Role.fixed_by_checkpoint,
        Role.shared_with_data,
    )
    num_layers: int | None = setting(
        None,
        "layers that every file must have, unless you list `bands`; null: as sensor, bands or the checkpoint say",
        Role.default_from_checkpoint,
        Role.set_by_sensor,
    )
    bands_given: bool = setting(False, "computed: whether you listed `bands`, so that files may have other layers, too")
    bands_by_name: bool | None = setting(
        None,
        "true: choose layers by what the file calls them; false: ignore these names; null: refuse files whose names "
        "contradict",
        Role.default_from_checkpoint,
    )
    mean: Any = setting(
        None,
        "mean of each band; auto: computed from the training table; null: that of the pre-training data (x 10000), or "
        "auto for radar",
        Role.fixed_by_checkpoint,
    )
    std: Any = setting(None, "standard deviation of each band, likewise", Role.fixed_by_checkpoint)
    img_size: int = setting(224, "side of the training windows, pixels", Role.default_from_checkpoint)
    temporal_dim: int = setting(
        1, "dates per chip", Role.fixed_by_checkpoint, Role.shared_with_data, Role.shared_with_teacher
    )
    label_kind: LabelKind = setting(
        LabelKind.raster,
        "raster: the column Label names label files; chip: it holds one label per chip; chip_multi: several, a;b;c",
        Role.fixed_by_checkpoint,
        Role.shared_with_data,
        Role.shared_with_teacher,
        Role.same_task,
    )
    label_mean: Any = setting(
        AUTO,
        "regression: mean of the labels, after the logarithm if there is one; auto: computed from the training table",
        Role.fixed_by_checkpoint,
        before_it_existed=0.0,
    )
    label_std: Any = setting(
        AUTO,
        "regression: standard deviation of the labels, likewise; the predicted value is the network's output "
        "x label_std + label_mean",
        Role.fixed_by_checkpoint,
        before_it_existed=1.0,
    )
    replace_label: list[int] | None = setting(
        None, "[from, to]: replace this label value when reading", Role.default_from_checkpoint
    )
    label_layer: Any = setting(
        None,
        "0-based layer of label files that have several; one_hot: one layer per class; null: the only one",
        Role.default_from_checkpoint,
    )
    label_colors: list[str] | None = setting(
        None,
        "label files that are pictures: the colour of each value from 0, such as ['#000000','#0000ff']",
        Role.default_from_checkpoint,
    )
    reduce_to_zero: bool = setting(False, "true: labels count from 1, and 0 is ignored", Role.default_from_checkpoint)
    no_data_value: float | None = setting(
        -9999,
        "further value that means no-data, besides the file's own and NaN",
        Role.default_from_checkpoint,
        Role.set_by_sensor,
    )
    constant_multiplier: float = setting(1.0, "factor applied to stored values", *UNIT)
    constant_offset: float = setting(0.0, "added after the factor", *UNIT)
    radar_unit: str | None = setting(
        None,
        "linear | db: values, after factor and offset, are radar backscatter as power or in decibels; the network sees "
        "decibels; null: as dataloader.sensor, else not radar",
        *UNIT,
        before_it_existed=None,
    )
    scale_tags: ScaleTags = setting(
        ScaleTags.auto,
        "auto | apply | ignore: scale and offset tags of files, see docs/reading.md; auto refuses those that "
        "contradict the settings",
        Role.default_from_checkpoint,
    )
    tag_factor: float | None = setting(
        None,
        "computed: factor from the values that scale tags give to the unit of mean and std, 10000 for reflectance",
        Role.default_from_checkpoint,
        Role.set_by_sensor,
    )
    max_pixel_value: float | None = setting(
        None,
        "larger scaled values are clipped to it; null: no limit",
        Role.fixed_by_checkpoint,
        Role.shared_with_teacher,
    )
    num_workers: int | None = setting(
        None,
        "worker processes that read chips; 0: none; null: none for a CPU, one per core for a GPU",
        *ANYTIME,
        Role.no_effect_on_maps,
    )
    cache: CacheKind = setting(
        CacheKind.none,
        "none | memory | disk: keep decoded chips between epochs",
        Role.free_between_repeats,
        Role.no_effect_on_maps,
    )
    cache_dir: str | None = setting(
        None,
        "folder for results of table checks and for cache=disk; null: $INSTAGEO_CACHE, else the user's cache folder",
        Role.free_text,
        Role.free_between_repeats,
        Role.no_effect_on_maps,
    )
    sampler: SamplerKind = setting(
        SamplerKind.shuffle,
        "shuffle | balanced: every class gets an equal share of an epoch, as far as the chips allow",
        Role.no_effect_on_maps,
    )
    on_bad_row: str = setting("error", "error | skip: what to do with rows that cannot be used", Role.no_effect_on_maps)
    augmentations: Augmentations = group(
        Augmentations, "drawn for each sample of a training batch, in this order", Role.no_effect_on_maps
    )

    def __post_init__(self) -> None:
        if self.sensor is not None:
            find_sensor(self.sensor)
        unit = self.radar_unit
        check(unit in (None, *RADAR_UNITS), "dataloader.radar_unit", unit, f"null, or one of {', '.join(RADAR_UNITS)}")
        level = self.processing_level
        check(level in (None, *LEVELS), "dataloader.processing_level", level, f"null, or one of {', '.join(LEVELS)}")
        check(1 <= self.temporal_dim <= MAX_DATES, "dataloader.temporal_dim", self.temporal_dim, f"1 to {MAX_DATES}")
        largest = math.isqrt(MAX_PIXELS // self.temporal_dim)
        what = f"1 to {largest} pixels with {counted(self.temporal_dim, 'date')}"
        check(1 <= self.img_size <= largest, "dataloader.img_size", self.img_size, what)
        workers = self.num_workers
        check(workers is None or workers >= 0, "dataloader.num_workers", workers, "null, or 0 or more")
        choices = ("error", "skip")
        check(self.on_bad_row in choices, "dataloader.on_bad_row", self.on_bad_row, " or ".join(choices), choices)
        factor = self.constant_multiplier
        ok = math.isfinite(factor) and factor != 0
        check(ok, "dataloader.constant_multiplier", factor, "a finite number other than 0")
        check(
            math.isfinite(self.constant_offset), "dataloader.constant_offset", self.constant_offset, "a finite number"
        )
        self._check_statistics()
        self._check_label_scale()
        self._check_bands()
        self._check_label_layers()
        pair = self.replace_label
        check(pair is None or len(pair) == 2, "dataloader.replace_label", pair, "null or [from, to]")

    @property
    def given_mean(self) -> list[float] | None:
        """Mean of each band; None if it is left to a default or the training table."""
        return None if self.mean in (None, AUTO) else [float(value) for value in self.mean]

    def _check_statistics(self) -> None:
        mean, std = self.mean, self.std
        if AUTO in (mean, std):
            check(mean in (None, AUTO), "dataloader.mean", mean, f"{AUTO}, as dataloader.std says")
            check(std in (None, AUTO), "dataloader.std", std, f"{AUTO}, as dataloader.mean says")
            self.mean = self.std = AUTO
            return
        for name, values in (("dataloader.mean", mean), ("dataloader.std", std)):
            check(values is None or are_numbers(values), name, values, f"a list of numbers, null, or {AUTO}")
        if mean is None or std is None:
            check(mean is None, "dataloader.std", std, "values, as for dataloader.mean")
            check(std is None, "dataloader.mean", mean, "values, as for dataloader.std")
            return
        check(len(mean) >= 1, "dataloader.mean", mean, "one value per band of a date")
        check(len(std) == len(mean), "dataloader.std", std, f"as many values as dataloader.mean, {len(mean)}")
        check(all(map(math.isfinite, mean)), "dataloader.mean", mean, "finite values")
        check(all(0 < value < math.inf for value in std), "dataloader.std", std, "finite values above 0")

    def _check_label_scale(self) -> None:
        mean, std = self.label_mean, self.label_std
        check(
            (mean == AUTO) == (std == AUTO), "dataloader.label_std", std, "auto, or a number, as dataloader.label_mean"
        )
        if mean != AUTO:
            check(are_numbers([mean]) and math.isfinite(mean), "dataloader.label_mean", mean, f"a number, or {AUTO}")
            check(are_numbers([std]) and 0 < std < math.inf, "dataloader.label_std", std, f"above 0, or {AUTO}")

    def _check_label_layers(self) -> None:
        layer, colors = self.label_layer, self.label_colors
        ok = layer is None or layer == "one_hot" or (type(layer) is int and layer >= 0)
        check(ok, "dataloader.label_layer", layer, "a layer counted from 0, one_hot, or null")
        if colors is None:
            return
        check(layer is None, "dataloader.label_layer", layer, "null with dataloader.label_colors")
        parsed = [parse_color(color) for color in colors]
        check(
            len(parsed) >= 1 and len(set(parsed)) == len(parsed), "dataloader.label_colors", colors, "different colours"
        )

    def _check_bands(self) -> None:
        bands, names, mean = self.bands, self.band_names, self.given_mean
        different = names is None or (len(names) >= 1 and len(set(names)) == len(names))
        check(different, "dataloader.band_names", names, "a different name for each band of a date")
        if names is not None and mean is not None:
            check(
                len(names) == len(mean), "dataloader.band_names", names, f"{counted(len(mean), 'name')}, one per mean"
            )
        layers = self.num_layers
        check(layers is None or layers >= 1, "dataloader.num_layers", layers, "at least 1 layer, or null")
        if bands is None:
            return
        check(
            min(bands, default=-1) >= 0 and len(set(bands)) == len(bands),
            "dataloader.bands",
            bands,
            "different positions from 0",
        )
        per_date = names or mean
        expected = self.temporal_dim * len(per_date) if per_date else None
        dates, count = counted(self.temporal_dim, "date"), counted(len(per_date or []), "band")
        what = f"{counted(expected or 0, 'position')}: {dates} (dataloader.temporal_dim) of {count}"
        check(expected is None or len(bands) == expected, "dataloader.bands", bands, what)
        what = f"as many for each of {dates} (dataloader.temporal_dim)"
        check(len(bands) % self.temporal_dim == 0, "dataloader.bands", bands, what)


def parse_color(text: str) -> tuple[int, int, int]:
    """Return red, green and blue of a colour such as `#0000ff`.

    Raises:
        ConfigError: It is not written like that.
    """
    match = re.fullmatch(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", text)
    if match is None:
        raise ConfigError(
            f"dataloader.label_colors: {text} is not a colour; expected '#' and six hexadecimal digits, in quotes: "
            '\'dataloader.label_colors=["#000000","#0000ff"]\''
        )
    red, green, blue = (int(part, 16) for part in match.groups())
    return red, green, blue
