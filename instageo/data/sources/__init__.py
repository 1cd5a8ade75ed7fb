"""Satellite products: their bands, assets, quality layers and the way from stored values to reflectance."""
