"""What a user calls a scene: which layers of which files are the bands of a model, and their tiles as samples."""
