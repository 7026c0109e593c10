"""Time an iteration of k-means beside its peers: ``python -m tests.kernels.bench_kmeans``.

Every measurement is a fresh process, and methods alternate. All of them start from the same items and make
the same number of iterations; an iteration is what 10 more of them cost, so that reading, starting threads,
compiling and preparing don't count.
"""

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import time

import numpy as np

from idxbench.version import __version__

FEW, MANY = 1, 11
OURS = "idxbench"
# Peers and the packages they come in.
PEERS = {"faiss.Kmeans": "faiss-cpu", "scikit-learn Lloyd": "scikit-learn"}


def data(n: int, d: int, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Blobs that overlap, twice as many as clusters, so that no method is done within the iterations; and a start."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((2 * clusters, d), np.float32)
    items = centers[rng.integers(0, len(centers), n)]
    items += rng.standard_normal((n, d), np.float32)
    return items, np.sort(rng.choice(n, clusters, replace=False))


def timed(function) -> tuple[float, object]:
    begin = time.perf_counter()
    result = function()
    return time.perf_counter() - begin, result


def run_idxbench(items, start, threads):
    from idxbench.measures.kmeans import PreparedItems

    prepared = PreparedItems(items, spherical=False, threads=threads)
    prepared.cluster(start, 1)  # compiles

    def run(iterations):
        return prepared.cluster(start, iterations, tolerance=0.0)

    few, _ = timed(lambda: run(FEW))
    many, last = timed(lambda: run(MANY))
    assert last.iterations == MANY
    # scikit-learn assigns once more after its last update.
    figures = {"inertia": last.inertia, "inertia after one more": run(MANY + 1).inertia}
    return few, many, figures | {"assign": assign_seconds(prepared, start, threads)}


def assign_seconds(prepared, start, threads) -> float:
    """Time the assignment alone, the median of five."""
    from idxbench.kernels import clustering
    from idxbench.pool import Crew

    centroids = prepared.rows[start]
    packed = clustering.pack_centroids(centroids, -0.5 * np.square(centroids, dtype=float).sum(axis=1))
    labels, best = np.zeros(len(prepared.rows), int), np.zeros(len(prepared.rows), np.float32)
    step = -(-len(labels) // 64)

    def one(first: int) -> None:
        part = slice(first, first + step)
        clustering.assign(prepared.rows[part], *packed, labels[part], best[part])

    crew = Crew(threads)
    runs = [timed(lambda: crew.map(one, range(0, len(labels), step)))[0] for _ in range(5)]
    return float(np.median(runs))


def run_faiss(items, start, threads):
    import faiss

    faiss.omp_set_num_threads(threads)

    def run(iterations):
        # Without this limit it would cluster a sample of 256 items per cluster.
        peer = faiss.Kmeans(
            items.shape[1], len(start), niter=iterations, nredo=1, max_points_per_centroid=len(items), verbose=False
        )
        peer.train(items, init_centroids=items[start])
        assert len(peer.obj) == iterations
        return peer

    few, _ = timed(lambda: run(FEW))
    many, last = timed(lambda: run(MANY))
    return few, many, {"inertia": float(last.obj[-1])}


def run_sklearn(items, start, threads):
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    def run(iterations):
        peer = KMeans(len(start), init=items[start], n_init=1, max_iter=iterations, tol=0.0, algorithm="lloyd")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            peer.fit(items)
        assert peer.n_iter_ == iterations
        return peer

    with threadpool_limits(limits=threads):
        few, _ = timed(lambda: run(FEW))
        many, last = timed(lambda: run(MANY))
    return few, many, {"inertia after one more": float(last.inertia_)}


METHODS = {OURS: run_idxbench, "faiss.Kmeans": run_faiss, "scikit-learn Lloyd": run_sklearn}


def measure(options: argparse.Namespace) -> None:
    """Be the process of one measurement; print it as JSON."""
    items, start = data(options.n, options.d, options.clusters)
    few, many, figures = METHODS[options.method](items, start, options.threads)
    print(json.dumps({"iteration": (many - few) / (MANY - FEW), **figures}))


def in_process(method: str, options: argparse.Namespace) -> dict[str, float]:
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(options.threads))
    sizes = [f"--{name}={getattr(options, name)}" for name in ("n", "d", "clusters", "threads")]
    command = [sys.executable, "-m", "tests.kernels.bench_kmeans", "--method", method, *sizes]
    done = subprocess.run(command, env=os.environ | limits, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{method} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def version(method: str) -> str | None:
    """Return a method's version; None, said aloud, where it is not installed."""
    if method == OURS:
        return __version__
    try:
        return importlib.metadata.version(PEERS[method])
    except importlib.metadata.PackageNotFoundError:
        print(f"{method}: skipped, {PEERS[method]} is not installed")
        return None


def compare(options: argparse.Namespace) -> None:
    versions = {method: found for method in METHODS if (found := version(method))}
    runs = {method: [] for method in versions}
    for _ in range(options.repeats):
        for method in versions:
            runs[method].append(in_process(method, options))
    flops = 2.0 * options.n * options.d * options.clusters
    print(
        f"{options.n:,} x {options.d}, {options.clusters} clusters, {options.threads} threads; "
        f"median (lowest to highest) of {options.repeats} processes"
    )
    ours = runs[OURS]
    for method, found in versions.items():
        times = np.array([run["iteration"] for run in runs[method]])
        ratios = times / [run["iteration"] for run in ours]
        print(
            f"{method + ' ' + found:>26}: {np.median(times) * 1e3:7.1f} ms per iteration "
            f"({times.min() * 1e3:.1f} to {times.max() * 1e3:.1f}), {flops / np.median(times) / 1e9:4.0f} GFLOP/s, "
            f"theirs / ours {np.median(ratios):4.2f} ({ratios.min():.2f} to {ratios.max():.2f})"
        )
    assign = np.median([run["assign"] for run in ours])
    print(f"{OURS}: the assignment alone: {assign * 1e3:.1f} ms, {flops / assign / 1e9:.0f} GFLOP/s")
    for figure in ("inertia", "inertia after one more"):
        values = {method: runs[method][0][figure] for method in versions if figure in runs[method][0]}
        made = MANY + (figure != "inertia")
        print(f"inertia after {made} assignments: " + ", ".join(f"{name} {v:.8g}" for name, v in values.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description="Time k-means beside faiss.Kmeans and scikit-learn's Lloyd.")
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--d", type=int, default=64)
    parser.add_argument("--clusters", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.method:
        measure(options)
    else:
        compare(options)


if __name__ == "__main__":
    main()
