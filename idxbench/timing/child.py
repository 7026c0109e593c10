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

from idxbench.timing.turns import Answers, Turn, from_message
from idxbench.timing.worker import PROTOCOL, Job, write_job
from idxbench.version import __version__

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
# What would lead another environment's interpreter to our packages instead of its own.
OUR_PATHS = ("PYTHONPATH", "PYTHONHOME")

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
    library
        Name and version of what built it, as the child's environment has it.
    protocol
        Of the child.
    """

    build_s: float
    memory_peak: int
    memory_exact: bool
    index_bytes: int
    reachable: NDArray[np.bool_]
    batch_threads: int
    library: tuple[str, str]
    protocol: int


class ChildError(Exception):
    """A child died or raised; the text is the reason for a reader."""


class Child:
    """One job in a process of its own, which ends with the ``with`` block, whatever happens.

    Between its steps the process sleeps. Every step raises `ChildError`, with the reason, when the process ends
    instead of finishing it. On Linux the process dies with the thread that started it.

    Parameters
    ----------
    job
        What to do.
    folder
        An empty folder for the job, its results and its errors.

    Raises
    ------
    ChildError
        The job's interpreter can't be started.
    """

    def __init__(self, job: Job, folder: Path) -> None:
        self._folder = folder
        self._python = job.python
        self._n_searches = len(job.searches)
        self._greeted = False
        write_job(job, folder / "job.json")
        with (folder / "stderr.txt").open("w", encoding="utf-8") as errors:
            try:
                self._process = subprocess.Popen(
                    [job.python or sys.executable, "-m", "idxbench.timing.worker", str(folder / "job.json")],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=_environment(job),
                    text=True,
                    # Ctrl-C in a terminal goes to the whole group; whether to stop is the parent's to decide.
                    process_group=0,
                )
            except OSError as error:
                python = job.python or sys.executable
                raise ChildError(f"{python} can't be started: {error.strerror or error}") from None

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
        """Wait until the index of a job in mode ``build`` is built and saved; ``progress`` is told the rows added."""
        self._wait(progress)
        facts: dict[str, Any] = json.loads((self._folder / "build.json").read_text(encoding="utf-8"))
        facts["library"] = tuple(facts["library"])
        return BuildResult(reachable=np.load(self._folder / "reachable.npy", allow_pickle=False), **facts)

    def load(self) -> None:
        """Wait until the index of a job in mode ``load`` is loaded and its queries prepared."""
        self._wait()

    def turn(self, search: int, number: int) -> Turn:
        """Have a search of a loaded index timed once more.

        Parameters
        ----------
        search
            Its position.
        number
            Of the round, from 0: it decides which queries are also asked one by one.
        """
        return from_message(self._ask({"turn": search, "round": number}))

    def answers(self) -> tuple[Answers, ...]:
        """Return what every search finds: in its first timed batch, or now where there was none."""
        self._ask({"answers": True})
        with np.load(self._folder / "answers.npz", allow_pickle=False) as arrays:
            return tuple(
                Answers(arrays[f"ids_{position}"], int(arrays[f"short_{position}"]))
                for position in range(self._n_searches)
            )

    def _ask(self, command: dict[str, Any]) -> Any:
        pipe = self._process.stdin
        # A child that has died can't be written to; waiting for it tells why.
        with suppress(OSError):
            if pipe is not None:
                pipe.write(json.dumps(command) + "\n")
                pipe.flush()
        return self._wait()

    def _wait(self, progress: Progress = lambda n: None) -> Any:
        for line in self._process.stdout or ():
            message = self._read(line)
            if not self._greeted:
                self._greet(message)
            elif "ready" in message:
                return message["ready"]
            elif "failed" in message:
                raise ChildError(self._in_its_place(message["failed"]))
            else:
                progress(message["built"])
        code = self._process.wait()
        said = (self._folder / "stderr.txt").read_text(encoding="utf-8", errors="replace")
        raise ChildError(self._missing(said) or self._in_its_place(_reason(code, said)))

    def _read(self, line: str) -> dict[str, Any]:
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise ChildError(self._in_its_place(f"the child process said {line.strip()[:80]!r}, which is no message"))
        return message

    def _greet(self, message: dict[str, Any]) -> None:
        """Make sure that both ends speak alike: the child may have another idxbench."""
        hello = message.get("hello", {})
        if hello.get("protocol") != PROTOCOL:
            raise ChildError(
                f"{self._python or sys.executable} has idxbench {hello.get('idxbench', 'of an unknown version')}, with "
                f"protocol {hello.get('protocol', 'unknown')} between parent and child; this is idxbench {__version__} "
                f"with protocol {PROTOCOL}: install this version there, too"
            )
        self._greeted = True

    def _missing(self, said: str) -> str:
        """Say what another environment lacks, where that is idxbench itself or a version with this worker."""
        if self._python is None or "ModuleNotFoundError: No module named 'idxbench" not in said:
            return ""
        lacks = "no idxbench" if "No module named 'idxbench'" in said else "an idxbench too old to be asked by this one"
        return (
            f"{self._python} has {lacks}: install version {__version__} there, with {self._python} -m pip install "
            f"idxbench=={__version__}, or from the folder of its sources"
        )

    def _in_its_place(self, reason: str) -> str:
        return reason if self._python is None else f"in {self._python}: {reason}"


def _environment(job: Job) -> dict[str, str]:
    """Return the variables of a child: threads are counted before any library is imported."""
    variables = WAITING | os.environ | dict.fromkeys(THREAD_VARIABLES, str(job.search_threads))
    if job.python is None:
        return variables
    # What is installed there counts, not the folder that this was started in.
    return {name: value for name, value in variables.items() if name not in OUR_PATHS} | {"PYTHONSAFEPATH": "1"}


def _reason(code: int, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if code < 0:
        name = signal.Signals(-code).name
        hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"the child process was killed by {name}{hint}"
    return lines[-1] if lines else f"the child process ended with exit code {code}"
