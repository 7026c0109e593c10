"""Requests at a fixed rate, on a clock that is set by hand: what a stall costs, and how it is told."""

import time

import numpy as np
import pytest

from idxbench.timing.open_loop import FEWEST, SPIN_S, n_requests, open_loop
from tests.timing.fakes import Clock, FakeIndex, timed


class Server:
    """Takes ``service_s`` an answer, and ``stall_s`` more at one of them; notes when each was begun."""

    def __init__(self, clock, service_s, stall_at=-1, stall_s=0.0):
        self.clock, self.service_s, self.stall_at, self.stall_s, self.begun = clock, service_s, stall_at, stall_s, []

    def __call__(self, number):
        self.begun.append(self.clock.now)
        self.clock.now += self.service_s + (self.stall_s if number == self.stall_at else 0.0)


class Exact(Clock):
    """Sleeps end when they should, and whoever looks at the time to wait for a moment finds it come."""

    def __init__(self):
        super().__init__()
        self.until = 0.0

    def sleep(self, seconds):
        super().sleep(seconds)
        self.until = self.now + SPIN_S

    def __call__(self):
        # Spinning: from the end of a sleep to the moment it was for.
        self.now = max(self.now + 1e-8, self.until)
        return self.now


def asked(server, n, rate):
    return open_loop(server, n, rate, clock=server.clock, sleep=server.clock.sleep)


def test_without_a_stall_a_response_is_a_service():
    clock = Exact()
    server = Server(clock, 0.001)
    got = asked(server, 200, 100)
    np.testing.assert_allclose(server.begun, np.arange(200) / 100, atol=1e-5)
    np.testing.assert_allclose(got.response_s, 0.001, atol=1e-5)
    assert got.late_s == pytest.approx(0, abs=1e-5)
    assert not got.overloaded
    assert clock.slept == pytest.approx([0.01 - 0.001 - SPIN_S] * 199, rel=1e-3)


def test_a_stall_shows_in_all_the_requests_that_wait_for_it():
    """Coordinated omission, by hand: 1,000 requests, 100 a second, 1 ms each; number 200 takes a second more.

    It is answered after 1.001 s. The next came 10 ms later and is answered 1 ms after it: .992 s; each further one
    waits 9 ms less, 111 of them (992 - 110 x 9 = 2, then 1 again), about stall x rate / (1 - load). A closed loop asks
    the same 1,000 queries and sees one slow one: its 99th percentile is 1 ms, that of the open loop .911 s.
    """
    clock = Exact()
    got = asked(Server(clock, 0.001, stall_at=200, stall_s=1.0), 1000, 100)
    waits = 1.001 - 0.009 * np.arange(112)
    waits[-1] = 0.002
    np.testing.assert_allclose(got.response_s[200:312], waits, atol=1e-5)
    np.testing.assert_allclose(np.delete(got.response_s, range(200, 312)), 0.001, atol=1e-5)
    assert (got.response_s > 0.0015).sum() == 112
    assert np.quantile(got.response_s, 0.99) == pytest.approx(0.911 + 0.01 * 0.009, abs=1e-5)
    assert not got.overloaded

    class Stalling(FakeIndex):
        """The same stall, at query 200; no warm-up gets that far."""

        def search(self, prepared, k, *, threads):
            if len(prepared) == 1 and prepared[0, 0] == 200:
                self.clock.now += 1.0
            return super().search(prepared, k, threads=threads)

    single_s = timed((1,), n_queries=1000, kind=Stalling)[1].turn(0, 0).single_s
    assert single_s[200] == pytest.approx(1.001)
    assert (single_s > 0.0015).sum() == 1
    assert np.quantile(single_s, 0.99) == pytest.approx(0.001)


def test_a_rate_beyond_the_service_is_an_overload():
    """500 a second, 4 ms each: request i begins at 4i ms instead of 2i; at the end it is 198 ms late."""
    got = asked(Server(Exact(), 0.004), 100, 500)
    np.testing.assert_allclose(got.response_s, 0.004 + 0.002 * np.arange(100), atol=1e-5)
    assert got.late_s == pytest.approx(0.198, rel=0.01)
    assert got.overloaded


def test_a_slight_overload_is_told_by_its_queue():
    """2 % more than can be answered: after 1,000 requests 20 are waiting, though the rate is nearly kept."""
    got = asked(Server(Exact(), 0.00102), 1000, 1000)
    assert got.late_s == pytest.approx(999 * 0.00002, rel=0.01)
    assert got.overloaded
    assert not asked(Server(Exact(), 0.00098), 1000, 1000).overloaded


def test_a_rate_that_is_not_kept_is_told_though_the_queue_is_short():
    """100 requests at 1,000 a second, 1.08 ms each: 8 wait at the end, and 926 a second were begun."""
    got = asked(Server(Exact(), 0.00108), 100, 1000)
    assert got.late_s == pytest.approx(99 * 0.00008, rel=0.01)
    assert got.overloaded


def test_a_stall_in_the_middle_that_is_made_up_for_is_no_overload():
    assert not asked(Server(Exact(), 0.001, stall_at=10, stall_s=0.2), 500, 100).overloaded


@pytest.mark.parametrize(
    ("n_queries", "rate", "n"),
    [(5, 1000, 100), (1000, 1e6, 1000), (1000, 250, 250), (1000, 250.5, 251), (1000, 3, 100), (10**6, 2e4, 20_000)],
)
def test_a_schedule_lasts_a_second_and_has_a_hundred_requests(n_queries, rate, n):
    assert n_requests(n_queries, rate) == n
    assert n >= FEWEST


def test_with_the_real_clock_no_request_begins_early():
    """How late they begin is the machine's business."""
    begun = []

    def ask(number):
        begun.append(time.perf_counter())
        if number == 3:
            time.sleep(0.05)

    start = time.perf_counter()
    got = open_loop(ask, 40, 1000.0)
    assert len(begun) == 40
    assert all(moment >= start + i / 1000 for i, moment in enumerate(begun))
    assert (got.response_s > 0).all()
    # The stall of 50 ms delays whoever was meant to start in it: number 13 by 40 ms, less what a machine can't lose.
    assert all(got.response_s[3 + i] >= 0.0499 - i / 1000 for i in range(37))
