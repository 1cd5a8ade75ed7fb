"""What is measured of each chip of a table in one pass over its pixels."""
