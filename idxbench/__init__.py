"""Which similarity, which transform and which vector index to serve, answered with evidence."""
