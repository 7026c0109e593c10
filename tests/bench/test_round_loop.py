"""Rounds with fake children: who is asked when, what is written down when, and what ends them."""

import signal
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from idxbench.bench.round_loop import Arm, Budget, RoundLoop, StopAfterRound, over, turn_order
from idxbench.records import compact_json
from idxbench.timing.child import ChildError
from idxbench.timing.readings import Reading
from idxbench.timing.turns import Answers, Turn

QUIET = Reading(wall_s=1.0, pressure=0.0, steal=0.0, switches=0)
BUSY = Reading(wall_s=1.0, pressure=1.0, steal=0.5, switches=999)


def a_turn(batch_s=0.1, reading=QUIET):
    return Turn(
        batch_s=batch_s,
        threads_s=0.05,
        threads_queries=10,
        single_s=np.full(10, 0.02),
        response_s=np.zeros(0),
        late_s=0.0,
        reading=reading,
        settled=True,
        overloaded=False,
    )


class FakeChild:
    """Notes its turns in a list that all share; fails at a turn of its own, or is disturbed in some, if told to."""

    def __init__(self, name, log, fails_at=None, busy_at=(), then=None):
        self.name, self.log, self.fails_at, self.busy_at, self.then, self.n = name, log, fails_at, busy_at, then, 0

    def turn(self, search, number):
        self.n += 1
        if self.n == self.fails_at:
            raise ChildError(f"{self.name} died")
        self.log.append((number, self.name, search))
        if self.then:
            self.then(self.n)
        return a_turn(reading=BUSY if self.n in self.busy_at else QUIET)

    def answers(self):
        return (Answers(np.zeros((10, 3), np.int64), 0),)


@dataclass
class FakeDirectory:
    """Keeps what is written, in order."""

    session: int = 1
    rounds: list = field(default_factory=list)
    log: list = field(default_factory=list)

    def append(self, unit, rows, failure=None, *, rounds=(), told=None):
        self.log.append(("line", unit["round"], unit["attempt"]))
        self.rounds += rounds

    def save_arrays(self, name, arrays):
        self.log.append(("arrays", name, sorted(arrays)))


def a_group(n_searches=(1, 3, 2), directory=None, seed=5, budget=0.0, **options):
    log = []
    arms = []
    for number, n in enumerate(n_searches):
        build = SimpleNamespace(
            space=SimpleNamespace(name="raw"),
            kind=f"kind{number}",
            build_json="",
            searches=tuple({"ef": ef} for ef in range(1, n + 1)),
        )
        built = SimpleNamespace(number=number, build=build, strategy=SimpleNamespace(n_queries=10))
        given = {key: value[number] for key, value in options.items()}
        arms.append(Arm(built, FakeChild(number, log, **given)))
    directory = directory or FakeDirectory()
    session = SimpleNamespace(directory=directory, config=SimpleNamespace(seed=seed))
    return RoundLoop(session, arms, Budget(budget)), log, directory


def play(loop, rounds, share=1.0):
    steps = []
    loop.run(rounds, share, steps.append)
    return steps


def test_every_round_asks_everyone_once_and_odd_rounds_run_backwards():
    orders = [turn_order([2, 0, 3], number, seed=4) for number in range(10)]
    for even, odd in zip(orders[::2], orders[1::2], strict=True):
        assert sorted(even) == [(0, 0), (0, 1), (2, 0), (2, 1), (2, 2)]
        assert odd == even[::-1]
    assert len({tuple(order) for order in orders}) > 5
    assert orders != [turn_order([2, 0, 3], number, seed=5) for number in range(10)]


def test_children_are_asked_in_the_order_of_the_rounds_and_each_round_is_written_when_over():
    loop, log, directory = a_group()
    assert play(loop, 4) == [1] * 24
    assert log == [(n, *turn) for n in range(4) for turn in turn_order([1, 3, 2], n, 5)]
    lines = [entry for entry in directory.log if entry[0] == "line"]
    assert lines == [("line", n, 0) for n in range(4)]
    # Samples first, then the line that counts them; answers before the first line.
    assert [entry[1] for entry in directory.log[:5]] == ["answers-0", "answers-1", "answers-2", "round-1-0-0", 0]
    assert len(directory.rounds) == 24
    row = directory.rounds[0]
    assert (row.qps_single, row.qps_batch, row.qps_threads, row.latency_p50) == pytest.approx((50, 100, 200, 0.02))
    assert np.isnan(row.response_p50)


