"""Answers that hold most of the items: every pair is scored, and then sorted."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from idxbench.kernels.heaps import score_pairs
from idxbench.pool import Crew
from idxbench.truth.asked import prepare_queries
from idxbench.truth.blocks import Items
from idxbench.truth.exact import Neighbors, Steps
from idxbench.truth.mapping import Mapping
from idxbench.truth.search import sort_entries

# Pairs that a thread scores or sorts at a time.
PAIRS = 1 << 20


def holds_most(k: int, n_items: int) -> bool:
    """Tell whether so many are kept that no bound can spare enough of them their score."""
    return 2 * k > n_items and k > 128


def rank_all(
    blocks: Iterable[Items],
    n_items: int,
    queries: NDArray[np.float64],
    k: int,
    mapping: Mapping,
    crew: Crew,
    steps: Steps,
) -> Neighbors:
    """Score every item for every query, (q, d) finite, and return the k best of each.

    Heaps of that size would hold what a plain table does, and their order is one more thing to keep. Memory: a
    float64 table (q, n_items).

    Raises
    ------
    DataError
        Items that are not finite, or too large for float64.
    """
    table = np.empty((len(queries), n_items))
    answered = np.zeros(len(queries), np.bool_)
    for items in blocks:
        asked = prepare_queries(queries, mapping, items.scale)
        answered = asked.answered
        _score(items, np.ascontiguousarray(asked.exact_for(items)), table, crew)
        steps.advance(len(items))
    ids, scores = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
    numbers = np.arange(n_items)

    def sort(start: int) -> None:
        part = slice(start, start + max(1, PAIRS // n_items))
        some = table[part]
        scores[part], ids[part] = sort_entries(some, np.broadcast_to(numbers, some.shape), k)

    crew.map(sort, range(0, len(queries), max(1, PAIRS // n_items)))
    ids[answered], scores[answered] = np.arange(k), 0.0
    return Neighbors(ids, scores, "all", len(queries) * n_items)


def _score(items: Items, queries: NDArray[np.float64], table: NDArray[np.float64], crew: Crew) -> None:
    """Write the scores of a block of items into their columns of the table."""
    step = max(1, PAIRS // len(items))
    everything = np.tile(np.arange(len(items)), (step, 1))

    def score(start: int) -> None:
        some = queries[start : start + step]
        found = np.empty((len(some), len(items)))
        score_pairs(some, items.exact, everything[: len(some)], found)
        table[start : start + step, items.first : items.first + len(items)] = found

    crew.map(score, range(0, len(queries), step))
