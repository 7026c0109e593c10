"""Requests that arrive at a fixed rate, whether or not earlier ones are answered.

A closed loop asks the next query when the last is answered: while a server stalls, nobody asks, and a stall of a second
shows in one sample of a thousand ("coordinated omission", Tene). Real clients keep asking. Here every request has an
intended start, and its response time counts from that.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A schedule lasts about a second, but never has fewer requests than a 99th percentile needs.
SCHEDULE_S = 1.0
FEWEST = 100
# Sleeps end late, here by some .06 ms: the last of the wait is spent looking at the clock.
SPIN_S = 0.0002
# Behind by this many median service times at the end of the schedule, or this far from the rate asked for, requests
# come faster than they are answered.
LATE, ACHIEVED = 10, 0.95


@dataclass(frozen=True)
class Responses:
    """What requests at a fixed rate met with.

    Parameters
    ----------
    response_s
        (n,) seconds from the intended start of each to its answer.
    late_s
        How long after its intended start the last one began.
    overloaded
        Whether they came faster than they were answered.
    """

    response_s: NDArray[np.float64]
    late_s: float
    overloaded: bool


NO_RESPONSES = Responses(np.zeros(0), 0.0, False)


def n_requests(n_queries: int, rate: float) -> int:
    """Return how many requests a turn has: one per query, but no more than a second of them, and at least 100."""
    return max(FEWEST, min(n_queries, math.ceil(SCHEDULE_S * rate)))


def open_loop(
    ask: Callable[[int], object],
    n: int,
    rate: float,
    *,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> Responses:
    """Ask at a fixed rate, one server thread that answers in the order of arrival.

    Parameters
    ----------
    ask
        Answers the request of a number, from 0.
    n
        How many requests.
    rate
        Requests per second: number i is meant to start at ``i / rate``.
    clock, sleep
        Seconds, monotonic; waiting.
    """
    starts, ends = np.empty(n), np.empty(n)
    first = clock()
    for i in range(n):
        intended = first + i / rate
        now = clock()
        if intended - now > SPIN_S:
            sleep(intended - now - SPIN_S)
        while now < intended:
            now = clock()
        starts[i] = now
        ask(i)
        ends[i] = clock()
    intended_s = first + np.arange(n) / rate
    late = float(starts[-1] - intended_s[-1])
    behind = late > LATE * float(np.median(ends - starts))
    slow = (n - 1) / rate < ACHIEVED * float(starts[-1] - first)
    return Responses(ends - intended_s, late, behind or slow)
