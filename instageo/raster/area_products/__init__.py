"""Products of several maps of an area: hectares by zone, changes between two maps, stacks over time."""
