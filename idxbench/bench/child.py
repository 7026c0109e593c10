"""Running a job in a fresh child process, and saying in words how it failed when it fails."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.rounds import SearchTiming
from idxbench.bench.worker import Job, write_job

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(frozen=True)
class BuildResult:
    """What a child measured.

    Parameters
    ----------
    build_s, memory_peak, index_bytes
        Of the build; memory in bytes above the same process before it.
    reachable
        (n,) whether any search can return each item.
    memory_exact
        Whether the peak could be reset before the build.
    batch_threads
        Threads that really answered the batch.
    searches
        One timing per search parameter.
    """

    build_s: float
    memory_peak: int
    memory_exact: bool
    index_bytes: int
    reachable: NDArray[np.bool_]
    batch_threads: int
    searches: tuple[SearchTiming, ...]


class ChildError(Exception):
    """A child died or raised; the text is the reason for a reader."""


def run_child(job: Job, folder: Path, progress: Callable[[str, int], None]) -> BuildResult:
    """Run one job in a process of its own.

    Parameters
    ----------
    job
        What to do.
    folder
        An empty folder for the job, its results and its errors.
    progress
        Told ``("built", rows)`` and ``("searched", 1)`` as the child goes on.

    Raises
    ------
    ChildError
        The child failed, with the reason.
    """
    write_job(job, folder / "job.json")
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(job.search_threads))
    with (folder / "stderr.txt").open("w+", encoding="utf-8", errors="replace") as errors:
        command = [sys.executable, "-m", "idxbench.bench.worker", str(folder / "job.json")]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            text=True,
        ) as process:
            try:
                for line in process.stdout or ():
                    _report(line, progress)
            except BaseException:
                process.kill()
                raise
        code = process.returncode
        errors.seek(0)
        said = errors.read()
    if code != 0:
        raise ChildError(_reason(code, said))
    return _read_result(folder, len(job.searches))


def _report(line: str, progress: Callable[[str, int], None]) -> None:
    try:
        message = json.loads(line)
    except ValueError:
        return  # A library printed something of its own.
    for stage, n in message.items():
        progress(stage, n)


def _reason(code: int, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if code < 0:
        name = signal.Signals(-code).name
        hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"the child process was killed by {name}{hint}"
    return lines[-1] if lines else f"the child process ended with exit code {code}"


def _read_result(folder: Path, n_searches: int) -> BuildResult:
    facts: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    with np.load(folder / "result.npz", allow_pickle=False) as arrays:

        def take(name: str) -> NDArray[Any]:
            return np.asarray(arrays[name])

        searches = tuple(
            SearchTiming(take(f"ids_{i}"), facts["n_short"][i], take(f"batch_{i}"), take(f"single_{i}"))
            for i in range(n_searches)
        )
        reachable = take("reachable")
    return BuildResult(
        build_s=facts["build_s"],
        memory_peak=facts["memory_peak"],
        memory_exact=facts["memory_exact"],
        index_bytes=facts["index_bytes"],
        reachable=reachable,
        batch_threads=facts["batch_threads"],
        searches=searches,
    )
