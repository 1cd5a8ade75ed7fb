"""Which image each pixel of a map is of, as a GeoTIFF, and how many pixels each image gives."""

from pathlib import Path

import numpy as np

from instageo.data.composites.composite_rows import NO_IMAGE, CompositeRows
from instageo.data.composites.composite_scene import CompositeScene
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster


def write_coverage(scene: CompositeScene, map_path: Path, path: Path) -> list[list[int]]:
    """Write the number of the image of each pixel that a map shows, one layer for each date of the model.

    Images are told by the quality layers, which the cache of blocks usually still holds. For medians the values are
    numbers of observations.

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
    whole = slice(0, width)
    with CompositeRows(scene, whole) as rows:
        for start in range(0, height, scene.strip_rows):
            part = slice(start, min(start + scene.strip_rows, height))
            observed = read_raster(map_path, [0], window=(part, whole)).valid[0]
            if not observed.any():
                continue
            for date in range(scene.num_dates):
                own = rows.read_origins(part.start, part.stop, date)
                origins[date, part] = np.where(observed, own, NO_IMAGE)
    names = ["image" if scene.num_dates == 1 else f"image of date {date + 1}" for date in range(scene.num_dates)]
    write_raster(path, origins, scene.grid, no_data_value=NO_IMAGE, bands=names)
    return [
        np.bincount(layer.ravel(), minlength=256)[: len(images)].tolist()
        for layer, images in zip(origins, scene.dates, strict=True)
    ]
