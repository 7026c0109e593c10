"""Simulated nights: what the rules of a history do when nothing changes, and when something does."""
