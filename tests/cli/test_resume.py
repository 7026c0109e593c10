"""Interrupted, killed, out of room: real processes, and the command that goes on where they ended."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.test_commands import FAST, GAUSSIAN, children_of, run_directory, wait_for
from tests.store import kill_trials

SLOW = GAUSSIAN + FAST.replace("rounds = 2", "rounds = 1000")


@pytest.fixture
def start(tmp_path, cache):
    """Return a function that starts idxbench in ``tmp_path`` and does not wait for it."""
    started = []

    def run(*arguments, **options):
        process = subprocess.Popen(
            [sys.executable, "-m", "idxbench", *map(str, arguments)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"IDXBENCH_CACHE_DIR": str(cache)},
            text=True,
            **options,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def ended(process):
    _, said = process.communicate(timeout=120)
    assert "Traceback" not in said, said
    return process.returncode, said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_says_in_one_line_how_to_go_on_and_that_works(tmp_path, start, call, number, code):
    (tmp_path / "c.toml").write_text(SLOW)
    process = start("run", "c.toml", "--threads", "1", "--only", "raw", "--only", "hnswlib")
    wait_for(tmp_path / "results" / "g", '"kind": "build"')
    process.send_signal(number)
    folder = run_directory(tmp_path / "results" / "g")
    command = "idxbench run c.toml --resume --threads 1 --only raw --only hnswlib"
    where = folder.relative_to(tmp_path)
    assert ended(process) == (code, f"interrupted: what was measured is in {where}; continue with: {command}\n")
    info = json.loads((folder / "run.json").read_text())
    assert (info["status"], info["exit_status"]) == ("interrupted", code)
    assert children_of(folder) == []
    assert not (folder / "lock").exists()
    assert "This run is not complete (interrupted)" in call("report", folder).stdout
    # As printed, but for the rounds: they would take an hour. The rest is the same run.
    process = start(*command.split()[1:])
    deadline = time.monotonic() + 60
    while '"session": 2' not in (folder / "journal.jsonl").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    assert ended(process)[0] == code
    assert [path.name for path in (tmp_path / "results" / "g").iterdir()] == [folder.name]
    assert json.loads((folder / "run.json").read_text())["sessions"] == 2


def test_ctrl_c_and_resume_end_as_an_undisturbed_run(tmp_path, start):
    (tmp_path / "c.toml").write_text(kill_trials.CONFIG)
    process = start("run", "c.toml")
    wait_for(tmp_path / "results" / "g", '"kind": "cell"')
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 130
    process = start("run", "c.toml", "--resume")
    code, said = ended(process)
    folder = run_directory(tmp_path / "results" / "g")
    assert (code, said) == (0, f"resuming {folder.relative_to(tmp_path)}\n")
    twin = kill_trials.undisturbed(tmp_path / "twin")
    assert kill_trials.differences(folder, twin) == ()


def test_two_processes_can_not_write_one_directory(tmp_path, start, call):
    (tmp_path / "c.toml").write_text(SLOW)
    first = start("run", "c.toml", "--only", "raw")
    wait_for(tmp_path / "results" / "g", '"kind": "strategy"')
    folder = run_directory(tmp_path / "results" / "g")
    said = call("run", "c.toml", "--only", "raw", "--resume", code=2).stderr
    assert f"process {first.pid} on " in said
    assert "expected: a run directory that no other process writes" in said
    assert "without --resume" in said
    assert first.poll() is None
    before = (folder / "journal.jsonl").read_text()
    first.kill()
    first.communicate()
    # What it leaves is taken over.
    assert (folder / "lock").exists()
    second = start("run", "c.toml", "--only", "raw", "--resume")
    wait_for(tmp_path / "results" / "g", '"session": 2')
    assert (folder / "journal.jsonl").read_text().startswith(before[: before.rfind("\n")])
    second.send_signal(signal.SIGINT)
    assert ended(second)[0] == 130


def test_resume_begins_afresh_and_says_so(tmp_path, call):
    (tmp_path / "c.toml").write_text(GAUSSIAN + FAST)
    said = call("run", "c.toml", "--only", "raw", "--resume").stderr
    assert said == "nothing to resume: there is no run in results/g; this run began afresh\n"
    folder = run_directory(tmp_path / "results" / "g")
    done = call("run", "c.toml", "--only", "raw", "--resume")
    why = f"nothing to resume: the newest run there, {folder.name}, is finished; this run began afresh"
    assert done.stderr == f"{why}\n"
    assert why in " ".join(done.stdout.split())  # among the warnings, too
    assert len(list((tmp_path / "results" / "g").iterdir())) == 2


def test_help_says_how_to_go_on(call):
    text = " ".join(call("run", "--help").stdout.split())
    assert "--resume" in text
    assert "goes on with --resume" in text


def room(n_bytes):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))

    return limit


def test_no_file_may_grow_further(tmp_path, start, monkeypatch):
    """A limit on the size of files ends the run in the middle, twice; without it the run is completed."""
    # Without labels: their heatmaps are larger than all else.
    unlabelled = kill_trials.CONFIG.split("[validation]")[0].replace("clusters = 4\n", "")
    monkeypatch.setattr(kill_trials, "CONFIG", unlabelled)
    (tmp_path / "c.toml").write_text(unlabelled)
    n_lines = []
    for n_bytes in (60_000, 90_000):
        code, said = ended(start("run", "c.toml", "--resume", preexec_fn=room(n_bytes)))
        assert code == 2, said
        assert "found:    File too large" in said
        assert "fix:      make room, then: idxbench run c.toml --resume" in said
        folder = run_directory(tmp_path / "results" / "g")
        assert json.loads((folder / "run.json").read_text())["status"] == "disk full"
        n_lines.append((folder / "journal.jsonl").read_text().count("\n"))
        assert (folder / "journal.jsonl").read_bytes().endswith(b"\n")
        assert not (folder / "lock").exists()
    assert 3 < n_lines[0] < n_lines[1]
    assert ended(start("run", "c.toml", "--resume"))[0] == 0
    assert kill_trials.differences(folder, kill_trials.undisturbed(tmp_path / "twin")) == ()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, and a function that sets its size."""
    place = tmp_path / "disk"
    place.mkdir()
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no file system can be mounted here")

    def grow(size):
        subprocess.run(["mount", "-o", f"remount,size={size}k", place], check=True)

    yield place, grow
    subprocess.run(["umount", "-l", place], check=True)


def test_a_disk_that_fills_up_and_is_given_more_room(tmp_path, start, small_disk):
    place, grow = small_disk
    (tmp_path / "c.toml").write_text(kill_trials.CONFIG)
    codes = []
    for size in (64, 128, 192, 224, 256, 288, 320, 384, 512, 2_000):
        grow(size)
        code, said = ended(start("run", "c.toml", "--resume", "--out", place))
        codes.append(code)
        if code == 0:
            break
        assert code == 2, said
        assert "No space left on device" in said
        assert "fix:      make room, then: idxbench run c.toml --resume --out" in said
    assert codes[-1] == 0
    assert len(codes) > 2
    done = kill_trials.newest(place)
    assert len(list(place.iterdir())) == 1
    assert kill_trials.differences(done, kill_trials.undisturbed(tmp_path / "twin")) == ()
    assert json.loads((done / "run.json").read_text())["sessions"] > 1
