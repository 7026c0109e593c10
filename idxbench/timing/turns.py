"""What one turn of one search measured, what a search answered, and the line of JSON that a turn travels in."""

import base64
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.timing.readings import Reading


@dataclass(frozen=True)
class Turn:
    """One search of one index in one round.

    Parameters
    ----------
    batch_s
        Seconds for all queries at once; the mean of as many batches as make 20 ms.
    threads_s
        Seconds for ``threads_queries`` queries, asked one at a time by each of several client threads; NaN where not
        measured.
    threads_queries
        A multiple of those asked alone; 0 where not measured.
    single_s
        (q,) float64 seconds of each query asked alone, in the order of `rounds.asked_alone`.
    response_s
        (requests,) float64 seconds from the intended start of a request, at a fixed rate, to its answer; empty where
        not measured.
    late_s
        How far that schedule was behind when its last request began; 0 where there was none.
    reading
        How disturbed the machine was while all of this was timed.
    settled
        Whether the warm-up came to agree with itself.
    overloaded
        Whether requests came faster than they were answered. In a single turn that may be a stall; in most turns of
        a search it is the rate.
    """

    batch_s: float
    threads_s: float
    threads_queries: int
    single_s: NDArray[np.float64]
    response_s: NDArray[np.float64]
    late_s: float
    reading: Reading
    settled: bool
    overloaded: bool = False


@dataclass(frozen=True)
class Answers:
    """What a search found.

    Parameters
    ----------
    ids
        (q, k) int64, best first, padded with -1.
    n_short
        Queries with fewer than k results.
    """

    ids: NDArray[np.int64]
    n_short: int


def to_message(turn: Turn) -> dict[str, Any]:
    """Write a turn as JSON can hold it; its arrays in float32."""
    message = asdict(turn)
    for name in ("single_s", "response_s"):
        message[name] = base64.b64encode(message[name].astype("<f4").tobytes()).decode("ascii")
    return message


def from_message(message: dict[str, Any]) -> Turn:
    """Rebuild a turn; raises KeyError, TypeError or ValueError where it is not one."""
    arrays = {
        name: np.frombuffer(base64.b64decode(message[name], validate=True), "<f4").astype(np.float64)
        for name in ("single_s", "response_s")
    }
    return Turn(**{**message, **arrays, "reading": Reading(**message["reading"])})
