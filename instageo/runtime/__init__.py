"""The running process: memory, threads and processes, progress, standard streams, and signals."""
