"""The folder of a run: created, claimed by one training, and its log files."""
