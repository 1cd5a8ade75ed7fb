"""The accounts of a run: what it was, on which machine, and what it took, in one `run.json`."""
