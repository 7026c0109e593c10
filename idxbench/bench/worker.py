"""The child process: builds one index, times its searches, measures its memory, writes what it found.

Run as ``python -m idxbench.bench.worker JOB.json``. Progress goes to standard output, a JSON object a line;
results go to the folder the job names. Nothing else runs in this process, so its peak is the index's.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from idxbench.bench.memory import peak_since, start_peak
from idxbench.bench.rounds import time_rounds
from idxbench.config.schema import Similarity
from idxbench.indexes.catalogue import make_index


@dataclass(frozen=True)
class Job:
    """What a child is asked to do; paths are those of ``.npy`` files and of the folder for results."""

    items: str
    queries: str
    out: str
    kind: str
    parameters: dict[str, Any]
    searches: list[dict[str, Any]]
    similarity: Similarity
    k: int
    seed: int
    build_threads: int
    search_threads: int
    rounds: int


def run_job(job: Job) -> None:
    """Build, measure, search, and write ``result.json`` and ``result.npz`` into the job's folder."""
    items = np.ascontiguousarray(np.load(job.items, allow_pickle=False))
    queries = np.load(job.queries, allow_pickle=False)
    index = make_index(job.kind, job.parameters, job.similarity)
    if job.kind == "exact":
        # Compiling a kernel is no part of building: one tiny index of the same kind compiles it first.
        _warm_up(job, items[:1])
    baseline = start_peak()
    start = time.perf_counter()
    index.build(items, seed=job.seed, threads=job.build_threads, progress=lambda n: _say({"built": n}))
    build_s = time.perf_counter() - start
    memory_peak = peak_since(baseline)
    timings = time_rounds(
        index,
        job.searches,
        index.prepare(queries),
        job.k,
        rounds=job.rounds,
        threads=job.search_threads,
        clock=time.perf_counter,
        progress=lambda n: _say({"searched": n}),
    )
    arrays: dict[str, Any] = {"reachable": index.reachable()}
    for position, timing in enumerate(timings):
        arrays[f"ids_{position}"] = timing.ids
        arrays[f"batch_{position}"] = timing.batch_s
        arrays[f"single_{position}"] = timing.single_s
    np.savez(Path(job.out) / "result.npz", **arrays)
    result = {
        "build_s": build_s,
        "memory_peak": memory_peak,
        "memory_exact": baseline.exact,
        "index_bytes": index.size_bytes(),
        "n_short": [timing.n_short for timing in timings],
        # hnswlib answers a batch of at most 4 rows per thread with one thread.
        "batch_threads": 1 if len(queries) <= 4 * job.search_threads else job.search_threads,
    }
    Path(job.out, "result.json").write_text(json.dumps(result), encoding="utf-8")


def _warm_up(job: Job, items: Any) -> None:
    tiny = make_index(job.kind, job.parameters, job.similarity)
    tiny.build(items, seed=job.seed, threads=1, progress=lambda n: None)
    tiny.search(tiny.prepare(items), 1, threads=1)


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def write_job(job: Job, path: Path) -> None:
    """Write a job for a child to read."""
    path.write_text(json.dumps(asdict(job)), encoding="utf-8")


if __name__ == "__main__":
    run_job(Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
