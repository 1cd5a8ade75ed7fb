"""Files in folders, object stores and on web servers."""
