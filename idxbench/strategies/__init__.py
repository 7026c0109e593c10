"""A strategy is a transform and a similarity: one file per family, a catalogue by name."""
