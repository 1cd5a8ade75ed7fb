"""Trained networks side by side: what they cost, how well they do, and how much that differs between seeds."""
