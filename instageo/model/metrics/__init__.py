"""Scores of each kind of task; plain classes with `update`, `compute` and `reset`, which need PyTorch only."""
