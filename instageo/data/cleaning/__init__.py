"""The checks of a table of chips; each is a function of what was measured of all chips."""
