"""Compare the harness's latencies with a plain loop's: ``python -m tests.timing.bench_latency [--rounds N] [--ef E]``.

The same saved hnswlib index is loaded by a child of the harness and by two processes that know nothing of it: a few
lines that load the file with hnswlib, warm up, and time one query after the other. All three are asked in turns, in an
order that is drawn for each round. Printed: percentiles over the queries of a round, medians over rounds; and the
ratio harness / plain of each round, with the exact 95 % interval of its median, beside that of plain / plain.
"""

import argparse
import json
import random
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy import stats

from idxbench.indexes.hnsw import HnswIndex
from idxbench.timing.child import Child
from idxbench.timing.worker import Job

K, N_QUERIES, N_DIMS = 10, 1_000, 64
PERCENTILES = (50, 95, 99)

PLAIN = """
import gc, json, sys, time
import hnswlib, numpy as np
index = hnswlib.Index(space="ip", dim=int(sys.argv[3]))
index.load_index(sys.argv[1])
index.set_ef(int(sys.argv[4]))
queries = np.load(sys.argv[2])
rows = [queries[i:i + 1] for i in range(len(queries))]
for line in sys.stdin:
    gc.disable()
    for row in rows[:64]:
        index.knn_query(row, k=10, num_threads=1)
    for _ in range(3):
        index.knn_query(queries, k=10, num_threads=2)
    taken = []
    for row in rows:
        start = time.perf_counter()
        index.knn_query(row, k=10, num_threads=1)
        taken.append(time.perf_counter() - start)
    gc.enable()
    print(json.dumps(np.percentile(taken, [50, 95, 99]).tolist()), flush=True)
"""


class Plain:
    """A process that times its own loop whenever it is sent a line."""

    def __init__(self, stack, *arguments):
        command = [sys.executable, "-c", PLAIN, *map(str, arguments)]
        pipe = subprocess.PIPE
        self.process = stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        stack.callback(self.process.kill)

    def __call__(self, number):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def interval(ratios):
    """Return the median and the exact 95 % interval of the sign test."""
    ordered = np.sort(ratios)
    drop = int(stats.binom.ppf(0.025, len(ratios), 0.5)) - 1
    return np.median(ratios), ordered[max(0, drop)], ordered[min(len(ratios) - 1, len(ratios) - 1 - drop)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--ef", type=int, default=80)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        np.save(folder / "items.npy", rng.normal(size=(given.items, N_DIMS)).astype(np.float32))
        np.save(folder / "queries.npy", rng.normal(size=(N_QUERIES, N_DIMS)).astype(np.float32))
        job = Job(
            mode="build",
            items=str(folder / "items.npy"),
            queries=str(folder / "queries.npy"),
            out=str(folder),
            saved=str(folder / "saved"),
            kind="hnswlib",
            parameters={"M": 16, "ef_construction": 100},
            searches=[{"ef": given.ef}],
            similarity="dot",
            k=K,
            seed=0,
            build_threads=2,
            search_threads=2,
        )
        with Child(job, folder) as child:
            child.build(lambda n: None)
        prepared = HnswIndex.load(Path(job.saved)).prepare(np.load(job.queries))
        np.save(folder / "prepared.npy", prepared)
        child = stack.enter_context(Child(replace(job, mode="load"), folder))
        child.load()
        arms = {
            "harness": lambda number: np.percentile(child.turn(0, number).single_s, PERCENTILES),
            "plain": Plain(stack, job.saved, folder / "prepared.npy", N_DIMS, given.ef),
            "plain again": Plain(stack, job.saved, folder / "prepared.npy", N_DIMS, given.ef),
        }
        measured = {arm: [] for arm in arms}
        draw = random.Random(0)
        for number in range(-3, given.rounds):
            for arm in draw.sample(sorted(arms), len(arms)):
                found = arms[arm](max(0, number))
                if number >= 0:
                    measured[arm].append(found)
    tables = {arm: np.array(rows) * 1e6 for arm, rows in measured.items()}
    print(f"hnswlib M16 c100 ef {given.ef}, {given.items:,} x {N_DIMS}, {N_QUERIES:,} queries, {given.rounds} rounds")
    for arm, table in tables.items():
        figures = "   ".join(f"p{p} {value:7.1f} us" for p, value in zip(PERCENTILES, np.median(table, 0), strict=True))
        print(f"  {arm:12} {figures}")
    for one, other in (("harness", "plain"), ("harness", "plain again"), ("plain again", "plain")):
        ratios = tables[one] / tables[other]
        for column, percentile in enumerate(PERCENTILES):
            middle, low, high = interval(ratios[:, column])
            spread = np.std(np.log(ratios[:, column]))
            print(
                f"  {one} / {other}: p{percentile} {middle:.3f} [{low:.3f}, {high:.3f}], sd of a log ratio {spread:.3f}"
            )


if __name__ == "__main__":
    main()
