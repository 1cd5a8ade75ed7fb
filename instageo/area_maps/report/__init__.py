"""The report of an area as one page of HTML, which needs no other file."""
