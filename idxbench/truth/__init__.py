"""Exact answers over data of any size: blocking, streaming, and a cache by content."""
