"""Lightning modules, one task a file."""
