"""Recipes as YAML files: what they may say, read strictly."""
