"""One batch of queries over blocks of items, on the threads of a pool."""

from concurrent.futures import Executor
from dataclasses import dataclass
from math import lcm

import numpy as np
from numpy.typing import NDArray

from idxbench.kernels.codes import CodeBlock, QueryCodes, scan_codes
from idxbench.kernels.floats import FloatBlock, QueryPanels, scan
from idxbench.kernels.heaps import NO_ID, Found, cut_buffers, merge_heaps, set_limits, sort_heaps
from idxbench.kernels.lanes import GROUP, LANES
from idxbench.truth.asked import Asked
from idxbench.truth.blocks import Items

# Queries that fill groups of either tile.
WHOLE = lcm(GROUP, LANES)

# Deeper answers are kept in buffers. At 100, heaps are ahead by a third even where a tenth of all items is kept.
DEEPEST_HEAP = 128

Ready = tuple[CodeBlock, QueryCodes] | tuple[FloatBlock, QueryPanels]


@dataclass(frozen=True)
class Part:
    """What one thread does: some of the queries, or some of the items for all of them."""

    queries: slice
    share: tuple[int, int]
    found: Found


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
        self.asked, self.k = asked, k
        self.n_scored = 0
        by_items = few(len(asked), threads)
        sets = threads if by_items else 1
        self._heaps = [empty_heaps(len(asked), k, asked.answered) for _ in range(sets)]
        if by_items:
            whole = slice(0, len(asked))
            self._parts = [Part(whole, (i, threads), found) for i, found in enumerate(self._heaps)]
        else:
            # Whole groups of both tiles; several parts a thread, for some finish early.
            step = max(1, len(asked) // (4 * threads) // WHOLE) * WHOLE
            cuts = [slice(a, min(a + step, len(asked))) for a in range(0, len(asked), step)]
            self._parts = [Part(cut, (0, 1), _cut(self._heaps[0], cut)) for cut in cuts]

    def scan(self, items: Items, ready: Ready, pool: Executor) -> None:
        """Offer a block of items, made ready for one of the two engines, to every query."""
        single = isinstance(ready[0], FloatBlock)
        units, slack = self.asked.units(items), self.asked.slack(items, items.rows.shape[1], single)
        exact = self.asked.exact_for(items)
        for found in self._heaps:
            found.units[:] = units
            found.slack[:] = slack

        def one(part: Part) -> int:
            set_limits(part.found)
            own = exact[part.queries]
            block, queries = ready
            if isinstance(block, FloatBlock):
                assert isinstance(queries, QueryPanels)
                return int(
                    scan(
                        block, items.exact, items.first, part.share, _cut_panels(queries, part.queries), own, part.found
                    )
                )
            assert isinstance(queries, QueryCodes)
            return int(
                scan_codes(
                    block, items.exact, items.first, part.share, _cut_codes(queries, part.queries), own, part.found
                )
            )

        self.n_scored += sum(pool.map(one, self._parts))

    def finish(self, pool: Executor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return (q, k) ids and scores, best first, equal scores by ascending id."""
        return finish(self._heaps, self.k, self.asked.answered, pool)


def finish(
    heaps: list[Found], k: int, answered: NDArray[np.bool_], pool: Executor
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Merge heaps of the same queries and sort them: (q, k) ids and scores."""
    first, *others = heaps
    n_queries = len(answered)
    ids, scores = np.empty((n_queries, k), np.int64), np.empty((n_queries, k))
    step = max(1, 100_000 // k)

    def one(start: int) -> None:
        part = slice(start, start + step)
        if len(first.counts):
            for found in heaps:
                cut_buffers(found.scores[part], found.ids[part], found.counts[part])
            all_scores = np.concatenate([found.scores[part, :k] for found in heaps], axis=1)
            all_ids = np.concatenate([found.ids[part, :k] for found in heaps], axis=1)
            scores[part], ids[part] = sort_entries(all_scores, all_ids, k)
            return
        for other in others:
            merge_heaps(other.scores[part], other.ids[part], first.scores[part], first.ids[part])
        sort_heaps(first.scores[part], first.ids[part])
        scores[part], ids[part] = first.scores[part], first.ids[part]

    list(pool.map(one, range(0, n_queries, step)))
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
