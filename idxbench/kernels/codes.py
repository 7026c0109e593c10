"""Exact search that reads one byte per number: integer scores with a rigorous bound choose what to score.

Items are rounded to codes of 8 bits, ``b = s_b b^ + e_b``, with a scale per panel of `LANES` items, queries
alike with a scale each, ``q = s_q q^ + e_q``. Then

    |q.b - s_q s_b <q^, b^>|  <=  |s_q q^| |e_b| + |e_q| |b|  + |q_rest| |b_rest|

by Cauchy-Schwarz, the last term for the coordinates that were not encoded. A pair is scored in float64 only
where its integer score plus this bound can still reach its query's threshold, so nothing is ever missed.

The integer tile holds ``GROUP`` queries by ``LANES`` items. Its accumulators start at minus the threshold,
so that "passes" is "not negative": one AND over all of them decides whether a tile of 384 pairs holds
anything at all. Item codes are stored plus 128, as the unsigned operand of the CPU's 8-bit dot product
(AVX-512 VNNI, or AVX-VNNI); the excess is subtracted with the threshold. CPUs without it multiply 16-bit pairs.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from idxbench.kernels.heaps import Exact, Found, addresses, keep, limit_of, pair_score, reachable
from idxbench.kernels.jit import has_avxvnni, has_vnni, kernel
from idxbench.kernels.lanes import (
    GROUP,
    INT,
    INTS,
    LANES,
    SINGLE,
    SINGLES,
    VECTOR,
    VECTORS,
    WORD,
    Loop,
    load,
    prefetch,
    splat,
    store,
    trailing_zeros,
    word,
)

# The product of 4 unsigned by 4 signed bytes, added to each lane.
if VECTOR == 16 and has_vnni():
    BYTE_DOT = "llvm.x86.avx512.vpdpbusd.512"
elif VECTOR == 8 and has_avxvnni():
    BYTE_DOT = "llvm.x86.avx512.vpdpbusd.256"
else:
    BYTE_DOT = ""

# 32-bit words that hold four query codes: as bytes, or as 16-bit pairs (0, 2) and (1, 3).
WORDS = 1 if BYTE_DOT else 2

# Above this, sums of 255 x 127 over the dimensions no longer fit beside the threshold in 32 bits.
MAX_DIMS = 16_384

# Item codes of one pass over the queries: they and their float32 rows stay in the second-level cache.
CHUNK_BYTES = 1 << 17

# Bytes of a row that are called for: what follows comes by itself.
ROW_BYTES = 1024
# Pairs that wait for their rows to arrive.
WAITING = 32

# Columns of `CodeBlock.bounds` and of `QueryCodes.bounds`.
INVERSE_SCALE, ERROR, SIZE, REST = range(4)
# Rows of a group's constants, 16 floats each: the first four as above, in the same order.
LIMIT, BIAS_UNIT = 4, 5


class CodeBlock(NamedTuple):
    """Encoded items.

    Parameters
    ----------
    codes
        (p, s, LANES, 4) uint8: code plus 128 of dimension ``4 s + i`` of item ``LANES p + lane``.
    bounds
        (p, 4) float32: 1 / scale, largest ``|e_b|``, largest ``|b|`` and largest ``|b_rest|`` of the panel.
    norms
        (p, 2) float32: least and largest norm of the items of the panel, all coordinates.
    bias
        (p, LANES) float32, ``-|b|^2 / 2`` under l2; (0, LANES) for none.
    order
        (n,) int32: the row of each encoded item in its block.
    """

    codes: NDArray[np.uint8]
    bounds: NDArray[np.float32]
    norms: NDArray[np.float32]
    bias: NDArray[np.float32]
    order: NDArray[np.int32]


class QueryCodes(NamedTuple):
    """Encoded queries.

    Parameters
    ----------
    codes
        (q, s * WORDS) int32: four codes a step.
    bounds
        (q, 4) float32: 1 / scale, ``|e_q|``, ``|s_q q^|`` and ``|q_rest|``.
    norms
        (q,) float32: norm of each query, all coordinates, rounded up.
    excess
        (q,) int32: 128 times the sum of the codes.
    bias_units
        (q,) float32: what a bias is multiplied by.
    """

    codes: NDArray[np.int32]
    bounds: NDArray[np.float32]
    norms: NDArray[np.float32]
    excess: NDArray[np.int32]
    bias_units: NDArray[np.float32]


def _byte_dot(builder: Any) -> Any:
    """Return a function of (sums, item codes, query words) that adds 4-byte dot products to each lane."""
    if BYTE_DOT:
        # Declared with 32-bit lanes: what LLVM took until version 21, and upgrades by itself since.
        instruction = cgutils.get_or_insert_function(builder.module, ir.FunctionType(INTS, [INTS] * 3), BYTE_DOT)
        return lambda sums, codes, words: builder.call(instruction, [sums, codes, words[0]])

    pairs = ir.VectorType(ir.IntType(16), 2 * VECTOR)
    products = ir.VectorType(INT, 2 * VECTOR)

    def halves(value: Any, start: int) -> Any:
        picked = ir.Constant(ir.VectorType(INT, VECTOR), list(range(start, 2 * VECTOR, 2)))
        return builder.shuffle_vector(value, value, picked)

    def add_pairs(sums: Any, left: Any, right: Any) -> Any:
        # The shape that LLVM recognizes as one 16-bit multiply-add instruction, where there is one.
        left, right = (builder.sext(builder.bitcast(side, pairs), products) for side in (left, right))
        product = builder.mul(left, right)
        return builder.add(sums, builder.add(halves(product, 0), halves(product, 1)))

    def multiply(sums: Any, codes: Any, words: list[Any]) -> Any:
        mask = ir.Constant(INTS, [0x00FF00FF] * VECTOR)
        even = builder.and_(codes, mask)
        odd = builder.and_(builder.lshr(codes, ir.Constant(INTS, [8] * VECTOR)), mask)
        return add_pairs(add_pairs(sums, even, words[0]), odd, words[1])

    return multiply


def _starts(builder: Any, rows: int, group: Any, excess: Any, bounds: Any, bias: Any) -> list[list[Any]]:
    """Return what each accumulator starts at: minus its threshold, minus the excess, plus the bias if any."""

    def row(index: int) -> Any:
        return load(builder, group, word(64 * index), SINGLES)

    def panel(index: int) -> Any:
        return splat(builder, load(builder, bounds, word(4 * index), SINGLE), SINGLES)

    def bounded(value: Any, first: float) -> Any:
        # What is no number ends at the bound that is tried first: the one that lets a pair pass.
        for limit in (first, -first):
            test = "<" if limit > 0 else ">"
            edge = ir.Constant(SINGLES, [limit] * VECTOR)
            value = builder.select(builder.fcmp_ordered(test, value, edge), value, edge)
        return value

    scale = builder.fmul(row(INVERSE_SCALE), panel(INVERSE_SCALE))
    error = builder.fmul(row(SIZE), panel(ERROR))
    error = builder.fadd(error, builder.fmul(row(ERROR), panel(SIZE)))
    error = builder.fadd(error, builder.fmul(row(REST), panel(REST)))
    threshold = builder.fmul(builder.fsub(row(LIMIT), error), scale)
    # Truncation towards zero and the last rounding: two units below is below.
    two = ir.Constant(INTS, [2] * VECTOR)
    offset = load(builder, excess, word(0), INTS)
    lanes = [ir.Constant(INT, g) for g in range(rows)]
    if bias is None:
        start = builder.sub(builder.sub(two, builder.fptosi(bounded(threshold, -(2.0**29)), INTS)), offset)
        return [[splat(builder, builder.extract_element(start, g), INTS)] * VECTORS for g in lanes]
    unit = builder.fmul(scale, row(BIAS_UNIT))
    offset = builder.sub(two, offset)
    starts = []
    for g in lanes:
        factor, least, extra = (
            splat(builder, builder.extract_element(value, g), kind)
            for value, kind in ((unit, SINGLES), (threshold, SINGLES), (offset, INTS))
        )
        one = []
        for part in range(VECTORS):
            lifted = builder.fmul(load(builder, bias, word(4 * VECTOR * part), SINGLES), factor)
            one.append(builder.add(builder.fptosi(bounded(builder.fsub(lifted, least), 2.0**29), INTS), extra))
        starts.append(one)
    return starts


def _tile_of(rows: int, biased: bool) -> Any:
    """Make the function that finds the pairs of one tile that can reach their thresholds.

    It returns 1 if there is any, else 0. All arguments but ``n_steps`` are addresses: ``codes`` (s, LANES, 4)
    uint8, ``queries`` (s, WORDS, GROUP) int32, of which the first ``rows`` are looked at, ``group`` (6, 16)
    float32, ``excess`` (16,) int32, ``bounds`` (4,) float32, ``passed`` (rows,) words of LANES bits, written only
    if a pair passes, ``bias`` (LANES,) float32, added to the scores of the items if ``biased``.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(
        typing_context: Any,
        codes: Any,
        queries: Any,
        n_steps: Any,
        group: Any,
        excess: Any,
        bounds: Any,
        passed: Any,
        bias: Any,
    ) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            *others, bias = arguments
            return _emit_tile(builder, rows, others, bias if biased else None)

        return types.intp(*[types.intp] * 8), emit

    return tile


