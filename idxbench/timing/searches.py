"""The searches of one index, timed a turn at a time: all queries at once, and each of them by itself."""

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.indexes.base import Found, VectorIndex
from idxbench.kernels.compilations import compilations
from idxbench.timing.clients import Clients
from idxbench.timing.open_loop import NO_RESPONSES, Responses, n_requests, open_loop
from idxbench.timing.readings import Mark, between, mark
from idxbench.timing.rest import come_to_rest
from idxbench.timing.rounds import asked_alone
from idxbench.timing.turns import Answers, Turn

WARM_UP = 64
# A batch is repeated until it has run this long: shorter ones measure the clock and the scheduler.
BATCH_S = 0.02
# Batches of the warm-up: a quarter of a block of 20 ms each, until two that follow each other differ by at most a
# tenth, at most four.
WARM_UP_PARTS, MOST_WARM_UPS, AGREE = 4, 4, 1.1
# A batch of this length warms itself up: what it has to bring back into the caches is a small part of it.
LONG_S = 0.2


@dataclass(frozen=True)
class Tools:
    """What the timing of searches needs of the machine.

    Parameters
    ----------
    clock
        Seconds, monotonic.
    sleep
        Waits for some seconds, or a little longer.
    rest
        Returns when nothing else of this process runs any more.
    mark
        Reads the counters of disturbances.
    compilations
        How many kernels have been compiled, or read from the disk, so far.
    """

    clock: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep
    rest: Callable[[], None] = come_to_rest
    mark: Callable[[], Mark] = mark
    compilations: Callable[[], int] = compilations


class CompiledWhileTimedError(Exception):
    """A kernel was compiled while something was timed: the figure would be the compiler's."""


class _Search:
    """What is known of one search between its turns."""

    def __init__(self) -> None:
        self.repeats = 0
        self.client_repeats = 0
        self.batch_s = 0.0
        self.settled = False
        self.found: Found | None = None


