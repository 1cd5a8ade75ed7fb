"""From points and rasters to chips and tables; knows nothing of networks."""
