"""Write chips in which masked pixels are no-data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_facts.rows import ChipRow
from instageo.errors import DataError
from instageo.locations import relative_path
from instageo.raster.grid import Raster, RasterInfo
from instageo.raster.writing import is_representable, write_raster

DEFAULT_NO_DATA = -9999.0


@dataclass(frozen=True)
class MaskWriter:
    """Writes the layers that are read of a chip to a new file, with covered and invalid pixels as no-data.

    Attributes:
        folder: Output folder; a chip keeps its path relative to the table.
        root: Folder, or URL of one, of the table.
        no_data: Value that no-data is written as; None for -9999.
        written: Output file of each row, by its number.
        layer_counts: Different numbers of layers of the output files.
    """

    folder: Path
    root: str
    no_data: float | None
    written: dict[int, Path] = field(default_factory=dict)
    layer_counts: set[int] = field(default_factory=set)

    def write(self, row: ChipRow, raster: Raster, covered: NDArray[np.bool_], source: RasterInfo | None) -> Raster:
        """Write a chip, and return it as written.

        Args:
            row: Its row.
            raster: The layers of all dates, one date after another.
            covered: Where pixels are covered at each date, (T, H, W).
            source: Metadata of the chip, whose scales and offsets are kept; None if not all its layers are read.

        Raises:
            DataError: The type of the values cannot hold the no-data value.
        """
        no_data = DEFAULT_NO_DATA if self.no_data is None else self.no_data
        dtype = raster.values.dtype
        if not is_representable(no_data, dtype):
            raise DataError(f"{row.name}: {dtype} cannot hold the no-data value {no_data:g}; pass another by no_data")
        num_layers = len(raster.values) // len(covered)
        valid = raster.valid & ~np.repeat(covered, num_layers, axis=0)
        values = np.where(valid, raster.values, dtype.type(no_data))
        collision = valid & (values == no_data)
        if collision.any():
            raise DataError(f"{row.name}: has the value {no_data:g} where it is valid; pass another no-data value")
        path = self.folder / relative_path(row.input, self.root)
        tags: Mapping[str, Any] = {name: text for name, text in raster.tags.items() if not name.startswith("TIFFTAG")}
        write_raster(path.with_suffix(".tif"), values, raster.grid, no_data_value=no_data, bands=raster.bands,
                     tags=dict(tags), source=source)  # fmt: skip
        self.layer_counts.add(len(values))
        self.written[row.number] = path.with_suffix(".tif")
        return Raster(values, valid, raster.grid, raster.bands, raster.tags)
