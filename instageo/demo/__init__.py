"""A real scene, from pixels to a map, with the commands a user types."""
