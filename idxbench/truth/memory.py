"""What exact search holds in memory, known before it starts."""

import numpy as np

from idxbench.truth.exact import BLOCK_BYTES, QUERY_BATCH


def index_bytes(n_items: int, n_dims: int, metric: str = "dot", dtype: str = "float32") -> int:
    """Return what a kept `ExactIndex` holds beside the array it was given.

    A byte per number (codes, filled up to whole panels), some 30 bytes an item, and the numbers once more where
    they are not float32 (twice where they have more digits: float64, wide integers, covariance).
    """
    padded = -(-n_dims // 4) * 4
    codes = -(-n_items // 32) * 32 * (padded + 1) + (4 * n_items if metric == "l2" else 0)
    return codes + _copies(n_items, n_dims, metric, dtype) + 30 * n_items


def search_bytes(
    n_items: int,
    n_dims: int,
    n_queries: int,
    k: int,
    metric: str = "dot",
    dtype: str = "float32",
    threads: int = 1,
    *,
    stream: bool = False,
) -> int:
    """Return the most a search over items that are not kept holds, beside items and queries: blocks and results.

    Parameters
    ----------
    n_items, n_dims, n_queries, k
        The shape.
    metric, dtype
        Of the search; of the items.
    threads
        How many search.
    stream
        Items come as blocks from an iterator: all queries are prepared at once, not `QUERY_BATCH` at a time. The
        block that the iterator made is not counted.

    Returns
    -------
    Bytes, an upper bound: the engine and the data decide how much of it is used.
    """
    from idxbench.kernels.waiting import SHALLOWEST
    from idxbench.truth.search import DEEPEST_HEAP

    batch = n_queries if stream else min(n_queries, QUERY_BATCH)
    # Float64 as asked, mapped and encoded, codes or panels; heaps, of each thread where queries are few.
    sets = threads if batch < 64 * threads else 1
    queries = batch * n_dims * (3 * 8 + 4) + 80 * batch
    places = 2 * k + 1 if k > DEEPEST_HEAP else k
    heaps = 16 * batch * (places * sets + k)
    if k >= SHALLOWEST:
        heaps += 8 * batch * sets * (2 * k + 48)
    results = 16 * k * n_queries * (2 if n_queries > batch else 1)
    rows = min(n_items, max(1, BLOCK_BYTES // (4 * n_dims)))
    # The float32 copy of a block, or its codes; order, norms, factors; the pieces that threads work on.
    block = rows * (4 * n_dims + 80) + _copies(rows, n_dims, metric, dtype) + threads * (1 << 25)
    sample = 2048 * n_dims * 8 * 6 + 2048 * 32 * 8 * 4
    return int(queries + heaps + results + block + sample)


def _copies(n_items: int, n_dims: int, metric: str, dtype: str) -> int:
    kind = np.dtype(dtype)
    if metric == "covariance" or not np.can_cast(kind, np.float32):
        return 8 * n_items * n_dims
    return 0 if kind == np.float32 else 4 * n_items * n_dims
