"""Files of polygons: GeoPackage, GeoParquet and GeoJSON, written batch by batch."""

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS

from instageo.errors import DataError, RasterError
from instageo.extras import required_by
from instageo.raster.grid import Grid
from instageo.raster.map_products.lonlat_polygons import to_lonlat
from instageo.raster.map_products.polygon_batch import PolygonBatch

GEOPARQUET_VERSION = "1.1.0"


@dataclass(frozen=True)
class PolygonLayer:
    """Polygons that are to be written.

    Attributes:
        name: Name of the layer.
        map_name: The map, for messages.
        class_name: Function that returns the name of a class.
        grid: Position of the pixels.
        batches: The polygons, in columns and rows.
    """

    name: str
    map_name: str
    class_name: Callable[[int], str]
    grid: Grid
    batches: Iterator[PolygonBatch]


def find_writer(path: Path) -> Callable[[Path, PolygonLayer], int]:
    """Return the function that writes a file of this name, and returns how many polygons it wrote.

    Raises:
        DataError: The suffix belongs to no format.
        MissingExtraError: A package is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise DataError(f"{path}: polygons are written as {', '.join(WRITERS)}; choose one of these endings")
    with required_by(f"{suffix} polygons", "data"):
        import pyarrow  # noqa: F401
        import shapely  # noqa: F401
    if suffix == ".gpkg":
        with required_by(f"{suffix} polygons", "vector"):
            import pyogrio  # noqa: F401
    return WRITERS[suffix]


def check_polygon_file(path: Path, grid: Grid, name: str) -> None:
    """Check, before a map is made, that its polygons can be written.

    Args:
        path: Where to.
        grid: Position of the map's pixels.
        name: The scene, for messages.

    Raises:
        DataError: The suffix belongs to no format.
        MissingExtraError: A package is not installed.
        RasterError: The format needs a georeference, which is missing.
    """
    find_writer(path)
    if path.suffix.lower() == ".geojson":
        _require_georeference(grid, name)


def _require_georeference(grid: Grid, name: str) -> None:
    if grid.crs is None or grid.transform.is_identity:
        raise RasterError(
            f"{name}: has no georeference, but GeoJSON needs longitudes and latitudes; write the polygons as .gpkg or "
            ".parquet"
        )


def _write_geopackage(path: Path, layer: PolygonLayer) -> int:
    import pyogrio
    from pyarrow import lib as pa

    written = 0

    def record_batches() -> Iterator[Any]:
        nonlocal written
        for batch in layer.batches:
            written += len(batch)
            yield _record_batch(batch, layer)

    reader = pa.RecordBatchReader.from_batches(_schema(), record_batches())
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "'crs' was not provided")  # maps may have none
            pyogrio.write_arrow(
                reader, path, driver="GPKG", layer=layer.name, geometry_name="geometry", geometry_type="Polygon",
                crs=layer.grid.crs,
            )  # fmt: skip
        found = pyogrio.read_info(path, layer=layer.name, force_feature_count=True)["features"]
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyogrio.errors.FeatureError) as error:
        raise OSError(f"GDAL refuses the polygons: {error}") from error
    if found != written:
        raise OSError(f"{found} of {written} polygons were written")
    return written


def _write_parquet(path: Path, layer: PolygonLayer) -> int:
    from pyarrow import lib as pa
    from pyarrow import parquet

    written, bounds = 0, [np.inf, np.inf, -np.inf, -np.inf]
    with parquet.ParquetWriter(path, _schema(), compression="zstd") as writer:
        for batch in layer.batches:
            writer.write_table(pa.Table.from_batches([_record_batch(batch, layer)]))
            xy = batch.transform(layer.grid.transform).coordinates
            bounds = [*np.minimum(bounds[:2], xy.min(axis=0)), *np.maximum(bounds[2:], xy.max(axis=0))]
            written += len(batch)
        column: dict[str, Any] = {
            "encoding": "WKB", "geometry_types": ["Polygon"], "orientation": "counterclockwise", "edges": "planar",
            "crs": CRS.from_wkt(layer.grid.crs).to_dict(projjson=True) if layer.grid.crs else None,
        }  # fmt: skip
        if written:
            column["bbox"] = list(map(float, bounds))
        geo = {"version": GEOPARQUET_VERSION, "primary_column": "geometry", "columns": {"geometry": column}}
        writer.add_key_value_metadata({"geo": json.dumps(geo)})
    return written


def _write_geojson(path: Path, layer: PolygonLayer) -> int:
    import shapely

    _require_georeference(layer.grid, layer.map_name)
    written = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(
            f'{{"type": "FeatureCollection", "name": {json.dumps(layer.name, ensure_ascii=False)}, "features": ['
        )
        for batch in layer.batches:
            texts = shapely.to_geojson(to_lonlat(batch, layer.grid, layer.map_name))
            for record, text in zip(_records(batch, layer), texts, strict=True):
                properties = json.dumps(record, ensure_ascii=False)
                separator = ",\n" if written else "\n"
                file.write(f'{separator}{{"type": "Feature", "properties": {properties}, "geometry": {text}}}')
                written += 1
        file.write("\n]}\n")
    return written


WRITERS: dict[str, Callable[[Path, PolygonLayer], int]] = {
    ".gpkg": _write_geopackage, ".geojson": _write_geojson, ".parquet": _write_parquet,
}  # fmt: skip


def _records(batch: PolygonBatch, layer: PolygonLayer) -> Iterator[dict[str, object]]:
    hectares: Sequence[float | None] = [None] * len(batch) if batch.hectares is None else batch.hectares.tolist()
    for number, pixels, area in zip(batch.numbers.tolist(), batch.pixels.tolist(), hectares, strict=True):
        yield {"class": number, "name": layer.class_name(number), "hectares": area, "pixels": pixels}


def _schema() -> Any:
    from pyarrow import lib as pa

    geometry = pa.field("geometry", pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"})
    columns = [("class", pa.int32()), ("name", pa.string()), ("hectares", pa.float64()), ("pixels", pa.int64())]
    return pa.schema([pa.field(name, kind) for name, kind in columns] + [geometry])


def _record_batch(batch: PolygonBatch, layer: PolygonLayer) -> Any:
    import shapely
    from pyarrow import lib as pa

    rows = list(_records(batch, layer))
    geometries = shapely.to_wkb(batch.transform(layer.grid.transform).geometries(), flavor="iso")
    columns = [[row[name] for row in rows] for name in ("class", "name", "hectares", "pixels")]
    return pa.record_batch([*columns, geometries], schema=_schema())
