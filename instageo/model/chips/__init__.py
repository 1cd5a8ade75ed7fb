"""One chip: its image, its label, its acquisition dates and its location."""
