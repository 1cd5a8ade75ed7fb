"""A scene that is in memory as a whole: cut into chips, and split by blocks of pixels."""
