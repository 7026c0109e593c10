"""Waiting until this process really does nothing, so that it does not disturb whoever is timed next."""

import time
from collections.abc import Callable

PAUSE_S = 0.002
# LLVM's OpenMP spins for .2 s before its threads go to sleep, GNU's for some .01, unless told otherwise.
LONGEST_S = 0.3


def come_to_rest(cpu: Callable[[], float] = time.process_time, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until no thread of this process uses the processor; at most .3 s.

    Threads of OpenMP and OpenBLAS spin for a while when their work is done, in case more of it comes.

    Parameters
    ----------
    cpu
        Seconds that all threads of this process have used the processor for.
    sleep
        Waits for some seconds.
    """
    used = cpu()
    for _ in range(round(LONGEST_S / PAUSE_S)):
        sleep(PAUSE_S)
        before, used = used, cpu()
        if used - before < PAUSE_S / 10:
            return
