"""Compiling every kernel ahead of use, so that no measured time holds a compiler's."""

import time

import numpy as np


def compile_kernels() -> float:
    """Compile or load every kernel for the types the program uses; return the seconds it took.

    Seconds the first time on a machine, tenths when Numba's disk cache holds them.
    """
    start = time.perf_counter()
    from idxbench.kernels import topk

    rows = np.ones((1, 1), np.float32)
    panels = topk.pack_panels(rows)
    floats = np.zeros(topk.LANES, np.float32)
    heap_scores, heap_ids = np.full((1, 1), -np.inf, np.float32), np.full((1, 1), topk.NO_ID)
    mapped = rows.copy()
    mapped.flags.writeable = False
    for items in (rows, mapped):  # a memory map is a type of its own to Numba
        topk.scan(items, floats[:1], 0, panels, heap_scores, heap_ids, floats)
        topk.scan_few(items, floats[:1], 0, rows, heap_scores, heap_ids)
    labels = np.zeros(1, np.int64)
    topk.assign(rows, panels, floats, labels, floats[:1].copy())
    topk.accumulate(rows, labels, np.zeros((1, 1)), np.zeros(1, np.int64))
    exact, scores = np.ones((1, 1)), np.full((1, 1), -np.inf)
    topk.score_candidates(exact, exact[None], False, scores)
    topk.scan_float64(exact, exact, 0, False, scores, heap_ids)
    return time.perf_counter() - start
