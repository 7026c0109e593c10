"""Timed rounds: every search of an index in turn, forwards and backwards, batch and single queries."""

import gc
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.indexes.base import VectorIndex

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


def n_passes(rounds: int, n_queries: int) -> int:
    """Return how many rounds time single queries: all of them up to 1,000 queries, at least one above."""
    return min(rounds, max(1, rounds * SINGLES_PER_ROUND // max(1, n_queries)))


def time_rounds(
    index: VectorIndex,
    searches: Sequence[Mapping[str, Any]],
    prepared: NDArray[np.float32],
    k: int,
    *,
    rounds: int,
    threads: int,
    clock: Callable[[], float],
    progress: Callable[[int], None],
) -> list[SearchTiming]:
    """Time every search in every round.

    Even rounds run the searches in order, odd ones backwards, so that a machine that slows down does not
    always hit the same one. The answers are those of the first round.

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
        How many rounds; threads of the batch. Single queries use one.
    clock
        Seconds, monotonic.
    progress
        Told 1 after every search of every round.
    """
    passes = n_passes(rounds, len(prepared))
    rows = [prepared[i : i + 1] for i in range(len(prepared))]
    batch_s = np.zeros((len(searches), rounds))
    single_s = np.zeros((len(searches), passes, len(rows)))
    found: list[Any] = [None] * len(searches)
    repeats = []
    for search in searches:
        index.set_search(search)
        for row in rows[:WARM_UP]:
            index.search(row, k, threads=1)
        index.search(prepared, k, threads=threads)
        start = clock()
        index.search(prepared, k, threads=threads)
        repeats.append(max(1, math.ceil(BATCH_S / max(clock() - start, 1e-6))))
    # A garbage collection in the middle of a query is Python's time, not the index's.
    collecting = gc.isenabled()
    gc.disable()
    try:
        for turn in range(rounds):
            order = range(len(searches)) if turn % 2 == 0 else reversed(range(len(searches)))
            for s in order:
                index.set_search(searches[s])
                start = clock()
                for _ in range(repeats[s]):
                    answer = index.search(prepared, k, threads=threads)
                batch_s[s, turn] = (clock() - start) / repeats[s]
                found[s] = found[s] or answer
                if turn < passes:
                    _time_singles(index, rows, k, clock, single_s[s, turn])
                progress(1)
    finally:
        if collecting:
            gc.enable()
    return [SearchTiming(found[s].ids, found[s].n_short, batch_s[s], single_s[s]) for s in range(len(searches))]


def _time_singles(
    index: VectorIndex,
    rows: Sequence[NDArray[np.float32]],
    k: int,
    clock: Callable[[], float],
    out: NDArray[np.float64],
) -> None:
    for i, row in enumerate(rows):
        start = clock()
        index.search(row, k, threads=1)
        out[i] = clock() - start
