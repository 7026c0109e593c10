"""Timed work: fresh child processes that do one thing at a time, and the rounds in which they are asked."""
