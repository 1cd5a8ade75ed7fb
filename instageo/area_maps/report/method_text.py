"""How a map was made and what limits it, in plain words."""

from instageo.area_maps.area_table import AreaTable
from instageo.area_maps.results import AreaMaps

COMPOSITE_TEXTS = {
    "clearest": "Images of the period were put in order, those with the fewest clouds, by their records, first. Each "
    "pixel shows the first image in which it was clear.",
    "newest": "Each pixel shows the newest image of the period in which it was clear.",
    "median": "Each band of a pixel is the median of all clear observations in the period.",
    "none": "Images were not combined: each pixel shows the one image chosen for its tile.",
}


def describe_method(maps: AreaMaps, table: AreaTable) -> list[str]:
    """Return how the map was made, one sentence or two for each step."""
    request = maps.request
    lines = [COMPOSITE_TEXTS[request.composite]]
    if request.mask:
        grown = f", with a rim of {request.dilation:g} pixels" if request.dilation else ""
        lines.append(
            f"Pixels that the quality layer of an image marks as {' or '.join(request.mask)} were left out{grown}."
        )
    else:  # so, too, for products without a quality layer
        lines.append("No pixels were left out for clouds or shadows.")
    if request.max_cloud < 100:
        lines.append(f"Images with more than {request.max_cloud:g} % clouds were not used.")
    lines.append(
        "The model predicted each pixel on the grid of its tile. Where tiles overlap, the first one with an "
        "observation at the centre of a pixel counts, so no ground counts twice."
    )
    if table.method:
        lines.append(f"Hectares: {table.method}.")
    return lines


def describe_limits(maps: AreaMaps) -> list[str]:
    """Return what a reader should keep in mind."""
    return [
        "Hectares are counted pixels. They have the errors of the model, which are not random: a class that the model "
        "finds too often is too large here. For an unbiased estimate, check a random sample of places.",
        "Parts that were not observed are not in the hectares of any class. If clouds follow a class, for instance wet "
        "ground, shares of the observed area are not those of the whole area.",
        "Quality layers miss thin clouds and dark shadows; single odd patches may be such.",
        "The pictures on this page are smaller than the maps, and distances in them are right in the middle of the "
        "area only. Measure in the GeoTIFFs.",
        *(f"{note}." for note in maps.notes),
        *(f"Tile {tile.tile} has no map: {tile.error}" for tile in maps.tiles if tile.error is not None),
    ]
