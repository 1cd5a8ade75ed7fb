"""Areas of zones pixel by pixel, with pyproj and shapely alone."""

from dataclasses import dataclass

import numpy as np
import pytest
import rasterio
import shapely

CORNERS = ((0, 0), (0.5, 0), (1, 0), (1, 0.5), (1, 1), (0.5, 1), (0, 1), (0, 0.5))


@dataclass
class ReferenceMap:
    values: np.ndarray
    valid: np.ndarray
    affine: object
    to_lonlat: object
    to_map: object

    @classmethod
    def read(cls, path):
        pyproj = pytest.importorskip("pyproj", reason="the reference is not installed")
        with rasterio.open(path) as source:
            values, mask, crs, affine = source.read(1), source.read_masks(1), source.crs.to_wkt(), source.transform
        to_lonlat = pyproj.Transformer.from_crs(crs, 4326, always_xy=True).transform
        to_map = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform
        return cls(values, mask > 0, affine, to_lonlat, to_map)

    def pixel_hectares(self):
        pyproj = pytest.importorskip("pyproj", reason="the reference is not installed")
        geod = pyproj.Geod(ellps="WGS84")
        hectares = np.zeros(self.values.shape)
        for row, column in np.ndindex(*self.values.shape):
            points = [self.affine @ (column + x, row + y) for x, y in CORNERS]
            ring = self.to_lonlat(*zip(*points, strict=True))
            hectares[row, column] = abs(geod.polygon_area_perimeter(*ring)[0]) / 1e4
        return hectares

    def centers(self):
        rows, columns = np.indices(self.values.shape) + 0.5
        affine = self.affine
        return self.to_lonlat(
            affine.a * columns + affine.b * rows + affine.c, affine.d * columns + affine.e * rows + affine.f
        )

    def look_up(self, longitudes, latitudes):
        """Whether places are on the grid, and whether they are observed."""
        x, y = self.to_map(longitudes, latitudes)
        column, row = ~self.affine @ (x, y)
        inside = (row >= 0) & (row < self.values.shape[0]) & (column >= 0) & (column < self.values.shape[1])
        observed = np.zeros_like(inside)
        observed[inside] = self.valid[row[inside].astype(int), column[inside].astype(int)]
        return inside, observed


def measure(paths, geometry, num_classes):
    """Pixels and hectares by class, and hectares of pixels that no map observes, in a polygon."""
    maps = [ReferenceMap.read(path) for path in paths]
    pixels, hectares, unobserved_hectares = np.zeros(num_classes, int), np.zeros(num_classes), 0.0
    for number, each in enumerate(maps):
        longitudes, latitudes = each.centers()
        in_zone = np.zeros(longitudes.shape, bool)
        for shift in (-360, 0, 360):
            in_zone |= shapely.contains_xy(geometry, longitudes + shift, latitudes)
        observed, unobserved = in_zone & each.valid, in_zone & ~each.valid
        for other, another in enumerate(maps):
            if other == number:
                continue
            inside, sees = another.look_up(longitudes, latitudes)
            if other < number:
                observed &= ~sees
                unobserved &= ~inside
            unobserved &= ~sees
        areas = each.pixel_hectares()
        for value in range(num_classes):
            chosen = observed & (each.values == value)
            pixels[value] += chosen.sum()
            hectares[value] += areas[chosen].sum()
        unobserved_hectares += areas[unobserved].sum()
    return pixels, hectares, unobserved_hectares
