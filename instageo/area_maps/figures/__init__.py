"""Figures of maps of areas."""
