"""One chip: its image, its label, and where and when it was seen."""
