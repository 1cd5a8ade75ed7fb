"""Scenes of any size: bands of several files and dates on one grid, read strip by strip in bounded memory."""
