"""One row of a table: whether it can be used, and what it holds."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError
from instageo.model.coordinates import coordinates_of
from instageo.model.decoding import (
    ChipFormat,
    LabelFormat,
    TargetFormat,
    by_band,
    decode_label,
    decode_target,
    split_dates,
)
from instageo.model.facts import Found, RowFacts
from instageo.model.moments import Moments, moments
from instageo.raster import Grid, RasterInfo, open_raster, read_raster
from instageo.table import Row

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Look:
    """What is looked at in each row.

    Attributes:
        chips: How chips are read.
        labels: How labels are read; None to look at the chips' headers alone.
        bands: Bands per date that the settings describe.
        values: Whether moments of the values are wanted.
    """

    chips: ChipFormat
    labels: LabelFormat | TargetFormat | None
    bands: int
    values: bool = False

    @property
    def ways(self) -> tuple[object, ...]:
        """What of it decides the facts."""
        return self.chips, self.labels, self.bands

    def suffices(self, found: Found | None) -> bool:
        """Whether facts known from before hold all that is wanted."""
        return isinstance(found, str) or (found is not None and (found.values is not None or not self.values))


def look_at(row: Row, look: Look) -> RowFacts:
    """Facts on one row.

    Raises:
        InstaGeoError: It cannot be used.
    """
    chips = look.chips
    with open_raster(row.input) as file:
        info = file.info
        _check_layers(row, info.layers, look)
        facts = RowFacts(info.layers, *info.grid.shape, info.dtype, *_seen(row, info, chips.temporal_dim))
        if look.labels is None and not look.values:
            return facts
        layers = split_dates(file.read(chips.bands, chips.no_data_value), chips, row.input)
    if not layers.valid.any():
        raise DataError(f"{row.input}: no valid pixel, all is no-data; check dataloader.no_data_value")
    values = moments(by_band(layers.values, chips), layers.valid, chips.to_unit) if look.values else None
    facts = replace(facts, valid_pixels=int(np.count_nonzero(layers.valid)), values=values)
    if look.labels is None or row.label is None:
        return facts
    valid: Mask = np.any(layers.valid, axis=0)
    counts, target = _label_facts(row, info.grid, valid, look.labels)
    return replace(facts, class_counts=counts, target=target)


def _seen(
    row: Row, info: RasterInfo, steps: int
) -> tuple[tuple[tuple[float, float], ...] | None, tuple[float, float] | None]:
    time, place = coordinates_of(row, info.grid, info.tags, steps)
    dates = tuple((year, day) for year, day in time.tolist()) if np.isfinite(time).all() else None
    return dates, (float(place[0]), float(place[1])) if np.isfinite(place).all() else None


def _label_facts(
    row: Row, grid: Grid, valid: Mask, form: LabelFormat | TargetFormat
) -> tuple[tuple[int, ...], Moments | None]:
    """Labelled pixels per class, or moments of continuous values, where the chip has an observation."""
    raster = read_raster(str(row.label), [0])
    _check_grids(row, grid, raster.grid)
    if isinstance(form, TargetFormat):
        target = decode_target(raster, form)
        usable = valid & np.isfinite(target)
        counts, found = (), moments(target[None], usable)
    else:
        label = decode_label(raster, form, str(row.label))
        usable = valid & (label != form.ignore_index)
        counts, found = tuple(np.bincount(label[usable], minlength=form.num_classes).tolist()), None
    if not usable.any():
        raise DataError(f"{row.label}: no labelled pixel where {row.input} has a valid observation")
    return counts, found


def _check_grids(row: Row, grid: Grid, other: Grid) -> None:
    if other.shape != grid.shape:
        raise DataError(
            f"{row.label}: {other.height}x{other.width} pixels, but its chip {row.input} has "
            f"{grid.height}x{grid.width}; a label must lie on the grid of its chip"
        )
    if not grid.matches(other):
        raise DataError(
            f"{row.label}: lies elsewhere than its chip {row.input}; a label must lie on the grid of its chip"
        )


def _check_layers(row: Row, layers: int, look: Look) -> None:
    chips, needed = look.chips, look.chips.temporal_dim * look.bands
    if chips.bands is None and layers != needed:
        raise DataError(
            f"{row.input}: has {layers} layers, expected {needed} ({chips.temporal_dim} dates x {look.bands} bands); "
            "name the bands with dataloader.band_names, list layers in dataloader.bands, or correct "
            "dataloader.temporal_dim"
        )
    if chips.bands is not None and max(chips.bands) >= layers:
        raise DataError(
            f"{row.input}: has {layers} layers, but dataloader.bands asks for layer {max(chips.bands)} "
            "(counted from 0); correct dataloader.bands or dataloader.sensor"
        )
