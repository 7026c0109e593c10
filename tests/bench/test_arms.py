"""Real indexes of a run: built apart, loaded, timed in turns, graded; what a failure or an end leaves behind."""

import json
import os
import signal

import pytest

from idxbench.api import run
from idxbench.bench import arms, builds, round_loop
from idxbench.bench.round_loop import turn_order
from idxbench.errors import ConfigError
from idxbench.store.round_rows import read_rounds
from idxbench.timing import child
from idxbench.timing.child import Child
from tests.nights.planted import planted_python

CONFIG = {
    "data": {"source": "gaussian", "n_items": 300, "n_queries": 30, "n_dims": 5},
    "tasks": ["retrieve"],
    "strategy": [{"transform": "raw"}, {"transform": "normalized"}],
    "index": [{"kind": "numpy"}, {"kind": "hnswlib", "M": 8, "ef": [10, 40]}, {"kind": "faiss-flat"}],
    "measure": {"rounds": 3},
    "threads": 1,
    "cache": False,
}


@pytest.fixture
def watched(monkeypatch):
    """Note what real children are told, and how many of them are alive."""
    log, alive = [], set()

    class Watched(Child):
        def __init__(self, job, folder):
            super().__init__(job, folder)
            self.name = (folder.name, job.kind)
            self.similarity = job.similarity
            self.pid = self._process.pid
            alive.add(self)

        def build(self, progress):
            log.append(("build", self.name[1], len(alive)))
            return super().build(progress)

        def load(self):
            log.append(("load", self.name[0], len(alive)))
            super().load()

        def turn(self, search, number):
            log.append(("turn", self.name[0], search))
            return super().turn(search, number)

        def __exit__(self, *arguments):
            super().__exit__(*arguments)
            alive.discard(self)

    monkeypatch.setattr(arms, "Child", Watched)
    monkeypatch.setattr(builds, "Child", Watched)
    # Rounds that other work disturbs are made twice, which is no matter of these tests.
    monkeypatch.setattr(round_loop, "disturbed", lambda reading: False)
    return log, alive


def measured(done):
    return {(row.strategy, row.index, row.search) for row in done.measurements if row.metric == "qps_batch"}


EVERYTHING = {
    (strategy, index, search)
    for strategy in ("raw", "normalized")
    for index, search in (("numpy", ""), ("hnswlib", '{"ef":10}'), ("hnswlib", '{"ef":40}'), ("faiss-flat", ""))
}


def test_indexes_are_built_one_by_one_and_then_all_take_turns(watched, tmp_path):
    log, alive = watched
    done = run(CONFIG, out=tmp_path)
    # Each built alone; then all loaded, the first one twice; then turns, two strategies mixed.
    assert log[:6] == [("build", kind, 1) for kind in ("numpy", "hnswlib", "faiss-flat") * 2]
    names = [f"arm-{name}-1" for name in ("0-0", "0-1", "1-0", "2-0", "3-0", "4-0", "5-0")]
    assert log[6:13] == [("load", name, n) for n, name in enumerate(names, start=1)]
    orders = [turn_order([1, 1, 2, 1, 1, 2, 1], number, 0) for number in range(3)]
    assert log[13:] == [("turn", names[arm], search) for order in orders for arm, search in order]
    assert not alive
    assert measured(done) == EVERYTHING
    assert "timed-in-groups" not in [notice.code for notice in done.notices]
    control = {(row.index, row.reference) for row in done.measurements if row.metric == "control_ratio"}
    assert control == {("numpy", "latency_p50"), ("numpy", "qps_batch")}
    rounds = read_rounds(done.path)
    assert len(rounds) == 3 * 9
    assert {(row.round, row.copy) for row in rounds} == {(number, copy) for number in range(3) for copy in (0, 1)}
    assert done.info["rounds"]["played"] == 3


