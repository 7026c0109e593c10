"""Running the program as a process of its own, with a cache that no other run sees."""

import os
import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def call(cache, tmp_path):
    """Return a function that runs idxbench in ``tmp_path`` and checks its exit code; never a traceback."""

    def run(*arguments, code=0, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "idxbench", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"IDXBENCH_CACHE_DIR": str(cache)} | environment,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    return run
