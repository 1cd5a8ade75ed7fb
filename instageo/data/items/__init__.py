"""Items of a catalogue: their records, duplicates and reprocessings."""
