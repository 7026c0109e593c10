"""Timed rounds: the turns in which indexes are asked, and what one turn of one index measures."""

import gc
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.indexes.base import Found, VectorIndex

# Single queries timed per search and round, on average: more of them say no more about a percentile.
SINGLES_PER_ROUND = 1_000
WARM_UP = 64
# A batch is repeated until it has run this long: shorter ones measure the clock and the scheduler.
BATCH_S = 0.02


@dataclass(frozen=True)
class SearchTiming:
    """What one search parameter returned and how long it took.

    Parameters
    ----------
    ids
        (q, k) int64, padded with -1.
    n_short
        Queries with fewer than k results.
    batch_s
        (rounds,) seconds for all queries at once; the mean of as many batches as make 20 ms.
    single_s
        (passes, q) seconds of each query alone; every pass holds all queries.
    """

    ids: NDArray[np.int64]
    n_short: int
    batch_s: NDArray[np.float64]
    single_s: NDArray[np.float64]


def turns(n_searches: Sequence[int], rounds: int, seed: int) -> Iterator[list[tuple[int, int]]]:
    """Yield each round's turns: every search of every index once.

    Each even round has a new order, drawn by the seed; the odd round after it runs that order backwards. So a machine
    that slows down hits all alike, and no index always follows the same other.

    Parameters
    ----------
    n_searches
        How many searches each index has.
    rounds
        How many rounds.
    seed
        Of the orders.

    Yields
    ------
    (index, search) pairs of positions.
    """
    draw = random.Random(seed)
    everything = [(index, search) for index, n in enumerate(n_searches) for search in range(n)]
    order = everything
    for turn in range(rounds):
        order = draw.sample(everything, len(everything)) if turn % 2 == 0 else order[::-1]
        yield order


def n_passes(rounds: int, n_queries: int) -> int:
    """Return how many rounds time single queries: all of them up to 1,000 queries, at least one above."""
    return min(rounds, max(1, rounds * SINGLES_PER_ROUND // max(1, n_queries)))


class TimedSearches:
    """The searches of one index, timed a turn at a time. The answers are those of the first turn.

    Parameters
    ----------
    index
        Built.
    searches
        Search parameters.
    prepared
        (q, d) queries from `VectorIndex.prepare`.
    k
        Depth.
    rounds, threads
        How many turns each search gets; threads of the batch. Single queries use one.
    clock
        Seconds, monotonic.
    rest
        Returns when nothing else of this process runs any more.
    """

    def __init__(
        self,
        index: VectorIndex,
        searches: Sequence[Mapping[str, Any]],
        prepared: NDArray[np.float32],
        k: int,
        *,
        rounds: int,
        threads: int,
        clock: Callable[[], float],
        rest: Callable[[], None],
    ) -> None:
        self._index, self._searches, self._prepared = index, searches, prepared
        self._k, self._threads, self._clock, self._rest = k, threads, clock, rest
        self._rows = [prepared[i : i + 1] for i in range(len(prepared))]
        self._batch_s = np.zeros((len(searches), rounds))
        self._single_s = np.zeros((len(searches), n_passes(rounds, len(prepared)), len(prepared)))
        self._turns = [0] * len(searches)
        self._repeats = [0] * len(searches)
        self._found: list[Found | None] = [None] * len(searches)

    def turn(self, s: int) -> None:
        """Time search number ``s`` once: all queries at once and, in the first turns, every query alone."""
        self._index.set_search(self._searches[s])
        # A garbage collection in the middle of a query is Python's time, not the index's.
        collecting = gc.isenabled()
        gc.disable()
        try:
            self._warm_up(s)
            self._time_batch(s)
            self._rest()
            if self._turns[s] < self._single_s.shape[1]:
                self._time_singles(self._single_s[s, self._turns[s]])
        finally:
            if collecting:
                gc.enable()
        self._turns[s] += 1
        self._rest()

    def timings(self) -> list[SearchTiming]:
        """Return what every search found and took, once each has had all its turns."""
        return [
            SearchTiming(found.ids, found.n_short, self._batch_s[s], self._single_s[s])
            for s, found in enumerate(self._found)
            if found is not None
        ]

    def _warm_up(self, s: int) -> None:
        """Bring back what other indexes have driven out of the caches, and learn how long a batch takes.

        Bounded: where a query takes long, one of them fills the caches as well as many.
        """
        start = self._clock()
        for row in self._rows[:WARM_UP]:
            self._index.search(row, self._k, threads=1)
            if self._clock() - start > BATCH_S:
                break
        if self._repeats[s] == 1:
            return
        self._index.search(self._prepared, self._k, threads=self._threads)
        if self._repeats[s] == 0:
            start = self._clock()
            self._index.search(self._prepared, self._k, threads=self._threads)
            self._repeats[s] = max(1, math.ceil(BATCH_S / max(self._clock() - start, 1e-6)))

    def _time_batch(self, s: int) -> None:
        repeats = self._repeats[s]
        start = self._clock()
        for _ in range(repeats):
            answer = self._index.search(self._prepared, self._k, threads=self._threads)
        self._batch_s[s, self._turns[s]] = (self._clock() - start) / repeats
        self._found[s] = self._found[s] or answer

    def _time_singles(self, out: NDArray[np.float64]) -> None:
        index, k, clock = self._index, self._k, self._clock
        for i, row in enumerate(self._rows):
            start = clock()
            index.search(row, k, threads=1)
            out[i] = clock() - start
