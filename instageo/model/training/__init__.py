"""Training: the Lightning module, its optimiser and schedule, the trainer, and the files that a run writes."""
