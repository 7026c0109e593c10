"""Running a benchmark: the plan, the child process that builds and times, the run directory."""
