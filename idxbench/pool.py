"""Threads for blocks of work, and linear algebra that stays on the thread that calls it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class Inline(Executor):
    """Runs what is submitted at once, in the calling thread.

    Starting a thread and waiting for it costs 100 µs, as much as searching a thousand items.
    """

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> "Future[Any]":
        """Run a call; its future is done already."""
        done: Future[Any] = Future()
        try:
            done.set_result(function(*arguments, **options))
        except Exception as error:
            done.set_exception(error)
        return done

    def map(
        self, function: Callable[..., Any], /, *iterables: Iterable[Any], timeout: Any = None, chunksize: int = 1
    ) -> Iterator[Any]:
        """Run calls as their results are asked for."""
        return map(function, *iterables)


def make_pool(threads: int) -> Executor:
    """Make an executor of that many threads."""
    return Inline() if threads == 1 else ThreadPoolExecutor(threads)


def in_order(
    pool: Executor, function: Callable[[Argument], Result], arguments: Iterable[Argument], ahead: int
) -> Iterator[Result]:
    """Yield the results of calls in the order of their arguments, whichever thread finishes first.

    Unlike ``Executor.map``, which starts everything and holds every result that was not yet asked for.

    Parameters
    ----------
    pool
        Where the calls run.
    function, arguments
        ``function(argument)`` for each.
    ahead
        How many calls may be under way or wait to be asked for, beyond the one that is yielded.

    Raises
    ------
    Exception
        Whatever the first failing call, in the order of the arguments, raised.
    """
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
