"""Time exact search against peers: ``python -m tests.kernels.bench_peers [--only NAME ...] [--sentences FILE]``.

Every method has a process of its own (OpenMP runtimes slow each other), all are alive at once and asked in
turn, and the medians of their times are compared. From 20 queries on faiss runs with
``distance_compute_blas_threshold = 20``: as it ships it falls back to slow loops at shapes that depend on q and
d. NumPy is a blocked matmul with argpartition. Ours counts everything from the raw arrays, but where
``prepared`` is said. The float32 FMA peak and the memory bandwidth are measured in the same run.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace

import numpy as np

REPEATS = 5
# A single query is three times slower through BLAS: there faiss is left as it ships.
FAISS_BLAS_QUERIES = 20


@dataclass(frozen=True)
class Case:
    name: str
    n: int
    d: int
    q: int
    metric: str = "dot"
    kind: str = "gaussian"
    prepared: bool = False
    depths: tuple[int, ...] = (1, 10, 100)


CASES = [
    Case("32", 1_000_000, 32, 10_000),
    Case("128-dot", 1_000_000, 128, 2_048),
    Case("128-l2", 1_000_000, 128, 2_048, metric="l2"),
    Case("384", 250_000, 384, 2_048),
    Case("768", 100_000, 768, 2_048),
    Case("one-prepared", 1_000_000, 128, 1, prepared=True),
    Case("one-shot", 1_000_000, 128, 1),
    Case("ten-shot", 1_000_000, 128, 10),
    Case("hundred-shot", 1_000_000, 128, 100),
    Case("factorized", 400_000, 100, 10_000, kind="factorized"),
    Case("deep", 100_000, 64, 200, depths=(1_000, 10_000, 100_000)),
    Case("many-small", 1_000, 16, 10_000),
    Case("narrow", 1_000_000, 4, 1_000),
    Case("wide", 10_000, 4_096, 500),
    Case("binary", 200_000, 64, 500, kind="binary"),
    Case("duplicates", 200_000, 64, 500, kind="duplicates"),
    Case("sentences", 110_000, 384, 2_048, metric="cosine", kind="sentences"),
]
METHODS = ["auto", "codes", "floats", "faiss", "numpy"]


def data(case: Case, sentences: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    if case.kind == "sentences":
        rows = np.load(sentences).astype(np.float32)
        items = np.tile(rows, (-(-case.n // len(rows)), 1))[: case.n]
        scale = 0.02 * float(np.sqrt((rows**2).mean()))
        items += scale * rng.standard_normal(items.shape, np.float32)
        queries = rows[rng.choice(len(rows), case.q, replace=False)]
        return items, queries + scale * rng.standard_normal(queries.shape, np.float32)
    items = rng.standard_normal((case.n, case.d), np.float32)
    queries = rng.standard_normal((case.q, case.d), np.float32)
    if case.kind == "binary":
        return (items > 0).astype(np.float32), (queries > 0).astype(np.float32)
    if case.kind == "duplicates":
        items = items[rng.integers(0, 500, case.n)]
    if case.kind == "factorized":
        spectrum = (np.arange(1, case.d + 1) ** -0.5).astype(np.float32)
        items *= spectrum * np.exp(0.6 * rng.standard_normal((case.n, 1), np.float32))
        queries *= spectrum
    return items, queries


def blocked_numpy(items, queries, k, metric, block=8_192):
    """What a careful user writes: blocked matmul, argpartition, merge."""
    if metric == "cosine":
        items, queries = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (items, queries))
    scores_of = [-np.inf * np.ones((len(queries), k), np.float32)]
    ids_of = [np.full((len(queries), k), -1)]
    for start in range(0, len(items), block):
        rows = items[start : start + block]
        scores = queries @ rows.T
        if metric == "l2":
            scores -= np.einsum("ij,ij->i", rows, rows) / 2
        kept = min(k, scores.shape[1])
        ids = np.argpartition(scores, scores.shape[1] - kept, axis=1)[:, -kept:]
        both = np.concatenate([scores_of[0], np.take_along_axis(scores, ids, 1)], 1)
        all_ids = np.concatenate([ids_of[0], ids + start], 1)
        pick = np.argpartition(both, both.shape[1] - k, axis=1)[:, -k:]
        scores_of[0], ids_of[0] = np.take_along_axis(both, pick, 1), np.take_along_axis(all_ids, pick, 1)
    order = np.argsort(-scores_of[0], axis=1)
    return np.take_along_axis(ids_of[0], order, 1)


def searcher(method: str, case: Case, items, queries, threads: int):
    """Return a function of k that gives ids, and what else there is to say."""
    if method == "numpy":
        return lambda k: (blocked_numpy(items, queries, k, case.metric), {})
    if method == "faiss":
        import faiss

        faiss.omp_set_num_threads(threads)
        if len(queries) >= FAISS_BLAS_QUERIES:
            faiss.cvar.distance_compute_blas_threshold = 20
        kind = faiss.METRIC_L2 if case.metric == "l2" else faiss.METRIC_INNER_PRODUCT

        def search(k):
            rows, asked = items, queries
            if case.metric == "cosine":
                rows, asked = rows.copy(), asked.copy()
                faiss.normalize_L2(rows)
                faiss.normalize_L2(asked)
            return faiss.knn(asked, rows, k, metric=kind)[1], {}

        return search
    from idxbench import ExactIndex
    from idxbench.kernels.compile import compile_kernels

    compile_kernels()
    index = ExactIndex(items, case.metric, threads=threads, engine=method) if case.prepared else None

    def ours(k):
        own = index or ExactIndex(items, case.metric, threads=threads, keep=False, engine=method)
        found = own.neighbors(queries, k)
        return found.ids, {"engine": found.engine, "scored": found.n_scored / len(queries)}

    return ours


def serve(method: str, case: Case, sentences: str, threads: int) -> None:
    items, queries = data(case, sentences)
    search = searcher(method, case, items, queries, threads)
    for line in sys.stdin:
        k = int(line)
        start = time.perf_counter()
        ids, said = search(k)
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "ids": np.asarray(ids[:20]).tolist(), **said}), flush=True)


def peak_and_bandwidth(threads: int) -> tuple[float, float]:
    """Measure float32 multiply-adds in registers (GFLOP/s) and reading (GB/s), on all threads at once."""
    from concurrent.futures import ThreadPoolExecutor

    from tests.kernels.limits import multiply_adds, read

    table = np.ones(1 << 27, np.float32)
    parts = np.array_split(table, threads)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(multiply_adds, [1000] * threads))
        start = time.perf_counter()
        done = sum(pool.map(multiply_adds, [20_000_000] * threads))
        peak = 2 * done / (time.perf_counter() - start) / 1e9
        list(pool.map(read, parts))
        start = time.perf_counter()
        list(pool.map(read, parts))
        return peak, table.nbytes / (time.perf_counter() - start) / 1e9


def compare(case: Case, methods: list[str], sentences: str, threads: int, repeats: int) -> None:
    settings = os.environ | {
        name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    }
    children = {}
    for method in methods:
        command = [
            sys.executable,
            "-m",
            "tests.kernels.bench_peers",
            "--serve",
            method,
            "--case",
            json.dumps(asdict(case)),
        ]
        command += ["--sentences", sentences, "--threads", str(threads)]
        children[method] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=settings
        )
    try:
        for k in case.depths:
            answers = {method: [] for method in methods}
            for turn in range(repeats + 1):
                for method in methods[turn % len(methods) :] + methods[: turn % len(methods)]:
                    child = children[method]
                    child.stdin.write(f"{k}\n")
                    child.stdin.flush()
                    answer = json.loads(child.stdout.readline())
                    if turn:  # the first is for caches and page faults
                        answers[method].append(answer)
            print_case(case, k, answers)
    finally:
        for child in children.values():
            child.kill()
            child.wait()


def print_case(case: Case, k: int, answers: dict[str, list[dict]]) -> None:
    medians = {method: float(np.median([one["seconds"] for one in given])) for method, given in answers.items()}
    ours = answers["auto"][0]
    rate = 2 * case.n * case.d * case.q / medians["auto"] / 1e9
    against = "  ".join(f"{m} {medians[m]:.4g} s x{medians[m] / medians['auto']:.2f}" for m in medians if m != "auto")
    wrong = {
        method: float(np.mean([len(set(a) - set(b)) / k for a, b in zip(ours["ids"], given[0]["ids"], strict=True)]))
        for method, given in answers.items()
        if method != "auto"
    }
    print(
        f"{case.name} n={case.n} d={case.d} q={case.q} k={k}: auto={ours['engine']} {medians['auto']:.4g} s, "
        f"{rate:.0f} GFLOP/s-equivalent, scored/query {ours['scored']:.0f} | {against} | other ids {wrong}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=None, help="names of cases")
    parser.add_argument("--methods", nargs="*", default=METHODS)
    parser.add_argument("--sentences", default="", help=".npy of sentence embeddings, for the case of that name")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--depths", nargs="*", type=int, default=[], help="values of k, in place of each case's own")
    parser.add_argument("--serve", default="")
    parser.add_argument("--case", default="")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, Case(**json.loads(options.case)), options.sentences, options.threads)
        return
    peak, bandwidth = peak_and_bandwidth(options.threads)
    print(f"{options.threads} threads: float32 FMA peak {peak:.0f} GFLOP/s, reading {bandwidth:.1f} GB/s")
    for known in CASES:
        if (options.only and known.name not in options.only) or (known.kind == "sentences" and not options.sentences):
            continue
        case = replace(known, depths=tuple(options.depths) or known.depths)
        compare(case, options.methods, options.sentences, options.threads, options.repeats)


if __name__ == "__main__":
    main()
