"""Maps of places: from an area and days to maps with hectares, by images of catalogues and a trained model."""
