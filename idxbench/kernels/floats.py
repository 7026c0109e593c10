"""Exact search in float32: products of a tile never leave the registers but to be compared.

A register tile of ``GROUP`` items by ``LANES`` queries is accumulated with fused multiply-adds and compared
with each query's limit; only pairs that pass are scored in float64 and offered to a heap. The limit leaves
room for the rounding of a float32 sum, so nothing is missed.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from idxbench.kernels.heaps import Exact, Found, addresses, keep, limit_of, pair_score, reachable, squared_distance_to
from idxbench.kernels.jit import helper, kernel
from idxbench.kernels.lanes import (
    GROUP,
    LANES,
    SINGLE,
    SINGLES,
    VECTOR,
    VECTORS,
    WORD,
    Loop,
    load,
    splat,
    store,
    trailing_zeros,
    word,
)
from idxbench.kernels.waiting import cut, settle, waiting_places

# Widths and numbers of panels from which on rows are packed.
PACKED_DIMS, PACKED_PANELS = 1024, 4
# Floats of the rows of one pass over the queries: they stay in the second-level cache.
CACHE_FLOATS = 1 << 17


class FloatBlock(NamedTuple):
    """Items as the tile reads them.

    Parameters
    ----------
    rows
        (n, d) float32.
    bias
        (n,) float32, ``-|b|^2 / 2`` under l2; (0,) for none.
    norms
        (n,) float32 norms of the rows.
    order
        (n,) int32: the row of each item in its block.
    """

    rows: NDArray[np.float32]
    bias: NDArray[np.float32]
    norms: NDArray[np.float32]
    order: NDArray[np.int32]


class QueryPanels(NamedTuple):
    """Queries as the tile reads them.

    Parameters
    ----------
    panels
        (p, d, LANES) float32, packed by `pack_panels`.
    norms
        (q,) float32 norms, rounded up.
    bias_units
        (p * LANES,) float32: what a bias is multiplied by.
    """

    panels: NDArray[np.float32]
    norms: NDArray[np.float32]
    bias_units: NDArray[np.float32]


@intrinsic  # type: ignore[untyped-decorator]
def _tile(
    typing_context: Any,
    rows: Any,
    across: Any,
    along: Any,
    panel: Any,
    n_dims: Any,
    bias: Any,
    units: Any,
    limits: Any,
    passed: Any,
    out: Any,
) -> Any:
    """Score one tile, ``bias[r] * units[lane] + sum_t rows[r, t] * panel[t, lane]``; return whether any passes.

    ``across`` and ``along`` are the bytes from one row to the next and from one of its numbers to the next. All
    others but ``n_dims`` are addresses of float32 arrays: ``rows`` (GROUP, n_dims), ``panel`` (n_dims, LANES),
    ``bias`` (GROUP,), ``units`` and ``limits`` (LANES,). Only if a score reaches the limit of its lane, the scores
    are written to ``out`` (GROUP, LANES), and to ``passed`` which do: (GROUP,) words of LANES bits.
    """
    return types.intp(*[types.intp] * 10), _emit_tile


def _emit_tile(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    rows, across, along, panel, n_dims, bias, units, limits, passed, out = arguments
    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(SINGLES, [SINGLES] * 3), f"llvm.fma.v{VECTOR}f32"
    )
    parts = [load(builder, units, word(4 * VECTOR * part), SINGLES) for part in range(VECTORS)]
    starts = []
    for row in range(GROUP):
        own = splat(builder, load(builder, bias, word(4 * row), SINGLE), SINGLES)
        starts += [builder.fmul(own, unit) for unit in parts]
    addresses = [builder.add(rows, builder.mul(across, word(row))) for row in range(GROUP)]
    loop = Loop(builder, n_dims, starts)
    depth, offset = builder.mul(loop.t, word(4 * LANES)), builder.mul(loop.t, along)
    queries = [load(builder, panel, builder.add(depth, word(4 * VECTOR * part)), SINGLES) for part in range(VECTORS)]
    sums = []
    for row in range(GROUP):
        value = splat(builder, load(builder, addresses[row], offset, SINGLE), SINGLES)
        for part, asked in enumerate(queries):
            sums += [builder.call(fma, [value, asked, loop.values[row * VECTORS + part]])]
    sums = loop.end(sums)

    bits = ir.IntType(VECTOR)
    least = [load(builder, limits, word(4 * VECTOR * part), SINGLES) for part in range(VECTORS)]
    reach = [
        builder.bitcast(builder.fcmp_ordered(">=", value, least[index % VECTORS]), bits)
        for index, value in enumerate(sums)
    ]
    anything = reach[0]
    for some in reach[1:]:
        anything = builder.or_(anything, some)
    found = builder.icmp_unsigned("!=", anything, ir.Constant(bits, 0))
    with builder.if_then(found):
        for index, value in enumerate(sums):
            store(builder, value, out, 4 * VECTOR * index, SINGLES)
            store(builder, reach[index], passed, index * VECTOR // 8, bits, align=1)
    return builder.zext(found, WORD)


@kernel
def scan(
    block: FloatBlock,
    exact: Exact,
    first_id: int,
    part: tuple[int, int],
    queries: QueryPanels,
    exact_queries: NDArray[np.float64],
    found: Found,
) -> int:
    """Offer every item of a block to the heap of every query; return how many pairs were scored in float64.

    Parameters
    ----------
    block
        Items for the tile.
    exact
        The same items for the float64 score, in the order of their ids.
    first_id
        Id of the first row of ``exact``.
    part
        Its number, and the number of parts: passes over the block are dealt to them in turn.
    queries, exact_queries
        Queries for the tile, and (q, d) float64 as `pair_score` takes them.
    found
        Their heaps, with limits up to date for this block.
    """
    rows, bias, norms, order = block.rows, block.bias, block.norms, block.order
    panels, query_norms, bias_units = queries.panels, queries.norms, queries.bias_units
    scores, ids, counts = found.scores, found.ids, found.counts
    units, slack, limits = found.units, found.slack, found.limits
    factors, scaled, biased = exact.factors, exact.factors.shape[0] > 0, bias.shape[0] > 0
    items, exact_at, query_bytes = addresses(exact), exact_queries.ctypes.data, 8 * exact_queries.shape[1]
    n_rows, n_dims = rows.shape
    n_queries = limits.shape[0]
    inner = max(GROUP, CACHE_FLOATS // n_dims // GROUP * GROUP)
    tile = np.empty((GROUP, LANES), np.float32)
    passed = np.zeros(GROUP * LANES // 32, np.uint32)
    own_limits = np.empty(LANES, np.float32)
    k = scores.shape[1] if counts.shape[0] == 0 else scores.shape[1] // 2
    places = waiting_places(k)
    n_waiting = n_queries if places else 0
    noted, noted_rows = np.empty((n_waiting, places), np.float32), np.empty((n_waiting, places), np.int32)
    noted_counts = np.zeros(n_queries, np.int64)
    # Long rows lie far apart, at distances that share the places of a cache: packed, they are one stream.
    pack = n_dims >= PACKED_DIMS and panels.shape[0] >= PACKED_PANELS
    packed = np.zeros((inner // GROUP if pack else 0, n_dims, GROUP), np.float32)
    packed_at = packed.ctypes.data
    spare_rows = np.zeros((GROUP, n_dims), np.float32)
    spare_bias = np.zeros(GROUP, np.float32)
    rows_at, bias_at, panels_at, units_at = (
        rows.ctypes.data,
        bias.ctypes.data,
        panels.ctypes.data,
        bias_units.ctypes.data,
    )
    tile_at, spare_rows_at, spare_bias_at = tile.ctypes.data, spare_rows.ctypes.data, spare_bias.ctypes.data
    limits_at, passed_at = own_limits.ctypes.data, passed.ctypes.data
    per_word = 32 // LANES  # rows that share a word of `passed`
    scored = 0
    for begin in range(part[0] * inner, n_rows, part[1] * inner):
        end = min(begin + inner, n_rows)
        low, high = np.inf, 0.0
        for r in range(begin, end):
            low = min(low, np.float64(norms[r]))
            high = max(high, np.float64(norms[r]))
        if pack:
            for r in range(begin, end):
                for t in range(n_dims):
                    packed[(r - begin) // GROUP, t, (r - begin) % GROUP] = rows[r, t]
        for p in range(panels.shape[0]):
            wanted = False
            for lane in range(LANES):
                q = p * LANES + lane
                # Lanes that hold no query want nothing.
                own_limits[lane] = limits[q] if q < n_queries else np.inf
                if q < n_queries and not wanted:
                    unit = np.float64(bias_units[q]) if biased else 0.0
                    wanted = reachable(np.float64(query_norms[q]), unit, np.float64(limits[q]), low, high)
            if not wanted:
                continue
            panel = panels_at + 4 * p * n_dims * LANES
            for top in range(begin, end, GROUP):
                height = min(GROUP, end - top)
                row, own_bias = rows_at + 4 * top * n_dims, spare_bias_at
                across, along = 4 * n_dims, 4
                if pack:
                    row, across, along = packed_at + 4 * (top - begin) * n_dims, 4, 4 * GROUP
                if height < GROUP:
                    # The tile reads GROUP rows whatever remains: give it rows that exist.
                    for r in range(height):
                        for t in range(n_dims):
                            spare_rows[r, t] = rows[top + r, t]
                        if biased:
                            spare_bias[r] = bias[top + r]
                    row = row if pack else spare_rows_at
                elif biased:
                    own_bias = bias_at + 4 * top
                own_units = units_at + 4 * p * LANES
                if not _tile(row, across, along, panel, n_dims, own_bias, own_units, limits_at, passed_at, tile_at):
                    continue
                for w in range(passed.shape[0]):
                    bits = passed[w]
                    while bits != 0:
                        bit = trailing_zeros(bits)
                        bits &= bits - np.uint32(1)
                        r, lane = w * per_word + bit // LANES, bit % LANES
                        # Rows beyond the last; lanes whose limit has risen since.
                        if r >= height or tile[r, lane] < own_limits[lane]:
                            continue
                        q, item_row = p * LANES + lane, np.int64(order[top + r])
                        if places > 0:
                            count = noted_counts[q]
                            noted[q, count] = tile[r, lane]
                            noted_rows[q, count] = item_row
                            noted_counts[q] = count + 1
                            if count + 1 == places:
                                limits[q] = cut(noted, noted_rows, noted_counts, q, k, slack[q], limits[q])
                                # Many that tie: what waits no longer shrinks by itself.
                                if noted_counts[q] > places - k // 2:
                                    query = exact_at + q * query_bytes
                                    scored += settle(
                                        noted_rows,
                                        noted_counts,
                                        q,
                                        query,
                                        items,
                                        factors,
                                        first_id,
                                        scores,
                                        ids,
                                        counts,
                                    )
                                    limits[q] = max(limits[q], limit_of(scores[q, 0], units, slack, q))
                                own_limits[lane] = limits[q]
                            continue
                        score = pair_score(exact_at + q * query_bytes, items, item_row)
                        if scaled:
                            score *= factors[item_row]
                        scored += 1
                        item = first_id + item_row
                        better = score > scores[q, 0] or (score == scores[q, 0] and item < ids[q, 0])
                        if better and keep(scores, ids, counts, q, score, item):
                            limits[q] = limit_of(scores[q, 0], units, slack, q)
                            own_limits[lane] = limits[q]
    if places > 0:
        for q in range(n_queries):
            limits[q] = cut(noted, noted_rows, noted_counts, q, k, slack[q], limits[q])
            query = exact_at + q * query_bytes
            scored += settle(noted_rows, noted_counts, q, query, items, factors, first_id, scores, ids, counts)
            limits[q] = max(limits[q], limit_of(scores[q, 0], units, slack, q))
    return scored


@helper
def row_product(rows: Any, row: Any, queries: Any, q: Any) -> Any:
    """Multiply one row by one query in float32."""
    total = np.float32(0.0)
    for t in range(rows.shape[1]):
        total += rows[row, t] * queries[q, t]
    return total


@kernel
def scan_few(
    exact: Exact,
    first_id: int,
    queries: NDArray[np.float32],
    norms: NDArray[np.float64],
    cosine: bool,
    exact_queries: NDArray[np.float64],
    found: Found,
) -> tuple[int, int]:
    """Do what `scan` does for a handful of queries in one reading of the items, unprepared, at the speed of memory.

    A tile would multiply its whole width whatever the number of queries, and prepared items are read before.

    Parameters
    ----------
    exact
        The items, float32 without ``rest`` and ``factors``, as they are.
    first_id
        Id of the first.
    queries, norms, exact_queries
        (q, d) float32, (q,) their norms, (q, d) float64; unit rows under cosine.
    cosine
        Divide products by the norm of the row.
    found
        Heaps whose units are those of the score (under l2, half of it plus ``|q|^2 / 2``); no slack needed.

    Returns
    -------
    Pairs scored in float64, and how many rows were searched: all, or those before one that is not finite, or whose
    square is outside the range that float32 sums well.
    """
    rows, distance = exact.rows, exact.squared_distance
    scores, ids, counts = found.scores, found.ids, found.counts
    units, slack, limits = found.units, found.slack, found.limits
    items, exact_at, query_bytes = addresses(exact), exact_queries.ctypes.data, 8 * exact_queries.shape[1]
    n_rows, n_dims = rows.shape
    n_queries = queries.shape[0]
    # Twice the bound of Higham (2002, section 3.1) for a sum of d products, and a few roundings more.
    gamma = (n_dims + 16) * 2.0**-23
    origin = np.zeros(n_dims)
    scored = 0
    for r in range(n_rows):
        square = np.float32(0.0)
        for t in range(n_dims):
            square += rows[r, t] * rows[r, t]
        if not ((square > 1e-25 or square == 0.0) and square < 1e30):
            return scored, r
        norm = np.sqrt(np.float64(square))
        for q in range(n_queries):
            value = np.float64(row_product(rows, r, queries, q))
            error = gamma * norms[q] * norm
            if distance:
                value -= 0.5 * np.float64(square)
                error += gamma * (norm * norm + norms[q] * norms[q])
            elif cosine:
                value = value / norm if norm > 0.0 else np.float64(0.0)
                error = gamma * norms[q]
            if value + error >= limits[q]:
                score = pair_score(exact_at + q * query_bytes, items, r)
                if cosine:
                    score *= 1.0 / np.sqrt(squared_distance_to(rows, r, origin)) if norm > 0.0 else 0.0
                scored += 1
                item = np.int64(first_id + r)
                better = score > scores[q, 0] or (score == scores[q, 0] and item < ids[q, 0])
                if better and keep(scores, ids, counts, q, score, item):
                    limits[q] = limit_of(scores[q, 0], units, slack, q)
    return scored, n_rows


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
