"""Jobs of a server: maps of areas that take minutes or hours, in processes of their own, kept on disk."""
