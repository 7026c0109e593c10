"""The child process: builds one index, measures its memory, and times its searches when it is told to.

Run as ``python -m idxbench.timing.worker JOB.json``. It builds at once; then it takes commands from standard input, a
JSON object a line, and sleeps in between: ``{"turn": 0}`` times search number 0 once, ``{"finish": true}`` writes down
what was found and ends it, and so does the end of the input, which comes when the parent is gone. Progress and
``{"ready": 1}`` after every step go to standard output; results go to the folder the job names. Nothing else runs in
this process, so its peak is the index's.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from idxbench.config.schema import Similarity
from idxbench.indexes.base import VectorIndex
from idxbench.indexes.catalogue import batch_threads, make_index
from idxbench.kernels.compile import compile_kernels
from idxbench.timing.memory import peak_since, start_peak
from idxbench.timing.rest import come_to_rest
from idxbench.timing.rounds import TimedSearches

Say = Callable[[dict[str, Any]], None]


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


def serve(job: Job, commands: Iterable[str], say: Say) -> None:
    """Build; then do as told, one command after the other."""
    queries = np.load(job.queries, allow_pickle=False)
    index = _build(job, len(queries), say)
    timed = TimedSearches(
        index,
        job.searches,
        index.prepare(queries),
        job.k,
        rounds=job.rounds,
        threads=job.search_threads,
        clock=time.perf_counter,
        rest=come_to_rest,
    )
    come_to_rest()
    say({"ready": 1})
    for line in commands:
        command = json.loads(line)
        if "turn" in command:
            timed.turn(command["turn"])
            say({"ready": 1})
        else:
            _write_timings(timed, Path(job.out))
            say({"ready": 1})
            return


def _build(job: Job, n_queries: int, say: Say) -> VectorIndex:
    """Build, and write ``build.json`` and ``reachable.npy``; the items are let go of."""
    items = np.ascontiguousarray(np.load(job.items, allow_pickle=False))
    index = make_index(job.kind, job.parameters, job.similarity)
    if job.kind == "exact":
        # Compiling kernels is no part of building, nor is reading them from the disk.
        compile_kernels()
    baseline = start_peak()
    start = time.perf_counter()
    index.build(items, seed=job.seed, threads=job.build_threads, progress=lambda n: say({"built": n}))
    build_s = time.perf_counter() - start
    memory_peak = peak_since(baseline)
    result = {
        "build_s": build_s,
        "memory_peak": memory_peak,
        "memory_exact": baseline.exact,
        "index_bytes": index.size_bytes(),
        "batch_threads": batch_threads(job.kind, n_queries, job.search_threads),
    }
    Path(job.out, "build.json").write_text(json.dumps(result), encoding="utf-8")
    np.save(Path(job.out, "reachable.npy"), index.reachable())
    return index


def _write_timings(timed: TimedSearches, folder: Path) -> None:
    arrays: dict[str, NDArray[Any]] = {}
    for position, timing in enumerate(timed.timings()):
        arrays[f"ids_{position}"] = timing.ids
        arrays[f"short_{position}"] = np.array(timing.n_short)
        arrays[f"batch_{position}"] = timing.batch_s
        arrays[f"single_{position}"] = timing.single_s
    # NumPy's own keyword, allow_pickle, is what its stubs take every other name for.
    np.savez(folder / "timings.npz", **arrays)  # type: ignore[arg-type]


def write_job(job: Job, path: Path) -> None:
    """Write a job for a child to read."""
    path.write_text(json.dumps(asdict(job)), encoding="utf-8")


def _private_channels() -> tuple[TextIO, Say]:
    """Take standard input and output for our own messages; what a library prints goes to standard error."""
    commands = os.fdopen(os.dup(0), encoding="utf-8")
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        messages.write(json.dumps(message) + "\n")
        messages.flush()

    return commands, say


if __name__ == "__main__":
    serve(Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), *_private_channels())
