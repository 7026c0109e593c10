"""Compiling every kernel ahead of use, so that no measured time holds a compiler's."""

import time

import numpy as np


def compile_kernels() -> float:
    """Compile or load every kernel for the types the program uses; return the seconds it took.

    Seconds the first time on a machine, tenths when Numba's disk cache holds them.
    """
    start = time.perf_counter()
    from idxbench.kernels import topk

    rows, no_bias = np.ones((1, 1), np.float32), np.zeros(1, np.float32)
    panels = topk.pack_panels(rows)
    heap_scores, heap_ids = np.full((1, 1), -np.inf, np.float32), np.full((1, 1), topk.NO_ID)
    thresholds = np.full(topk.LANES, np.inf, np.float32)  # lanes that hold no query must never pass
    thresholds[0] = -np.inf
    mapped = rows.copy()
    mapped.flags.writeable = False
    for items in (rows, mapped):  # a memory map is a type of its own to Numba
        topk.scan(items, no_bias, 0, panels, heap_scores, heap_ids, thresholds)
        topk.scan_few(items, no_bias, 0, rows, heap_scores, heap_ids)
    labels, best = np.zeros(1, np.int64), np.zeros(1, np.float32)
    topk.assign(rows, panels, np.where(np.isinf(thresholds), -np.inf, 0).astype(np.float32), labels, best)
    labels[:] = 0
    topk.accumulate(rows, labels, np.zeros((1, 1)), np.zeros(1, np.int64))
    exact, scores = np.ones((1, 1)), np.full((1, 1), -np.inf)
    topk.score_candidates(exact, exact[None], False, scores)
    topk.scan_float64(exact, exact, 0, False, scores, heap_ids)
    return time.perf_counter() - start
