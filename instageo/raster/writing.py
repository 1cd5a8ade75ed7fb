"""Write GeoTIFFs whole or not at all."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter, MemoryFile

from instageo.errors import RasterError
from instageo.files import write_bytes
from instageo.raster.grid import Grid, RasterInfo
from instageo.raster.ground_control import rasterio_crs

TILE_SIZE = 256
"""Side of a GeoTIFF tile, pixels."""

STRIP_BYTES = 1 << 17
"""Size of the strips of smaller GeoTIFFs. GDAL's own, 8 kB, are three rows of a chip: a quarter slower to read."""


@dataclass(frozen=True)
class ClassLegend:
    """Names and colours of the classes of a map.

    Attributes:
        names: Names of the values 0, 1, …; stored as the tags CLASS_0, CLASS_1, … and, as JSON, CLASS_NAMES.
        colors: Red, green, blue in 0..255 by value, stored as the colour map (one uint8 or uint16 layer).
    """

    names: Sequence[str] = ()
    colors: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)


def write_raster(
    path: str | Path,
    values: NDArray[np.generic],
    grid: Grid,
    *,
    no_data_value: float | None = None,
    bands: Sequence[str] = (),
    legend: ClassLegend | None = None,
    tags: Mapping[str, str] | None = None,
    valid: NDArray[np.bool_] | None = None,
    source: RasterInfo | None = None,
) -> None:
    """Write a tiled, compressed GeoTIFF; readers see the old file or the new one, never a part.

    Args:
        path: Output path; missing folders are created.
        values: Shape (L, H, W), written in their own type.
        grid: Must have the shape (H, W).
        no_data_value: Written as the no-data tag; must be representable in the type of `values`.
        bands: Layer names.
        legend: Names and colours of classes.
        tags: Further tags of the file.
        valid: Shape (H, W); pixels where it is False are excluded by a mask inside the file.
        source: Metadata of the file that the layers are copied from; its alpha layer, scales and offsets are kept.

    Raises:
        ValueError: Shape or no-data value do not fit.
        WriteError: The disk refuses the file.
        RasterError: GDAL cannot make a GeoTIFF of the values.
    """
    path = Path(path)
    if values.ndim != 3 or values.shape[1:] != grid.shape:
        raise ValueError(f"values {values.shape} do not fit the grid {grid.shape}")
    if no_data_value is not None and not is_representable(no_data_value, values.dtype):
        raise ValueError(f"no-data value {no_data_value} is outside {values.dtype}")
    # GDAL does not report an error of the disk when a file is closed. It therefore writes to memory.
    try:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as memory:
            with memory.open(**_profile(values, grid, no_data_value)) as target:
                if source is not None:
                    _copy_metadata(target, source)
                describe_layers(target, bands, legend, tags)
                target.write(values)
                if valid is not None and not valid.all():
                    target.write_mask(valid)
            write_bytes(path, memory.getbuffer())
    except RasterioError as error:
        raise RasterError(f"{path}: cannot be written ({error})") from error


def describe_layers(
    target: DatasetWriter,
    bands: Sequence[str] = (),
    legend: ClassLegend | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Set layer names, classes and tags of a file in which nothing has been written yet; see `write_raster`."""
    if legend is not None and legend.colors:
        target.write_colormap(1, {value: (*color, 255) for value, color in legend.colors.items()})
    for layer, name in enumerate(bands, start=1):
        target.set_band_description(layer, name)
    if legend is not None and legend.names:
        target.update_tags(CLASS_NAMES=json.dumps(list(legend.names)))
        target.update_tags(1, **{f"CLASS_{value}": name for value, name in enumerate(legend.names)})
    target.update_tags(**(tags or {}))


def _copy_metadata(target: DatasetWriter, source: RasterInfo) -> None:
    """Mark the alpha layer of another file, and set its scales and offsets."""
    count = target.count
    if source.alpha_layer is not None and count == source.num_layers:
        kinds = [ColorInterp.gray, *[ColorInterp.undefined] * (count - 1)]
        kinds[source.alpha_layer] = ColorInterp.alpha
        target.colorinterp = kinds
    tags = list(zip(source.scales, source.offsets, strict=True))[:count]
    if any(tag != (1, 0) for tag in tags):
        target.scales, target.offsets = zip(*tags, strict=True)


def is_representable(value: float, dtype: np.dtype[np.generic]) -> bool:
    """Return whether a type can hold a value exactly."""
    if dtype.kind == "f":
        return math.isnan(value) or abs(value) <= float(np.finfo(dtype.name).max)
    return (
        dtype.kind in "iu"
        and float(value).is_integer()
        and np.iinfo(dtype.name).min <= value <= np.iinfo(dtype.name).max
    )


def _profile(values: NDArray[np.generic], grid: Grid, no_data_value: float | None) -> dict[str, object]:
    count, height, width = values.shape
    profile: dict[str, object] = {
        "driver": "GTiff", "dtype": values.dtype.name, "count": count, "height": height, "width": width,
        "nodata": no_data_value, "compress": "deflate", "BIGTIFF": "IF_SAFER",
        "predictor": 3 if values.dtype.kind == "f" else 2,
    }  # fmt: skip
    if values.dtype == np.uint8 and count == 4:
        profile |= {"photometric": "MINISBLACK", "alpha": "NO"}  # otherwise GDAL marks the last layer as alpha
    if min(height, width) >= TILE_SIZE:
        profile |= {"tiled": True, "blockxsize": TILE_SIZE, "blockysize": TILE_SIZE}
    else:
        profile |= {"blockysize": min(max(STRIP_BYTES // (values.itemsize * count * width), 1), height)}
    return profile | georeference_options(grid)


def georeference_options(grid: Grid) -> dict[str, object]:
    """Return rasterio's options that place a new file: CRS, and transform or control points, and polynomials."""
    options: dict[str, object] = {} if grid.crs is None else {"crs": grid.crs}
    if grid.transform != Affine.identity():
        options["transform"] = grid.transform
    elif grid.control_points is not None:
        options["gcps"] = grid.control_points.to_rasterio()
        options["crs"] = rasterio_crs(grid.control_points.crs)
    if grid.rpcs is not None:
        options["rpcs"] = grid.rpcs
    return options
