"""Client threads that each ask one query at a time, as the threads of a server do."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier


class Clients:
    """Threads of Python that begin together; started when first needed, asleep in between.

    Parameters
    ----------
    number
        How many.
    clock
        Seconds, monotonic, the same for all threads.
    """

    def __init__(self, number: int, clock: Callable[[], float]) -> None:
        self.number = number
        self._clock = clock
        self._pool = ThreadPoolExecutor(max(1, number), thread_name_prefix="client")

    def ask(self, ask: Callable[[int], object], n: int) -> float:
        """Return the seconds from the first question of any client to the last answer.

        Parameters
        ----------
        ask
            Asks the question of a number; safe in several threads.
        n
            How many questions; each client asks every ``number``-th, one after the other.

        Raises
        ------
        Exception
            Whatever a question raised; the other clients finish theirs.
        """
        barrier = Barrier(self.number)

        def client(first: int) -> tuple[float, float]:
            barrier.wait()
            start = self._clock()
            for question in range(first, n, self.number):
                ask(question)
            return start, self._clock()

        try:
            clients = [self._pool.submit(client, first) for first in range(self.number)]
        except RuntimeError:
            # No more threads are to be had: those that there are must not wait for them.
            barrier.abort()
            raise
        spans = [client.result() for client in clients]
        return max(end for _, end in spans) - min(start for start, _ in spans)
