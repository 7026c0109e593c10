"""Timed turns with a fake index and a fake clock: what is timed when, and what is not."""

import gc
import math

import numpy as np
import pytest

from idxbench.indexes.base import Found
from idxbench.timing.readings import Mark, Reading
from idxbench.timing.searches import BATCH_S, MOST_WARM_UPS, WARM_UP, CompiledWhileTimedError
from tests.timing.fakes import Clock, FakeIndex, TickingClock, timed


def test_times_are_those_of_the_clock():
    _, searches = timed()
    for round_ in range(3):
        for s, ef in ((2, 4), (0, 1), (1, 2)):
            turn = searches.turn(s, round_)
            assert turn.batch_s == pytest.approx(5 * ef * 1e-3)
            np.testing.assert_allclose(turn.single_s, np.full(5, ef * 1e-3))
            assert turn.settled
            assert math.isnan(turn.threads_s)
            assert turn.threads_queries == 0
            assert turn.response_s.shape == (0,)
            assert not turn.overloaded


def test_answers_are_those_of_the_first_batch_or_asked_for_now():
    index, searches = timed()
    gc.disable()  # the fake wants it off while it searches
    try:
        searches.turn(1, 0)
        index.calls.clear()
        answers = searches.answers()
    finally:
        gc.enable()
    assert index.calls == [(1, 5, 1), (4, 5, 1)]
    assert [(set(one.ids.ravel().tolist()), one.ids.shape, one.n_short) for one in answers] == [
        ({1}, (5, 7), 5),
        ({2}, (5, 7), 0),
        ({4}, (5, 7), 0),
    ]


def test_a_turn_warms_up_times_rests_times_and_rests():
    """The first turn also learns how often to repeat; from then on the same calls follow each other.

    After a rest single queries are warmed up again.
    """
    index, searches = timed((6,), threads=3)  # a batch of 5 queries takes 30 ms: once is enough
    searches._clients.number = 1  # without client threads, which a test of its own looks at
    single, batch = (6, 1, 1), (6, 5, 3)
    searches.turn(0, 0)
    # The fourth query ends the 20 ms of the warm-up; two batches that agree: the second tells how long one takes.
    assert index.calls == [*[single] * 4, batch, batch, batch, "rest", *[single] * (4 + 5), "rest", "rest"]
    index.calls.clear()
    searches.turn(0, 1)
    assert index.calls == [*[single] * 4, batch, batch, batch, "rest", *[single] * (4 + 5), "rest", "rest"]


def test_the_warm_up_is_bounded_in_queries_and_in_time():
    quick, searches = timed((0.1,), n_queries=200)
    searches.turn(0, 0)
    assert quick.calls.index((0.1, 200, 1)) == WARM_UP
    slow, searches = timed((15,), n_queries=200)
    searches.turn(0, 0)
    assert slow.calls.index((15, 200, 1)) == 2


def batches(index, size):
    return sum(call[1] == size for call in index.calls if call != "rest")


def test_short_batches_are_repeated_to_a_measurable_length():
    index, searches = timed((1,), n_queries=2, threads=2)
    searches._clients.number = 1
    searches.turn(0, 0)
    assert batches(index, 2) == 2 + 2 * 3 + 10  # to start and to calibrate, two warm-ups of a quarter, then 20 ms
    index.calls.clear()
    searches.turn(0, 1)
    assert batches(index, 2) == 2 * 3 + 10


def test_a_long_batch_warms_itself_up_after_the_first_turn():
    index, searches = timed((50,), n_queries=5)  # .25 s
    assert searches.turn(0, 0).settled
    assert batches(index, 5) == 2 + 1
    index.calls.clear()
    assert searches.turn(0, 1).settled
    assert batches(index, 5) == 1


class Settling(FakeIndex):
    """Batches take the milliseconds of a list, the last for ever; single queries none."""

    TIMES = ()

    def search(self, prepared, k, *, threads):
        if len(prepared) > 1:
            self.ef = (self.TIMES[batches(self, 5)] if batches(self, 5) < len(self.TIMES) else self.TIMES[-1]) / 5
        else:
            self.ef = 0
        return super().search(prepared, k, threads=threads)


@pytest.mark.parametrize(
    ("times", "warm_ups", "settled"),
    [
        ((30, 33), 2, True),
        ((33, 30), 2, True),
        ((30, 33.1, 30.5), 3, True),
        ((100, 60, 40, 37), 4, True),
        ((100, 60, 40, 30, 30), 4, False),
        ((20, 30, 20, 30), 4, False),
    ],
)
def test_the_warm_up_goes_on_until_two_batches_agree_within_a_tenth_at_most_four_times(times, warm_ups, settled):
    kind = type("Times", (Settling,), {"TIMES": times})
    index, searches = timed((1,), kind=kind)
    assert searches.turn(0, 0).settled == settled
    assert batches(index, 5) == warm_ups + 1
    assert warm_ups <= MOST_WARM_UPS


