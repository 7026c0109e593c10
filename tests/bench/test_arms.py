"""Turns of several indexes: who is asked when, what a failure leaves to the others, and what fits into memory."""

import json
import os
import signal

import pytest

from idxbench.bench import arms
from idxbench.bench.api import run
from idxbench.bench.arms import take_turns
from idxbench.timing import child
from idxbench.timing.child import Child, ChildError
from idxbench.timing.rounds import turns

CONFIG = {
    "data": {"source": "gaussian", "n_items": 300, "n_queries": 30, "n_dims": 5},
    "tasks": ["retrieve"],
    "strategy": [{"transform": "raw"}, {"transform": "normalized"}],
    "index": [{"kind": "numpy"}, {"kind": "hnswlib", "M": 8, "ef": [10, 40]}, {"kind": "faiss-flat"}],
    "measure": {"rounds": 3},
    "threads": 1,
    "cache": False,
}


class FakeChild:
    """Notes its turns in a list that all share; fails at a turn of its own if told to."""

    def __init__(self, name, log, fails_at=None):
        self.name, self.log, self.fails_at, self.n = name, log, fails_at, 0

    def turn(self, search):
        self.n += 1
        if self.n == self.fails_at:
            raise ChildError(f"{self.name} died")
        self.log.append((self.name, search))


def taken(fails_at=(None, None, None), rounds=4, seed=5):
    log, steps = [], []
    children = [FakeChild(i, log, at) for i, at in enumerate(fails_at)]
    failed = take_turns(children, [1, 3, 2], rounds=rounds, seed=seed, advance=steps.append)
    assert steps == [1] * 6 * rounds
    return log, failed


def test_children_are_asked_in_the_order_of_the_rounds():
    log, failed = taken()
    assert failed == {}
    assert log == [turn for order in turns([1, 3, 2], 4, 5) for turn in order]
    # Interleaved: within six turns every search of every child had one, and none had two.
    assert all(len(set(log[start : start + 6])) == 6 for start in range(0, 24, 6))


def test_a_child_that_dies_gets_no_more_turns_and_the_others_all_of_theirs():
    log, failed = taken(fails_at=(None, 2, None))
    assert failed == {1: "1 died"}
    assert sum(name == 1 for name, _ in log) == 1
    assert [turn for turn in log if turn[0] != 1] == [turn for turn in taken()[0] if turn[0] != 1]


def test_all_dead():
    assert taken(fails_at=(1, 1, 1))[1] == {0: "0 died", 1: "1 died", 2: "2 died"}


@pytest.fixture
def watched(monkeypatch):
    """Note what real children are told, and how many of them are alive."""
    log, alive = [], set()

    class Watched(Child):
        def __init__(self, job, folder):
            super().__init__(job, folder)
            self.name = (folder.name, job.kind)
            self.pid = self._process.pid
            alive.add(self)

        def build(self, progress):
            log.append(("build", self.name[1], len(alive)))
            return super().build(progress)

        def turn(self, search):
            log.append(("turn", self.name[1], search))
            super().turn(search)

        def finish(self):
            log.append(("finish", self.name[1], len(alive)))
            return super().finish()

        def __exit__(self, *arguments):
            super().__exit__(*arguments)
            alive.discard(self)

    monkeypatch.setattr(arms, "Child", Watched)
    return log, alive


def measured(done):
    return {(row.strategy, row.index, row.search) for row in done.measurements if row.metric == "qps_batch"}


EVERYTHING = {
    (strategy, index, search)
    for strategy in ("raw", "normalized")
    for index, search in (("numpy", ""), ("hnswlib", '{"ef":10}'), ("hnswlib", '{"ef":40}'), ("faiss-flat", ""))
}


