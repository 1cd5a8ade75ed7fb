"""Finished training runs: compare them in cost and scores, and publish them to a registry."""
