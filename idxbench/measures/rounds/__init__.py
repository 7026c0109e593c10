"""Two sides that took turns: which rows are whose, pairs of rounds, intervals, the A/A control, verdicts."""
