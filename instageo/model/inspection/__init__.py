"""Inspect tables: whether each row can be used, and what its chip and label hold."""
