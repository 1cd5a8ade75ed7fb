"""Chips, labels, tables and reports that are written, and the journal that a run resumes from."""
