"""Child processes as tests start them, and scripts that stand in for their interpreters."""

from pathlib import Path

from idxbench.timing.child import Child

KINDS = {"hnswlib": {"M": 8, "ef_construction": 50}, "exact": {}, "numpy": {}, "sklearn": {}}


def quiet(n):
    """Ignore progress."""


def start(job):
    return Child(job, Path(job.out))


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)
