"""Candidates that wait for their float64 score, while float32 scores of others show that they need none.

A heap of k takes ``k (1 + log(n / k))`` entries from n items in random order, each with a float64 score and a
way down the heap. Where a tile has computed a float32 score anyway, candidates are only noted; now and then the
k-th of those noted shows which of them are worth going on with:

    k items have float32 scores of t or more, true ones of t - slack or more;
    whatever lies below t - 2 slack is truly below t - slack, and not in the answer.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from idxbench.kernels.heaps import heapify, is_empty, keep, pair_score
from idxbench.kernels.jit import helper
from idxbench.kernels.lanes import INT, INTS, SINGLES, VECTOR, WORD, Loop, load, prefetch, splat, word

# Shallower heaps cost less than what follows.
SHALLOWEST = 8
# Halvings of the range of the scores noted, when the k-th is looked for.
HALVINGS = 24
# Rows come from far away: so many before they are used they are called for, up to so many bytes of each.
AHEAD, ROW_BYTES = 8, 1024


@helper
def waiting_places(k: Any) -> Any:
    """Return how many candidates of a query may wait; 0 where each is scored at once."""
    return (2 * k + 47) // 16 * 16 if k >= SHALLOWEST else 0


@intrinsic  # type: ignore[untyped-decorator]
def _highest(typing_context: Any, scores: Any, n_vectors: Any) -> Any:
    """Return the largest of ``n_vectors * VECTOR`` float32 at an address; none is NaN."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at, n = arguments
        loop = Loop(builder, n, [ir.Constant(SINGLES, [float("-inf")] * VECTOR)])
        value = load(builder, at, builder.mul(loop.t, word(4 * VECTOR)), SINGLES)
        best = builder.select(builder.fcmp_ordered(">", value, loop.values[0]), value, loop.values[0])
        best = loop.end([best])[0]
        lanes = [builder.extract_element(best, ir.Constant(INT, lane)) for lane in range(VECTOR)]
        highest = lanes[0]
        for lane in lanes[1:]:
            highest = builder.select(builder.fcmp_ordered(">", lane, highest), lane, highest)
        return highest

    return types.float32(types.intp, types.intp), emit


@intrinsic  # type: ignore[untyped-decorator]
def _reaching(typing_context: Any, scores: Any, n_vectors: Any, least: Any) -> Any:
    """Count those of ``n_vectors * VECTOR`` float32 at an address that are at least ``least``."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at, n, least = arguments
        wanted = splat(builder, least, SINGLES)
        loop = Loop(builder, n, [ir.Constant(INTS, None)])
        value = load(builder, at, builder.mul(loop.t, word(4 * VECTOR)), SINGLES)
        reached = builder.zext(builder.fcmp_ordered(">=", value, wanted), INTS)
        counts = loop.end([builder.add(loop.values[0], reached)])[0]
        total = ir.Constant(INT, 0)
        for lane in range(VECTOR):
            total = builder.add(total, builder.extract_element(counts, ir.Constant(INT, lane)))
        return builder.zext(total, WORD)

    return types.intp(types.intp, types.intp, types.float32), emit


@helper
def kth_score(scores: Any, q: Any, count: Any, k: Any, low: Any) -> Any:
    """Return a score that at least k of the first ``count`` entries reach, and hardly more unless they tie.

    Halving the range between ``low``, which all reach, and the highest reads all scores each time, but in vectors:
    a tenth of what a selection takes.
    """
    if low == -np.inf:
        low = scores[q, 0]
        for i in range(1, count):
            low = min(low, scores[q, i])
    n_vectors = (count + VECTOR - 1) // VECTOR
    for i in range(count, n_vectors * VECTOR):
        scores[q, i] = -np.inf
    at = scores.ctypes.data + 4 * q * scores.shape[1]
    high = _highest(at, n_vectors)
    for _ in range(HALVINGS):
        middle = np.float32(np.float32(0.5) * low + np.float32(0.5) * high)
        if not low < middle < high:
            break
        reached = _reaching(at, n_vectors, middle)
        if reached < k:
            high = middle
            continue
        low = middle
        if reached <= k + k // 16:
            break
    return low


@helper
def cut(noted: Any, rows: Any, counts: Any, q: Any, k: Any, slack: Any, limit: Any) -> Any:
    """Drop the candidates of a query that can't belong to the answer; return the limit that dropped them.

    Parameters
    ----------
    noted, rows, counts
        What waits: (q, w) float32 scores in the units of the tile, (q, w) int32 rows in the block, (q,) int64 how many.
    q, k
        Whose, and how many it keeps.
    slack, limit
        As in `Found`.
    """
    count = counts[q]
    if count > k:
        least = np.float64(kth_score(noted, q, count, k, limit))
        # As in `limit_of`: the last term covers the rounding to float32.
        limit = max(limit, np.float32(least - 2.0 * slack - abs(least) * 1e-6 - 1e-37))
    left = 0
    for i in range(count):
        score, row = noted[q, i], rows[q, i]
        noted[q, left] = score
        rows[q, left] = row
        left += score >= limit
    counts[q] = left
    return limit


@helper
def settle(
    rows: Any,
    counts: Any,
    q: Any,
    query: Any,
    items: Any,
    factors: Any,
    first_id: Any,
    scores: Any,
    ids: Any,
    taken: Any,
) -> Any:
    """Score all that waits for a query in float64 and offer it to its heap; return how many those were.

    Arrays one by one and not in records, whose fields would count references for every query.

    Parameters
    ----------
    rows, counts, q
        As in `cut`.
    query, items
        As in `pair_score`.
    factors, first_id
        As in `Exact`; the id of row 0.
    scores, ids, taken
        The fields of `Found`; the last are its ``counts``.
    """
    number, k, row_bytes = counts[q], scores.shape[1], 4 * items[2]
    scaled = factors.shape[0] > 0
    # An empty heap is filled first and put in order once, not with every entry.
    empty = taken.shape[0] == 0 and number >= k and is_empty(ids, q)
    for i in range(number):
        if i + AHEAD < number:
            prefetch(items[0] + np.int64(rows[q, i + AHEAD]) * row_bytes, min(row_bytes, ROW_BYTES))
        row = np.int64(rows[q, i])
        score = pair_score(query, items, row)
        if scaled:
            score *= factors[row]
        item = first_id + row
        if empty and i < k:
            scores[q, i] = score
            ids[q, i] = item
            if i + 1 == k:
                heapify(scores, ids, q)
        elif score > scores[q, 0] or (score == scores[q, 0] and item < ids[q, 0]):
            keep(scores, ids, taken, q, score, item)
    counts[q] = 0
    return number
