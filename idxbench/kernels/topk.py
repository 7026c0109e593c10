"""Exact top-k of many queries over a block of items, with the scores never written to memory.

A register tile of ``ROWS`` items by ``LANES`` queries is accumulated with fused multiply-adds and compared
with each query's threshold (the worst score it still keeps); only lanes that pass reach a heap. The
products of one item and one query are summed in the order of the dimensions whatever the tile they fall
in, so equal rows have equal scores and the answer does not depend on the number of threads.

Plain Numba loops do not become such a tile: the accumulators would live in memory. Hence one intrinsic,
written with LLVM's generic vectors, which every CPU has (wider ones are split by the compiler).
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from idxbench.kernels.jit import has_avx512, inlined, kernel

# 12 x 2 accumulators of 16 floats fill the 32 registers of AVX-512; 6 x 2 of 8 fill the 16 of AVX2.
VECTOR, ROWS = (16, 12) if has_avx512() else (8, 6)
VECTORS = 2
LANES = VECTOR * VECTORS

# Rows of one pass over a group of panels: their floats stay in the second-level cache.
CACHE_FLOATS = 1 << 17

NO_ID = np.int64(np.iinfo(np.int64).max)


@intrinsic  # type: ignore[untyped-decorator]
def _tile(typing_context: Any, rows: Any, stride: Any, panel: Any, n_dims: Any, bias: Any, out: Any) -> Any:
    """Write ``bias[r] + sum_t rows[r, t] * panel[t, lane]`` of one tile to ``out``.

    All arguments but ``n_dims`` and ``stride`` (in floats) are addresses of float32 arrays: ``rows``
    (ROWS, stride), ``panel`` (n_dims, LANES), ``bias`` (ROWS,), ``out`` (ROWS, LANES).
    """
    signature = types.void(types.intp, types.intp, types.intp, types.intp, types.intp, types.intp)
    return signature, _emit_tile


def _emit_tile(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    rows, stride, panel, n_dims, bias, out = arguments
    single, word = ir.FloatType(), ir.IntType(64)
    vector = ir.VectorType(single, VECTOR)
    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{VECTOR}f32"
    )
    start = ir.Constant(vector, None)
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), VECTOR), [0] * VECTOR)

    def address(base: Any, offset: Any, kind: Any) -> Any:
        byte = builder.add(base, builder.mul(offset, ir.Constant(word, 4)))
        return builder.inttoptr(byte, kind.as_pointer())

    def load(base: Any, offset: Any, kind: Any) -> Any:
        value = builder.load(address(base, offset, kind), typ=kind)
        value.align = 4
        return value

    def splat(value: Any) -> Any:
        one = builder.insert_element(start, value, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(one, start, lanes)

    def constant(value: int) -> Any:
        return ir.Constant(word, value)

    before = builder.block
    row_addresses = [builder.add(rows, builder.mul(stride, constant(4 * row))) for row in range(ROWS)]
    initial = [splat(load(bias, constant(row), single)) for row in range(ROWS)]
    loop = builder.append_basic_block("tile.loop")
    done = builder.append_basic_block("tile.done")
    before = builder.block
    builder.branch(loop)

    builder.position_at_end(loop)
    t = builder.phi(word)
    t.add_incoming(constant(0), before)
    sums = [[builder.phi(vector) for _ in range(VECTORS)] for _ in range(ROWS)]
    for row in range(ROWS):
        for part in range(VECTORS):
            sums[row][part].add_incoming(initial[row], before)
    depth = builder.mul(t, constant(LANES))
    queries = [load(panel, builder.add(depth, constant(part * VECTOR)), vector) for part in range(VECTORS)]
    results = []
    for row in range(ROWS):
        value = splat(load(row_addresses[row], t, single))
        results.append([builder.call(fma, [value, queries[part], sums[row][part]]) for part in range(VECTORS)])
    t_next = builder.add(t, constant(1))
    t.add_incoming(t_next, loop)
    for row in range(ROWS):
        for part in range(VECTORS):
            sums[row][part].add_incoming(results[row][part], loop)
    builder.cbranch(builder.icmp_signed("<", t_next, n_dims), loop, done)

    builder.position_at_end(done)
    for row in range(ROWS):
        for part in range(VECTORS):
            target = address(out, constant(row * LANES + part * VECTOR), vector)
            builder.store(results[row][part], target).align = 4
    return context.get_dummy_value()


@inlined
def _replace_worst(scores: Any, ids: Any, score: Any, item: Any) -> None:
    """Put a better entry in place of a heap's root, the worst entry: lowest score, then highest id."""
    size = scores.shape[0]
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= size:
            break
        other = child + 1
        if other < size and (
            scores[other] < scores[child] or (scores[other] == scores[child] and ids[other] > ids[child])
        ):
            child = other
        if scores[child] < score or (scores[child] == score and ids[child] > item):
            scores[hole] = scores[child]
            ids[hole] = ids[child]
            hole = child
        else:
            break
    scores[hole] = score
    ids[hole] = item