def test_without_a_control(watched, tmp_path):
    log, _ = watched
    done = run({**CONFIG, "measure": {"rounds": 1, "control": False}}, out=tmp_path)
    assert sum(step == "load" for step, *_ in log) == 6
    assert not [row for row in done.measurements if row.metric == "control_ratio"]


def test_too_little_memory_makes_groups_and_says_so(watched, tmp_path, monkeypatch):
    monkeypatch.setattr(arms, "free_memory", lambda: 4 * 260 << 20)
    log, _ = watched
    done = run({**CONFIG, "measure": {"rounds": 3, "control": False}}, out=tmp_path)
    assert max(n for step, _, n in log if step == "load") == 2
    assert log.index(("load", "arm-2-0-1", 1)) > log.index(("turn", "arm-1-0-1", 1))
    assert measured(done) == EVERYTHING
    # Rounds of different groups are different rounds: nothing pairs across them.
    rounds = read_rounds(done.path)
    first = {row.round for row in rounds if (row.strategy, row.index) == ("raw", "numpy")}
    last = {row.round for row in rounds if (row.strategy, row.index) == ("normalized", "faiss-flat")}
    assert len(first) == len(last) == 3
    assert not first & last
    (text,) = [notice.text for notice in done.notices if notice.code == "timed-in-groups"]
    assert text.startswith("1.1 GB of memory are free")
    assert "raw in numpy and raw in hnswlib M=8, ef_construction=200; raw in faiss-flat and" in text


@pytest.mark.parametrize("moment", ["load", "turn", "answers"])
def test_a_child_killed_before_the_end_fails_alone(watched, tmp_path, monkeypatch, moment):
    """An index dies after its build: the figures of its build stay, its searches are failed, the rest is whole."""
    real = getattr(arms.Child, moment)
    killed = []

    def kill_first(self, *arguments):
        if self.name == ("arm-1-0-1", "hnswlib") and not killed:
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
    assert not watched[1]


def test_an_interrupt_keeps_what_was_built_and_leaves_no_process(tmp_path, monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    started = []
    real = child.subprocess.Popen

    class Noting(real):
        def __init__(self, command, **options):
            super().__init__(command, **options)
            if any("worker" in word for word in command):
                started.append(self)

    monkeypatch.setattr(round_loop.RoundLoop, "run", stop)
    monkeypatch.setattr(child.subprocess, "Popen", Noting)
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, out=tmp_path)
    (folder,) = tmp_path.iterdir()
    assert all(process.returncode is not None for process in started)
    assert [process.returncode for process in started[6:]] == [-signal.SIGKILL] * 7
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    # A resumed run loads what was built, and builds nothing.
    monkeypatch.undo()
    monkeypatch.setattr(builds, "_build", stop)
    done = run(CONFIG, out=tmp_path, resume=True)
    assert done.path == folder
    assert measured(done) == EVERYTHING
    assert not (folder / "work").exists()


def slowed(folder, share):
    return str(planted_python(folder, slower=share))


def test_environments_are_cells_of_their_own_and_rounds_are_added_while_they_can_not_be_told_apart(tmp_path):
    config = {
        **CONFIG,
        "strategy": [{"transform": "raw"}],
        "index": [
            {"kind": "hnswlib", "M": 8, "ef": [10], "environment": "first"},
            {"kind": "hnswlib", "M": 8, "ef": [10], "environment": "second"},
        ],
        "environment": {
            "first": {"python": slowed(tmp_path / "first", 0.0)},
            "second": {"python": slowed(tmp_path / "second", 9.0)},
        },
        "measure": {"rounds": 2, "doublings": 2},
        "gate": {"base": "environment=first", "new": "second"},
    }
    done = run(config, out=tmp_path / "results")
    p50 = {row.build: row.value for row in done.measurements if row.metric == "latency_p50"}
    first, second = (f'{{"M":8,"ef_construction":200,"environment":"{name}"}}' for name in ("first", "second"))
    # Ten times as long but for what Python adds: a planted slowdown of 900 % is no matter of a quiet machine.
    assert p50[second] > 2 * p50[first]
    # Two rounds, four, eight: none of them supports an interval at the level, which takes ten.
    assert done.info["rounds"] | {"seconds": 0, "disturbed": 0, "repeated": 0, "still_disturbed": 0} == {
        "planned": 2, "played": 8, "looks": 3, "looks_allowed": 3, "disturbed": 0, "repeated": 0,
        "still_disturbed": 0, "seconds": 0, "budget_ended": False,
    }  # fmt: skip


