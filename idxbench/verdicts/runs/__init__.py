"""Two sides of runs compared: what belongs to which, what changed, what it was measured on, and the verdicts."""
