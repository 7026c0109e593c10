"""The jobs that tests give to child processes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from idxbench.timing.child import Child
from idxbench.timing.worker import Job
from tests.timing.children import KINDS, quiet


@pytest.fixture
def job(tmp_path):
    rng = np.random.default_rng(0)
    for name, n in (("items", 200), ("queries", 10)):
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(n, 8)).astype(np.float32))
    out = tmp_path / "out"
    out.mkdir()
    return Job(
        mode="build",
        items=str(tmp_path / "items.npy"),
        queries=str(tmp_path / "queries.npy"),
        out=str(out),
        saved=str(tmp_path / "saved"),
        kind="hnswlib",
        parameters=KINDS["hnswlib"],
        searches=[{"ef": 10}, {"ef": 50}],
        similarity="dot",
        k=5,
        seed=0,
        build_threads=1,
        search_threads=2,
    )


@pytest.fixture
def saved(job):
    """Return the job that loads what the other has built."""
    with Child(job, Path(job.out)) as process:
        process.build(quiet)
    return replace(job, mode="load")
