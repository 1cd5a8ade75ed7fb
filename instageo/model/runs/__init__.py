"""Finished training runs: compare them in cost and scores."""
