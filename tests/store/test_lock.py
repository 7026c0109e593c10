"""The lock of a run directory: who has it, who may take it over, who is told to wait."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from idxbench.errors import ResultError
from idxbench.store import lock as module
from idxbench.store.lock import FILE, Lock, this_process

HOLD = """
import sys, time
from pathlib import Path
from idxbench.store.lock import Lock
Lock.take(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_file_says_who_has_it_and_goes_with_it(tmp_path):
    held = Lock.take(tmp_path)
    assert json.loads((tmp_path / FILE).read_text()) == asdict(held.process)
    assert held.process.pid == os.getpid()
    held.release()
    assert list(tmp_path.iterdir()) == []
    Lock.take(tmp_path).release()


def test_a_second_process_is_told_who_has_it(tmp_path, holder):
    with pytest.raises(ResultError) as refused:
        Lock.take(tmp_path)
    (problem,) = refused.value.problems
    assert problem.found.startswith(f"process {holder.pid} on {this_process().host} has it, since 20")
    assert json.loads((tmp_path / FILE).read_text())["pid"] == holder.pid


def test_not_even_the_same_process_has_it_twice(tmp_path):
    held = Lock.take(tmp_path)
    with pytest.raises(ResultError, match=f"process {os.getpid()} on"):
        Lock.take(tmp_path)
    held.release()


def test_what_a_killed_process_leaves_is_taken_over(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert json.loads((tmp_path / FILE).read_text())["pid"] == holder.pid
    held = Lock.take(tmp_path)
    assert json.loads((tmp_path / FILE).read_text())["pid"] == os.getpid()
    held.release()


def left(tmp_path, **changes):
    (tmp_path / FILE).write_text(json.dumps(asdict(replace(this_process(), pid=7, **changes))))


def test_a_lock_of_another_machine_is_believed(tmp_path):
    left(tmp_path, host="elsewhere", boot="another")
    with pytest.raises(ResultError) as refused:
        Lock.take(tmp_path)
    (problem,) = refused.value.problems
    assert "process 7 on elsewhere has it" in problem.found
    assert problem.fix == f"where it does not, remove {tmp_path / FILE} and run this again"
    (tmp_path / FILE).unlink()
    Lock.take(tmp_path).release()


@pytest.mark.parametrize("changes", [{"boot": "before the restart"}, {"host": "renamed"}])
def test_this_machine_under_another_name_or_after_a_restart(tmp_path, changes):
    left(tmp_path, **changes)
    Lock.take(tmp_path).release()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "\0" * 40])
def test_a_torn_file_holds_nobody_back(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    Lock.take(tmp_path).release()


def test_a_file_that_its_holder_just_removed_is_not_what_is_locked(tmp_path, monkeypatch):
    """Between our opening and our locking its holder ends: the lock we got is on a file that nobody sees any more."""
    first = Lock.take(tmp_path)
    real = module.fcntl.flock

    def late(file, how):
        if (tmp_path / FILE).exists() and not freed:
            freed.append(file)
            first.release()
        return real(file, how)

    freed: list[int] = []
    monkeypatch.setattr(module.fcntl, "flock", late)
    second = Lock.take(tmp_path)
    assert freed
    monkeypatch.undo()
    with pytest.raises(ResultError, match="has it"):
        Lock.take(tmp_path)
    second.release()


def test_an_unwritable_folder(tmp_path):
    with pytest.raises(ResultError, match="No such file"):
        Lock.take(tmp_path / "nowhere")
