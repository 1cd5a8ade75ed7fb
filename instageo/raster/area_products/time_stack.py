"""Stacks of maps over time: one virtual raster (VRT) per tile, with a band per date."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from instageo.errors import ConfigError, RasterError
from instageo.files import atomic_path
from instageo.locations import gdal_path, is_remote
from instageo.raster.grid import RasterInfo
from instageo.raster.map_products.finished_map import open_map
from instageo.raster.map_products.mosaic import GDAL_TYPES
from instageo.raster.reading import LOCAL_OPTIONS


@dataclass(frozen=True)
class _DatedMap:
    """One map of a stack."""

    path: str | Path
    info: RasterInfo
    names: tuple[str, ...]
    colors: Mapping[int, tuple[int, int, int]]
    block: tuple[int, int]


@dataclass
class _Stack:
    """The maps of a tile by date."""

    name: str
    first: _DatedMap
    by_date: dict[str, list[_DatedMap]] = field(default_factory=dict)


def write_time_stack(maps_by_date: Mapping[str, Sequence[str | Path]], folder: Path) -> list[Path]:
    """Write a VRT per tile whose bands are the dates in their order; return the paths.

    Maps on one grid are those of one tile, which has the name of the first of its files. A date without a map of a
    tile is a band without observations. Of several maps of a date on one grid, the first one with an observation
    counts. Paths in a VRT are relative to its folder, so that it can be moved with the maps. Class names, the colour
    table and no-data are those of the maps.

    Args:
        maps_by_date: Maps by the label of their date, such as `2026-11-20`, which becomes the description of the band.
        folder: Where the VRTs are written.

    Raises:
        ConfigError: No map was given.
        RasterError: A map cannot be read, or differs from another one of its tile in type, no-data or classes.
        WriteError: The disk refuses a file.
    """
    stacks: list[_Stack] = []
    for label, paths in maps_by_date.items():
        for path in paths:
            dated = _read(path)
            stack = next((each for each in stacks if each.first.info.grid.matches(dated.info.grid)), None)
            if stack is None:
                stack = _Stack(_unused_name(Path(str(path)).stem, stacks), dated)
                stacks.append(stack)
            _check_fit(stack.first, dated)
            stack.by_date.setdefault(label, []).append(dated)
    if not stacks:
        raise ConfigError(f"{folder}: a stack over time needs at least one map")
    return [_write(stack, list(maps_by_date), folder) for stack in stacks]


def _write(stack: _Stack, labels: Sequence[str], folder: Path) -> Path:
    path = folder / f"{stack.name}.vrt"
    root = _render(stack, labels, folder)
    with atomic_path(path, verify=lambda temporary: _verify(temporary, path, len(labels))) as temporary:
        temporary.write_bytes(tostring(root, encoding="utf-8"))
    return path


def _read(path: str | Path) -> _DatedMap:
    with open_map(path) as file:
        if file.grid.crs is None or file.grid.transform.is_identity:
            raise RasterError(f"{path}: has no georeference, so it belongs to no tile; leave it out")
        if file.info.dtype not in GDAL_TYPES:
            raise RasterError(f"{path}: holds {file.info.dtype} values, which a stack cannot hold; leave it out")
        return _DatedMap(path, file.info, file.class_names, file.class_colors, file.raster.block_shape)


def _check_fit(first: _DatedMap, other: _DatedMap) -> None:
    for what, one, another in (
        ("data types", first.info.dtype, other.info.dtype),
        ("no-data values", repr(first.info.no_data_value), repr(other.info.no_data_value)),
        ("class names", first.names, other.names),
    ):
        if one != another:
            raise RasterError(
                f"{first.path} and {other.path}: have different {what}, but the dates of a stack need the same; make "
                "all maps with the same model and options"
            )


def _unused_name(stem: str, stacks: Sequence[_Stack]) -> str:
    used = {stack.name.lower() for stack in stacks}
    name, number = stem, 1
    while name.lower() in used:
        number += 1
        name = f"{stem}_{number}"
    return name


def _render(stack: _Stack, labels: Sequence[str], folder: Path) -> Element:
    """Return the VRT as XML."""
    first, grid = stack.first, stack.first.info.grid
    root = Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    SubElement(root, "SRS", dataAxisToSRSAxisMapping="1,2").text = grid.crs
    SubElement(root, "GeoTransform").text = ", ".join(repr(float(number)) for number in grid.transform.to_gdal())
    if "CLASS_NAMES" in first.info.tags:
        _add_metadata(root, {"CLASS_NAMES": first.info.tags["CLASS_NAMES"]})
    for number, label in enumerate(labels, start=1):
        band = SubElement(root, "VRTRasterBand", dataType=GDAL_TYPES[first.info.dtype], band=str(number))
        _add_metadata(band, {f"CLASS_{value}": name for value, name in enumerate(first.names)})
        SubElement(band, "Description").text = label
        if first.info.no_data_value is not None:
            SubElement(band, "NoDataValue").text = f"{first.info.no_data_value:.17g}"
        SubElement(band, "ColorInterp").text = "Palette" if first.colors else "Gray"
        if first.colors:
            table = SubElement(band, "ColorTable")
            for value in range(max(first.colors) + 1):
                red, green, blue = map(str, first.colors.get(value, (0, 0, 0)))
                SubElement(table, "Entry", c1=red, c2=green, c3=blue, c4="255")
        for dated in reversed(stack.by_date.get(label, [])):  # GDAL draws the last source on top
            _add_source(band, dated, folder)
    indent(root)
    return root


def _add_source(band: Element, dated: _DatedMap, folder: Path) -> None:
    no_data, (height, width) = dated.info.no_data_value, dated.info.grid.shape
    source = SubElement(band, "SimpleSource" if no_data is None else "ComplexSource")
    remote = is_remote(dated.path)
    path = gdal_path(str(dated.path)) if remote else os.path.relpath(dated.path, folder)
    SubElement(source, "SourceFilename", relativeToVRT=str(int(not remote))).text = path
    SubElement(source, "SourceBand").text = "1"
    SubElement(
        source, "SourceProperties", RasterXSize=str(width), RasterYSize=str(height),
        DataType=GDAL_TYPES[dated.info.dtype], BlockXSize=str(dated.block[1]), BlockYSize=str(dated.block[0]),
    )  # fmt: skip
    for name in ("SrcRect", "DstRect"):
        SubElement(source, name, xOff="0", yOff="0", xSize=str(width), ySize=str(height))
    if no_data is not None:
        SubElement(source, "NODATA").text = f"{no_data:.17g}"


def _add_metadata(parent: Element, texts: Mapping[str, str]) -> None:
    if texts:
        metadata = SubElement(parent, "Metadata")
        for name, text in texts.items():
            SubElement(metadata, "MDI", key=name).text = text


def _verify(path: Path, out: Path, num_bands: int) -> None:
    """Raise a RasterError unless GDAL opens the VRT and reads a pixel of each date."""
    try:
        with rasterio.Env(**LOCAL_OPTIONS), rasterio.open(path) as source:
            middle = Window(source.width // 2, source.height // 2, 1, 1)
            if len(source.read(window=middle)) != num_bands:
                raise RasterError(f"{out}: has {source.count} bands in place of {num_bands}")
    except RasterioError as error:
        raise RasterError(f"{out}: GDAL cannot read the stack ({error}); check that all maps are readable") from error
