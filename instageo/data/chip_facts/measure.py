"""Read a chip and its label once, and return what all checks need to know of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from instageo.data.chip_facts.facts import ChipFacts, ImageFacts, ImageView, LabelFacts
from instageo.data.chip_facts.image import band_names, image_facts
from instageo.data.chip_facts.label import raster_label_facts, read_label, value_label_facts
from instageo.data.chip_facts.layout import ChipLayout, ignored_layers, image_layers
from instageo.data.chip_facts.masking import MaskWriter
from instageo.data.chip_facts.quality_layers import QualityLayers
from instageo.data.chip_facts.rows import ChipRow
from instageo.data.cleaning.clean_settings import CleanSettings
from instageo.errors import DataError, RasterError
from instageo.raster.grid import Raster
from instageo.raster.reading import OpenRaster, local_environment, open_raster
from instageo.runtime.parallel import prefetch
from instageo.runtime.progress import track
from instageo.wording import counted

ROW_ERRORS = (RasterError, DataError, OSError, ValueError)
"""Errors of one row's files, which become findings; the last are those of paths that cannot be."""


PART_ROWS = 64
"""Most rows that a thread measures in one environment of GDAL."""


@dataclass(frozen=True)
class ChipMeasurer:
    """Measures the chips of a table.

    Attributes:
        settings: Options of the command.
        layout: How chips are read.
        labels_are_files: Whether labels are rasters.
        quality: Quality layers; None without them.
        mask_writer: Writes chips with their masks applied; None to change nothing.
    """

    settings: CleanSettings
    layout: ChipLayout
    labels_are_files: bool
    quality: QualityLayers | None = None
    mask_writer: MaskWriter | None = None

    def measure(self, row: ChipRow) -> ChipFacts:
        """Return the facts of one row; files that cannot be used become `problems`."""
        problems: list[str] = []
        image, view = None, None
        if not row.input:
            problems.append(f"row {row.number} has no value in the column Input")
        else:
            try:
                image, view = self._image(row)
            except ROW_ERRORS as error:
                problems.append(_sentence(error))
        label = None
        try:
            label = self._label(row, image, view)
        except ROW_ERRORS as error:
            problems.append(_sentence(error))
        return ChipFacts(row, image, label, tuple(problems))

    def _image(self, row: ChipRow) -> tuple[ImageFacts, ImageView]:
        with open_raster(row.input) as file:
            raster, steps, bands = read_chip(file, self.layout, len(row.dates or ()))
            covered = self.quality.read(row, file, steps) if self.quality is not None else None
            is_whole = self.layout.layers is None and len(raster.values) == file.info.num_layers
            source = file.info if is_whole else None
            ignored = () if self.layout.layers is not None else ignored_layers(file.info, self.layout.bands)
        if self.mask_writer is not None and (covered is not None or self.layout.layers is not None):
            # all chips with the same layers, also those without a quality file
            shown = np.zeros((steps, *raster.grid.shape), bool) if covered is None else covered
            raster = self.mask_writer.write(row, raster, shown, source)
        facts, view = image_facts(raster, bands, self.settings, self.layout.unit, covered)
        return replace(facts, ignored_layers=ignored), view

    def _label(self, row: ChipRow, image: ImageFacts | None, view: ImageView | None) -> LabelFacts | None:
        if row.label is None:
            return None
        if not self.labels_are_files:
            return value_label_facts(row.label, 0 if view is None else int(np.count_nonzero(view.observed)))
        return raster_label_facts(
            read_label(row.label), self.layout.ignore, None if image is None else image.grid, view
        )


def read_chip(file: OpenRaster, layout: ChipLayout, num_dates: int) -> tuple[Raster, int, tuple[str, ...]]:
    """Read the layers of a chip.

    Args:
        file: The open file.
        layout: How chips are read.
        num_dates: Dates that the row names.

    Returns:
        Its layers, the number of dates T, and the names of the bands of a date.

    Raises:
        RasterError: A layer cannot be read.
        DataError: The layers cannot be divided into dates and bands.
    """
    info = file.info
    layers = list(layout.layers) if layout.layers is not None else image_layers(info, layout.bands)
    steps = layout.steps or (num_dates if num_dates and len(layers) % num_dates == 0 else 1)
    expected = steps * len(layout.bands) if layout.bands else None
    name = Path(str(file.path)).name
    if len(layers) % steps or (expected is not None and expected != len(layers)):
        expected_layers = (
            f"{counted(steps, 'date')} of {len(layout.bands)} bands" if expected else counted(steps, "date")
        )
        raise DataError(f"{name}: has {counted(len(layers), 'layer')}, which are not {expected_layers}")
    if max(layers, default=0) >= info.num_layers:
        raise DataError(
            f"{name}: has {counted(info.num_layers, 'layer')}, but layer {max(layers)}, counted from 0, is to be read"
        )
    descriptions = [info.descriptions[layer] for layer in layers] if info.descriptions else [""] * len(layers)
    return file.read(layers, layout.no_data), steps, band_names(descriptions, len(layers) // steps, layout.bands)


def measure_chips(measurer: ChipMeasurer, rows: Sequence[ChipRow], threads: int) -> Iterator[ChipFacts]:
    """Yield the facts of all rows, in their order, and show progress."""
    size = min(max(len(rows) // (4 * threads), 1), PART_ROWS)
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    measured = prefetch(partial(_measure_part, measurer), parts, threads)
    yield from track(chain.from_iterable(measured), "checking chips", len(rows))


def _measure_part(measurer: ChipMeasurer, rows: Sequence[ChipRow]) -> list[ChipFacts]:
    with local_environment():
        return [measurer.measure(row) for row in rows]


def _sentence(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
