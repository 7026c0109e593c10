"""Runs on disk, each under a name of its own."""

import pytest

from tests.verdicts.runs.examples import make_run


@pytest.fixture
def run(tmp_path):
    """Return a function that writes a run under a name of its own."""
    made = []

    def write(**given):
        made.append(None)
        return make_run(tmp_path / f"run-{len(made):02d}", **given)

    return write
