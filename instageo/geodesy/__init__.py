"""Distances on the Earth between many places, as great circles."""
