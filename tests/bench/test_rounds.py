"""Timed rounds with a fake index and a fake clock: who is timed when, and what for."""

import gc

import numpy as np
import pytest

from idxbench.bench.rounds import BATCH_S, n_passes, time_rounds
from idxbench.indexes.base import Found


class Clock:
    """Time that passes only when the fake index works."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class FakeIndex:
    """Takes ``ef`` milliseconds a query; notes what it was asked."""

    def __init__(self, clock):
        self.clock, self.ef, self.calls = clock, 0, []

    def set_search(self, parameters):
        self.ef = parameters["ef"]

    def search(self, prepared, k, *, threads):
        assert not gc.isenabled() or not self.calls or self.calls[-1] != "timed"
        self.calls.append((self.ef, len(prepared), threads))
        self.clock.now += self.ef * 1e-3 * len(prepared)
        return Found(np.full((len(prepared), k), self.ef), len(prepared) if self.ef == 1 else 0)


def run(rounds, searches=(1, 2, 4), n_queries=5, threads=3):
    clock = Clock()
    index = FakeIndex(clock)
    told = []
    timings = time_rounds(
        index,
        [{"ef": ef} for ef in searches],
        np.zeros((n_queries, 2), np.float32),
        7,
        rounds=rounds,
        threads=threads,
        clock=clock,
        progress=told.append,
    )
    return timings, index, told


def test_times_are_those_of_the_clock():
    timings, _, _ = run(rounds=4)
    for ef, timing in zip((1, 2, 4), timings, strict=True):
        np.testing.assert_allclose(timing.batch_s, [5 * ef * 1e-3] * 4)
        np.testing.assert_allclose(timing.single_s, np.full((4, 5), ef * 1e-3))
        assert (timing.ids == ef).all()
        assert timing.ids.shape == (5, 7)
    assert [timing.n_short for timing in timings] == [5, 0, 0]


def test_odd_rounds_run_backwards():
    _, index, told = run(rounds=3, threads=3)
    timed = [ef for ef, n, threads in index.calls if threads == 3][2 * 3 :]
    order = list(dict.fromkeys(zip(timed, np.cumsum(np.diff([0, *timed]) != 0), strict=True)))
    assert [ef for ef, _ in order] == [1, 2, 4, 2, 1, 2, 4]  # equal neighbours at a turn run together
    assert told == [1] * 9


def test_short_batches_are_repeated_to_a_measurable_length():
    _, index, _ = run(rounds=1, searches=(1,), n_queries=1)
    batches = [call for call in index.calls if call == (1, 1, 3)]
    assert len(batches) == 2 + BATCH_S / 1e-3  # two to warm up and calibrate, then 20 ms


def test_singles_use_one_thread():
    _, index, _ = run(rounds=1)
    assert {threads for _, n, threads in index.calls if n == 1} == {1}


@pytest.mark.parametrize(
    ("rounds", "n_queries", "passes"), [(10, 1, 10), (10, 1000, 10), (10, 2000, 5), (10, 10**6, 1), (1, 5, 1)]
)
def test_every_query_is_timed_at_least_once(rounds, n_queries, passes):
    assert n_passes(rounds, n_queries) == passes


def test_garbage_collection_is_given_back():
    assert gc.isenabled()
    run(rounds=1)
    assert gc.isenabled()


def test_garbage_collection_is_given_back_after_a_failure():
    class Failing(FakeIndex):
        def search(self, prepared, k, *, threads):
            if len(prepared) > 1 and len(self.calls) > 20:
                raise RuntimeError("broken")
            return super().search(prepared, k, threads=threads)

    clock = Clock()
    with pytest.raises(RuntimeError, match="broken"):
        time_rounds(
            Failing(clock),
            [{"ef": 1}],
            np.zeros((2, 2), np.float32),
            1,
            rounds=50,
            threads=1,
            clock=clock,
            progress=lambda n: None,
        )
    assert gc.isenabled()
