"""Vectors, labels and ground truth: readers and writers per format, built-in sources, fingerprints."""
