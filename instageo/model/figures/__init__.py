"""Figures, written as PNG without a screen."""
