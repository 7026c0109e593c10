"""Time kernels and exact search against NumPy: ``python -m tests.kernels.bench``.

Ratios of one run, each pair alternating: machines differ, and so do minutes on a shared one.
"""

import time
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from idxbench import exact_topk
from tests.kernels.registry import KERNELS, Size

SIZE = Size(n=20_000, q=512, d=128, k=10)
SHAPES = [
    (100_000, 32, 2_000, 10),
    (100_000, 64, 2_000, 10),
    (100_000, 128, 2_000, 1),
    (100_000, 128, 2_000, 10),
    (100_000, 128, 2_000, 100),
    (50_000, 384, 2_000, 10),
    (50_000, 768, 1_000, 10),
    (1_000_000, 64, 1, 10),
    (1_000_000, 64, 10, 10),
    (1_000_000, 64, 100, 10),
]
REPEATS = 5
THREADS = 2
BLOCK = 8_192


def seconds(function, inputs) -> float:
    start = time.perf_counter()
    function(*inputs)
    return time.perf_counter() - start


def medians(ours, theirs, inputs) -> tuple[float, float]:
    pairs = [(seconds(ours, inputs), seconds(theirs, inputs)) for _ in range(REPEATS)]
    return tuple(np.median(pairs, axis=0))


def blocked_numpy(items, queries, k):
    """What a careful user writes: blocked matmul, argpartition, merge."""
    best_scores = best_ids = None
    for start in range(0, len(items), BLOCK):
        scores = queries @ items[start : start + BLOCK].T
        kept = min(k, scores.shape[1])
        ids = np.argpartition(scores, scores.shape[1] - kept, axis=1)[:, -kept:]
        scores, ids = np.take_along_axis(scores, ids, 1), ids + start
        if best_scores is not None:
            scores, ids = np.concatenate([best_scores, scores], 1), np.concatenate([best_ids, ids], 1)
            pick = np.argpartition(scores, scores.shape[1] - k, axis=1)[:, -k:]
            scores, ids = np.take_along_axis(scores, pick, 1), np.take_along_axis(ids, pick, 1)
        best_scores, best_ids = scores, ids
    order = np.argsort(-best_scores, axis=1)
    return np.take_along_axis(best_ids, order, 1)


def bench_kernels() -> None:
    print(f"kernels, one thread, n = {SIZE.n}, q = {SIZE.q}, d = {SIZE.d}, k = {SIZE.k}; median of {REPEATS}")
    with threadpool_limits(limits=1):
        for name, entry in KERNELS.items():
            inputs = entry.make(SIZE, np.random.default_rng(0))
            entry.fast(*inputs)
            ours, theirs = medians(entry.fast, entry.numpy, inputs)
            print(f"{name:>18}: {ours * 1e3:8.2f} ms, NumPy {theirs * 1e3:8.2f} ms, NumPy / ours {theirs / ours:5.1f}")


def bench_search() -> None:
    print(f"exact_topk by dot against blocked NumPy matmul + argpartition, {THREADS} threads; median of {REPEATS}")
    with threadpool_limits(limits=THREADS):
        for n, d, q, k in SHAPES:
            rng = np.random.default_rng(0)
            items = rng.standard_normal((n, d), np.float32)
            queries = rng.standard_normal((q, d), np.float32)
            same = np.mean(exact_topk(items, queries, k)[0] == blocked_numpy(items, queries, k))
            ours, theirs = medians(partial(exact_topk, threads=THREADS), blocked_numpy, (items, queries, k))
            print(
                f"{n:>9,} x {d:<4} q = {q:<5} k = {k:<4}: {ours:6.3f} s, NumPy {theirs:6.3f} s, "
                f"NumPy / ours {theirs / ours:4.1f}, same ids {same:.4f}"
            )


if __name__ == "__main__":
    bench_kernels()
    bench_search()