def test_client_threads_ask_every_query_once_or_as_often_as_makes_20_ms():
    """Four threads that begin together; the fake clock runs in all of them at once, so how long is not looked at."""
    index, searches = timed((1,), n_queries=9, threads=4)
    turn = searches.turn(0, 0)
    assert turn.threads_s > 0
    assert turn.threads_queries % 9 == 0
    first = index.calls.index("rest")
    second = index.calls.index("rest", first + 1)
    third = index.calls.index("rest", second + 1)
    assert index.calls[first + 1 : second] == [(1, 1, 1)] * (9 + 9)  # alone, once to warm up
    assert index.calls[second + 1 : third] == [(1, 1, 1)] * turn.threads_queries  # by clients


def test_there_are_no_more_clients_than_queries():
    _, searches = timed((1,), n_queries=1, threads=4)
    assert math.isnan(searches.turn(0, 0).threads_s)
    _, searches = timed((1,), n_queries=2, threads=4)
    assert searches._clients.number == 2
    assert searches.turn(0, 0).threads_s > 0


def test_single_queries_use_one_thread():
    index, searches = timed(threads=3)
    for s in range(3):
        searches.turn(s, 0)
    assert {call[2] for call in index.calls if call != "rest" and call[1] == 1} == {1}


def test_of_many_queries_each_round_asks_others_alone():
    index, searches = timed((1,), n_queries=2500, threads=1, clock=TickingClock())
    turn = searches.turn(0, 2)
    assert turn.single_s.shape == (1000,)
    assert turn.batch_s == pytest.approx(2.5, rel=1e-3)
    # The warm-up asks the first ones, then come the last 500 and the first 500.
    assert index.alone[-1000:] == [*range(2000, 2500), *range(500)]


def test_requests_at_a_rate_have_a_place_in_the_turn():
    index, searches = timed((1,), n_queries=5, rate=100, clock=TickingClock())
    turn = searches.turn(0, 0)
    assert turn.response_s.shape == (100,)
    np.testing.assert_allclose(turn.response_s, 1e-3, atol=5e-5)
    assert not turn.overloaded
    assert index.calls[-102:] == [*[(1, 1, 1)] * 100, "rest", "rest"]


def test_requests_that_come_too_fast_are_told():
    _, searches = timed((4,), n_queries=5, rate=500, clock=TickingClock())
    turn = searches.turn(0, 0)
    assert turn.overloaded
    assert turn.late_s == pytest.approx(99 * (4e-3 - 2e-3), rel=0.05)


def test_the_reading_spans_what_is_timed_and_not_the_warm_up():
    clock = Clock()
    marks = iter([Mark(1.0, 2.0, 3.0, 4, 5.0), Mark(3.0, 2.5, 3.1, 9, 6.0)])
    index = None

    def mark():
        noted.append(len(index.calls))
        return next(marks)

    noted = []
    index, searches = timed((6,), clock=clock, mark=mark)
    assert searches.turn(0, 0).reading == Reading(2.0, 0.25, pytest.approx(0.05), 5, 0.5)
    assert noted == [6, len(index.calls) - 1]  # after four queries and two batches; before the last rest


def test_a_kernel_that_is_compiled_while_something_is_timed_is_an_error():
    counts = iter([7, 7, 7, 9])
    _, searches = timed((6,), compilations=lambda: next(counts))
    searches.turn(0, 0)
    with pytest.raises(CompiledWhileTimedError, match=r"compiled \(2\) while the search {'ef': 6} was timed"):
        searches.turn(0, 1)
    assert gc.isenabled()


def test_garbage_collection_is_given_back():
    assert gc.isenabled()
    timed()[1].turn(0, 0)
    assert gc.isenabled()


class Failing(FakeIndex):
    def search(self, prepared, k, *, threads):
        if len(prepared) > 1 and len(self.calls) > 6:
            raise RuntimeError("broken")
        return super().search(prepared, k, threads=threads)


def test_garbage_collection_is_given_back_after_a_failure():
    _, searches = timed((1,), kind=Failing)
    with pytest.raises(RuntimeError, match="broken"):
        searches.turn(0, 0)
    assert gc.isenabled()


def test_a_turn_begins_with_its_own_search():
    _, searches = timed((1, 4))
    for s in (1, 0, 1):
        assert searches.turn(s, 0).single_s[0] == pytest.approx((1e-3, 4e-3)[s])


def test_what_was_found_first_stays():
    """The answers that are graded are those of the first batch, whatever later ones say."""

    class Counting(FakeIndex):
        def search(self, prepared, k, *, threads):
            super().search(prepared, k, threads=threads)
            return Found(np.full((len(prepared), k), len(self.calls)), 0)

    index, searches = timed((6,), kind=Counting)
    searches.turn(0, 0)
    searches.turn(0, 1)
    assert set(searches.answers()[0].ids.ravel().tolist()) == {index.calls.index((6, 5, 1)) + 1}


def test_a_block_of_batches_is_at_least_20_ms():
    index, searches = timed((0.3,), n_queries=7)
    searches.turn(0, 0)
    first = index.calls.index("rest")
    warm_up = WARM_UP if len(index.calls) > WARM_UP + 100 else 7
    repeats = first - warm_up - 2 - 2 * 3
    assert repeats * 7 * 0.3e-3 >= BATCH_S > (repeats - 1) * 7 * 0.3e-3
