"""Observations: places with a date and a label, read and checked."""
