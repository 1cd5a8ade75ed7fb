"""Maps of any size, written piece by piece in bounded memory and joined to Cloud-Optimized GeoTIFFs."""
