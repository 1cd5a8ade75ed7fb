"""Foretell requests and bytes of reading windows of a file, from its header."""

from collections.abc import Mapping, Sequence

from instageo.raster.chip_windows.block_cost import ReadCost, windows_cost
from instageo.raster.chip_windows.window_reading import open_catalog_file
from instageo.raster.chip_windows.windows import MAX_RATIO, place_window
from instageo.raster.grid import Grid


def read_cost(
    location: str, grids: Sequence[Grid], *, options: Mapping[str, str] | None = None, max_ratio: float = MAX_RATIO
) -> ReadCost:
    """Return what `read_chip_windows` will read of a file; only its header is read here.

    Args:
        location: Path or URL.
        grids: Grids of the chips, on pixels of the file.
        options: GDAL options.
        max_ratio: See `merge_windows`.

    Raises:
        RasterError: The header cannot be read, or the pixels of the file are not those of a chip.
    """
    with open_catalog_file(location, options) as file:
        grid = file.info.grid
        placed = [place_window(chip, grid, partial=True)[0].clip(grid.shape) for chip in grids]
        return windows_cost(file, (window for window in placed if window is not None), max_ratio)
