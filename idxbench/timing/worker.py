"""The child process: builds one index and measures its memory, or loads one and times its searches as it is told.

Run as ``python -m idxbench.timing.worker JOB.json``. It says hello with the version of this protocol. In mode
``build`` it builds, saves the index and ends; in mode ``load`` it loads what was saved and takes commands from
standard input, a JSON object a line, and sleeps in between: ``{"turn": 0, "round": 3}`` times search number 0 once
and is answered by a `Turn`, ``{"answers": true}`` writes down what every search finds. The end of the input ends it.
Progress and ``{"ready": ...}`` after every step go to standard output. Nothing else runs in this process, so its peak
is the index's.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from idxbench.config.schema import Similarity
from idxbench.errors import IdxbenchError
from idxbench.indexes.base import VectorIndex
from idxbench.indexes.catalogue import batch_threads, library_version, load_index, make_index
from idxbench.kernels.compile import compile_kernels
from idxbench.timing.lifeline import tie_to_parent
from idxbench.timing.memory import peak_since, start_peak
from idxbench.timing.rest import come_to_rest
from idxbench.timing.searches import CompiledWhileTimedError, TimedSearches
from idxbench.timing.turns import to_message
from idxbench.version import __version__

# What parent and child say to each other. One more with every change of `Job`, of a command, of an answer, or of what
# is timed: the child may be of another environment, with an idxbench of its own.
PROTOCOL = 2

# Bytes: more than a line of any cache.
PAGE = 4096

Mode = Literal["build", "load"]
Say = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Job:
    """What a child is asked to do.

    Parameters
    ----------
    mode
        ``build`` and save, or ``load`` and time.
    items, queries
        ``.npy`` files.
    out
        Folder for results.
    saved
        Path of the saved index: written by one mode, read by the other.
    kind, parameters, searches, similarity, k, seed
        What is built, and how it is searched.
    build_threads, search_threads
        Of building; of batches and client threads.
    rate
        Requests per second of the open loop; 0 leaves it out.
    python
        The interpreter of another environment; None is ours.
    """

    mode: Mode
    items: str
    queries: str
    out: str
    saved: str
    kind: str
    parameters: dict[str, Any]
    searches: list[dict[str, Any]]
    similarity: Similarity
    k: int
    seed: int
    build_threads: int
    search_threads: int
    rate: float = 0.0
    python: str | None = None


def serve(job: Job, commands: Iterable[str], say: Say) -> None:
    """Do the job: build and end, or load and do as told, one command after the other."""
    if job.kind == "exact":
        # Compiling kernels is no part of building or asking, nor is reading them from the disk.
        compile_kernels()
    if job.mode == "build":
        _build(job, say)
        say({"ready": True})
        return
    timed = _load(job)
    come_to_rest()
    say({"ready": True})
    for line in commands:
        command = json.loads(line)
        if "turn" in command:
            turn = timed.turn(command["turn"], command["round"])
            say({"ready": to_message(turn)})
        else:
            _write_answers(timed, Path(job.out))
            say({"ready": True})


def _build(job: Job, say: Say) -> None:
    """Build, save, and write ``build.json`` and ``reachable.npy``."""
    items = np.ascontiguousarray(np.load(job.items, allow_pickle=False))
    index = make_index(job.kind, job.parameters, job.similarity)
    baseline = start_peak()
    start = time.perf_counter()
    index.build(items, seed=job.seed, threads=job.build_threads, progress=lambda n: say({"built": n}))
    build_s = time.perf_counter() - start
    memory_peak = peak_since(baseline)
    n_queries = len(np.load(job.queries, mmap_mode="r", allow_pickle=False))
    result = {
        "build_s": build_s,
        "memory_peak": memory_peak,
        "memory_exact": baseline.exact,
        "index_bytes": index.size_bytes(),
        "batch_threads": batch_threads(job.kind, n_queries, job.search_threads),
        "library": library_version(job.kind),
        "protocol": PROTOCOL,
    }
    np.save(Path(job.out, "reachable.npy"), index.reachable())
    index.save(Path(job.saved))
    Path(job.out, "build.json").write_text(json.dumps(result), encoding="utf-8")


def _load(job: Job) -> TimedSearches:
    index: VectorIndex = load_index(
        job.kind, job.parameters, job.similarity, Path(job.saved), Path(job.items), threads=job.build_threads
    )
    queries = np.load(job.queries, allow_pickle=False)
    prepared = aligned(index.prepare(queries))
    return TimedSearches(index, job.searches, prepared, job.k, threads=job.search_threads, rate=job.rate)


def aligned(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a copy of rows that begins with a page.

    Where rows begin by themselves depends on all that the process has asked memory for before, down to the number of
    variables of its environment, and is the same in every launch. Queries that begin within a line of the cache are
    read across two lines, and the same index was seen to take 3.5 % longer for it (`tests.timing.bench_layout`): two
    environments with one library differed, night after night.
    """
    memory = np.empty(rows.nbytes + PAGE, dtype=np.uint8)
    start = -memory.ctypes.data % PAGE
    copy = memory[start : start + rows.nbytes].view(np.float32).reshape(rows.shape)
    copy[...] = rows
    return copy


def _write_answers(timed: TimedSearches, folder: Path) -> None:
    arrays: dict[str, Any] = {}
    for position, answers in enumerate(timed.answers()):
        arrays[f"ids_{position}"] = answers.ids
        arrays[f"short_{position}"] = np.array(answers.n_short)
    np.savez(folder / "answers.npz", **arrays)


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


def _told(error: Exception) -> str:
    if isinstance(error, CompiledWhileTimedError):
        return str(error)
    if isinstance(error, IdxbenchError):
        return "; ".join(line.strip() for line in str(error).splitlines())
    return f"{type(error).__name__}: {error}".rstrip(": ")


def main(path: str) -> None:
    """Serve the job in a file, and tell why where that fails."""
    tie_to_parent()
    commands, say = _private_channels()
    say({"hello": {"protocol": PROTOCOL, "idxbench": __version__}})
    try:
        serve(Job(**json.loads(Path(path).read_text(encoding="utf-8"))), commands, say)
    except Exception as error:
        say({"failed": _told(error)})
        raise


if __name__ == "__main__":
    main(sys.argv[1])
