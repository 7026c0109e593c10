"""Conclusions drawn from records: which strategy, index and parameters to serve."""
