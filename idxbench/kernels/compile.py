"""Compiling every kernel ahead of use, so that no measured time holds a compiler's."""

import time

import numpy as np


def compile_kernels() -> float:
    """Compile or load every kernel for the types the program uses; return the seconds it took.

    Seconds the first time on a machine, tenths when the disk cache holds them.
    """
    start = time.perf_counter()
    from idxbench.kernels import clustering, codes, encode, floats, heaps
    from idxbench.kernels.lanes import LANES

    rows = np.ones((1, 1), np.float32)
    rows.flags.writeable = False  # as memory maps are: a type of its own to Numba, and the only one in use
    one, none, wide = np.ones(1), np.zeros(0), np.ones((1, 1))
    exact = heaps.Exact(rows, np.zeros((0, 1), np.float32), none, False)
    order, norms = np.zeros(1, np.int32), np.ones(1, np.float32)
    found = heaps.Found(
        np.full((1, 1), -np.inf),
        np.full((1, 1), heaps.NO_ID),
        np.zeros(0, np.int64),
        np.ones((1, 2)),
        one,
        np.full(1, -np.inf, np.float32),
    )
    heaps.set_limits(found)
    encode.row_sums(rows, one, np.ones(1))
    block = codes.CodeBlock(
        np.zeros((1, 1, LANES, 4), np.uint8),
        np.zeros((1, 4), np.float32),
        np.ones((1, 2), np.float32),
        np.zeros((0, LANES), np.float32),
        order,
    )
    encode.encode_panels(rows, one, one, one, none, 0, 1, block)
    asked = codes.QueryCodes(
        np.zeros((1, codes.WORDS), np.int32), np.zeros((1, 4), np.float32), norms, np.zeros(1, np.int32), norms
    )
    encode.encode_rows(wide, asked.codes, asked.bounds, asked.excess)
    codes.scan_codes(block, exact, 0, (0, 1), asked, wide, found)
    panels = floats.QueryPanels(floats.pack_panels(rows), norms, np.ones(LANES, np.float32))
    floats.scan(floats.FloatBlock(rows, np.zeros(0, np.float32), norms, order), exact, 0, (0, 1), panels, wide, found)
    floats.scan_few(exact, 0, np.ones((1, 1), np.float32), one, False, wide, found)
    heaps.cut_buffers(np.ones((1, 3)), np.ones((1, 3), np.int64), np.ones(1, np.int64))
    heaps.merge_heaps(found.scores, found.ids, found.scores.copy(), found.ids.copy())
    heaps.sort_heaps(found.scores, found.ids)
    heaps.score_pairs(wide, exact, np.zeros((1, 1), np.int64), np.ones((1, 1)))
    labels, single = np.zeros(1, np.int64), np.ones((1, 1), np.float32)
    tiles, bias = clustering.pack_centroids(single, np.zeros(1, np.float32))
    clustering.assign(single, tiles, bias, labels, np.zeros(1, np.float32))
    clustering.accumulate(single, labels, np.zeros((1, 1)), np.zeros(1, np.int64))
    return time.perf_counter() - start
