"""Satellite products as users have them on disk: which file holds which band, and how values become reflectance."""
