"""Rounding items and queries to 8-bit codes, with the errors that `codes` needs for its bound.

All arithmetic is float64 and the errors are measured, not modelled: ``e_b`` is what is left of an item after
its code. Both sides are given as ``(x - center) * axes * factor``: the center of l2, a rescaling of the axes
that the other side undoes, and a power of two (or 1 / norm) per row.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.kernels.codes import ERROR, INVERSE_SCALE, REST, SIZE, WORDS, CodeBlock
from idxbench.kernels.heaps import squared_distance_to
from idxbench.kernels.jit import helper, kernel
from idxbench.kernels.lanes import LANES

# Float32 holds the bounds: rounded up by more than any of their roundings.
UP = np.float64(1.000001)
NOT_SIGN = np.uint64(2**63 - 1)
# Four codes of zero.
EMPTY = np.int32(np.uint32(0x80808080).view(np.int32))
# Rows may have been rounded to float32 once or twice before they get here.
ROUNDED = np.float64(2.0**-22)


@helper
def scale_of(top: Any) -> Any:
    """Return the float32 scale of codes for values up to ``top``, given as the bits of a float64."""
    largest = np.uint64(top).view(np.float64)
    scale = np.float64(np.float32(largest / 127.0 * UP))
    # Of nothing, or next to it, all codes are 0 and all of it is error: scales far from 1 would leave float32.
    return scale if scale > 1e-9 else 1.0


@kernel
def row_sums(rows: NDArray[np.float32], center: NDArray[np.float64], sums: NDArray[np.float64]) -> None:
    """Sum the squares of ``rows[i] - center`` in float64: (n, d), (d,), (n,); not finite where the row is not."""
    for r in range(rows.shape[0]):
        sums[r] = squared_distance_to(rows, r, center)


@kernel
def encode_panels(
    rows: NDArray[np.float32],
    center: NDArray[np.float64],
    axes: NDArray[np.float64],
    factors: NDArray[np.float64],
    rest: NDArray[np.float64],
    first: int,
    last: int,
    block: CodeBlock,
) -> None:
    """Encode some panels of a block of items.

    Parameters
    ----------
    rows
        (n, d) items in the order of their ids; ``block.order`` says which goes where.
    center, axes
        (d,) each.
    factors
        (n,) per row.
    rest
        (n,) norm of what ``rows`` leave out of each item; (0,) for nothing.
    first, last
        The panels to fill.
    block
        Its codes and bounds are written.
    """
    order, bounds = block.order, block.bounds
    n_items, n_dims, n_steps = order.shape[0], rows.shape[1], block.codes.shape[1]
    words = block.codes.view(np.int32)[:, :, :, 0]
    values = np.zeros((LANES, 4 * n_steps))
    magnitudes = values.view(np.uint64)
    own = np.full(4 * n_steps, 128, np.uint8)
    own_words = own.view(np.int32)
    for p in range(first, last):
        top, largest = np.uint64(0), 0.0
        height = min(LANES, n_items - p * LANES)
        for lane in range(height):
            r = order[p * LANES + lane]
            factor = factors[r]
            square = 0.0
            for t in range(n_dims):
                value = (np.float64(rows[r, t]) - center[t]) * (axes[t] * factor)
                values[lane, t] = value
                square += value * value
            # As integers: the largest of floats is not found in vector lanes while NaN has a meaning.
            for t in range(n_dims):
                top = max(top, magnitudes[lane, t] & NOT_SIGN)
            largest = max(largest, square)
        scale = scale_of(top)
        inverse = 1.0 / scale
        error, tail = 0.0, 0.0
        for lane in range(height):
            square = 0.0
            for t in range(n_dims):
                value = values[lane, t]
                code = np.floor(value * inverse + 0.5)
                square += (value - code * scale) * (value - code * scale)
                own[t] = np.uint8(np.int32(code) + 128)
            error = max(error, square)
            if rest.shape[0] > 0:
                tail = max(tail, rest[order[p * LANES + lane]])
            for s in range(n_steps):
                words[p, s, lane] = own_words[s]
        for lane in range(height, LANES):
            for s in range(n_steps):
                words[p, s, lane] = EMPTY
        norm = np.sqrt(largest)
        bounds[p, INVERSE_SCALE] = inverse
        bounds[p, ERROR] = (np.sqrt(error) + ROUNDED * norm) * UP
        bounds[p, SIZE] = norm * UP
        bounds[p, REST] = tail * UP


@kernel
def encode_rows(
    rows: NDArray[np.float64],
    codes: NDArray[np.int32],
    bounds: NDArray[np.float32],
    excess: NDArray[np.int32],
) -> None:
    """Encode queries, a scale each.

    Parameters
    ----------
    rows
        (q, d) float64, mapped.
    codes, bounds, excess
        As in `QueryCodes`; written, the last column of ``bounds`` excepted.
    """
    n_dims = rows.shape[1]
    n_steps = codes.shape[1] // WORDS
    own = np.zeros(4 * n_steps, np.int32)
    magnitudes = rows.view(np.uint64)
    for q in range(rows.shape[0]):
        row = rows[q]
        top = np.uint64(0)
        for t in range(n_dims):
            top = max(top, magnitudes[q, t] & NOT_SIGN)
        scale = scale_of(top)
        inverse = 1.0 / scale
        error, size, norm, total = 0.0, 0.0, 0.0, 0
        for t in range(n_dims):
            code = np.floor(row[t] * inverse + 0.5)
            difference = row[t] - code * scale
            error += difference * difference
            size += (code * scale) * (code * scale)
            norm += row[t] * row[t]
            own[t] = np.int32(code)
            total += own[t]
        for s in range(n_steps):
            a, b, c, e = own[4 * s], own[4 * s + 1], own[4 * s + 2], own[4 * s + 3]
            if WORDS == 1:
                codes[q, s] = (a & 255) | (b & 255) << 8 | (c & 255) << 16 | (e & 255) << 24
            else:
                codes[q, 2 * s] = (a & 65535) | (c & 65535) << 16
                codes[q, 2 * s + 1] = (b & 65535) | (e & 65535) << 16
        bounds[q, INVERSE_SCALE] = inverse
        bounds[q, ERROR] = (np.sqrt(error) + ROUNDED * np.sqrt(norm)) * UP
        bounds[q, SIZE] = np.sqrt(size) * UP
        excess[q] = 128 * total
