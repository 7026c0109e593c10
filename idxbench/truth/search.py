"""One batch of queries over blocks of items, on the threads of a crew."""

from math import lcm
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from idxbench.kernels.codes import CodeBlock, QueryCodes, scan_codes
from idxbench.kernels.floats import FloatBlock, QueryPanels, scan
from idxbench.kernels.heaps import NO_ID, Found, cut_buffers, merge_heaps, set_limits, sort_heaps
from idxbench.kernels.lanes import GROUP, LANES
from idxbench.pool import Crew
from idxbench.truth.asked import Asked
from idxbench.truth.blocks import Items

# Queries that fill groups of either tile.
WHOLE = lcm(GROUP, LANES)

# Numbers of a share of the items, when all threads search the same queries: some tenths of a millisecond,
# so that a thread that wakes up late finds work left. And how many at most for each thread.
SHARE, MOST_SHARES = 1 << 22, 8
# Deeper answers are kept in buffers. At 100, heaps are ahead by a third even where a tenth of all items is kept.
DEEPEST_HEAP = 128

Ready = tuple[CodeBlock, QueryCodes] | tuple[FloatBlock, QueryPanels]


def few(n_queries: int, threads: int) -> bool:
    """Tell whether all threads search the same queries, each among items of its own."""
    return n_queries < 2 * LANES * threads


class Search:
    """The heaps of a batch of queries while blocks of items go by.

    Many queries are dealt to the threads. A few are searched by all threads, each among items of its own with
    heaps of its own, merged at the end: the memory bus is what they wait for.

    Parameters
    ----------
    asked
        The queries.
    k
        How many items each keeps.
    threads
        How many parts to cut the work into, at least.
    """

    def __init__(self, asked: Asked, k: int, threads: int) -> None:
        self.asked, self.k, self.threads = asked, k, threads
        self.n_scored = 0
        self.by_items = few(len(asked), threads)
        self._heaps = [empty_heaps(len(asked), k, asked.answered) for _ in range(threads if self.by_items else 1)]
        self._free: SimpleQueue[Found] = SimpleQueue()
        for found in self._heaps:
            self._free.put(found)

    def scan(self, items: Items, ready: Ready, crew: Crew) -> None:
        """Offer a block of items, made ready for one of the two engines, to every query."""
        single = isinstance(ready[0], FloatBlock)
        units, slack = self.asked.units(items), self.asked.slack(items, items.rows.shape[1], single)
        exact = self.asked.exact_for(items)
        for found in self._heaps:
            found.units[:] = units
            found.slack[:] = slack
            set_limits(found)

        def one(found: Found, queries: slice, share: tuple[int, int]) -> int:
            own = exact[queries]
            block, asked = ready
            if isinstance(block, FloatBlock):
                assert isinstance(asked, QueryPanels)
                return int(scan(block, items.exact, items.first, share, _cut_panels(asked, queries), own, found))
            assert isinstance(asked, QueryCodes)
            return int(scan_codes(block, items.exact, items.first, share, _cut_codes(asked, queries), own, found))

        def some_items(number: int) -> int:
            found = self._free.get()
            try:
                return one(found, slice(0, len(exact)), (number, shares))
            finally:
                self._free.put(found)

        def some_queries(start: int) -> int:
            part = slice(start, min(start + step, len(exact)))
            return one(_cut(self._heaps[0], part), part, (0, 1))

        if self.by_items:
            shares = max(1, min(MOST_SHARES * self.threads, items.rows.size // SHARE))
            self.n_scored += sum(crew.map(some_items, range(shares)))
            return
        # Whole groups of both tiles; several parts a thread, for some finish early, and more where items are few.
        parts = (8 if items.rows.size < SHARE else 4) * self.threads
        step = max(1, len(exact) // parts // WHOLE) * WHOLE
        self.n_scored += sum(crew.map(some_queries, range(0, len(exact), step)))

    def finish(self, crew: Crew) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return (q, k) ids and scores, best first, equal scores by ascending id."""
        return finish(self._heaps, self.k, self.asked.answered, crew)


def finish(
    heaps: list[Found], k: int, answered: NDArray[np.bool_], crew: Crew
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Merge heaps of the same queries and sort them: (q, k) ids and scores."""
    first, *others = heaps
    n_queries = len(answered)
    ids, scores = np.empty((n_queries, k), np.int64), np.empty((n_queries, k))
    step = max(1, min(100_000 // k, -(-n_queries // (2 * crew.threads))))

    def one(start: int) -> None:
        part = slice(start, start + step)
        if len(first.counts):
            for found in heaps:
                cut_buffers(found.scores[part], found.ids[part], found.counts[part])
            all_scores, all_ids = first.scores[part, :k], first.ids[part, :k]
            if others:
                all_scores = np.concatenate([found.scores[part, :k] for found in heaps], axis=1)
                all_ids = np.concatenate([found.ids[part, :k] for found in heaps], axis=1)
            scores[part], ids[part] = sort_entries(all_scores, all_ids, k)
            return
        for other in others:
            merge_heaps(other.scores[part], other.ids[part], first.scores[part], first.ids[part])
        sort_heaps(first.scores[part], first.ids[part])
        scores[part], ids[part] = first.scores[part], first.ids[part]

    crew.map(one, range(0, n_queries, step))
    ids[answered] = np.arange(k)
    scores[answered] = 0.0
    return ids, scores


def sort_entries(
    scores: NDArray[np.float64], ids: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the k best entries of each row, (q, m), best first, equal scores by ascending id."""
    order = np.argsort(-scores, axis=1)
    ordered = np.take_along_axis(scores, order, axis=1)
    # NumPy sorts by one key in vector registers, by two an order of magnitude slower: only where scores tie.
    tied = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    order[tied] = np.lexsort((ids[tied], -scores[tied]))
    order = order[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)


def empty_heaps(n_queries: int, k: int, answered: NDArray[np.bool_]) -> Found:
    """Return heaps without entries, or buffers above `DEEPEST_HEAP`; ``answered`` queries, (q,), want none."""
    buffers = k > DEEPEST_HEAP
    places = 2 * k + 1 if buffers else k
    return Found(
        np.full((n_queries, places), -np.inf),
        np.full((n_queries, places), NO_ID),
        np.ones(n_queries if buffers else 0, np.int64),
        np.zeros((n_queries, 2)),
        np.zeros(n_queries),
        np.where(answered, np.inf, -np.inf).astype(np.float32),
    )


def _cut(found: Found, part: slice) -> Found:
    counts = found.counts[part] if len(found.counts) else found.counts
    return Found(found.scores[part], found.ids[part], counts, found.units[part], found.slack[part], found.limits[part])


def _cut_codes(queries: QueryCodes, part: slice) -> QueryCodes:
    return QueryCodes(
        queries.codes[part], queries.bounds[part], queries.norms[part], queries.excess[part], queries.bias_units[part]
    )


def _cut_panels(queries: QueryPanels, part: slice) -> QueryPanels:
    panels = slice(part.start // LANES, -(-part.stop // LANES))
    lanes = slice(panels.start * LANES, panels.stop * LANES)
    return QueryPanels(queries.panels[panels], queries.norms[part], queries.bias_units[lanes])
