"""Kinds of tasks: what the outputs of a network mean, how they are scored, and how they are written."""