def test_recalls_that_doubling_asks_for_are_those_of_the_table(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(arms, "inconclusive", lambda rows, sides, recalls, target: asked.append((recalls(), target)))
    gate = {"base": "raw,index=hnswlib", "new": "normalized,index=hnswlib"}
    done = run(CONFIG | {"k": [3, 10], "gate": gate, "target_recall": 0.9}, out=tmp_path)
    ((recalls, target),) = asked
    table = {
        (row.strategy, row.index, row.build, row.search, row.k): row.value
        for row in done.measurements
        if (row.metric, row.reference) == ("recall", "task") and row.index
    }
    assert {(*place, k): found for place, by_depth in recalls.items() for k, found in by_depth.items()} == table
    assert len(table) == 16
    assert target == 0.9


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({"base": "rwa"}, "did you mean 'raw'?"),
        ({"base": "raw", "new": "M=9"}, "M"),
    ],
)
def test_sides_that_are_not_there_are_refused_before_any_work(tmp_path, gate, message):
    with pytest.raises(ConfigError, match=message) as refused:
        run({**CONFIG, "gate": gate}, out=tmp_path)
    assert "config: gate (" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_an_environment_without_python_is_refused_before_any_work(tmp_path):
    index = [{"kind": "hnswlib", "environment": "next"}]
    with pytest.raises(ConfigError, match=r"environment\.next"):
        run({**CONFIG, "index": index}, out=tmp_path)
    gone = {"next": {"python": str(tmp_path / "gone")}}
    with pytest.raises(ConfigError, match=r"environment\.next\.python") as refused:
        run({**CONFIG, "index": index, "environment": gone}, out=tmp_path)
    assert "no such file" in str(refused.value)
    assert "python3 -m venv" in str(refused.value)


def test_a_budget_ends_the_rounds_and_says_so(tmp_path):
    done = run({**CONFIG, "measure": {"rounds": 500, "budget": 1e-3}}, out=tmp_path)
    assert done.info["rounds"]["played"] == 1
    assert done.info["rounds"]["budget_ended"]
    assert [notice.text for notice in done.notices if notice.code == "budget-spent"] == [
        "the budget of 0.001 s ended the rounds after 1"
    ]
    assert measured(done) == EVERYTHING


def test_queries_that_also_arrive_at_a_rate(tmp_path):
    index = [{"kind": "hnswlib", "M": 8, "ef": [10]}]
    calm = run({**CONFIG, "index": index, "measure": {"rounds": 1, "rate": 200}}, out=tmp_path / "calm")
    rows = {row.metric: row for row in calm.measurements if row.strategy == "raw" and row.metric.startswith("response")}
    assert set(rows) == {"response_p50", "response_p95", "response_p99"}
    assert all(row.unit == "s" and row.n == 1 for row in rows.values())
    late = run({**CONFIG, "index": index, "measure": {"rounds": 1, "rate": 1e7}}, out=tmp_path / "late")
    (text,) = [notice.text for notice in late.notices if notice.code == "overloaded"]
    assert text.startswith("at 1e+07 queries per second they come faster than they are answered: raw in hnswlib M=8")


