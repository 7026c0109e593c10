"""The threads of native libraries: set around a call, given back after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal


class NativeThreads:
    """The BLAS or OpenMP libraries loaded by now.

    Finding them takes 20 ms, more than many searches, so it is done once; setting them takes microseconds.
    """

    def __init__(self, api: Literal["blas", "openmp"]) -> None:
        from threadpoolctl import ThreadpoolController

        self._libraries = ThreadpoolController().select(user_api=api).lib_controllers

    def set(self, threads: int) -> None:
        """Set every library to a number of threads, for good.

        Libraries on OpenMP count for each thread of the caller by itself: a new thread starts with their default.
        """
        for library in self._libraries:
            library.set_num_threads(threads)

    @contextmanager
    def limited(self, threads: int) -> Iterator[None]:
        """Hold every library to a number of threads."""
        before = [library.get_num_threads() for library in self._libraries]
        self.set(threads)
        try:
            yield
        finally:
            for library, count in zip(self._libraries, before, strict=True):
                library.set_num_threads(count)
