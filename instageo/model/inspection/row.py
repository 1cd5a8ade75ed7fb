"""One row of a table: whether it can be used, and what it holds."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError, RasterError
from instageo.model.chips.chip_labels import ChipLabels, ChipValue, Labels, is_file_name
from instageo.model.chips.coordinates import row_coordinates
from instageo.model.chips.image import ChipFormat, split_bands, split_dates
from instageo.model.chips.pixel_labels import TargetFormat
from instageo.model.inspection.row_stats import RowResult, RowStats
from instageo.model.inspection.statistics import Moments, compute_moments
from instageo.raster.grid import Grid, Raster, RasterInfo
from instageo.raster.reading import open_raster, read_raster
from instageo.table import Row

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class InspectionSpec:
    """What is looked at in each row.

    Attributes:
        chips: How chips are read.
        labels: How labels are read; None to look at the chips' headers alone.
        bands: Bands per date that the settings describe.
        values: Whether moments of the values are wanted.
    """

    chips: ChipFormat
    labels: Labels | None
    bands: int
    values: bool = False

    @property
    def ways(self) -> tuple[object, ...]:
        """What of it decides the facts."""
        return self.chips, self.labels, self.bands

    def suffices(self, found: RowResult | None) -> bool:
        """Whether facts known from before hold all that is wanted."""
        return isinstance(found, str) or (found is not None and (found.values is not None or not self.values))


def inspect_row(row: Row, look: InspectionSpec) -> RowStats:
    """Facts on one row.

    Raises:
        InstaGeoError: It cannot be used.
    """
    chips = look.chips
    with open_raster(row.input) as file:
        info = file.info
        _check_layers(row, info.layers, look)
        facts = RowStats(info.layers, *info.grid.shape, info.dtype, *_seen(row, info, chips.temporal_dim))
        if look.labels is None and not look.values:
            return facts
        layers = split_dates(file.read(chips.bands, chips.no_data_value), chips, row.input)
    if not layers.valid.any():
        raise DataError(f"{row.input}: no valid pixel, all is no-data; check dataloader.no_data_value")
    values = compute_moments(split_bands(layers.values, chips), layers.valid, chips.to_unit) if look.values else None
    facts = replace(facts, valid_pixels=int(np.count_nonzero(layers.valid)), values=values)
    if look.labels is None or row.label is None:
        return facts
    valid: Mask = np.any(layers.valid, axis=0)
    counts, target = _label_facts(row, info.grid, valid, look.labels)
    return replace(facts, class_counts=counts, target=target)


def _seen(
    row: Row, info: RasterInfo, steps: int
) -> tuple[tuple[tuple[float, float], ...] | None, tuple[float, float] | None]:
    time, place = row_coordinates(row, info.grid, info.tags, steps)
    dates = tuple((year, day) for year, day in time.tolist()) if np.isfinite(time).all() else None
    return dates, (float(place[0]), float(place[1])) if np.isfinite(place).all() else None


def _label_facts(row: Row, grid: Grid, valid: Mask, form: Labels) -> tuple[tuple[int, ...], Moments | None]:
    """Labelled pixels (or chips) per class, or moments of continuous values, where the chip has an observation."""
    label = _label(row, grid, form)
    usable = form.labelled(label) & (valid.any() if form.image_level else valid)
    if not usable.any():
        what = "label" if form.image_level else "labelled pixel"
        raise DataError(f"{row.label}: no {what} where {row.input} has a valid observation")
    if isinstance(form, TargetFormat | ChipValue):
        return (), compute_moments(_scales(label, logarithm=form.above is not None), usable)
    return form.counts(label[usable]), None


def _label(row: Row, grid: Grid, form: Labels) -> NDArray[Any]:
    if isinstance(form, ChipLabels):
        return form.read(str(row.label))
    raster = _label_raster(row)
    _check_grids(row, grid, raster.grid)
    return form.decode(raster, str(row.label))


def _label_raster(row: Row) -> Raster:
    try:
        return read_raster(str(row.label), [0])
    except RasterError as error:
        if is_file_name(str(row.label)):
            raise
        raise RasterError(
            f"{error}; labels of chips themselves need dataloader.label_kind=chip or chip_multi"
        ) from error


def _scales(target: NDArray[np.float32], *, logarithm: bool) -> NDArray[np.float64]:
    """Values as they are and, where their logarithm will be taken, log(1 + value) beside them, shape (1 or 2, H, W)."""
    values = target.astype(np.float64)
    return np.stack([values, np.log1p(values)] if logarithm else [values])


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


def _check_layers(row: Row, layers: int, look: InspectionSpec) -> None:
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