def test_processes_are_new_every_so_many_rounds(watched, tmp_path, monkeypatch):
    """Two processes that hold one index differ for as long as they live: a ratio must not hang on one pair."""
    monkeypatch.setattr(arms, "ROUNDS_PER_LAUNCH", 2)
    log, alive = watched
    done = run({**CONFIG, "measure": {"rounds": 5}}, out=tmp_path)
    loads = [name for step, name, _ in log if step == "load"]
    assert [name.rsplit("-", 1)[1] for name in loads] == ["1"] * 7 + ["2"] * 7 + ["3"] * 7
    assert sum(step == "build" for step, *_ in log) == 6
    assert {row.round for row in read_rounds(done.path)} == set(range(5))
    assert measured(done) == EVERYTHING
    assert done.info["rounds"]["played"] == 5
    assert not alive


def test_a_group_that_dies_in_its_first_round_takes_no_other_with_it(watched, tmp_path, monkeypatch):
    monkeypatch.setattr(arms, "free_memory", lambda: 0)  # every index in a group of its own
    real = arms.Child.turn

    def kill_first(self, *arguments):
        if self.name[0].startswith("arm-0-"):
            os.kill(self.pid, signal.SIGKILL)
        return real(self, *arguments)

    monkeypatch.setattr(arms.Child, "turn", kill_first)
    done = run(CONFIG, out=tmp_path)
    assert measured(done) == EVERYTHING - {("raw", "numpy", "")}
    p50 = [row for row in done.measurements if row.metric == "latency_p50"]
    assert len(p50) == 7
    assert all(row.n == 3 for row in p50)


def test_a_control_that_dies_is_told_and_the_rest_goes_on(watched, tmp_path, monkeypatch):
    real = arms.Child.load

    def kill_control(self):
        if self.name[0].startswith("arm-0-1-"):
            os.kill(self.pid, signal.SIGKILL)
        real(self)

    monkeypatch.setattr(arms.Child, "load", kill_control)
    done = run(CONFIG, out=tmp_path)
    (text,) = [notice.text for notice in done.notices if notice.code == "control-lost"]
    assert text.startswith("the second copy of raw: numpy, the A/A control, failed: the child process was killed")
    assert done.info["exit_status"] == 0
    assert measured(done) == EVERYTHING


def test_the_control_is_of_the_first_index_that_loads(watched, tmp_path, monkeypatch):
    real = arms.Child.load

    def kill_first(self):
        if self.name[0].startswith("arm-0-"):
            os.kill(self.pid, signal.SIGKILL)
        real(self)

    monkeypatch.setattr(arms.Child, "load", kill_first)
    done = run(CONFIG, out=tmp_path)
    assert {row.index for row in done.measurements if row.metric == "control_ratio"} == {"hnswlib"}
    assert measured(done) == EVERYTHING - {("raw", "numpy", "")}


def test_indexes_that_are_alike_are_one_with_the_searches_of_both(tmp_path):
    index = [
        {"kind": "hnswlib", "M": 8, "ef": [20, 40]},
        {"kind": "numpy"},
        {"kind": "hnswlib", "M": 8, "ef": [40, 10]},
    ]
    done = run({**CONFIG, "index": [*index, {"kind": "numpy"}]}, out=tmp_path)
    found = {(name, search) for strategy, name, search in measured(done) if strategy == "raw"}
    assert found == {("numpy", ""), *(("hnswlib", f'{{"ef":{ef}}}') for ef in (10, 20, 40))}
    assert sum(row.metric == "build_time" for row in done.measurements) == 4
    assert done.info["exit_status"] == 0


def test_the_library_behind_every_index_is_kept(tmp_path):
    from importlib.metadata import version

    done = run(CONFIG, out=tmp_path)
    assert done.info["libraries"] == [
        {"index": kind, "environment": "", "library": library, "version": version(package)}
        for kind, library, package in (
            ("numpy", "numpy", "numpy"),
            ("hnswlib", "hnswlib", "hnswlib"),
            ("faiss-flat", "faiss", "faiss-cpu"),
        )
    ]
