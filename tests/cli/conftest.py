"""Running the program as a process of its own, with a cache that no other run sees; and gating as a night does."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from tests.cli.gated import FILES
from tests.verdicts.runs.examples import write_run


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


@pytest.fixture
def night(tmp_path):
    """Return a function that writes a run under a name; names sort by time."""

    def write(name, **given):
        return write_run(tmp_path / "results" / name, **given)

    return write


@pytest.fixture
def gate(call, tmp_path):
    """Return a function that gates, checks code and files, and returns what was printed and the verdict."""

    def run(*arguments, code, out=None, **environment):
        done = call("gate", *arguments, code=code, GITHUB_ACTIONS="", GITHUB_STEP_SUMMARY="", **environment)
        folder = tmp_path / (out or "results/2/gate")
        assert sorted(path.name for path in folder.iterdir()) == FILES
        verdict = json.loads((folder / "verdict.json").read_text())
        assert verdict["exit_code"] == code
        ET.parse(folder / "junit.xml")
        assert f"(exit {code})" in (folder / "summary.md").read_text()
        if code != 2:
            assert done.stdout.startswith(f"Gate: {verdict['status']} (exit {code})\n")
        return " ".join(done.stdout.split()), verdict

    return run
