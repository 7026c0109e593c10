"""Timed turns with a fake index and a fake clock: who is timed when, and what for."""

import gc

import numpy as np
import pytest

from idxbench.indexes.base import Found
from idxbench.timing.rounds import BATCH_S, WARM_UP, TimedSearches, n_passes, turns


class Clock:
    """Time that passes only when the fake index works."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class FakeIndex:
    """Takes ``ef`` milliseconds a query; notes what it was asked, and when it was left to rest."""

    def __init__(self, clock):
        self.clock, self.ef, self.calls = clock, 0, []

    def set_search(self, parameters):
        self.ef = parameters["ef"]

    def search(self, prepared, k, *, threads):
        assert not gc.isenabled()
        self.calls.append((self.ef, len(prepared), threads))
        self.clock.now += self.ef * 1e-3 * len(prepared)
        return Found(np.full((len(prepared), k), self.ef), len(prepared) if self.ef == 1 else 0)

    def rest(self):
        self.calls.append("rest")


def timed(searches=(1, 2, 4), *, rounds=1, n_queries=5, threads=3, kind=FakeIndex):
    clock = Clock()
    index = kind(clock)
    prepared = np.zeros((n_queries, 2), np.float32)
    asked = [{"ef": ef} for ef in searches]
    return index, TimedSearches(index, asked, prepared, 7, rounds=rounds, threads=threads, clock=clock, rest=index.rest)


def test_times_are_those_of_the_clock():
    _, searches = timed(rounds=4)
    for _ in range(4):
        for s in (2, 0, 1):
            searches.turn(s)
    timings = searches.timings()
    for ef, timing in zip((1, 2, 4), timings, strict=True):
        np.testing.assert_allclose(timing.batch_s, [5 * ef * 1e-3] * 4)
        np.testing.assert_allclose(timing.single_s, np.full((4, 5), ef * 1e-3))
        assert (timing.ids == ef).all()
        assert timing.ids.shape == (5, 7)
    assert [timing.n_short for timing in timings] == [5, 0, 0]


def test_a_turn_warms_up_times_rests_times_and_rests():
    """The first turn also learns how often to repeat; from then on the same calls follow each other."""
    index, searches = timed((6,), rounds=2)  # a batch of 5 queries takes 30 ms: once is enough
    single, batch = (6, 1, 1), (6, 5, 3)
    searches.turn(0)
    # The fourth query ends the 20 ms of the warm-up; one batch starts the threads, one tells how long it takes.
    assert index.calls == [*[single] * 4, batch, batch, batch, "rest", *[single] * 5, "rest"]
    index.calls.clear()
    searches.turn(0)
    assert index.calls == [*[single] * 4, batch, "rest", *[single] * 5, "rest"]


def test_the_warm_up_is_bounded_in_queries_and_in_time():
    quick, searches = timed((0.1,), n_queries=200)
    searches.turn(0)
    assert quick.calls.index((0.1, 200, 3)) == WARM_UP
    slow, searches = timed((15,), n_queries=200)
    searches.turn(0)
    assert slow.calls.index((15, 200, 3)) == 2


def test_short_batches_are_repeated_to_a_measurable_length():
    index, searches = timed((1,), n_queries=1, rounds=2)
    searches.turn(0)
    batches = [call for call in index.calls if call == (1, 1, 3)]
    assert len(batches) == 2 + BATCH_S / 1e-3  # two to warm up and calibrate, then 20 ms
    index.calls.clear()
    searches.turn(0)
    batches = [call for call in index.calls if call == (1, 1, 3)]
    assert len(batches) == 1 + BATCH_S / 1e-3  # one to wake the threads up


def test_singles_use_one_thread():
    index, searches = timed()
    for s in range(3):
        searches.turn(s)
    assert {call[2] for call in index.calls if call != "rest" and call[1] == 1} == {1}


def test_many_queries_are_timed_one_by_one_in_the_first_turns_only():
    index, searches = timed((1,), n_queries=2000, rounds=4)
    for _ in range(4):
        index.calls.clear()
        searches.turn(0)
    assert (1, 1, 1) not in index.calls[WARM_UP:]
    assert searches.timings()[0].single_s.shape == (2, 2000)
    assert (searches.timings()[0].single_s > 0).all()


@pytest.mark.parametrize(
    ("rounds", "n_queries", "passes"), [(10, 1, 10), (10, 1000, 10), (10, 2000, 5), (10, 10**6, 1), (1, 5, 1)]
)
def test_every_query_is_timed_at_least_once(rounds, n_queries, passes):
    assert n_passes(rounds, n_queries) == passes


def test_garbage_collection_is_given_back():
    assert gc.isenabled()
    timed()[1].turn(0)
    assert gc.isenabled()


def test_garbage_collection_is_given_back_after_a_failure():
    class Failing(FakeIndex):
        def search(self, prepared, k, *, threads):
            if len(prepared) > 1 and len(self.calls) > 6:
                raise RuntimeError("broken")
            return super().search(prepared, k, threads=threads)

    _, searches = timed((1,), kind=Failing)
    with pytest.raises(RuntimeError, match="broken"):
        searches.turn(0)
    assert gc.isenabled()


def test_every_round_has_every_search_of_every_index_once():
    rounds = list(turns([2, 1, 3], 5, seed=0))
    everything = [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (2, 2)]
    assert len(rounds) == 5
    assert all(sorted(order) == everything for order in rounds)


def test_odd_rounds_run_backwards_and_even_ones_are_drawn_anew():
    rounds = list(turns([1] * 8, 6, seed=3))
    for even, odd in zip(rounds[::2], rounds[1::2], strict=True):
        assert odd == even[::-1]
    assert len({tuple(order) for order in rounds}) == 6
    # Backwards and forwards, the mean place of all is the same: a machine that slows down steadily hits all alike.
    places = np.array([[order.index((i, 0)) for order in rounds] for i in range(8)])
    assert (places.mean(axis=1) == 3.5).all()


def test_the_order_follows_the_seed():
    def drawn(seed):
        return list(turns([3, 3], 4, seed))

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_nothing_to_time():
    assert list(turns([], 2, 0)) == [[], []]
