"""Mosaics of maps as GDAL's virtual rasters (VRT), which name the maps instead of copying them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import rasterio
from affine import Affine
from rasterio.errors import RasterioError
from rasterio.windows import Window

from instageo.errors import ConfigError, RasterError
from instageo.files import atomic_path
from instageo.locations import gdal_path, is_remote
from instageo.raster.grid import Grid, RasterInfo
from instageo.raster.map_products.finished_map import open_map
from instageo.raster.reading import LOCAL_OPTIONS
from instageo.raster.warp import same_crs

GDAL_TYPES = {
    "uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32",
    "float32": "Float32", "float64": "Float64",
}  # fmt: skip
"""GDAL's names of types."""

TOLERANCE = 1e-3
"""Parts of a pixel by which pixels of one mosaic may lie apart."""


@dataclass(frozen=True)
class _Tile:
    """One map of a mosaic, with its position in columns and rows of the mosaic (of the first map, to begin with)."""

    path: str | Path
    info: RasterInfo
    names: tuple[str, ...]
    colors: tuple[tuple[int, tuple[int, int, int, int]], ...]
    block: tuple[int, int]
    column: int = 0
    row: int = 0


def write_mosaic(maps: Sequence[str | Path], out_vrt: Path) -> None:
    """Write a VRT over maps that lie on one grid; of maps that overlap, the last one counts.

    Paths in it are relative to its folder, so that it can be moved with the maps. Band names, class names, the colour
    table and no-data are those of the maps.

    Args:
        maps: Maps with one reference system, size of pixels, type, bands, classes and no-data value.
        out_vrt: The VRT.

    Raises:
        ConfigError: There is no map.
        RasterError: A map cannot be read, or does not fit the first one.
        WriteError: The disk refuses the file.
    """
    if not maps:
        raise ConfigError(f"{out_vrt}: a mosaic needs at least one map")
    first, *others = [_read(path) for path in maps]
    tiles = [first, *(_place(tile, first) for tile in others)]
    left, top = min(tile.column for tile in tiles), min(tile.row for tile in tiles)
    right = max(tile.column + tile.info.grid.width for tile in tiles)
    bottom = max(tile.row + tile.info.grid.height for tile in tiles)
    (x,), (y,) = first.info.grid.to_crs([top], [left])
    a, b, _, d, e, _ = first.info.grid.transform[:6]
    grid = Grid(first.info.grid.crs, Affine(a, b, x, d, e, y), bottom - top, right - left)
    root = _render(grid, first, [(tile, tile.column - left, tile.row - top) for tile in tiles], out_vrt.parent)
    with atomic_path(out_vrt, verify=lambda path: _verify(path, out_vrt, grid, tiles, (left, top))) as temporary:
        temporary.write_bytes(tostring(root, encoding="utf-8"))


def _read(path: str | Path) -> _Tile:
    with open_map(path) as file:
        source = file.raster.source
        if file.grid.crs is None or file.grid.transform.is_identity:
            raise RasterError(f"{path}: has no georeference, so it has no place in a mosaic; leave it out")
        if file.info.dtype not in GDAL_TYPES:
            raise RasterError(f"{path}: holds {file.info.dtype} values, which have no place in a mosaic; leave it out")
        colors: dict[int, tuple[int, int, int, int]] = source.colormap(1) if file.class_colors else {}
        return _Tile(path, file.info, file.class_names, tuple(colors.items()), file.raster.block_shape)


def _place(tile: _Tile, first: _Tile) -> _Tile:
    """Return a map with its position on the grid of the first one.

    Raises:
        RasterError: It does not fit; the message names both.
    """
    one, other = first.info.grid, tile.info.grid
    if not same_crs(one.crs or "", other.crs or ""):
        _refuse(first, tile, "coordinate reference systems")
    scale = abs(one.transform.a) + abs(one.transform.b)
    size = max(one.height, one.width, other.height, other.width)
    for index in (0, 1, 3, 4):  # what adds up over a map
        if abs(one.transform[index] - other.transform[index]) * size > TOLERANCE * scale:
            _refuse(first, tile, "pixel sizes")
    column, row = ~one.transform @ (other.transform.c, other.transform.f)
    if max(abs(column - round(column)), abs(row - round(row))) > TOLERANCE:
        _refuse(first, tile, "grids, whose pixels do not coincide")
    for property_name, values in (
        ("data types", (first.info.dtype, tile.info.dtype)),
        ("no-data values", (repr(first.info.no_data_value), repr(tile.info.no_data_value))),
        ("bands", (first.info.descriptions, tile.info.descriptions)),
        ("class names", (first.names, tile.names)),
        ("colour tables", (first.colors, tile.colors)),
    ):
        if values[0] != values[1]:
            _refuse(first, tile, property_name)
    return _Tile(tile.path, tile.info, tile.names, tile.colors, tile.block, round(column), round(row))


