"""One batch of queries over blocks of items, on the threads of a pool."""

from concurrent.futures import Executor
from dataclasses import dataclass
from math import lcm

import numpy as np
from numpy.typing import NDArray

from idxbench.kernels.codes import CodeBlock, QueryCodes, scan_codes
from idxbench.kernels.floats import FloatBlock, QueryPanels, scan
from idxbench.kernels.heaps import NO_ID, Found, merge_heaps, set_limits, sort_heaps
from idxbench.kernels.lanes import GROUP, LANES
from idxbench.truth.asked import Asked
from idxbench.truth.blocks import Items

# Queries that fill groups of either tile.
WHOLE = lcm(GROUP, LANES)

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
        return finish(self._heaps, self.asked.answered, pool)


def finish(
    heaps: list[Found], answered: NDArray[np.bool_], pool: Executor
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Merge heaps of the same queries and sort them: (q, k) ids and scores."""
    first, *others = heaps
    for other in others:
        merge_heaps(other.scores, other.ids, first.scores, first.ids)
    k = first.ids.shape[1]
    step = max(1, 100_000 // k)

    def one(start: int) -> None:
        sort_heaps(first.scores[start : start + step], first.ids[start : start + step])

    list(pool.map(one, range(0, len(first.ids), step)))
    first.ids[answered] = np.arange(k)
    first.scores[answered] = 0.0
    return first.ids, first.scores


def empty_heaps(n_queries: int, k: int, answered: NDArray[np.bool_]) -> Found:
    """Return heaps without entries; ``answered`` queries, (q,), want none."""
    return Found(
        np.full((n_queries, k), -np.inf),
        np.full((n_queries, k), NO_ID),
        np.zeros((n_queries, 2)),
        np.zeros(n_queries),
        np.where(answered, np.inf, -np.inf).astype(np.float32),
    )


def _cut(found: Found, part: slice) -> Found:
    return Found(found.scores[part], found.ids[part], found.units[part], found.slack[part], found.limits[part])


def _cut_codes(queries: QueryCodes, part: slice) -> QueryCodes:
    return QueryCodes(
        queries.codes[part], queries.bounds[part], queries.norms[part], queries.excess[part], queries.bias_units[part]
    )


def _cut_panels(queries: QueryPanels, part: slice) -> QueryPanels:
    panels = slice(part.start // LANES, -(-part.stop // LANES))
    lanes = slice(panels.start * LANES, panels.stop * LANES)
    return QueryPanels(queries.panels[panels], queries.norms[part], queries.bias_units[lanes])
