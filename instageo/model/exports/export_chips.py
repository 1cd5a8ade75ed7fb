"""Real chips for the comparison of an exported file with its network, and for the calibration of int8."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.errors import ConfigError, DataError, TableError
from instageo.locations import hide_secrets, is_remote
from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.from_settings import chip_format_from_settings, label_format_from_settings
from instageo.model.chips.image import ChipLayers, read_layers, split_bands
from instageo.model.dataset.chip_reader import ChipReader
from instageo.model.exports.graph import ExportTile
from instageo.model.inference.tiling import compute_tile_starts
from instageo.model.inspection.report import TableReport, build_report, inspect_rows
from instageo.model.inspection.row import InspectionSpec
from instageo.model.settings import Settings
from instageo.model.settings.derived import band_names
from instageo.model.settings.keys import cut_advice
from instageo.raster.grid import Window
from instageo.table import Row, read_table
from instageo.wording import counted

CALIBRATION_TILES = 300
"""Most windows of chips that int8 is calibrated with, as NNCF does by default."""

MIN_CALIBRATION_TILES = 20
"""Fewest windows of chips that int8 is calibrated with."""

RASTERS = (".tif", ".tiff")
"""Endings of the chips that are looked for in a folder."""


def read_export_tiles(settings: Settings, source: str, root: str | None, tile: int, limit: int) -> list[ExportTile]:
    """Read windows of chips, spread evenly over a table.

    Args:
        settings: Of the model; they say how chips and labels are read.
        source: Table of chips, or folder with chips.
        root: Folder that relative paths of the table start from; None for the table's own.
        tile: Side of the windows, pixels.
        limit: Most chips, and most windows, that are read.

    Raises:
        TableError: The table or folder does not exist, or has no chips.
        DataError: No chip of it can be used.
        ConfigError: All chips are smaller than the windows.
    """
    rows = choose_rows(_list_rows(settings, source, root), limit)
    labels = label_format_from_settings(settings) if any(row.label for row in rows) else None
    chip_format = chip_format_from_settings(settings)
    name = hide_secrets(source)
    results = inspect_rows(name, rows, InspectionSpec(chip_format, labels, False))
    try:
        report = build_report(name, rows, results, skip_bad=True)
    except DataError as error:
        raise DataError(f"{cut_advice(str(error)) or name}; expected {_describe_chips(settings)}") from error
    reader = ChipReader(
        report.rows,
        chip_format,
        labels,
        [(stats.height, stats.width) for stats in report.row_stats],
        [stats.coordinates(chip_format.temporal_dim) for stats in report.row_stats],
    )
    windows = _choose_windows(report, tile, limit)
    if not windows:
        height, width = report.max_shape
        raise ConfigError(
            f"tile={tile} does not work: the largest chips of {name} are {height} x {width} pixels; choose at most "
            f"{min(height, width)}, or a table of larger chips"
        )
    return [_read_tile(reader, index, window) for index, window in windows]


def _describe_chips(settings: Settings) -> str:
    dates = counted(settings.dataloader.temporal_dim, "date")
    return f"chips as the model was trained on: {', '.join(band_names(settings))} of {dates}"


def choose_rows(rows: Sequence[Row], limit: int) -> list[Row]:
    """Return at most `limit` rows, spread evenly over all."""
    count = min(limit, len(rows))
    return [rows[index] for index in dict.fromkeys(np.linspace(0, len(rows) - 1, count).round().astype(int).tolist())]


def _list_rows(settings: Settings, source: str, root: str | None) -> list[Row]:
    folder = Path(source).expanduser()
    if not is_remote(source) and folder.is_dir():
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in RASTERS)
        if not files:
            raise TableError(
                f"{source}: has no chips; expected a table, or a folder with files *{' or *'.join(RASTERS)}"
            )
        return [Row(path.name, str(path), None) for path in files]
    own_root = source.rpartition("/")[0] or "."
    is_file = not label_format_from_settings(settings).image_level
    return read_table(source, root or own_root, need_label=False, label_is_file=is_file)


def _choose_windows(report: TableReport, tile: int, limit: int) -> list[tuple[int, Window]]:
    """Return windows as the index of a chip with rows and columns: the first of each chip, then the others."""
    by_chip = []
    for index, stats in enumerate(report.row_stats):
        if min(stats.height, stats.width) < tile:
            continue
        starts = [compute_tile_starts(length, tile, tile) for length in (stats.height, stats.width)]
        by_chip.append(
            [(index, (slice(top, top + tile), slice(left, left + tile))) for top in starts[0] for left in starts[1]]
        )
    longest = max((len(windows) for windows in by_chip), default=0)
    ordered = [windows[number] for number in range(longest) for windows in by_chip if number < len(windows)]
    return sorted(ordered[:limit], key=lambda window: window[0])


def _read_tile(reader: ChipReader, index: int, window: Window) -> ExportTile:
    row = reader.rows[index]
    layers = read_layers(row.input, reader.chip_format, window)
    pixels = _stored_pixels(layers, reader.chip_format)
    return ExportTile(row.name, pixels, reader.read(index, window), layers.grid)


def _stored_pixels(layers: ChipLayers, chip_format: ChipFormat) -> NDArray[np.float32]:
    """Return pixels (C, T, h, w) in the unit that the graph takes, with NaN where only the file marks no-data."""
    values = split_bands(layers.values, chip_format).astype(np.float32)
    if layers.choice.scaling is not None:  # files whose own factors differ from those in the graph
        scaled = chip_format.scale(values, scaling=layers.choice.scaling)
        values = (scaled - np.float32(chip_format.offset)) / np.float32(chip_format.multiplier)
    marked = ~np.broadcast_to(layers.valid, values.shape)
    if chip_format.no_data_value is not None:
        marked &= values != np.float32(chip_format.no_data_value)
    values[marked] = np.nan
    return values
