"""The jobs of a run: from a config to a plan, from a plan to figures."""
