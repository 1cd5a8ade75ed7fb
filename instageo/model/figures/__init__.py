"""Figures written as PNG; they need no screen."""
