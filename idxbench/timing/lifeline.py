"""A child process lives and dies by its parent: no Ctrl-C of the terminal ends it, the death of its parent does."""

import ctypes
import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tie_to_parent(stdin: int = 0) -> None:
    """Ignore Ctrl-C, which the parent acts on, and die when the parent dies, even in the middle of a long build.

    Linux kills this process with the thread that started it. Elsewhere it ends with the next look at its standard
    input, which is closed then.

    Parameters
    ----------
    stdin
        Where commands come from: the parent holds the other end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # A parent that died before that is told by its end of the pipe; one that died meanwhile, by its number.
    if os.getppid() != parent or _hung_up(stdin):
        os._exit(1)


def _hung_up(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLHUP)
    return any(event & select.POLLHUP for _, event in poll.poll(0))
