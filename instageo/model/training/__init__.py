"""A training run: the Lightning module, its data, its trainer, and what it leaves behind."""
