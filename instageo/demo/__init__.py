"""Demo: train on a real scene and map it, with the commands that a user types."""
