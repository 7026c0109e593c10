"""Time moments and factors against NumPy and against the machine's BLAS: ``python -m tests.linalg.bench``.

The bar for `second_moment` is the rate at which this machine's BLAS multiplies ``A.T @ A`` in float32 (NumPy calls
``ssyrk`` for it) while nothing is added up in float64, with the same number of threads, in three ways: the whole
matrix by one call, the same blocks one call after the other (both on a BLAS with that many threads), and the blocks
shared among that many threads with one BLAS thread each. The ratio is to the fastest of the three. All are measured
in turns; each figure is the median over the turns. A rate counts 2 n d^2 operations, as a general product would take.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from idxbench.linalg.blocks import ROWS
from idxbench.linalg.factors import qr_factor
from idxbench.linalg.moments import second_moment
from idxbench.linalg.norms import norms

SHAPES = [(1_000_000, 128), (1_000_000, 64), (300_000, 384)]
REPEATS = 5
THREADS = 2


def in_turns(calls) -> dict[str, float]:
    """Return the median seconds of each call; they alternate, so a slow minute slows all of them."""
    taken = {name: [] for name in calls}
    for _ in range(REPEATS):
        for name, call in calls.items():
            # The threads of a BLAS wait busily for a while after their last product.
            time.sleep(0.3)
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
    return {name: float(np.median(seconds)) for name, seconds in taken.items()}


def whole(x):
    with threadpool_limits(limits=THREADS):
        return x.T @ x


def block_by_block(x):
    with threadpool_limits(limits=THREADS):
        for start in range(0, len(x), ROWS):
            block = x[start : start + ROWS]
            _ = block.T @ block


def block_per_thread(x):
    def one(start):
        block = x[start : start + ROWS]
        return block.T @ block

    with threadpool_limits(limits=1), ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(one, range(0, len(x), ROWS)):
            pass


def bench_moments(x) -> None:
    n, d = x.shape
    blas = {
        "A'A whole": partial(whole, x),
        "A'A blocks": partial(block_by_block, x),
        "A'A per thread": partial(block_per_thread, x),
    }
    calls = blas | {
        "second_moment": partial(second_moment, x, threads=THREADS),
        "covariance": partial(second_moment, x, center=True, threads=THREADS),
        "float64 NumPy cov": partial(np.cov, x, rowvar=False, bias=True),
    }
    seconds = in_turns(calls)
    print(f"{n:,} x {d}")
    for name, taken in seconds.items():
        print(f"  {name:>18}: {taken:7.3f} s {2e-9 * n * d * d / taken:7.1f} GFLOP/s counted as a general product")
    best = min(seconds[name] for name in blas)
    print(f"  second_moment / fastest A'A: {best / seconds['second_moment']:.2f} of its rate, ", end="")
    print(f"covariance {best / seconds['covariance']:.2f}")
    print(
        f"  NumPy's float64 covariance takes {seconds['float64 NumPy cov'] / seconds['covariance']:.1f} times as long"
    )
    exact = second_moment(x.astype(np.float64))
    scale = np.sqrt(np.outer(exact.diagonal(), exact.diagonal()))
    for name, found in {"second_moment": second_moment(x), "float32 A'A / n": x.T @ x / n}.items():
        print(f"  largest error of {name}: {np.abs((found - exact) / scale).max():.1e} of sqrt(S_ii S_jj)")


def bench_factor(x) -> None:
    n, d = x.shape
    calls = {
        "qr_factor": partial(qr_factor, x, threads=THREADS),
        "numpy.linalg.qr": lambda: np.linalg.qr(x.astype(np.float64), mode="r"),
        "norms": partial(norms, x, threads=THREADS),
        "numpy.linalg.norm": lambda: np.linalg.norm(x.astype(np.float64), axis=1),
    }
    with threadpool_limits(limits=THREADS):
        seconds = in_turns(calls)
    print(f"{n:,} x {d}")
    for name, taken in seconds.items():
        print(f"  {name:>18}: {taken:7.3f} s")


def main() -> None:
    print(f"{THREADS} threads, float32 rows, medians of {REPEATS} turns; BLAS on blocks of {ROWS:,} rows")
    for n, d in SHAPES:
        bench_moments(np.random.default_rng(0).standard_normal((n, d), np.float32))
    print("triangular factors and norms, in float64")
    for n, d in SHAPES:
        bench_factor(np.random.default_rng(0).standard_normal((n // 4, d), np.float32))


if __name__ == "__main__":
    main()
