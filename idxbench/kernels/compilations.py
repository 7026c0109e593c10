"""How many kernels have been compiled, or read from the disk, by now; without importing Numba where there are none."""

from typing import Any

_dispatchers: list[Any] = []


def count(dispatcher: Any) -> None:
    """Count the signatures of a kernel from now on; a plain function (``NUMBA_DISABLE_JIT``) has none."""
    if hasattr(dispatcher, "signatures"):
        _dispatchers.append(dispatcher)


def compilations() -> int:
    """Return how many signatures of our kernels this process holds: it grows with whatever Numba compiles or loads."""
    return sum(len(dispatcher.signatures) for dispatcher in _dispatchers)
