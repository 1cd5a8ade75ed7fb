"""Run metadata in `run.json`, and loggers and trackers of training runs."""
