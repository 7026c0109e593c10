"""Threads for blocks of work, and linear algebra that stays on the thread that calls it."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from itertools import count
from threading import Lock
from typing import Any, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")

MOST_HELPERS = 256


@cache
def _helpers() -> ThreadPoolExecutor:
    """Return the threads that help whoever calls: started when first needed, asleep in between.

    One that is started for a search wakes up milliseconds later, which is all the time a single query takes.
    """
    return ThreadPoolExecutor(MOST_HELPERS, thread_name_prefix="idxbench")


# The threads of a process do not come along when it is forked.
os.register_at_fork(after_in_child=_helpers.cache_clear)


class Crew:
    """The calling thread and some that help it, as soon as they are awake and for as long as there is work.

    Safe in several threads at once, and inside one another: a caller waits for no helper that has not begun.

    Parameters
    ----------
    threads
        How many work at a time, the caller one of them; 1 never leaves the calling thread.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def map(self, function: Callable[[Argument], Result], arguments: Iterable[Argument]) -> list[Result]:
        """Return ``function(argument)`` of each argument, in their order.

        Raises
        ------
        Exception
            Whatever the first failing call, in the order of the arguments, raised; later ones are not begun.
        """
        work = list(arguments)
        if self.threads == 1 or len(work) < 2:
            return [function(argument) for argument in work]
        results: dict[int, Result] = {}
        failures: dict[int, BaseException] = {}
        numbers = count()  # one step at a time for all threads: it is a single call of C

        def labor() -> None:
            while not failures and (number := next(numbers)) < len(work):
                try:
                    results[number] = function(work[number])
                except BaseException as error:
                    failures[number] = error

        helpers = [_helpers().submit(labor) for _ in range(min(self.threads, len(work)) - 1)]
        try:
            labor()
            wait(helper for helper in helpers if not helper.cancel())
        except BaseException as interruption:
            # Ctrl-C between two calls: the helpers finish theirs and begin no other.
            failures[-1] = interruption
            wait(helper for helper in helpers if not helper.cancel())
        if failures:
            raise failures[min(failures)]
        return [results[number] for number in range(len(work))]


def in_order(
    threads: int, function: Callable[[Argument], Result], arguments: Iterable[Argument], ahead: int
) -> Iterator[Result]:
    """Yield the results of calls in the order of their arguments, whichever thread finishes first.

    Unlike `Crew.map`, which holds every result.

    Parameters
    ----------
    threads
        How many run the calls; with 1 the calling thread does.
    function, arguments
        ``function(argument)`` for each.
    ahead
        How many calls may be under way or wait to be asked for, beyond the one that is yielded.

    Raises
    ------
    Exception
        Whatever the first failing call, in the order of the arguments, raised.
    """
    if threads == 1:
        yield from map(function, arguments)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        for argument in arguments:
            waiting.append(pool.submit(function, argument))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _Hold:
    """Who holds BLAS to one thread: the first to come sets it, the last to go gives it back."""

    lock = Lock()
    holders = 0
    limiter: Any = None


@cache
def _blas_libraries() -> Any:
    # Looking for the loaded libraries takes longer than a small product; NumPy's own is loaded before us.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold the linear algebra of NumPy to one thread per call, and give the old count back afterwards.

    Two threads that each multiply blocks on their own are faster than one BLAS that splits every block, and
    the order of a sum no longer depends on how many cores there are. The count belongs to the process: of
    several holders at a time the last one gives it back (each on its own would leave it at 1 for ever).
    """
    with _Hold.lock:
        if _Hold.holders == 0:
            _Hold.limiter = _blas_libraries().limit(limits=1, user_api="blas")
        _Hold.holders += 1
    try:
        yield
    finally:
        with _Hold.lock:
            _Hold.holders -= 1
            if _Hold.holders == 0:
                _Hold.limiter.restore_original_limits()
