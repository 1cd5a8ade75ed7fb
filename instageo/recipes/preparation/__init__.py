"""Prepare a recipe: list public places, download, unpack, make chips and tables; resumable."""
