"""Read and write rasters; the only package that imports rasterio."""
