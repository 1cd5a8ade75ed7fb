"""Split a table of chips into parts that share nothing they should not share, and prove it."""
