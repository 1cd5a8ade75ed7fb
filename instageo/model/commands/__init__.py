"""What each mode of `python -m instageo.model.run` does, one file a mode."""