def _refuse(first: _Tile, tile: _Tile, what: str) -> None:
    raise RasterError(
        f"{first.path} and {tile.path}: have different {what}, but the maps of a mosaic need the same; make a mosaic "
        "of each kind, or bring them onto one grid"
    )


def _render(grid: Grid, first: _Tile, tiles: Sequence[tuple[_Tile, int, int]], folder: Path) -> Element:
    """Return the VRT as XML; tiles have their column and row."""
    root = Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    SubElement(root, "SRS", dataAxisToSRSAxisMapping="1,2").text = grid.crs
    geotransform = ", ".join(repr(float(number)) for number in grid.transform.to_gdal())
    SubElement(root, "GeoTransform").text = geotransform
    _add_metadata(root, {name: first.info.tags[name] for name in ("CLASS_NAMES",) if name in first.info.tags})
    for layer, name in enumerate(first.info.descriptions, start=1):
        band = SubElement(root, "VRTRasterBand", dataType=GDAL_TYPES[first.info.dtype], band=str(layer))
        if layer == 1:
            _add_metadata(band, {f"CLASS_{number}": text for number, text in enumerate(first.names)})
        if name:
            SubElement(band, "Description").text = name
        if first.info.no_data_value is not None:
            SubElement(band, "NoDataValue").text = f"{first.info.no_data_value:.17g}"
        SubElement(band, "ColorInterp").text = "Palette" if first.colors and layer == 1 else "Gray"
        if first.colors and layer == 1:
            table = SubElement(band, "ColorTable")
            for _, color in sorted(first.colors):
                SubElement(table, "Entry", dict(zip(("c1", "c2", "c3", "c4"), map(str, color), strict=True)))
        for tile, column, row in tiles:
            _add_source(band, tile, layer, column, row, folder)
    indent(root)
    return root


def _add_source(band: Element, tile: _Tile, layer: int, column: int, row: int, folder: Path) -> None:
    no_data = tile.info.no_data_value
    source = SubElement(band, "SimpleSource" if no_data is None else "ComplexSource")
    remote = is_remote(tile.path)
    path = gdal_path(str(tile.path)) if remote else os.path.relpath(tile.path, folder)
    SubElement(source, "SourceFilename", relativeToVRT=str(int(not remote))).text = path
    SubElement(source, "SourceBand").text = str(layer)
    height, width = tile.info.grid.shape
    SubElement(
        source, "SourceProperties", RasterXSize=str(width), RasterYSize=str(height),
        DataType=GDAL_TYPES[tile.info.dtype], BlockXSize=str(tile.block[1]), BlockYSize=str(tile.block[0]),
    )  # fmt: skip
    for name, x, y in (("SrcRect", 0, 0), ("DstRect", column, row)):
        SubElement(source, name, xOff=str(x), yOff=str(y), xSize=str(width), ySize=str(height))
    if no_data is not None:
        SubElement(source, "NODATA").text = f"{no_data:.17g}"


def _add_metadata(parent: Element, texts: dict[str, str]) -> None:
    if texts:
        metadata = SubElement(parent, "Metadata")
        for name, text in texts.items():
            SubElement(metadata, "MDI", key=name).text = text


def _verify(path: Path, out: Path, grid: Grid, tiles: Sequence[_Tile], origin: tuple[int, int]) -> None:
    """Raise a RasterError unless GDAL opens the VRT, and reads a pixel of each map through it."""
    try:
        with rasterio.Env(**LOCAL_OPTIONS), rasterio.open(path) as source:
            if source.shape != grid.shape:
                raise RasterError(f"{out}: has {source.shape} rows and columns in place of {grid.shape}")
            for window in _middle_pixels(tiles, origin):
                source.read(1, window=window)
    except RasterioError as error:
        raise RasterError(f"{out}: GDAL cannot read the mosaic ({error}); check that all maps are readable") from error


def _middle_pixels(tiles: Sequence[_Tile], origin: tuple[int, int]) -> Iterator[Window]:
    left, top = origin
    for tile in tiles:
        height, width = tile.info.grid.shape
        yield Window(tile.column - left + width // 2, tile.row - top + height // 2, 1, 1)
