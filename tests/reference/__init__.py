"""Slow, obvious twins in NumPy and plain loops; nothing here imports the package."""
