"""Inspect one row of a table: check that it can be used, and compute its statistics."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError, LayerError, RasterError
from instageo.locations import is_remote
from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.chip_labels import AnyLabelFormat, ChipLabelFormat, ChipValueFormat, is_file_name
from instageo.model.chips.dates_and_location import find_row_coordinates
from instageo.model.chips.image import ChipLayers, read_open_layers, scale_layers, split_bands
from instageo.model.chips.label_layers import read_open_label
from instageo.model.chips.layer_choice import choose_layers
from instageo.model.chips.pixel_labels import TargetFormat
from instageo.model.chips.radar import describe_other_unit
from instageo.model.inspection.row_blocks import BlockStats, add_blocks, row_windows
from instageo.model.inspection.row_stats import RowResult, RowStats
from instageo.model.inspection.statistics import Moments, compute_moments
from instageo.raster.grid import Grid, RasterInfo, Window
from instageo.raster.no_data_tags import describe_unfit_no_data
from instageo.raster.reading import OpenRaster, open_raster
from instageo.table import Row

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class InspectionSpec:
    """How rows are inspected.

    Attributes:
        chip_format: How chips are read.
        label_format: How labels are read; None to read the headers of chips alone.
        with_moments: Whether to compute the moments of the bands.
    """

    chip_format: ChipFormat
    label_format: AnyLabelFormat | None
    with_moments: bool = False

    @property
    def cache_key(self) -> tuple[object, ...]:
        """The part that decides the statistics of a row."""
        return self.chip_format, self.label_format

    def is_met_by(self, cached: RowResult | None) -> bool:
        """Return whether a cached result contains all that is requested."""
        if isinstance(cached, RowStats):
            return cached.band_moments is not None or not self.with_moments
        return cached is not None


def inspect_row(row: Row, spec: InspectionSpec) -> RowStats:
    """Compute the statistics of one row; a scene is read in blocks of rows, so that memory is bounded.

    Raises:
        InstaGeoError: It cannot be used.
    """
    chip_format, label_format = spec.chip_format, spec.label_format
    with open_raster(row.input) as file:
        info = file.info
        choice = choose_layers(info, chip_format, row.input)
        temporal_coords, location_coords = _known_coordinates(row, info, chip_format.temporal_dim)
        masked = info.alpha_layer is not None and info.alpha_layer not in choice.layers
        stats = RowStats(
            info.num_layers - masked,
            *info.grid.shape,
            info.dtype,
            temporal_coords,
            location_coords,
            mask_kind=info.mask_kind or ("alpha" if masked else None),
            layers=choice.layers,
            scaling=choice.scaling,
            tag_factor=choice.tag_factor,
            notes=choice.notes + _unfit_no_data(row),
            corners=_known_corners(info.grid),
        )
        if label_format is None and not spec.with_moments:
            return stats
        blocks = [_inspect_block(row, file, spec, window) for window in row_windows(info)]
    image_level = label_format is not None and label_format.image_level
    stats = add_blocks(stats, blocks, image_level=image_level)
    if not stats.valid_pixels:
        raise DataError(f"{row.input}: no valid pixel, all pixels are no-data; check dataloader.no_data_value")
    if label_format is not None and row.label is not None and not any(block.num_labels for block in blocks):
        missing = "label" if image_level else "labelled pixel"
        raise DataError(f"{row.label}: no {missing} where {row.input} has a valid observation")
    return stats


def _inspect_block(row: Row, file: OpenRaster, spec: InspectionSpec, window: Window | None) -> BlockStats:
    chip_format, label_format = spec.chip_format, spec.label_format
    layers = read_open_layers(file, chip_format, window)
    stats = BlockStats(int(np.count_nonzero(layers.valid)))
    if layers.values.dtype.kind == "f" or chip_format.radar_unit:  # refuses values that are too large
        image = scale_layers(layers.values, layers.valid, chip_format, row.input, layers.choice.scaling)
        if chip_format.radar_unit:
            stats = replace(stats, notes=describe_other_unit(image, layers.valid, chip_format.radar_unit))
    if spec.with_moments:
        stats = replace(stats, band_moments=_band_moments(layers, chip_format))
    if label_format is None or row.label is None or not (stats.valid_pixels or window):
        return stats
    label = _read_label(row, file.info.grid, label_format, window)
    valid = np.any(layers.valid, axis=0)
    usable = label_format.label_mask(label) & (valid.any() if label_format.image_level else valid)
    class_counts, label_moments = _label_stats(label, usable, label_format)
    return replace(
        stats, num_labels=int(np.count_nonzero(usable)), class_counts=class_counts, label_moments=label_moments
    )


def _band_moments(layers: ChipLayers, chip_format: ChipFormat) -> Moments:
    bands = split_bands(layers.values, chip_format)
    if layers.choice.scaling is None:
        return compute_moments(bands, layers.valid, chip_format.rescale)
    scaled = chip_format.rescale(bands.astype(np.float64), layers.valid, layers.choice.scaling)
    return compute_moments(scaled, layers.valid)


def _unfit_no_data(row: Row) -> tuple[str, ...]:
    """Return a sentence on each no-data tag of chip and label that no pixel can have."""
    label = row.label if row.label_is_file else None
    files = {"chips": row.input} | ({"labels": label} if label else {})
    notes = {name: None if is_remote(file) else describe_unfit_no_data(Path(file)) for name, file in files.items()}
    return tuple(f"{name}: {note}" for name, note in notes.items() if note)


def _known_coordinates(
    row: Row, info: RasterInfo, num_dates: int
) -> tuple[tuple[tuple[float, float], ...] | None, tuple[float, float] | None]:
    """Find the dates and the location of a row; None for what is unknown."""
    temporal, location = find_row_coordinates(row, info.grid, info.tags, num_dates)
    dates = tuple((year, day) for year, day in temporal.tolist()) if np.isfinite(temporal).all() else None
    return dates, (float(location[0]), float(location[1])) if np.isfinite(location).all() else None


def _known_corners(grid: Grid) -> tuple[tuple[float, float], ...] | None:
    """Return longitude and latitude of the corners, to a millimetre; None if they are unknown."""
    corners = grid.corners_lonlat()
    if corners is None:
        return None
    return tuple((round(longitude, 8), round(latitude, 8)) for longitude, latitude in corners)


def _read_label(row: Row, grid: Grid, label_format: AnyLabelFormat, window: Window | None) -> NDArray[Any]:
    label = str(row.label)
    if isinstance(label_format, ChipLabelFormat):
        return label_format.read(label)
    try:
        with open_raster(label) as file:
            _check_grid(row, grid, file.info.grid)
            raster = read_open_label(file, label_format.layers, window)
    except RasterError as error:
        if is_file_name(label) or isinstance(error, LayerError):
            raise
        raise RasterError(f"{error}; image-level labels need dataloader.label_kind=chip or chip_multi") from error
    return label_format.decode(raster, label)


def _check_grid(row: Row, grid: Grid, own_grid: Grid) -> None:
    """Check that a label has the grid of its chip."""
    if own_grid.shape != grid.shape:
        raise DataError(
            f"{row.label}: {own_grid.height}x{own_grid.width} pixels, but its chip {row.input} has "
            f"{grid.height}x{grid.width}; a label needs the same grid as its chip"
        )
    if not grid.matches(own_grid):
        raise DataError(
            f"{row.label}: lies at another location than its chip {row.input}; a label needs the same grid as its chip"
        )


def _label_stats(
    label: NDArray[Any], usable: Mask, label_format: AnyLabelFormat
) -> tuple[tuple[int, ...], Moments | None]:
    """Compute labelled pixels (or chips) per class, or moments of continuous values, where a label is usable.

    The moments are those of the values and, if their logarithm will be taken, of log(1 + value).
    """
    if isinstance(label_format, TargetFormat | ChipValueFormat):
        values = label.astype(np.float64)
        scales = [values] if label_format.lower_bound is None else [values, np.log1p(values)]
        return (), compute_moments(np.stack(scales), usable)
    return label_format.count_classes(label[usable]), None
