"""Threads for the kernels, and none where one is asked for."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any


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
