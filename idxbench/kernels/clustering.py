"""K-means: the best centroid of every row, with the scores never written to memory, and the sums of clusters.

A tile of ``GROUP`` centroids by ``LANES`` rows is accumulated in registers with fused multiply-adds and
reduced there to the best centroid of each row. A row has a lane of its own, so the reduction is a few
compares and blends between registers, with no branch and nothing to reduce across lanes. The products of a
row and a centroid are summed in the order of the dimensions whatever the tile they fall in: equal rows get
equal labels, and the answer does not depend on the number of threads.

Centroids in the lanes were the alternative. That needs no transposed rows, but a best score and index per row
and lane, read and written for every tile, a reduction across lanes at the end, and up to 31 idle lanes
instead of 11: 1.4 times the time with 256 centroids of 64 dimensions, 2.6 times with 20.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from idxbench.kernels.jit import kernel
from idxbench.kernels.lanes import (
    GROUP,
    INT,
    INTS,
    LANES,
    SINGLE,
    SINGLES,
    VECTOR,
    VECTORS,
    Loop,
    load,
    prefetch_line,
    splat,
    store,
    word,
)

# Transposed rows of one pass over the centroids: 128 KiB. From half to four times as many take the same time.
CACHE_FLOATS = 1 << 15

# Bytes that memory is read in. Where lines are longer, some are asked for twice.
LINE = 64


@intrinsic  # type: ignore[untyped-decorator]
def _best_of_tile(
    typing_context: Any, tile: Any, bias: Any, panel: Any, n_dims: Any, first: Any, best: Any, labels: Any
) -> Any:
    """Score GROUP centroids against LANES rows, and let the best of them replace a worse best so far.

    All but ``n_dims`` and ``first``, the label of the tile's first centroid, are addresses: ``tile``
    (n_dims, GROUP), ``bias`` (GROUP,), ``panel`` (n_dims, LANES) and ``best`` (LANES,) float32, ``labels``
    (LANES,) int32.
    """
    return types.void(*[types.intp] * 7), _emit_best_of_tile


def _emit_best_of_tile(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    tile, bias, panel, n_dims, first, best, labels = arguments
    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(SINGLES, [SINGLES] * 3), f"llvm.fma.v{VECTOR}f32"
    )
    starts = [splat(builder, load(builder, bias, word(4 * g), SINGLE), SINGLES) for g in range(GROUP)]
    loop = Loop(builder, n_dims, [start for start in starts for _ in range(VECTORS)])
    at_tile, at_panel = builder.mul(loop.t, word(4 * GROUP)), builder.mul(loop.t, word(4 * LANES))
    rows = [load(builder, panel, builder.add(at_panel, word(4 * VECTOR * part)), SINGLES) for part in range(VECTORS)]
    scores = []
    for g in range(GROUP):
        centroid = splat(builder, load(builder, tile, builder.add(at_tile, word(4 * g)), SINGLE), SINGLES)
        scores += [
            builder.call(fma, [centroid, rows[part], loop.values[g * VECTORS + part]]) for part in range(VECTORS)
        ]
    scores = loop.end(scores)

    def better(left: Any, right: Any) -> Any:
        # Strictly: the left one is the lower label, which stays on a tie.
        wins = builder.fcmp_ordered(">", right[0], left[0])
        return tuple(builder.select(wins, *pair) for pair in zip(right, left, strict=True))

    offset = splat(builder, builder.trunc(first, INT), INTS)
    for part in range(VECTORS):
        entries = [(scores[g * VECTORS + part], ir.Constant(INTS, [g] * VECTOR)) for g in range(GROUP)]
        while len(entries) > 1:
            pairs = zip(entries[::2], entries[1::2], strict=False)
            entries = [better(*pair) for pair in pairs] + entries[len(entries) // 2 * 2 :]
        score, label = entries[0]
        place = 4 * VECTOR * part
        so_far = load(builder, best, word(place), SINGLES), load(builder, labels, word(place), INTS)
        score, label = better(so_far, (score, builder.add(label, offset)))
        store(builder, score, best, place, SINGLES)
        store(builder, label, labels, place, INTS)
    return context.get_dummy_value()


@intrinsic  # type: ignore[untyped-decorator]
def _prefetch(typing_context: Any, place: Any) -> Any:
    """Ask for the line of memory at an address, which may be beyond the end of an array."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        prefetch_line(builder, arguments[0], word(0))
        return context.get_dummy_value()

    return types.void(types.intp), emit


@intrinsic  # type: ignore[untyped-decorator]
def _transpose(typing_context: Any, rows: Any, stride: Any, panel: Any) -> Any:
    """Transpose VECTOR x VECTOR floats: from rows ``stride`` bytes apart to rows of LANES floats (addresses)."""
    return types.void(*[types.intp] * 3), _emit_transpose


