"""Settings of how files are read: the group `dataloader`."""

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from instageo.model.settings.augmentations import Augmentations
from instageo.model.settings.checks import are_numbers, check
from instageo.sensors import find_sensor


class CacheKind(Enum):
    """Where decoded chips are kept between epochs."""

    none = "none"
    memory = "memory"
    disk = "disk"


class SamplerKind(Enum):
    """Which chips an epoch takes: each once, or so many of each that every class gets an equal share."""

    shuffle = "shuffle"
    balanced = "balanced"


class LabelKind(Enum):
    """What a table's labels are: files of pixels, one label per chip, or any number of classes per chip."""

    raster = "raster"
    chip = "chip"
    chip_multi = "chip_multi"


AUTO = "auto"
"""Of mean, std or class weights: computed from the training table."""


@dataclass
class DataSettings:
    """How files are read."""

    sensor: str | None = None  # gives layers, scale and no-data value of a product; see instageo/sensors.py
    bands: list[int] | None = None  # 0-based positions in the file, for all dates; None: all layers
    band_names: list[str] | None = None  # of one date; None: the six of the published weights
    mean: Any = None  # one per band of a date; auto: of the training table; None: that of the variant's pre-training
    std: Any = None
    img_size: int = 224
    temporal_dim: int = 1
    label_kind: LabelKind = LabelKind.raster  # the column Label: files, or the label of the chip itself
    label_mean: Any = AUTO  # of values, after the logarithm if there is one; auto: of the training table
    label_std: Any = AUTO  # what the network gives times label_std, plus label_mean, is the value
    replace_label: list[int] | None = None  # [from, to]
    reduce_to_zero: bool = False
    no_data_value: float | None = -9999
    constant_multiplier: float = 1.0
    constant_offset: float = 0.0  # added after the factor
    max_pixel_value: float | None = None  # larger scaled values are cut to it; None: no limit
    num_workers: int = 0
    cache: CacheKind = CacheKind.none  # memory or disk: chips are decoded once, not every epoch
    cache_dir: str | None = None  # for checks and cache=disk; None: $INSTAGEO_CACHE, else ~/.cache/instageo
    sampler: SamplerKind = SamplerKind.shuffle
    on_bad_row: str = "error"
    augmentations: Augmentations = field(default_factory=Augmentations)

    def __post_init__(self) -> None:
        if self.sensor is not None:
            find_sensor(self.sensor)
        check(self.temporal_dim >= 1, "dataloader.temporal_dim", self.temporal_dim, "at least 1 date")
        check(self.img_size >= 1, "dataloader.img_size", self.img_size, "at least 1 pixel")
        check(self.num_workers >= 0, "dataloader.num_workers", self.num_workers, "0 or more")
        check(self.on_bad_row in ("error", "skip"), "dataloader.on_bad_row", self.on_bad_row, "error or skip")
        factor = self.constant_multiplier
        sane = math.isfinite(factor) and factor != 0
        check(sane, "dataloader.constant_multiplier", factor, "a finite number other than 0")
        check(
            math.isfinite(self.constant_offset), "dataloader.constant_offset", self.constant_offset, "a finite number"
        )
        self._check_statistics()
        self._check_label_scale()
        self._check_bands()
        pair = self.replace_label
        check(pair is None or len(pair) == 2, "dataloader.replace_label", pair, "null or [from, to]")

    @property
    def measured(self) -> list[float] | None:
        """Mean of each band, where it is told."""
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
            check(mean is None, "dataloader.std", std, "values beside dataloader.mean")
            check(std is None, "dataloader.mean", mean, "values beside dataloader.std")
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

    def _check_bands(self) -> None:
        bands, names, mean = self.bands, self.band_names, self.measured
        different = names is None or (len(names) >= 1 and len(set(names)) == len(names))
        check(different, "dataloader.band_names", names, "a different name for each band of a date")
        if names is not None and mean is not None:
            check(len(names) == len(mean), "dataloader.band_names", names, f"{len(mean)} names, one per mean")
        if bands is None:
            return
        check(
            min(bands, default=-1) >= 0 and len(set(bands)) == len(bands),
            "dataloader.bands",
            bands,
            "different positions from 0",
        )
        known = names or mean
        expected = self.temporal_dim * len(known) if known else None
        what = f"{expected} positions: dataloader.temporal_dim={self.temporal_dim} dates of {len(known or [])} bands"
        check(expected is None or len(bands) == expected, "dataloader.bands", bands, what)
        what = f"as many for each of dataloader.temporal_dim={self.temporal_dim} dates"
        check(len(bands) % self.temporal_dim == 0, "dataloader.bands", bands, what)