def test_a_child_that_dies_gets_no_more_turns_and_the_others_all_of_theirs():
    loop, log, directory = a_group(fails_at=[None, 2, None])
    play(loop, 4)
    assert loop.failed == {1: "1 died"}
    assert sum(name == 1 for _, name, _ in log) == 1
    whole = [(n, *turn) for n in range(4) for turn in turn_order([1, 3, 2], n, 5)]
    assert [turn for turn in log if turn[1] != 1] == [turn for turn in whole if turn[1] != 1]
    # The round it died in holds nothing of it: a part of a round pairs with nothing.
    assert "kind1" not in {row.index for row in directory.rounds}
    assert {row.index: row.round for row in directory.rounds} == {"kind0": 3, "kind2": 3}


def test_all_dead_ends_the_rounds():
    loop, *_ = a_group(fails_at=[1, 1, 1])
    play(loop, 100)
    assert loop.failed == {0: "0 died", 1: "1 died", 2: "2 died"}


def test_a_disturbed_round_is_flagged_and_played_once_more_and_the_second_counts():
    loop, log, directory = a_group((1, 1), busy_at=[(2, 3), ()])
    play(loop, 3)
    assert [(entry[1], entry[2]) for entry in directory.log if entry[0] == "line"] == [(0, 0), (1, 0), (1, 1), (2, 0)]
    assert [(row.round, row.attempt, row.flagged) for row in directory.rounds if row.index == "kind0"] == [
        (0, 0, False), (1, 0, True), (1, 1, True), (2, 0, False),
    ]  # fmt: skip
    assert [(row.round, row.attempt) for row in loop.rows() if row.index == "kind0"] == [(0, 0), (1, 1), (2, 0)]
    assert log[2:4] == log[4:6]  # the same order once more


def test_a_resumed_run_goes_on_where_it_was_and_pairs_never_cross():
    _, _, directory = a_group()
    first, _, _ = a_group(directory=directory)
    play(first, 3)
    directory.session = 2
    second, _, _ = a_group(directory=directory)
    assert second.done() == 3
    assert play(second, 5) == [1] * 12
    assert {(row.session, row.round) for row in directory.rounds} == {(1, 0), (1, 1), (1, 2), (2, 3), (2, 4)}
    assert second.done() == 5


def press(n):
    signal.raise_signal(signal.SIGINT)


def test_one_ctrl_c_finishes_the_round_and_a_second_does_not():
    before = signal.getsignal(signal.SIGINT)
    loop, log, directory = a_group((1, 1), then=[lambda n: press(n) if n == 2 else None, None])
    with pytest.raises(KeyboardInterrupt):
        play(loop, 10)
    assert len(log) == 4
    assert directory.log[-1] == ("line", 1, 0)
    loop, log, directory = a_group((1, 1), then=[press, press])
    with pytest.raises(KeyboardInterrupt):
        play(loop, 10)
    assert len(log) == 2
    assert directory.log == []
    assert signal.getsignal(signal.SIGINT) is before


def test_stopping_outside_of_the_main_thread_is_left_to_others():
    import threading

    failed = []

    def work():
        try:
            with StopAfterRound() as stop:
                stop.check()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failed == []


def test_a_budget_ends_rounds_before_it_is_spent_but_never_the_first():
    now = [0.0]
    budget = Budget(10.0, lambda: now[0])
    assert budget.allows()
    now[0] = 4.0
    budget.note(4.0)
    assert budget.allows()  # 4 spent, a round takes 4
    now[0] = 8.0
    assert not budget.allows()
    assert budget.ended
    assert Budget(0.0, lambda: 1e9).allows()
    halves = Budget(10.0, lambda: now[0])
    now[0] = 12.0
    halves.note(2.0)
    assert not halves.allows(0.5)  # the second half is for others


def test_the_first_round_is_played_whatever_the_budget():
    loop, _, directory = a_group(budget=1e-9)
    play(loop, 5)
    assert {row.round for row in directory.rounds} == {0}


def test_rows_name_cells_as_the_table_does():
    loop, _, directory = a_group((2,))
    play(loop, 1)
    assert {row.search for row in directory.rounds} == {compact_json({"ef": 1}), compact_json({"ef": 2})}


def test_a_round_is_disturbed_as_a_whole_or_not():
    total = over([Reading(3.0, 0.0, 0.0, 1), Reading(1.0, 0.8, 0.4, 2)])
    assert (total.wall_s, total.pressure, total.steal, total.switches) == pytest.approx((4.0, 0.2, 0.1, 3))
    assert np.isnan(over([]).pressure)
    assert np.isnan(over([Reading(1.0, float("nan"), 0.0, 0), QUIET]).pressure)
