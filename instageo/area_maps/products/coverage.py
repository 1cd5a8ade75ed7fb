"""Which image each pixel of a map is of, as a GeoTIFF, and how many pixels each image gives."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.data.composites.composite_rows import NO_IMAGE, CompositeRows
from instageo.data.composites.composite_scene import CompositeScene
from instageo.files import write_errors
from instageo.raster.map_files.cog_join import join_pieces
from instageo.raster.map_files.layout import CLASS_CODEC, MapLayout
from instageo.raster.map_files.pieces import PieceStore
from instageo.raster.reading import read_raster
from instageo.stores.temporary_folder import temporary_folder

PANEL_COLUMNS = 8192
"""Columns that are read at once, at least: twice as many at most."""


def write_coverage(scene: CompositeScene, map_path: Path, path: Path, *, threads: int = 8) -> list[list[int]]:
    """Write the number of the image of each pixel that a map shows, one layer for each date of the model.

    Images are counted over all dates, from 0; those from 254 on share a number. They are known from the quality layers,
    or from the bands where there are none; the cache of blocks usually still holds both. For medians the values are
    numbers of observations.

    Args:
        scene: The images.
        map_path: The finished map.
        path: The GeoTIFF; 255 stands for pixels without an observation.
        threads: Files that are read at a time.

    Returns:
        Pixels of each image of each date; for medians all that it observes.

    Raises:
        RasterError: A file cannot be read.
        WriteError: The disk refuses the file.
    """
    height, width = scene.grid.shape
    layout = MapLayout(
        height, width, scene.num_dates, "uint8", NO_IMAGE, CLASS_CODEC, "mode", max(width // PANEL_COLUMNS, 1)
    )
    pixels = [np.zeros(len(images), np.int64) for images in scene.dates]
    names = ["image" if scene.num_dates == 1 else f"image of date {date + 1}" for date in range(scene.num_dates)]
    with write_errors(path), temporary_folder(path.parent, f".{path.name[:100]}.") as folder:
        store = PieceStore(folder / "pieces", layout)
        for column in range(layout.num_panels):
            columns = layout.columns(column)
            with CompositeRows(scene, columns, threads=threads) as rows:
                for row in range(layout.num_rows()):
                    part = layout.rows(row)
                    shown = read_raster(map_path, [0], window=(part, columns)).valid[0]
                    store.write_rows(column, row, _origins(scene, rows, part.start, shown, pixels))
        join_pieces(store, path, grid=scene.grid, band_names=names)
    return [own.tolist() for own in pixels]


def _origins(
    scene: CompositeScene, rows: CompositeRows, start: int, shown: NDArray[np.bool_], pixels: list[NDArray[np.int64]]
) -> NDArray[np.uint8]:
    """Return the number of the image of each pixel of rows, shape (T, h, w); add to the pixels of each image."""
    origins, first = np.full((scene.num_dates, *shown.shape), NO_IMAGE, np.uint8), 0
    for date, images in enumerate(scene.dates):
        own, counts = rows.read_origins(start, date, shown)
        numbers = np.minimum(own.astype(np.int64) + (0 if scene.is_median else first), NO_IMAGE - 1)
        origins[date] = np.where(own == NO_IMAGE, NO_IMAGE, numbers)
        pixels[date] += counts
        first += len(images)
    return origins
