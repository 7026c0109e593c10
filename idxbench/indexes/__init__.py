"""Index libraries behind one small protocol, found by name."""
