"""Names of spectral bands, and how to show them in colour."""

PRITHVI_BANDS = ("BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2")
"""The six bands that the published Prithvi weights were trained on, in their order."""

PRITHVI_RGB = (2, 1, 0)
"""Positions of red, green and blue in `PRITHVI_BANDS`."""

PRITHVI_V1_MEAN = (775.2290, 1080.9928, 1228.5856, 2497.2023, 2204.2139, 1610.8325)
PRITHVI_V1_STD = (1281.5261, 1270.0298, 1399.4803, 1368.3446, 1291.6764, 1154.5057)
"""Pre-training statistics of Prithvi V1, reflectance x 10000, in the order of `PRITHVI_BANDS`."""
