"""Scores of a task, one task a file."""