@kernel
def scan(
    rows: NDArray[np.float32],
    bias: NDArray[np.float32],
    first_id: int,
    panels: NDArray[np.float32],
    heap_scores: NDArray[np.float32],
    heap_ids: NDArray[np.int64],
    thresholds: NDArray[np.float32],
) -> None:
    """Offer every row of a block to the heap of every query.

    Parameters
    ----------
    rows
        (n, d) items, C order.
    bias
        (n,) added to the scores of a row.
    first_id
        The id of row 0; ids of later calls must be higher, so that ties go to the lowest id.
    panels
        (p, d, LANES) queries, packed by `pack_panels`.
    heap_scores, heap_ids
        (q, k) with q <= p * LANES; start as -inf and `NO_ID`, end as the k best in heap order.
    thresholds
        (p * LANES,) the root of each heap; +inf where a lane holds no query.
    """
    n_rows, n_dims = rows.shape
    inner = max(ROWS, CACHE_FLOATS // n_dims // ROWS * ROWS)
    tile = np.empty((ROWS, LANES), np.float32)
    spare_rows = np.zeros((ROWS, n_dims), np.float32)
    spare_bias = np.zeros(ROWS, np.float32)
    for begin in range(0, n_rows, inner):
        end = min(begin + inner, n_rows)
        for p in range(panels.shape[0]):
            limits = thresholds[p * LANES : (p + 1) * LANES]
            for top in range(begin, end, ROWS):
                height = min(ROWS, end - top)
                if height == ROWS:
                    row_address = rows[top:].ctypes.data
                    bias_address = bias[top:].ctypes.data
                else:
                    # The tile reads ROWS rows whatever remains: give it rows that exist.
                    spare_rows[:height] = rows[top:end]
                    spare_bias[:height] = bias[top:end]
                    row_address = spare_rows.ctypes.data
                    bias_address = spare_bias.ctypes.data
                _tile(row_address, n_dims, panels[p:].ctypes.data, n_dims, bias_address, tile.ctypes.data)
                for r in range(height):
                    passed = 0
                    for lane in range(LANES):
                        passed |= tile[r, lane] > limits[lane]
                    if passed:
                        for lane in range(LANES):
                            if tile[r, lane] > limits[lane]:
                                q = p * LANES + lane
                                _replace_worst(heap_scores[q], heap_ids[q], tile[r, lane], first_id + top + r)
                                limits[lane] = heap_scores[q, 0]


@kernel
def scan_few(
    rows: NDArray[np.float32],
    bias: NDArray[np.float32],
    first_id: int,
    queries: NDArray[np.float32],
    heap_scores: NDArray[np.float32],
    heap_ids: NDArray[np.int64],
) -> None:
    """Do what `scan` does for a handful of queries: a dot product per pair, at the speed of memory.

    A tile would multiply its whole width whatever the number of queries. ``queries`` is (q, d), unpacked.
    """
    n_dims = rows.shape[1]
    for r in range(rows.shape[0]):
        row = rows[r]
        for q in range(queries.shape[0]):
            query = queries[q]
            score = np.float32(0.0)
            for t in range(n_dims):
                score += row[t] * query[t]
            score += bias[r]
            if score > heap_scores[q, 0]:
                _replace_worst(heap_scores[q], heap_ids[q], score, first_id + r)


@kernel
def assign(
    rows: NDArray[np.float32],
    panels: NDArray[np.float32],
    bias: NDArray[np.float32],
    labels: NDArray[np.int64],
    best: NDArray[np.float32],
) -> None:
    """Find the best query of every row (the fused top-1 of k-means: rows are items, queries centroids).

    Parameters
    ----------
    rows
        (n, d) items, C order.
    panels
        (p, d, LANES) centroids, packed by `pack_panels`.
    bias
        (p * LANES,) added to the scores of a centroid; -inf where a lane holds none.
    labels, best
        (n,) outputs: the centroid with the highest ``row . centroid + bias`` (ties: the lowest), and
        that score.
    """
    n_rows, n_dims = rows.shape
    tile = np.empty((ROWS, LANES), np.float32)
    spare_rows = np.zeros((ROWS, n_dims), np.float32)
    no_bias = np.zeros(ROWS, np.float32)
    for top in range(0, n_rows, ROWS):
        height = min(ROWS, n_rows - top)
        row_address = rows[top:].ctypes.data
        if height < ROWS:
            spare_rows[:height] = rows[top:]
            row_address = spare_rows.ctypes.data
        for p in range(panels.shape[0]):
            _tile(row_address, n_dims, panels[p:].ctypes.data, n_dims, no_bias.ctypes.data, tile.ctypes.data)
            for r in range(height):
                high = np.float32(-np.inf) if p == 0 else best[top + r]
                label = np.int64(0) if p == 0 else labels[top + r]
                for lane in range(LANES):
                    score = tile[r, lane] + bias[p * LANES + lane]
                    if score > high:
                        high = score
                        label = p * LANES + lane
                best[top + r] = high
                labels[top + r] = label


@kernel
def accumulate(
    rows: NDArray[np.float32],
    labels: NDArray[np.int64],
    sums: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """Add every row to the float64 sum of its cluster, and count it.

    Parameters
    ----------
    rows, labels
        (n, d) and (n,) with labels in [0, c).
    sums, counts
        (c, d) and (c,), added to.
    """
    for r in range(rows.shape[0]):
        label = labels[r]
        total = sums[label]
        row = rows[r]
        for t in range(rows.shape[1]):
            total[t] += row[t]
        counts[label] += 1


@inlined
def _pair_score(query: Any, row: Any, squared_distance: Any) -> Any:
    """Score one pair in float64: the dot product, or the negative squared distance."""
    total = 0.0
    if squared_distance:
        for t in range(query.shape[0]):
            difference = query[t] - row[t]
            total -= difference * difference
    else:
        for t in range(query.shape[0]):
            total += query[t] * row[t]
    return total


@kernel
def score_candidates(
    queries: NDArray[np.float64],
    rows: NDArray[np.float64],
    squared_distance: bool,
    scores: NDArray[np.float64],
) -> None:
    """Score each query against rows of its own, in float64.

    Parameters
    ----------
    queries
        (q, d).
    rows
        (q, k, d): the candidates of each query.
    squared_distance
        Score by the negative squared distance instead of the dot product.
    scores
        (q, k) output.
    """
    for q in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            scores[q, c] = _pair_score(queries[q], rows[q, c], squared_distance)


@kernel
def scan_float64(
    queries: NDArray[np.float64],
    rows: NDArray[np.float64],
    first_id: int,
    squared_distance: bool,
    heap_scores: NDArray[np.float64],
    heap_ids: NDArray[np.int64],
) -> None:
    """Offer every row to the heap of every query, in float64: slow, and exact where float32 can't tell.

    Shapes and order as in `scan`, with queries as rows; a pair scores as in `score_candidates`.
    """
    for r in range(rows.shape[0]):
        for q in range(queries.shape[0]):
            score = _pair_score(queries[q], rows[r], squared_distance)
            if score > heap_scores[q, 0]:
                _replace_worst(heap_scores[q], heap_ids[q], score, first_id + r)


def pack_panels(queries: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay queries out as the tile reads them.

    Parameters
    ----------
    queries
        (q, d).

    Returns
    -------
    (ceil(q / LANES), d, LANES) float32: lane j of panel p holds query ``p * LANES + j``, or zeros.
    """
    n_queries, n_dims = queries.shape
    n_panels = -(-n_queries // LANES)
    padded = np.zeros((n_panels * LANES, n_dims), np.float32)
    padded[:n_queries] = queries
    return np.ascontiguousarray(padded.reshape(n_panels, LANES, n_dims).transpose(0, 2, 1))