_tile, _tile_with_bias = _tile_of(GROUP, False), _tile_of(GROUP, True)
# For a query alone: memory is what it waits for, and a whole group would keep it waiting for products too.
_single, _single_with_bias = _tile_of(1, False), _tile_of(1, True)


def _emit_tile(builder: Any, rows: int, arguments: Any, bias: Any) -> Any:
    codes, queries, n_steps, group, excess, bounds, passed = arguments
    multiply = _byte_dot(builder)
    starts = _starts(builder, rows, group, excess, bounds, bias)
    loop = Loop(builder, n_steps, [value for one in starts for value in one])
    at_codes = builder.mul(loop.t, word(4 * LANES))
    at_queries = builder.mul(loop.t, word(4 * WORDS * GROUP))
    items = [load(builder, codes, builder.add(at_codes, word(4 * VECTOR * part)), INTS) for part in range(VECTORS)]
    sums = []
    for g in range(rows):
        words = [
            splat(builder, load(builder, queries, builder.add(at_queries, word(4 * (w * GROUP + g))), INT), INTS)
            for w in range(WORDS)
        ]
        sums += [multiply(loop.values[g * VECTORS + part], items[part], words) for part in range(VECTORS)]
    sums = loop.end(sums)

    everything = sums[0]
    for value in sums[1:]:
        everything = builder.and_(everything, value)
    zero, bits = ir.Constant(INTS, None), ir.IntType(VECTOR)

    def not_negative(value: Any) -> Any:
        return builder.bitcast(builder.icmp_signed(">=", value, zero), bits)

    found = builder.icmp_unsigned("!=", not_negative(everything), ir.Constant(bits, 0))
    with builder.if_then(found, likely=False):
        for index, value in enumerate(sums):
            store(builder, not_negative(value), passed, index * VECTOR // 8, bits, align=1)
    return builder.zext(found, WORD)


@kernel
def scan_codes(
    block: CodeBlock,
    exact: Exact,
    first_id: int,
    part: tuple[int, int],
    queries: QueryCodes,
    exact_queries: NDArray[np.float64],
    found: Found,
) -> int:
    """Offer encoded items to the heap of every query; return how many pairs were scored in float64.

    Parameters
    ----------
    block
        The codes of a block of items.
    exact
        The same items for the float64 score, in the order of their ids.
    first_id
        Id of the first row of ``exact``.
    part
        Its number, and the number of parts: passes over the block are dealt to them in turn.
    queries, exact_queries
        The encoded queries, and (q, d) float64 as `pair_score` takes them.
    found
        Their heaps, with limits up to date for this block.
    """
    n_panels, n_steps = block.codes.shape[:2]
    n_items, n_queries = block.order.shape[0], queries.codes.shape[0]
    biased, scaled = block.bias.shape[0] > 0, exact.factors.shape[0] > 0
    # Arrays by names of their own, and addresses: a field or a slice would count a reference, for every tile.
    order, norms, factors = block.order, block.norms, exact.factors
    query_codes, query_bounds, query_norms = queries.codes, queries.bounds, queries.norms
    query_excess, bias_units = queries.excess, queries.bias_units
    scores, ids, counts = found.scores, found.ids, found.counts
    units, slack, limits = found.units, found.slack, found.limits
    items, exact_at, query_bytes = addresses(exact), exact_queries.ctypes.data, 8 * exact_queries.shape[1]
    words = np.empty(n_steps * WORDS * GROUP, np.int32)
    group = np.zeros((6, 16), np.float32)
    excess = np.zeros(16, np.int32)
    passed = np.zeros(GROUP * LANES // 32, np.uint32)
    active = np.empty(n_queries, np.int64)
    panel_bytes = n_steps * LANES * 4
    codes_at, bounds_at, bias_at = block.codes.ctypes.data, block.bounds.ctypes.data, block.bias.ctypes.data
    words_at, group_at, excess_at = words.ctypes.data, group.ctypes.data, excess.ctypes.data
    passed_at = passed.ctypes.data
    row_bytes = 4 * items[2]
    waiting_places, waiting_rows = (
        np.empty(WAITING + GROUP * LANES, np.int32),
        np.empty(WAITING + GROUP * LANES, np.int32),
    )
    n_waiting = 0
    per_word = 32 // LANES  # queries that share a word of `passed`
    chunk = max(1, CHUNK_BYTES // panel_bytes)
    scored = 0
    for begin in range(part[0] * chunk, n_panels, part[1] * chunk):
        end = min(begin + chunk, n_panels)
        low, high = np.inf, 0.0
        for p in range(begin, end):
            low = min(low, np.float64(norms[p, 0]))
            high = max(high, np.float64(norms[p, 1]))
        n_active = 0
        for q in range(n_queries):
            unit = np.float64(bias_units[q]) if biased else 0.0
            if reachable(np.float64(query_norms[q]), unit, np.float64(limits[q]), low, high):
                active[n_active] = q
                n_active += 1
        for first in range(0, n_active, GROUP):
            size = min(GROUP, n_active - first)
            passed[:] = 0
            for g in range(GROUP):
                q = active[first + min(g, size - 1)]
                for t in range(n_steps * WORDS):
                    words[t * GROUP + g] = query_codes[q, t]
                for column in range(4):
                    group[column, g] = query_bounds[q, column]
                # A place without a query wants nothing.
                group[LIMIT, g] = limits[q] if g < size else np.inf
                group[BIAS_UNIT, g] = bias_units[q]
                excess[g] = query_excess[q]
            for p in range(begin, end):
                codes = codes_at + p * panel_bytes
                bounds = bounds_at + 16 * p
                bias = bias_at + 4 * LANES * p
                if size == 1 and biased:
                    hit = _single_with_bias(codes, words_at, n_steps, group_at, excess_at, bounds, passed_at, bias)
                elif size == 1:
                    hit = _single(codes, words_at, n_steps, group_at, excess_at, bounds, passed_at, bias)
                elif biased:
                    hit = _tile_with_bias(codes, words_at, n_steps, group_at, excess_at, bounds, passed_at, bias)
                else:
                    hit = _tile(codes, words_at, n_steps, group_at, excess_at, bounds, passed_at, bias)
                if hit != 0:
                    for w in range(passed.shape[0]):
                        bits = passed[w]
                        while bits != 0:
                            bit = trailing_zeros(bits)
                            bits &= bits - np.uint32(1)
                            place, g = p * LANES + bit % LANES, w * per_word + bit // LANES
                            if place < n_items and g < size:
                                waiting_places[n_waiting] = g
                                waiting_rows[n_waiting] = order[place]
                                prefetch(items[0] + np.int64(order[place]) * row_bytes, min(row_bytes, ROW_BYTES))
                                n_waiting += 1
                # Rows come from far away: they are called for one by one and used together.
                if n_waiting >= WAITING or p == end - 1:
                    for w in range(n_waiting):
                        g, row = waiting_places[w], np.int64(waiting_rows[w])
                        q = active[first + g]
                        score = pair_score(exact_at + q * query_bytes, items, row)
                        if scaled:
                            score *= factors[row]
                        item = first_id + row
                        better = score > scores[q, 0] or (score == scores[q, 0] and item < ids[q, 0])
                        if better and keep(scores, ids, counts, q, score, item):
                            limits[q] = limit_of(scores[q, 0], units, slack, q)
                            group[LIMIT, g] = limits[q]
                    scored += n_waiting
                    n_waiting = 0
    return scored
