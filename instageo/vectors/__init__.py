"""Polygons and points of vector files, and polygons in longitude and latitude."""
