"""Images of a catalogue as one scene: of each pixel the first image that observes it, or the median of all."""