class TimedSearches:
    """The searches of one index, timed a turn at a time.

    Parameters
    ----------
    index
        Built.
    searches
        Search parameters.
    prepared
        (q, d) queries from `VectorIndex.prepare`.
    k
        Depth.
    threads
        Of the batch, and how many client threads ask one query at a time. Single queries use one.
    rate
        Requests per second of the open loop; 0 leaves it out.
    tools
        Clocks and counters.
    """

    def __init__(
        self,
        index: VectorIndex,
        searches: Sequence[Mapping[str, Any]],
        prepared: NDArray[np.float32],
        k: int,
        *,
        threads: int,
        rate: float = 0.0,
        tools: Tools | None = None,
    ) -> None:
        self._index, self._searches, self._prepared = index, searches, prepared
        self._k, self._threads, self._rate, self._tools = k, threads, rate, tools or Tools()
        self._rows = [prepared[i : i + 1] for i in range(len(prepared))]
        self._clients = Clients(min(threads, len(prepared)), self._tools.clock)
        self._known = [_Search() for _ in searches]
        self._asked = asked_alone(0, len(prepared))

    def turn(self, s: int, number: int) -> Turn:
        """Time search number ``s`` in a round of that number: all queries at once, and some by themselves.

        Raises
        ------
        CompiledWhileTimedError
            The warm-up left a kernel to be compiled.
        """
        tools, known = self._tools, self._known[s]
        self._asked = asked_alone(number, len(self._rows))
        self._index.set_search(self._searches[s])
        with _no_garbage_collection():
            self._warm_up_clients(known)
            self._settle(known)
            compiled, start = tools.compilations(), tools.mark()
            batch_s = self._time_batches(known, known.repeats)
            tools.rest()
            single_s = self._time_singles()
            by_clients = self._time_clients(known)
            responses = self._time_open_loop()
            reading = between(start, tools.mark())
            compiled = tools.compilations() - compiled
        tools.rest()
        if compiled:
            raise CompiledWhileTimedError(
                f"kernels were compiled ({compiled}) while the search {dict(self._searches[s])} was timed, so its time "
                "is the compiler's: the warm-up does not cover what is timed, which is a bug of idxbench"
            )
        return Turn(
            batch_s=batch_s,
            threads_s=by_clients[0],
            threads_queries=by_clients[1],
            single_s=single_s,
            response_s=responses.response_s,
            late_s=responses.late_s,
            reading=reading,
            settled=known.settled,
            overloaded=responses.overloaded,
        )

    def answers(self) -> list[Answers]:
        """Return what every search finds: in its first batch, or now where there was none."""
        answers = []
        for search, known in zip(self._searches, self._known, strict=True):
            found = known.found
            if found is None:
                self._index.set_search(search)
                found = self._index.search(self._prepared, self._k, threads=self._threads)
            answers.append(Answers(found.ids, found.n_short))
        return answers

    def _warm_up_clients(self, known: _Search) -> None:
        """Wake the client threads; the first turn also learns how often they ask all queries."""
        asked = max(self._warm_up_singles(), self._clients.number)
        if self._clients.number < 2:
            return
        taken = self._clients.ask(self._ask, asked)
        if not known.client_repeats:
            # The threads have only just started: the second time tells how long they take.
            taken = self._clients.ask(self._ask, asked)
            known.client_repeats = _repeats(taken * len(self._asked) / asked)

    def _warm_up_singles(self) -> int:
        """Bring back what others, or a rest, have driven out of the caches; return how many queries were asked.

        Bounded: where a query takes long, one of them fills the caches as well as many.
        """
        clock = self._tools.clock
        start, asked = clock(), 0
        for row in self._rows[:WARM_UP]:
            self._index.search(row, self._k, threads=1)
            asked += 1
            if clock() - start > BATCH_S:
                break
        return asked

    def _settle(self, known: _Search) -> None:
        """Warm batches up until they agree; the first turn also learns how often to repeat them."""
        times: list[float] = []
        if not known.repeats:
            # One batch starts the threads, the next tells how long one takes.
            times = [self._time_batches(known, 1), self._time_batches(known, 1)]
            known.batch_s = times[-1]
            known.repeats = _repeats(known.batch_s)
            if known.repeats > 1:
                times = []
        elif known.batch_s > LONG_S:
            return
        part = math.ceil(known.repeats / WARM_UP_PARTS)
        while not _agree(times) and len(times) < MOST_WARM_UPS:
            times.append(self._time_batches(known, part))
        known.settled = _agree(times)

    def _time_batches(self, known: _Search, repeats: int) -> float:
        index, prepared, k, threads, clock = self._index, self._prepared, self._k, self._threads, self._tools.clock
        start = clock()
        for _ in range(repeats):
            found = index.search(prepared, k, threads=threads)
        taken = (clock() - start) / repeats
        known.found = known.found or found
        return taken

    def _time_singles(self) -> NDArray[np.float64]:
        index, k, clock = self._index, self._k, self._tools.clock
        rows = [self._rows[query % len(self._rows)] for query in self._asked]
        taken = np.empty(len(rows))
        # After a rest of some ms the first 50 queries or so take longer, which are just the slowest 5 % of 1,000.
        self._warm_up_singles()
        for i, row in enumerate(rows):
            start = clock()
            index.search(row, k, threads=1)
            taken[i] = clock() - start
        self._tools.rest()
        return taken

    def _time_clients(self, known: _Search) -> tuple[float, int]:
        """Return the seconds that client threads took, and for how many queries; NaN and 0 for a single thread."""
        if self._clients.number < 2:
            return math.nan, 0
        n = known.client_repeats * len(self._asked)
        taken = self._clients.ask(self._ask, n)
        self._tools.rest()
        return taken, n

    def _time_open_loop(self) -> Responses:
        if not self._rate:
            return NO_RESPONSES
        n, tools = n_requests(len(self._asked), self._rate), self._tools
        responses = open_loop(self._ask, n, self._rate, clock=tools.clock, sleep=tools.sleep)
        tools.rest()
        return responses

    def _ask(self, number: int) -> None:
        """Ask one query; numbers beyond the last begin with the first again."""
        query = self._asked[number % len(self._asked)]
        self._index.search(self._rows[query % len(self._rows)], self._k, threads=1)


def _repeats(seconds: float) -> int:
    return max(1, math.ceil(BATCH_S / max(seconds, 1e-6)))


def _agree(times: Sequence[float]) -> bool:
    """Tell whether the last two differ by at most a tenth."""
    return len(times) > 1 and max(times[-2:]) <= AGREE * min(times[-2:])


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Hold off garbage collections: one in the middle of a query is Python's time, not the index's."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
