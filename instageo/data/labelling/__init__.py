"""Where labels come from: points, rasters and polygons, on the pixels of chips."""
