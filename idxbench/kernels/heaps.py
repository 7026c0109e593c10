"""Bounded selection shared by every search kernel: float64 scores decide, ties go to the lowest id.

A heap holds the k best entries of a query with the worst at its root. Fast approximate scores only choose
which pairs are worth a float64 score; whatever proposed a pair, its score is computed by `pair_score`, so
the answer depends neither on the engine nor on the order in which items are seen.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from idxbench.kernels.jit import helper, kernel
from idxbench.kernels.lanes import INT, SINGLE, Loop, load, word

NO_ID = np.int64(np.iinfo(np.int64).max)


class Exact(NamedTuple):
    """Items as the float64 score reads them.

    Parameters
    ----------
    rows
        (n, d) float32.
    rest
        (n, d) float32 to be added to ``rows`` where those had more digits; (0, d) where they had not.
    factors
        (n,) multiply the score of a row; (0,) for none.
    squared_distance
        Score by the negative squared distance instead of the dot product.
    """

    rows: NDArray[np.float32]
    rest: NDArray[np.float32]
    factors: NDArray[np.float64]
    squared_distance: bool


class Found(NamedTuple):
    """The heaps of some queries.

    Parameters
    ----------
    scores, ids
        (q, k) float64 and int64; start as -inf and `NO_ID`. Buffers: (q, c) with c above k.
    counts
        (0,) for heaps. For buffers (q,) int64, how many places are taken; they start at 1, place 0 holding an
        entry that is worse than any, then the worst of the k best when the buffer was last cut down.
    units
        (q, 2) float64: ``score * units[q, 0] + units[q, 1]`` is the score in the units of the tile.
    slack
        (q,) float64 in those units: how far a tile's score may lie from the true one.
    limits
        (q,) float32: the least score of a tile that can still matter; kept up to date by the scans.
    """

    scores: NDArray[np.float64]
    ids: NDArray[np.int64]
    counts: NDArray[np.int64]
    units: NDArray[np.float64]
    slack: NDArray[np.float64]
    limits: NDArray[np.float32]


ZERO, ONE, TWO = np.uint64(0), np.uint64(1), np.uint64(2)


@helper
def sift(scores: Any, ids: Any, q: Any, size: Any, score: Any, item: Any) -> None:
    """Put an entry in place of the root of heap q: lowest score at the top, then highest id."""
    sift_from(scores, ids, q, ZERO, size, score, item)


@helper
def sift_from(scores: Any, ids: Any, q: Any, start: Any, size: Any, score: Any, item: Any) -> None:
    """Put an entry in place of the root of the part of a heap that hangs on place ``start``.

    Unsigned indices: Numba need not look whether they count from the end.
    """
    heap, end, hole = np.uint64(q), np.uint64(size), np.uint64(start)
    while True:
        child = TWO * hole + ONE
        if child >= end:
            break
        other = child + ONE
        if other < end and (
            scores[heap, other] < scores[heap, child]
            or (scores[heap, other] == scores[heap, child] and ids[heap, other] > ids[heap, child])
        ):
            child = other
        if scores[heap, child] < score or (scores[heap, child] == score and ids[heap, child] > item):
            scores[heap, hole] = scores[heap, child]
            ids[heap, hole] = ids[heap, child]
            hole = child
        else:
            break
    scores[heap, hole] = score
    ids[heap, hole] = item


@helper
def heapify(scores: Any, ids: Any, q: Any) -> None:
    """Make a heap of the entries of q, in any order (Floyd 1964)."""
    size = scores.shape[1]
    for place in range(size // 2 - 1, -1, -1):
        sift_from(scores, ids, q, place, size, scores[q, place], ids[q, place])


@helper
def is_empty(ids: Any, q: Any) -> Any:
    """Tell whether heap q holds nothing yet."""
    taken = 0
    for place in range(ids.shape[1]):
        taken += ids[q, place] != NO_ID
    return taken == 0


@helper
def _before(score: Any, item: Any, other_score: Any, other_item: Any) -> Any:
    """Tell whether an entry is better than another: higher score, then lower id."""
    return score > other_score or (score == other_score and item < other_item)


@helper
def select(scores: Any, ids: Any, q: Any, count: Any, k: Any) -> None:
    """Bring the k best of the first ``count`` entries of buffer q to its front, the worst of them to place 0.

    Hoare's selection with the middle of three as pivot; k is below ``count``.
    """
    low, high, wanted = 0, count - 1, k - 1
    while low < high:
        middle = (low + high) // 2
        a, b, c = low, middle, high
        if _before(scores[q, b], ids[q, b], scores[q, a], ids[q, a]):
            a, b = b, a
        if _before(scores[q, c], ids[q, c], scores[q, b], ids[q, b]):
            b = a if _before(scores[q, c], ids[q, c], scores[q, a], ids[q, a]) else c
        score, item = scores[q, b], ids[q, b]
        left, right = low, high
        while left <= right:
            while _before(scores[q, left], ids[q, left], score, item):
                left += 1
            while _before(score, item, scores[q, right], ids[q, right]):
                right -= 1
            if left <= right:
                scores[q, left], scores[q, right] = scores[q, right], scores[q, left]
                ids[q, left], ids[q, right] = ids[q, right], ids[q, left]
                left += 1
                right -= 1
        if wanted <= right:
            high = right
        elif wanted >= left:
            low = left
        else:
            break
    scores[q, 0], scores[q, wanted] = scores[q, wanted], scores[q, 0]
    ids[q, 0], ids[q, wanted] = ids[q, wanted], ids[q, 0]


@helper
def keep(scores: Any, ids: Any, counts: Any, q: Any, score: Any, item: Any) -> Any:
    """Keep an entry that is better than the one at place 0; tell whether that one changed.

    A heap costs its depth for each entry, a buffer of twice the size next to nothing but a selection now and
    then, with a worse entry at place 0 in between: heaps win while they are shallow.
    """
    if counts.shape[0] == 0:
        sift(scores, ids, q, scores.shape[1], score, item)
        return True
    count = counts[q]
    scores[q, count] = score
    ids[q, count] = item
    counts[q] = count + 1
    if count + 1 < scores.shape[1]:
        return False
    k = scores.shape[1] // 2
    select(scores, ids, q, count + 1, k)
    counts[q] = k
    return True


@intrinsic  # type: ignore[untyped-decorator]
def _sum_pairs(typing_context: Any, query: Any, row: Any, rest: Any, n_dims: Any, squared_distance: Any) -> Any:
    """Sum the products (or minus the squared differences) of a float64 query and a float32 row, by address.

    ``rest`` is the address of a second row to be added to the first, or 0. Eight sums side by side, whose
    order is that of this code on every CPU: so are the last digits.
    """
    return types.double(*[types.intp] * 5), _emit_sum_pairs


def _emit_sum_pairs(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    query, row, rest, n_dims, squared_distance = arguments
    double = ir.DoubleType()
    width = 8
    wide, narrow = ir.VectorType(double, width), ir.VectorType(SINGLE, width)

    def declare(name: str, result: Any, kinds: list[Any]) -> Any:
        return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, kinds), name)

    fma = {
        wide: declare(f"llvm.fma.v{width}f64", wide, [wide] * 3),
        double: declare("llvm.fma.f64", double, [double] * 3),
    }
    total = cgutils.alloca_once(builder, double)

    def add(sums: Any, at: Any, kind: Any, source: Any, with_rest: bool, by_distance: bool) -> Any:
        asked = load(builder, query, builder.mul(at, word(8)), kind)
        value = builder.fpext(load(builder, row, builder.mul(at, word(4)), source), kind)
        if with_rest:
            value = builder.fadd(value, builder.fpext(load(builder, rest, builder.mul(at, word(4)), source), kind))
        if not by_distance:
            return builder.call(fma[kind], [asked, value, sums])
        difference = builder.fsub(asked, value)
        return builder.call(fma[kind], [difference, builder.fneg(difference), sums])

    def variant(with_rest: bool, by_distance: bool) -> None:
        whole = builder.udiv(n_dims, word(2 * width))
        loop = Loop(builder, whole, [ir.Constant(wide, None)] * 2)
        sums = []
        for part, value in enumerate(loop.values):
            at = builder.add(builder.mul(loop.t, word(2 * width)), word(part * width))
            sums.append(add(value, at, wide, narrow, with_rest, by_distance))
        left, right = loop.end(sums)
        lanes = builder.fadd(left, right)
        for half in (4, 2, 1):
            order = [ir.Constant(INT, half + lane) for lane in range(half)]
            kind = ir.VectorType(INT, half)
            upper = builder.shuffle_vector(lanes, lanes, ir.Constant(kind, order))
            lower = builder.shuffle_vector(lanes, lanes, ir.Constant(kind, [ir.Constant(INT, i) for i in range(half)]))
            lanes = builder.fadd(lower, upper)
        summed = builder.extract_element(lanes, ir.Constant(INT, 0))
        done = builder.mul(whole, word(2 * width))
        tail = Loop(builder, builder.sub(n_dims, done), [summed])
        one = add(tail.values[0], builder.add(done, tail.t), double, SINGLE, with_rest, by_distance)
        builder.store(tail.end([one])[0], total)

    def choose(with_rest: bool) -> None:
        with builder.if_else(builder.icmp_unsigned("!=", squared_distance, word(0))) as (distance, product):
            with distance:
                variant(with_rest, True)
            with product:
                variant(with_rest, False)

    with builder.if_else(builder.icmp_unsigned("!=", rest, word(0)), likely=False) as (longer, plain):
        with longer:
            choose(True)
        with plain:
            choose(False)
    return builder.load(total, typ=double)


@helper
def addresses(exact: Any) -> Any:
    """Return what `pair_score` needs of some items: taken once, because naming an array counts a reference."""
    rest = np.intp(exact.rest.ctypes.data) if exact.rest.shape[0] > 0 else np.intp(0)
    return np.intp(exact.rows.ctypes.data), rest, np.intp(exact.rows.shape[1]), np.intp(exact.squared_distance)


@helper
def pair_score(query: Any, items: Any, row: Any) -> Any:
    """Score one pair in float64, before any factor; ``query`` is the address of its (d,) float64 numbers."""
    rows, rest, n_dims, squared_distance = items
    offset = 4 * row * n_dims
    return _sum_pairs(query, rows + offset, rest + offset if rest != 0 else rest, n_dims, squared_distance)


@helper
def limit_of(root: Any, units: Any, slack: Any, q: Any) -> Any:
    """Return the least score of a tile that may belong to the answer, rounded down."""
    limit = root * units[q, 0] + units[q, 1] - slack[q]
    # Covers the rounding to float32, and those of the tiles that compute with it in float32.
    limit -= abs(limit) * 1e-6 + 1e-37
    return np.float32(limit)


@helper
def squared_distance_to(rows: Any, row: Any, center: Any) -> Any:
    """Sum the squares of a float32 row minus a float64 center."""
    total = 0.0
    for t in range(rows.shape[1]):
        value = np.float64(rows[row, t]) - center[t]
        total += value * value
    return total


@helper
def reachable(norm: Any, unit: Any, limit: Any, low: Any, high: Any) -> Any:
    """Tell whether an item whose norm lies in [low, high] can reach a limit (Cauchy-Schwarz).

    ``q.b - u |b|^2 / 2`` is at most ``|q| |b| - u |b|^2 / 2``, whose top is at ``|b| = |q| / u``.
    """
    best = high
    if unit > 0:
        best = min(max(norm / unit, low), high)
    return norm * best * 1.000001 - 0.5 * unit * best * best * 0.999998 >= limit


@kernel
def set_limits(found: Found) -> None:
    """Compute every limit anew, after units or slack changed; +inf stays: such a query wants nothing."""
    for q in range(found.scores.shape[0]):
        if found.limits[q] < np.inf:
            found.limits[q] = limit_of(found.scores[q, 0], found.units, found.slack, q)


@kernel
def sort_heaps(scores: NDArray[np.float64], ids: NDArray[np.int64]) -> None:
    """Turn heaps (q, k) into lists, best first, equal scores by ascending id."""
    for q in range(scores.shape[0]):
        for size in range(scores.shape[1] - 1, 0, -1):
            worst, item = scores[q, 0], ids[q, 0]
            sift(scores, ids, q, size, scores[q, size], ids[q, size])
            scores[q, size] = worst
            ids[q, size] = item


@kernel
def cut_buffers(scores: NDArray[np.float64], ids: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
    """Leave the k best entries of buffers (q, 2 k + 1) in their first k places, in any order; -inf elsewhere."""
    k = scores.shape[1] // 2
    for q in range(scores.shape[0]):
        count = counts[q]
        if count > k:
            select(scores, ids, q, count, k)
            count = k
        counts[q] = count
        for place in range(count, scores.shape[1]):
            scores[q, place] = -np.inf
            ids[q, place] = NO_ID


@kernel
def merge_heaps(
    scores: NDArray[np.float64],
    ids: NDArray[np.int64],
    into_scores: NDArray[np.float64],
    into_ids: NDArray[np.int64],
) -> None:
    """Offer the entries of heaps (q, j) to others (q, k)."""
    for q in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            score, item = scores[q, j], ids[q, j]
            if score > into_scores[q, 0] or (score == into_scores[q, 0] and item < into_ids[q, 0]):
                sift(into_scores, into_ids, q, into_scores.shape[1], score, item)


@kernel
def score_pairs(
    queries: NDArray[np.float64], exact: Exact, rows: NDArray[np.int64], scores: NDArray[np.float64]
) -> None:
    """Score given rows of each query: (q, j) ``rows``, (q, j) float64 ``scores``; -1 scores -inf."""
    items, factors = addresses(exact), exact.factors
    for q in range(rows.shape[0]):
        query = queries.ctypes.data + 8 * q * queries.shape[1]
        for j in range(rows.shape[1]):
            row = rows[q, j]
            if row < 0:
                scores[q, j] = -np.inf
                continue
            score = pair_score(query, items, row)
            scores[q, j] = score * factors[row] if factors.shape[0] > 0 else score
