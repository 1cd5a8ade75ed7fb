"""Decide which requests reach the application: whose they are, how large, and how many at a time."""
