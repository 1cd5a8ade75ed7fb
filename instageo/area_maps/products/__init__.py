"""What is made from the maps of an area: records, hectares, changes, series, coverage, and pages."""