def test_indexes_of_a_strategy_are_built_one_by_one_and_then_take_turns(watched, tmp_path):
    log, alive = watched
    done = run(CONFIG, out=tmp_path)
    one = log[: len(log) // 2]  # the first strategy; the second does the same
    kinds = ["numpy", "hnswlib", "faiss-flat"]
    assert one[:3] == [("build", kind, n) for n, kind in enumerate(kinds, start=1)]
    asked = [(kinds.index(kind), search) for step, kind, search in one if step == "turn"]
    assert asked == [turn for order in turns([1, 2, 1], 3, 0) for turn in order]
    assert one[3 + len(asked) :] == [("finish", kind, 3) for kind in kinds]
    assert not alive
    assert measured(done) == EVERYTHING
    assert "timed-in-groups" not in [notice.code for notice in done.notices]


def test_too_little_memory_makes_groups_and_says_so(watched, tmp_path, monkeypatch):
    monkeypatch.setattr(arms, "free_memory", lambda: 4 * 260 << 20)
    log, _ = watched
    done = run(CONFIG, out=tmp_path)
    steps = [(step, kind) for step, kind, _ in log[: len(log) // 2]]
    assert steps.index(("finish", "hnswlib")) < steps.index(("build", "faiss-flat"))
    assert max(n for step, _, n in log if step != "turn") == 2
    assert measured(done) == EVERYTHING
    texts = [notice.text for notice in done.notices if notice.code == "timed-in-groups"]
    assert len(texts) == 2
    assert texts[0].startswith("raw: 1.1 GB of memory are free")
    assert texts[0].endswith("numpy and hnswlib M=8, ef_construction=200; faiss-flat")


@pytest.mark.parametrize("moment", ["turn", "finish"])
def test_a_child_killed_between_rounds_fails_alone(watched, tmp_path, monkeypatch, moment):
    """An index dies after its build: the figures of its build stay, its searches are failed, the rest is whole."""
    real = getattr(arms.Child, moment)
    killed = []

    def kill_first(self, *arguments):
        if self.name == ("build-1", "hnswlib") and not killed:
            os.kill(self.pid, signal.SIGKILL)
            killed.append(self.pid)
        return real(self, *arguments)

    monkeypatch.setattr(arms.Child, moment, kill_first)
    done = run(CONFIG, out=tmp_path)
    assert killed
    assert done.info["exit_status"] == 4
    (failure,) = done.info["failures"]
    assert failure["reason"] == "the child process was killed by SIGKILL, perhaps for want of memory"
    assert (failure["strategy"], failure["index"]) == ("raw", "hnswlib")
    assert failure["searches"] == ['{"ef":10}', '{"ef":40}']
    dead = {("raw", "hnswlib", '{"ef":10}'), ("raw", "hnswlib", '{"ef":40}')}
    assert measured(done) == EVERYTHING - dead
    assert {(row.strategy, row.index, row.search) for row in done.measurements if row.metric == "failed"} == dead
    assert ("raw", "hnswlib") in {(row.strategy, row.index) for row in done.measurements if row.metric == "build_time"}
    lines = [json.loads(line) for line in (done.path / "journal.jsonl").read_text().splitlines()]
    statuses = [line["status"] for line in lines if line["unit"].get("index") == "hnswlib"]
    assert statuses == ["ok", "failed", "ok", "ok", "ok"]  # raw: build, searches; normalized: build, ef 10, ef 40
    assert not watched[1]


def test_an_interrupt_keeps_the_builds_in_the_journal_and_leaves_no_process(tmp_path, monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    started = []
    real = child.subprocess.Popen

    class Noting(real):
        def __init__(self, command, **options):
            super().__init__(command, **options)
            if any("worker" in word for word in command):
                started.append(self)

    monkeypatch.setattr(arms, "take_turns", stop)
    monkeypatch.setattr(child.subprocess, "Popen", Noting)
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, out=tmp_path)
    (folder,) = tmp_path.iterdir()
    units = [json.loads(line)["unit"] for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert [unit["index"] for unit in units if unit["kind"] == "build"] == ["numpy", "hnswlib", "faiss-flat"]
    assert [process.returncode for process in started] == [-signal.SIGKILL] * 3
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert not (folder / "work").exists()
