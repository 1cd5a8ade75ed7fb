"""What is made from a finished map: areas of classes, a picture, a legend for QGIS, and polygons."""

from dataclasses import dataclass
from pathlib import Path

from instageo.files import write_text
from instageo.model.figures.qgis_style import render_qml, style_path
from instageo.model.quicklooks.quicklook import draw_quicklook
from instageo.raster.map_products.map_areas import ClassAreas, measure_classes, write_areas
from instageo.raster.map_products.polygons import polygonize
from instageo.raster.writing import ClassLegend


@dataclass(frozen=True)
class WantedPolygons:
    """Polygons of a map.

    Attributes:
        path: `.gpkg`, `.geojson` or `.parquet` file, or such an ending for a file next to the map.
        min_pixels: Smaller patches are merged with their neighbours.
        memory_mb: Memory for them, MB.
    """

    path: str
    min_pixels: int = 1
    memory_mb: int = 1000

    def next_to(self, output: Path) -> Path:
        """Return the path of the polygons of a map."""
        return output.with_suffix(self.path) if self.path.startswith(".") else Path(self.path).expanduser()


def product_paths(output: Path, legend: ClassLegend | None, polygons: WantedPolygons | None) -> list[Path]:
    """Return the files that are made from a map: areas, legend, picture and polygons; for regression only a picture."""
    picture = output.with_name(f"{output.stem}_quicklook.png")
    if legend is None:
        return [picture]
    areas = output.with_name(f"{output.stem}_areas.json")
    vector = [polygons.next_to(output)] if polygons else []
    return [areas, areas.with_suffix(".csv"), picture, style_path(output), *vector]


def write_products(
    output: Path, title: str, legend: ClassLegend | None, polygons: WantedPolygons | None
) -> tuple[list[Path], ClassAreas | None]:
    """Write what belongs to a map next to it.

    Args:
        output: The map.
        title: Title of the picture.
        legend: Names and colours of classes; None for regression.
        polygons: Which polygons are wanted; None for none.

    Returns:
        The files, and the areas of the classes.

    Raises:
        WriteError: The disk refuses a file.
        RasterError: There are too many polygons for the memory.
    """
    paths = product_paths(output, legend, polygons)
    if legend is None:
        draw_quicklook(output, paths[0], title=title)
        return paths, None
    areas_path, _, picture, style, *vector = paths
    areas = measure_classes(output)
    write_areas(areas, areas_path)
    draw_quicklook(output, picture, title=title, areas=areas)
    write_text(style, render_qml(legend.names, legend.colors))
    if polygons is not None:
        polygonize(output, vector[0], min_pixels=polygons.min_pixels, memory_mb=polygons.memory_mb)
    return paths, areas
