"""Pictures of finished maps as PNG: legend, scale bar, north arrow."""
