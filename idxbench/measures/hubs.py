"""How unevenly items occur in neighbour lists: hubs, and items that are never returned."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.measures.neighbors import distinct_mask

# Random ids held at a time (16 MB), beside the counts.
_BLOCK_IDS = 2_000_000


def occurrences(ids: NDArray[Any], n_items: int) -> NDArray[np.int64]:
    """Count the lists in which each item occurs (k-occurrence, Radovanovic et al., JMLR 2010).

    Parameters
    ----------
    ids
        (q, k) item ids, padded with -1. An id repeated within a row counts once.
    n_items
        How many items there are.

    Returns
    -------
    NDArray[np.int64]
        (n_items,) from 0 to q.

    Raises
    ------
    ValueError
        An id is ``n_items`` or more.
    """
    if ids.size and ids.max() >= n_items:
        raise ValueError(f"an id of {ids.max()} among {n_items} items")
    return np.bincount(ids[distinct_mask(ids)], minlength=n_items).astype(np.int64)


def hub_gini(counts: NDArray[Any]) -> float:
    """Return the Gini coefficient of the occurrences.

    ``sum_i (2 i - n - 1) x_(i) / (n sum x)`` with x ascending and i from 1.

    Parameters
    ----------
    counts
        (n_items,) from `occurrences`.

    Returns
    -------
    float
        0 when all items occur equally often, ``1 - 1 / n_items`` when one takes every place. NaN when
        nothing occurs. Compare it with `random_floor`: random answers are not at 0.
    """
    total = int(counts.sum())
    if total == 0:
        return float("nan")
    n = len(counts)
    ranks = 2.0 * np.arange(1, n + 1) - n - 1
    return float(ranks @ np.sort(counts) / (n * total))


def antihub_share(counts: NDArray[Any]) -> float:
    """Return the share of items that occur in no list; NaN without items.

    Parameters
    ----------
    counts
        (n_items,) from `occurrences`.
    """
    return float(np.mean(counts == 0)) if len(counts) else float("nan")


def random_floor(n_items: int, n_queries: int, k: int, seed: int = 0) -> tuple[float, float]:
    """Return the Gini coefficient and the antihub share that random answers show at these sizes.

    Both are far from 0 when lists are few: with ``n_queries * k`` equal to ``n_items``, about a third of all
    items never occur by chance alone. One simulated run, in which each query is answered by k distinct
    items, uniformly. (The antihub share alone has a formula, ``(1 - k / n_items)^n_queries``.)

    Parameters
    ----------
    n_items, n_queries
        One or more items, zero or more queries.
    k
        Answers per query; more than ``n_items`` means all of them.
    seed
        Makes it repeatable.

    Returns
    -------
    tuple[float, float]
        Gini coefficient (NaN without queries) and antihub share.

    Notes
    -----
    Cost: about ``n_queries k^2 / 2`` comparisons, .15 s for a million queries at k = 10.
    """
    k = min(k, n_items)
    # Drawing more than half of all items is drawing the few that are left out.
    drawn = k if 2 * k <= n_items else n_items - k
    rng = np.random.default_rng(seed)
    counts = np.zeros(n_items, dtype=np.int64)
    block = max(1, _BLOCK_IDS // max(drawn, 1))
    for start in range(0, n_queries, block):
        ids = _random_lists(min(block, n_queries - start), drawn, n_items, rng)
        counts += np.bincount(ids.ravel(), minlength=n_items)
    if drawn != k:
        counts = n_queries - counts
    return hub_gini(counts), antihub_share(counts)


def _random_lists(n_lists: int, k: int, n_items: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw k distinct ids per list, one place after the other, redrawing those already taken."""
    ids = np.empty((k, n_lists), dtype=np.int64)
    for place in range(k):
        ids[place] = rng.integers(0, n_items, size=n_lists)
        taken = np.flatnonzero((ids[:place] == ids[place]).any(axis=0))
        while taken.size:
            ids[place, taken] = rng.integers(0, n_items, size=taken.size)
            taken = taken[(ids[:place, taken] == ids[place, taken]).any(axis=0)]
    return ids
