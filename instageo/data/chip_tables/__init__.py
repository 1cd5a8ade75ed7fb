"""Tables of chips as splits see them: places, classes and content of each row."""
