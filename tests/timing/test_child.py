"""A child does one thing at a time, and one that dies says why."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from idxbench.timing import child
from idxbench.timing.child import Child, ChildError
from idxbench.timing.worker import Job, write_job


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


def quiet(n):
    """Ignore progress."""


def test_a_child_measures(job, tmp_path):
    told = []
    with Child(job, tmp_path / "out") as process:
        built = process.build(told.append)
        for search in (0, 1, 1, 0):
            process.turn(search)
        timings = process.finish()
    assert sum(told) == 200
    assert [timing.ids.shape for timing in timings] == [(10, 5)] * 2
    assert [timing.batch_s.shape for timing in timings] == [(2,)] * 2
    assert all((timing.batch_s > 0).all() and (timing.single_s > 0).all() for timing in timings)
    assert [timing.n_short for timing in timings] == [0, 0]
    assert built.build_s > 0
    assert built.index_bytes > 200 * 8 * 4
    assert built.reachable.all()
    assert built.batch_threads == 2


def test_small_batches_are_known_to_use_one_thread(job, tmp_path):
    small = Job(**{**vars(job), "search_threads": 3})
    with Child(small, tmp_path / "out") as process:
        assert process.build(quiet).batch_threads == 1


def test_what_a_child_raised_is_the_reason(job, tmp_path):
    broken = Job(**{**vars(job), "parameters": {"M": 8}})
    with Child(broken, tmp_path / "out") as process, pytest.raises(ChildError, match="KeyError: 'ef_construction'"):
        process.build(quiet)


def test_a_killed_child_is_named(job, tmp_path, monkeypatch):
    monkeypatch.setattr(child, "sys", type("S", (), {"executable": str(tmp_path / "die")}))
    (tmp_path / "die").write_text(f"#!{sys.executable}\nimport os\nos.kill(os.getpid(), {int(signal.SIGKILL)})\n")
    (tmp_path / "die").chmod(0o755)
    with Child(job, tmp_path / "out") as process:
        for step in (lambda: process.build(quiet), lambda: process.turn(0), process.finish):
            with pytest.raises(ChildError, match="killed by SIGKILL, perhaps for want of memory"):
                step()


def test_threads_are_told_their_number_and_not_to_spin_for_long(job, tmp_path, monkeypatch):
    """Unless the user has said how long: then that holds. The number of threads is ours to say."""
    environments = []
    monkeypatch.setattr(child.subprocess, "Popen", lambda *_, env, **options: environments.append(env))
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    Child(job, tmp_path / "out")
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    Child(job, tmp_path / "out")
    assert [one["GOMP_SPINCOUNT"] for one in environments] == ["1000", "5"]
    assert [one["OMP_NUM_THREADS"] for one in environments] == ["2", "2"]


def test_the_end_of_the_block_ends_the_process(job, tmp_path):
    with Child(job, tmp_path / "out") as waiting:
        waiting.build(quiet)
        assert waiting._process.poll() is None
    assert waiting._process.returncode == -signal.SIGKILL

    def interrupt():
        with Child(job, tmp_path / "out") as process:
            started.append(process._process)
            raise KeyboardInterrupt

    started = []
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert started[0].returncode == -signal.SIGKILL


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up where Linux shows them")
def test_a_child_whose_parent_is_gone_ends_by_itself(job, tmp_path):
    """Killed without a word, a parent can't end its children: the end of their input does."""
    write_job(job, tmp_path / "job.json")
    code = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-m', 'idxbench.timing.worker', {str(tmp_path / 'job.json')!r}],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n"
        "for line in p.stdout:\n"
        "    if 'ready' in line: break\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.kill()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and is_running(pid):
        time.sleep(0.01)
    assert not is_running(pid)


def is_running(pid):
    """Whether a process runs: not one that has ended and waits for someone to ask how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_library_prints_or_reads_disturbs_nothing(job, tmp_path, monkeypatch):
    """Code that writes to standard output, and even looks like us, and reads standard input, while it searches."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if any('worker' in a for a in getattr(sys, 'orig_argv', [])):\n"
        "    from idxbench.indexes.hnsw import HnswIndex\n"
        "    real = HnswIndex.search\n"
        "    def search(self, *a, **o):\n"
        "        os.write(1, b'{\"ready\": 1}')\n"
        "        print('noise without an end', end='')\n"
        "        assert os.read(0, 10) == b''\n"
        "        return real(self, *a, **o)\n"
        "    HnswIndex.search = search\n"
    )
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)
    with Child(job, tmp_path / "out") as process:
        process.build(quiet)
        for search in (0, 1, 0, 1):
            process.turn(search)
        assert all((timing.ids >= 0).all() for timing in process.finish())
    assert "ready" in (tmp_path / "out" / "stderr.txt").read_text()
