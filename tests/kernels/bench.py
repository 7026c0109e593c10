"""Time each kernel against its NumPy twin: ``python -m tests.kernels.bench``.

One thread, ratios of one run, each pair alternating: machines differ, and so do minutes on a shared one. Whole
searches are compared by ``tests.kernels.bench_peers``, the engines by ``tests.kernels.bench_engines``.
"""

import time

import numpy as np
from threadpoolctl import threadpool_limits

from tests.kernels.registry import KERNELS, Size

SIZE = Size(n=20_000, q=512, d=128, k=10)
REPEATS = 5


def seconds(function, inputs) -> float:
    start = time.perf_counter()
    function(*inputs)
    return time.perf_counter() - start


def main() -> None:
    print(f"one thread, n = {SIZE.n}, q = {SIZE.q}, d = {SIZE.d}, k = {SIZE.k}; median of {REPEATS}, packing included")
    with threadpool_limits(limits=1):
        for name, entry in KERNELS.items():
            inputs = entry.make(SIZE, np.random.default_rng(0))
            entry.fast(*inputs)
            pairs = [(seconds(entry.fast, inputs), seconds(entry.numpy, inputs)) for _ in range(REPEATS)]
            ours, theirs = np.median(pairs, axis=0)
            print(f"{name:>16}: {ours * 1e3:8.2f} ms, NumPy {theirs * 1e3:8.2f} ms, NumPy / ours {theirs / ours:5.1f}")


if __name__ == "__main__":
    main()
