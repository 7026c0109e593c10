"""The offline page: records in, one HTML file out. Nothing is computed here, and nothing is fetched there."""
