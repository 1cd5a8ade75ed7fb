"""Which image each pixel of a map is of, as a GeoTIFF, and how many pixels each image gives."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.data.composites.composite_rows import NO_IMAGE, CompositeRows
from instageo.data.composites.composite_scene import CompositeScene
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster


def write_coverage(scene: CompositeScene, map_path: Path, path: Path) -> list[list[int]]:
    """Write the number of the image of each pixel that a map shows, one layer for each date of the model.

    Images are counted over all dates, from 0; those from 254 on share a number. They are those of the quality layers,
    which the cache of blocks usually still holds. For medians the values are numbers of observations.

    Args:
        scene: The images.
        map_path: The finished map.
        path: The GeoTIFF; 255 stands for pixels without an observation.

    Returns:
        Pixels of each image of each date; for medians all that it observes.

    Raises:
        RasterError: A file cannot be read.
        WriteError: The disk refuses the file.
    """
    height, width = scene.grid.shape
    origins = np.full((scene.num_dates, height, width), NO_IMAGE, np.uint8)
    whole, starts = slice(0, width), np.cumsum([0, *map(len, scene.dates[:-1])]).tolist()
    with CompositeRows(scene, whole) as rows:
        for start in range(0, height, scene.strip_rows):
            part = slice(start, min(start + scene.strip_rows, height))
            observed = read_raster(map_path, [0], window=(part, whole)).valid[0]
            if not observed.any():
                continue
            for date, first in enumerate(starts):
                own = rows.read_origins(part.start, part.stop, date)
                numbers = np.minimum(own.astype(np.int64) + (0 if scene.is_median else first), NO_IMAGE - 1)
                origins[date, part] = np.where(observed & (own != NO_IMAGE), numbers, NO_IMAGE)
    names = ["image" if scene.num_dates == 1 else f"image of date {date + 1}" for date in range(scene.num_dates)]
    write_raster(path, origins, scene.grid, no_data_value=NO_IMAGE, bands=names)
    return [
        _pixels_of_images(layer, first, len(images), scene.is_median)
        for layer, first, images in zip(origins, starts, scene.dates, strict=True)
    ]


def _pixels_of_images(layer: NDArray[np.uint8], first: int, num_images: int, is_median: bool) -> list[int]:
    """Return the pixels of each image of a date, whose numbers begin with `first`."""
    if is_median:
        return [int((layer != NO_IMAGE).sum())] * num_images
    counts = np.bincount(layer.ravel(), minlength=first + num_images + NO_IMAGE)
    counts[NO_IMAGE] = 0
    return [int(count) for count in counts[first : first + num_images]]
