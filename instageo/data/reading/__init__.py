"""Read windows of many files with few requests: merging, threads, retries."""
