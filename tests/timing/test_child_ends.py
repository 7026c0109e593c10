"""A child ends with its block or its parent and not by ctrl-C, and one that dies says why."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from idxbench.timing.child import ChildError
from idxbench.timing.worker import write_job
from tests.timing.children import quiet, script, start


def test_what_a_child_raised_is_the_reason(job):
    with start(replace(job, parameters={"M": 8})) as process:
        with pytest.raises(ChildError, match=r"^KeyError: 'ef_construction'$"):
            process.build(quiet)
        with pytest.raises(ChildError, match="KeyError: 'ef_construction'"):
            process.turn(0, 0)


def test_a_killed_child_is_named(job, tmp_path):
    die = script(tmp_path / "die", f"#!{sys.executable}\nimport os\nos.kill(os.getpid(), {int(signal.SIGKILL)})\n")
    with start(replace(job, python=die)) as process:
        for step in (lambda: process.build(quiet), process.load, lambda: process.turn(0, 0), process.answers):
            with pytest.raises(ChildError, match="killed by SIGKILL, perhaps for want of memory"):
                step()


def test_the_end_of_the_block_ends_the_process(saved):
    with start(saved) as waiting:
        waiting.load()
        assert waiting._process.poll() is None
    assert waiting._process.returncode == -signal.SIGKILL

    def interrupt():
        with start(saved) as process:
            started.append(process._process)
            raise KeyboardInterrupt

    started = []
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert started[0].returncode == -signal.SIGKILL


def test_ctrl_c_is_for_the_parent(saved):
    """In a terminal it goes to the whole group of processes; a child is in another, and does not listen anyway."""
    with start(saved) as process:
        process.load()
        pid = process._process.pid
        assert os.getpgid(pid) != os.getpgid(0)
        os.kill(pid, signal.SIGINT)
        assert process.turn(0, 0).batch_s > 0
        os.killpg(os.getpgid(pid), signal.SIGINT)
        assert process.turn(1, 0).batch_s > 0


# A worker that stands in the middle of a long build for ever: it has said its first message and looks at nothing.
BUILDING = """\
import sys, time
from idxbench.indexes.hnsw import HnswIndex
from idxbench.timing import worker

def build(self, items, *, seed, threads, progress):
    progress(1)
    while True:
        time.sleep(1)

HnswIndex.build = build
worker.main(sys.argv[1])
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up where Linux shows them")
@pytest.mark.parametrize("step", ["building", "waiting"])
def test_a_child_whose_parent_is_killed_ends_by_itself(job, saved, tmp_path, step):
    """Killed without a word, a parent can't end its children."""
    write_job(job if step == "building" else saved, tmp_path / "job.json")
    (tmp_path / "building.py").write_text(BUILDING)
    command = [str(tmp_path / "building.py")] if step == "building" else ["-m", "idxbench.timing.worker"]
    word = "built" if step == "building" else "ready"
    code = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, *{command!r}, {str(tmp_path / 'job.json')!r}],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n"
        "for line in p.stdout:\n"
        f"    if {word!r} in line: break\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        alive = is_running(pid)
        parent.kill()
    assert alive
    assert ends(pid)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux kills children with their parent")
def test_a_child_born_after_its_parent_died_does_not_begin(job, tmp_path):
    """Its input has ended before it could tie itself to anyone."""
    write_job(job, tmp_path / "job.json")
    command = [sys.executable, "-m", "idxbench.timing.worker", str(tmp_path / "job.json")]
    read, write = os.pipe()
    os.close(write)
    done = subprocess.run(command, stdin=read, capture_output=True, text=True, timeout=60, check=False)
    os.close(read)
    assert (done.returncode, done.stdout) == (1, "")
    assert not Path(job.saved).exists()


def ends(pid):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and is_running(pid):
        time.sleep(0.01)
    return not is_running(pid)


def is_running(pid):
    """Whether a process runs: not one that has ended and waits for someone to ask how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
