"""Nights of a machine: series of figures, what changed in them, and which changes are alarms."""