def _emit_transpose(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    rows, stride, panel = arguments
    vectors = []
    for i in range(VECTOR):
        at_row = builder.mul(stride, word(i))
        vectors.append(load(builder, rows, at_row, SINGLES))
        # The CPU does not foresee jumps from row to row. Asking for the rows after the next VECTOR takes a
        # quarter off the assignment of a dozen clusters.
        prefetch_line(builder, rows, builder.add(at_row, builder.mul(stride, word(2 * VECTOR))))
    # Swap the two off-diagonal squares of every 2 x 2 squares, of width 1, then 2, 4, ...
    for width in (1 << bit for bit in range(VECTOR.bit_length() - 1)):
        upper = [VECTOR + i - width if i & width else i for i in range(VECTOR)]
        lower = [VECTOR + i if i & width else i + width for i in range(VECTOR)]
        for i in (i for i in range(VECTOR) if not i & width):
            pair = vectors[i], vectors[i + width]
            vectors[i] = builder.shuffle_vector(*pair, ir.Constant(INTS, upper))
            vectors[i + width] = builder.shuffle_vector(*pair, ir.Constant(INTS, lower))
    for i in range(VECTOR):
        store(builder, vectors[i], panel, 4 * LANES * i, SINGLES)
    return context.get_dummy_value()


@kernel
def assign(
    rows: NDArray[np.float32],
    tiles: NDArray[np.float32],
    bias: NDArray[np.float32],
    labels: NDArray[np.int64],
    best: NDArray[np.float32],
) -> None:
    """Find the best centroid of every row.

    Parameters
    ----------
    rows
        (n, d), C order.
    tiles, bias
        (p, d, GROUP) centroids and (p * GROUP,) what is added to their scores, as `pack_centroids` gives them.
    labels, best
        (n,) outputs: the centroid with the highest ``row . centroid + bias`` (ties: the lowest), and
        that score.
    """
    n_rows, n_dims = rows.shape
    height = max(1, CACHE_FLOATS // (n_dims * LANES)) * LANES
    panels = np.zeros((height // LANES, n_dims, LANES), np.float32)
    scores, winners = np.empty(height, np.float32), np.empty(height, np.int32)
    # Addresses, because every slice of an array takes Numba as long to compile as a loop: 1 s instead of 6.
    row_bytes, panel_bytes, tile_bytes = 4 * n_dims, 4 * n_dims * LANES, 4 * n_dims * GROUP
    for begin in range(0, n_rows, height):
        end = min(begin + height, n_rows)
        for top in range(begin, end, VECTOR):
            panel, lanes = divmod(top - begin, LANES)
            target = panels.ctypes.data + panel * panel_bytes + 4 * lanes
            if top + VECTOR <= end and n_dims >= VECTOR:
                for t in range(0, n_dims, VECTOR):
                    first = min(t, n_dims - VECTOR)  # the last square may overlap the one before
                    _transpose(rows.ctypes.data + top * row_bytes + 4 * first, row_bytes, target + 4 * LANES * first)
            else:
                # Lanes beyond the last row keep other rows, or zeros; their labels go nowhere.
                for r in range(min(VECTOR, end - top)):
                    for t in range(n_dims):
                        panels[panel, t, lanes + r] = rows[top + r, t]
        scores[:] = -np.inf
        winners[:] = 0
        # The rows of the next block arrive while this one is multiplied, some with every tile: 4 % of the
        # time with 256 clusters of 64 dimensions, 9 % with 100 of 20.
        next_row, next_bytes = rows.ctypes.data + end * row_bytes, min(height, n_rows - end) * row_bytes
        n_tiles = tiles.shape[0] * ((end - begin + LANES - 1) // LANES)
        share = (next_bytes + n_tiles * LINE - 1) // (n_tiles * LINE) * LINE
        for p in range(tiles.shape[0]):
            for row in range(0, end - begin, LANES):
                for line in range(0, share, LINE):
                    _prefetch(next_row + line)
                next_row += share
                _best_of_tile(
                    tiles.ctypes.data + p * tile_bytes,
                    bias.ctypes.data + 4 * GROUP * p,
                    panels.ctypes.data + row // LANES * panel_bytes,
                    n_dims,
                    GROUP * p,
                    scores.ctypes.data + 4 * row,
                    winners.ctypes.data + 4 * row,
                )
        for i in range(end - begin):
            labels[begin + i] = winners[i]
            best[begin + i] = scores[i]


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


def pack_centroids(
    centroids: NDArray[np.float32], bias: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lay centroids out as the tile reads them.

    Parameters
    ----------
    centroids, bias
        (c, d) and (c,).

    Returns
    -------
    (p, d, GROUP) float32 with p = ceil(c / GROUP), where entry j of tile p holds centroid ``p * GROUP + j``,
    and (p * GROUP,) float32. Entries beyond c hold zeros, and a bias of -inf.
    """
    n_centroids, n_dims = centroids.shape
    n_tiles = -(-n_centroids // GROUP)
    padded = np.zeros((n_tiles * GROUP, n_dims), np.float32)
    padded[:n_centroids] = centroids
    padded_bias = np.full(n_tiles * GROUP, -np.inf, np.float32)
    padded_bias[:n_centroids] = bias
    return np.ascontiguousarray(padded.reshape(n_tiles, GROUP, n_dims).transpose(0, 2, 1)), padded_bias
