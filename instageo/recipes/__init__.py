"""Recipes: published results, reproduced by one command from public data."""
