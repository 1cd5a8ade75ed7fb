"""Chips of a checked table as PyTorch datasets and loaders."""
