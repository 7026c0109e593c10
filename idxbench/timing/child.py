"""A job in a fresh child process that does one thing at a time, and in words how it failed when it fails."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from idxbench.timing.rounds import SearchTiming
from idxbench.timing.worker import Job, write_job

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# Threads of GNU's OpenMP, which faiss and scikit-learn run on, wait for each other by spinning 300,000 times before
# they sleep. Where other processes want the cores, too, a thread then spins in the place of the one it waits for:
# batches of faiss were seen to take 4 to 9 times as long as with 1,000 turns (281 against 39 ms, scikit-learn 226
# against 85), which makes a peer look bad that is not. On idle cores the price is 2 % (15.9 against 16.2 ms; 41.0
# against 41.8), and sleeping at once (OMP_WAIT_POLICY=PASSIVE) costs 8 %, and twice the time where a batch takes .3 ms.
WAITING = {"GOMP_SPINCOUNT": "1000"}

Progress = Callable[[int], None]


@dataclass(frozen=True)
class BuildResult:
    """What a child measured while building.

    Parameters
    ----------
    build_s, memory_peak, index_bytes
        Memory in bytes above the same process before the build.
    memory_exact
        Whether the peak could be reset before the build.
    reachable
        (n,) whether any search can return each item.
    batch_threads
        Threads that really answer the batch.
    """

    build_s: float
    memory_peak: int
    memory_exact: bool
    index_bytes: int
    reachable: NDArray[np.bool_]
    batch_threads: int


class ChildError(Exception):
    """A child died or raised; the text is the reason for a reader."""


class Child:
    """One job in a process of its own, which ends with the ``with`` block, whatever happens.

    Between its steps the process sleeps. Every step raises `ChildError`, with the reason, when the process ends
    instead of finishing it.

    Parameters
    ----------
    job
        What to do.
    folder
        An empty folder for the job, its results and its errors.
    """

    def __init__(self, job: Job, folder: Path) -> None:
        self._folder = folder
        self._n_searches = len(job.searches)
        write_job(job, folder / "job.json")
        environment = WAITING | os.environ | dict.fromkeys(THREAD_VARIABLES, str(job.search_threads))
        with (folder / "stderr.txt").open("w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "idxbench.timing.worker", str(folder / "job.json")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
            )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the process if it still runs."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                # A command that a dead child has not read is still in the buffer.
                with suppress(OSError):
                    pipe.close()

    def build(self, progress: Progress) -> BuildResult:
        """Wait until the index is built; ``progress`` is told the rows added."""
        self._wait(progress)
        facts: dict[str, Any] = json.loads((self._folder / "build.json").read_text(encoding="utf-8"))
        return BuildResult(reachable=np.load(self._folder / "reachable.npy", allow_pickle=False), **facts)

    def turn(self, search: int) -> None:
        """Have a search timed once more."""
        self._ask({"turn": search})

    def finish(self) -> tuple[SearchTiming, ...]:
        """Return what every search found and took."""
        self._ask({"finish": True})
        with np.load(self._folder / "timings.npz", allow_pickle=False) as arrays:
            return tuple(
                SearchTiming(arrays[f"ids_{i}"], int(arrays[f"short_{i}"]), arrays[f"batch_{i}"], arrays[f"single_{i}"])
                for i in range(self._n_searches)
            )

    def _ask(self, command: dict[str, Any]) -> None:
        pipe = self._process.stdin
        # A child that has died can't be written to; waiting for it tells why.
        with suppress(OSError):
            if pipe is not None:
                pipe.write(json.dumps(command) + "\n")
                pipe.flush()
        self._wait(lambda n: None)

    def _wait(self, progress: Progress) -> None:
        for line in self._process.stdout or ():
            message = json.loads(line)
            if "ready" in message:
                return
            progress(message["built"])
        code = self._process.wait()
        raise ChildError(_reason(code, (self._folder / "stderr.txt").read_text(encoding="utf-8", errors="replace")))


def _reason(code: int, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if code < 0:
        name = signal.Signals(-code).name
        hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"the child process was killed by {name}{hint}"
    return lines[-1] if lines else f"the child process ended with exit code {code}"
