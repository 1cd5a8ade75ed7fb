"""What differs between kinds of tasks: what outputs mean, how they are scored, and how they are written."""
