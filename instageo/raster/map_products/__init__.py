"""What is made from finished maps: areas, polygons, previews, mosaics and their records in catalogues."""
