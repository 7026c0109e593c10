"""The run directory: every figure on disk as soon as it is measured, and what a later run reads back."""
