"""A child that dies says why."""

import signal
import sys

import numpy as np
import pytest

from idxbench.bench import child
from idxbench.bench.child import ChildError, run_child
from idxbench.bench.worker import Job


@pytest.fixture
def job(tmp_path):
    rng = np.random.default_rng(0)
    for name, n in (("items", 200), ("queries", 10)):
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(n, 8)).astype(np.float32))
    out = tmp_path / "out"
    out.mkdir()
    return Job(
        items=str(tmp_path / "items.npy"),
        queries=str(tmp_path / "queries.npy"),
        out=str(out),
        kind="hnswlib",
        parameters={"M": 8, "ef_construction": 50},
        searches=[{"ef": 10}, {"ef": 50}],
        similarity="dot",
        k=5,
        seed=0,
        build_threads=1,
        search_threads=2,
        rounds=2,
    )


def test_a_child_measures(job, tmp_path):
    told = []
    result = run_child(job, tmp_path / "out", lambda stage, n: told.append((stage, n)))
    assert sum(n for stage, n in told if stage == "built") == 200
    assert sum(n for stage, n in told if stage == "searched") == 4
    assert [timing.ids.shape for timing in result.searches] == [(10, 5)] * 2
    assert result.build_s > 0
    assert result.index_bytes > 200 * 8 * 4
    assert result.reachable.all()
    assert result.batch_threads == 2


def test_small_batches_are_known_to_use_one_thread(job, tmp_path):
    small = Job(**{**vars(job), "search_threads": 3})
    assert run_child(small, tmp_path / "out", lambda *_: None).batch_threads == 1


def test_what_a_child_raised_is_the_reason(job, tmp_path):
    broken = Job(**{**vars(job), "parameters": {"M": 8}})
    with pytest.raises(ChildError, match="KeyError: 'ef_construction'"):
        run_child(broken, tmp_path / "out", lambda *_: None)


def test_a_killed_child_is_named(job, tmp_path, monkeypatch):
    monkeypatch.setattr(child, "sys", type("S", (), {"executable": str(tmp_path / "die")}))
    (tmp_path / "die").write_text(f"#!{sys.executable}\nimport os\nos.kill(os.getpid(), {int(signal.SIGKILL)})\n")
    (tmp_path / "die").chmod(0o755)
    with pytest.raises(ChildError, match="killed by SIGKILL, perhaps for want of memory"):
        run_child(job, tmp_path / "out", lambda *_: None)
