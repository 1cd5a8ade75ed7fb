"""Inspect tables: whether each row can be used, and statistics of its chip and label."""
