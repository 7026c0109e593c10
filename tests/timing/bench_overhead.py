"""Time the harness itself: ``python -m tests.timing.bench_overhead [--rounds N] [--threads T]``.

An index that answers at once goes through the same loops as any other, in a process of its own: what is measured then
is the harness. Beside it the adapter of hnswlib, `HnswIndex.search`, is timed against the library's own call on the
same index, query by query in turns. Medians over rounds, with the quartiles.
"""

import argparse
import time

import numpy as np

from idxbench.indexes.base import Found
from idxbench.indexes.hnsw import HnswIndex
from idxbench.timing.searches import TimedSearches

K, N_QUERIES, N_DIMS = 10, 1_000, 64


class NullIndex:
    """Answers every query with the same, as fast as Python can."""

    def __init__(self):
        self.single = Found(np.zeros((1, K), np.int64), 0)

    def set_search(self, parameters):
        pass

    def search(self, prepared, k, *, threads):
        return self.single


def summary(values):
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:8.3f}  [{low:.3f}, {high:.3f}]"


def null_rounds(rounds, threads, rate):
    queries = np.random.default_rng(0).normal(size=(N_QUERIES, N_DIMS)).astype(np.float32)
    timed = TimedSearches(NullIndex(), [{}], queries, K, threads=threads, rate=rate)
    turns, walls = [], []
    for number in range(rounds):
        start = time.perf_counter()
        turns.append(timed.turn(0, number))
        walls.append(time.perf_counter() - start)
    print(f"an index that does nothing, {N_QUERIES:,} queries, {rounds} rounds; us")
    print(f"  a query alone, as recorded (median of a round)   {summary([np.median(t.single_s) * 1e6 for t in turns])}")
    print(f"  a batch, whatever its size                       {summary([t.batch_s * 1e6 for t in turns])}")
    clients = [t.threads_s / t.threads_queries * 1e6 for t in turns]
    print(f"  a query of {threads} client threads, wall time of all    {summary(clients)}")
    responses = [np.median(t.response_s) * 1e6 for t in turns]
    print(f"  a request at {rate:g}/s, from its intended start    {summary(responses)}")
    print(f"  a whole turn, warm-up, rests and rate included   {summary([wall * 1e6 for wall in walls])}")


def adapter_rounds(rounds):
    rng = np.random.default_rng(0)
    items = rng.normal(size=(10_000, N_DIMS)).astype(np.float32)
    index = HnswIndex("dot", M=16, ef_construction=100)
    index.build(items, seed=0, threads=1, progress=lambda n: None)
    index.set_search({"ef": 40})
    prepared = index.prepare(rng.normal(size=(N_QUERIES, N_DIMS)).astype(np.float32))
    library, clock = index._index, time.perf_counter
    differences, plain = [], []
    for _ in range(rounds):
        taken = np.empty((2, N_QUERIES))
        for i in range(N_QUERIES):
            row = prepared[i : i + 1]
            # Each query first warms up what it needs; then both take it, in changing order.
            library.knn_query(row, k=K, num_threads=1)
            for which in (0, 1) if i % 2 else (1, 0):
                start = clock()
                if which:
                    index.search(row, K, threads=1)
                else:
                    library.knn_query(row, k=K, num_threads=1)
                taken[which, i] = clock() - start
        differences.append(np.median(taken[1] - taken[0]) * 1e6)
        plain.append(np.median(taken[0]) * 1e6)
    print(f"hnswlib's adapter, one query on one thread, ef 40, 10,000 x {N_DIMS}; us")
    print(f"  the library's own call                           {summary(plain)}")
    print(f"  what the adapter adds to it                      {summary(differences)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rate", type=float, default=1000.0)
    given = parser.parse_args()
    null_rounds(given.rounds, given.threads, given.rate)
    adapter_rounds(given.rounds)


if __name__ == "__main__":
    main()
