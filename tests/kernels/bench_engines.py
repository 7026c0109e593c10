"""Time both engines at many shapes, and what the choice between them costs: ``python -m tests.kernels.bench_engines``.

Regret is the time of the chosen engine over that of the faster one. To see it for another CPU's code, set
``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES`` (see ``tests/kernels/test_kernels.py``).
"""

import argparse
import itertools
import time

import numpy as np

from idxbench import ExactIndex
from idxbench.kernels.codes import BYTE_DOT
from idxbench.kernels.compile import compile_kernels
from idxbench.kernels.lanes import GROUP, LANES

# Items, dimensions, queries: some 1e10 to 1e11 products each.
SHAPES = [
    (200_000, 8, 4_000),
    (200_000, 32, 4_000),
    (1_000_000, 32, 20),
    (200_000, 64, 100),
    (100_000, 128, 2_000),
    (300_000, 128, 200),
    (10_000, 128, 10_000),
    (50_000, 384, 1_000),
    (1_000, 768, 10_000),
    (30_000, 768, 1_000),
    (10_000, 3_072, 500),
]
KINDS = {"gaussian": (0.0, 0.0), "spread": (0.5, 0.6), "steep": (1.5, 0.0)}


def data(n: int, d: int, q: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Items and queries: standard deviations of the axes ``i^-slope``, norms log-normal."""
    rng = np.random.default_rng(0)
    slope, sigma = KINDS[kind]
    axes = (np.arange(1, d + 1) ** -slope).astype(np.float32)
    items = rng.standard_normal((n, d), np.float32) * axes
    items *= np.exp(sigma * rng.standard_normal((n, 1), np.float32))
    return items, rng.standard_normal((q, d), np.float32) * axes


def seconds(engine: str, items, queries, k: int, threads: int, keep: bool, repeats: int):
    index = ExactIndex(items, threads=threads, engine=engine) if keep else None
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        own = index or ExactIndex(items, threads=threads, keep=False, engine=engine)
        found = own.neighbors(queries, k)
        times.append(time.perf_counter() - start)
    return float(np.median(times)), found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    compile_kernels()
    print(f"tile {GROUP} x {LANES}, bytes multiplied by {BYTE_DOT or 'pairs of 16 bits'}; {options.threads} threads")
    regrets = []
    for (n, d, q), kind, k, keep in itertools.product(SHAPES, KINDS, (1, 10, 100), (False, True)):
        if (kind != "gaussian" or keep) and k != 10:
            continue
        items, queries = data(n, d, q, kind)
        times, found = {}, {}
        for engine in ("codes", "floats", "auto"):
            times[engine], found[engine] = seconds(engine, items, queries, k, options.threads, keep, options.repeats)
        chosen = found["auto"].engine
        best = min(times["codes"], times["floats"])
        regret = times.get(chosen, times["auto"]) / best
        regrets.append(regret)
        same = np.array_equal(found["codes"].ids, found["floats"].ids)
        print(
            f"{n:>9,} x {d:<5} q={q:<6} k={k:<4} {kind:<9} {'prepared' if keep else 'one-shot'}: "
            f"codes {times['codes']:7.3f} s "
            f"({found['codes'].n_scored / q:6.0f} scored/query), floats {times['floats']:7.3f} s, "
            f"auto {times['auto']:7.3f} s: {chosen:<6} regret {regret:4.2f}{'' if same else ' DIFFERENT ANSWERS'}",
            flush=True,
        )
    print(f"regret: median {np.median(regrets):.2f}, worst {max(regrets):.2f}")


if __name__ == "__main__":
    main()
