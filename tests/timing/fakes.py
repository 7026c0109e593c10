"""An index and a clock that tests set by hand, and the counters of a machine that nobody disturbs."""

import gc

import numpy as np

from idxbench.indexes.base import Found
from idxbench.timing.readings import Mark
from idxbench.timing.searches import TimedSearches, Tools


class Clock:
    """Time that passes only when something works or sleeps."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


class TickingClock(Clock):
    """Time that also passes by looking at it, as a loop that waits for a moment needs."""

    def __call__(self):
        self.now += 1e-5
        return self.now


class FakeIndex:
    """Takes ``ef`` milliseconds a query; notes what it was asked, and when it was left to rest."""

    def __init__(self, clock):
        self.clock, self.ef, self.calls, self.alone = clock, 0, [], []

    def set_search(self, parameters):
        self.ef = parameters["ef"]

    def search(self, prepared, k, *, threads):
        assert not gc.isenabled()
        self.calls.append((self.ef, len(prepared), threads))
        if len(prepared) == 1:
            self.alone.append(int(prepared[0, 0]))
        self.clock.now += self.ef * 1e-3 * len(prepared)
        return Found(np.full((len(prepared), k), self.ef), len(prepared) if self.ef == 1 else 0)

    def rest(self):
        self.calls.append("rest")


def timed(searches=(1, 2, 4), *, n_queries=5, threads=1, rate=0.0, kind=FakeIndex, clock=None, **tools):
    """Return a fake index and its timed searches."""
    clock = clock or Clock()
    index = kind(clock)
    prepared = np.repeat(np.arange(n_queries, dtype=np.float32)[:, None], 2, axis=1)
    asked = [{"ef": ef} for ef in searches]
    given = {"clock": clock, "sleep": clock.sleep, "rest": index.rest, "mark": lambda: Mark(clock.now, 0.0, 0.0, 0)}
    return index, TimedSearches(index, asked, prepared, 7, threads=threads, rate=rate, tools=Tools(**(given | tools)))
