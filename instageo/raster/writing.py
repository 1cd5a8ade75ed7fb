"""Write GeoTIFFs, whole or not at all."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from instageo.errors import RasterError
from instageo.raster.grid import Grid

BLOCK = 256  # side of a GeoTIFF tile, pixels


def write_raster(
    path: str | Path,
    values: NDArray[np.generic],
    grid: Grid,
    *,
    no_data_value: float | None = None,
    bands: Sequence[str] = (),
    class_names: Sequence[str] = (),
    class_colors: Mapping[int, tuple[int, int, int]] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write a tiled, compressed GeoTIFF; the file appears whole or not at all.

    Args:
        path: Where to; missing folders are made.
        values: Shape (L, H, W), written in their own type.
        grid: Must have the shape (H, W).
        no_data_value: Declared as the no-data tag; must be representable in the type of `values`.
        bands: Layer names.
        class_names: Names of the values 0, 1, …; stored as the tags CLASS_0, CLASS_1, … and, as JSON, CLASS_NAMES.
        class_colors: Red, green, blue in 0..255 by value, stored as the colour map (one uint8 or uint16 layer).
        tags: Further tags of the file.

    Raises:
        ValueError: Shape or no-data value do not fit.
        RasterError: The file cannot be written.
    """
    path = Path(path)
    if values.ndim != 3 or values.shape[1:] != grid.shape:
        raise ValueError(f"values {values.shape} do not fit the grid {grid.shape}")
    if no_data_value is not None and not is_representable(no_data_value, values.dtype):
        raise ValueError(f"no-data value {no_data_value} is outside {values.dtype}")
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part.tif")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(temporary, "w", **_profile(values, grid, no_data_value)) as target:
            if class_colors:
                target.write_colormap(1, {value: (*color, 255) for value, color in class_colors.items()})
            target.write(values)
            for layer, name in enumerate(bands, start=1):
                target.set_band_description(layer, name)
            if class_names:
                target.update_tags(CLASS_NAMES=json.dumps(list(class_names)))
                target.update_tags(1, **{f"CLASS_{value}": name for value, name in enumerate(class_names)})
            target.update_tags(**(tags or {}))
        os.replace(temporary, path)
    except (RasterioError, OSError) as error:
        raise RasterError(f"{path}: cannot be written ({error})") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def unfinished_files(folder: Path) -> dict[Path, Path]:
    """Files that `write_raster` was writing in a folder, and what each was to become; after a kill they stay."""
    return {path: path.with_name(f"{path.name[1:].rsplit('.', 3)[0]}.tif") for path in folder.glob(".*.part.tif")}


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
    if grid.crs is not None:
        profile["crs"] = grid.crs
    if grid.transform != Affine.identity():
        profile["transform"] = grid.transform
    if min(height, width) >= BLOCK:
        profile |= {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK}
    return profile
