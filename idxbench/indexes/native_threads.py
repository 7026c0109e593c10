"""The threads of native libraries: set around a call, given back after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Literal


class NativeThreads:
    """The BLAS or OpenMP libraries loaded by now.

    Finding them takes 20 ms, more than many searches, so it is done once; setting them takes microseconds.
    """

    def __init__(self, api: Literal["blas", "openmp"]) -> None:
        from threadpoolctl import ThreadpoolController

        self._libraries = ThreadpoolController().select(user_api=api).lib_controllers
        # OpenMP counts for each thread of the caller, BLAS for the process: what several calls at a time hold down is
        # given back by the last of them, or the others would go on with more threads than they asked for.
        self._of_process = api == "blas"
        self._lock, self._holders, self._before = Lock(), 0, [0] * len(self._libraries)

    def set(self, threads: int) -> None:
        """Set every library to a number of threads, for good.

        Libraries on OpenMP count for each thread of the caller by itself: a new thread starts with their default.
        """
        for library in self._libraries:
            library.set_num_threads(threads)

    @contextmanager
    def limited(self, threads: int) -> Iterator[None]:
        """Hold every library to a number of threads; calls at the same time, in several threads, ask for the same."""
        with self._lock:
            if not self._holders:
                self._before = [library.get_num_threads() for library in self._libraries]
            self._holders += 1
            self.set(threads)
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders or not self._of_process:
                    for library, count in zip(self._libraries, self._before, strict=True):
                        library.set_num_threads(count)
