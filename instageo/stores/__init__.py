"""Read and write files in folders, object stores and on web servers."""
