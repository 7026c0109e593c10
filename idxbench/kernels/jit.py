"""The one door to Numba: every kernel of the project is compiled with these options.

Kernels are serial and release the interpreter lock; threads are Python threads that each run a kernel on
a part of their own. That compiles several times faster than ``parallel=True``, is safe inside another
program's threads, and sets no thread count that someone would have to restore.

``fastmath`` lets sums be reordered into vector lanes but keeps NaN and infinity meaning what they mean:
plain ``fastmath=True`` makes every NaN check false.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from llvmlite import binding

Function = TypeVar("Function", bound=Callable[..., Any])

FAST_SUMS = {"nsz", "arcp", "contract", "afn", "reassoc"}


def kernel(function: Function) -> Function:
    """Compile a kernel: no interpreter lock, cached on disk, sums in any order, C division."""
    compiled = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST_SUMS)(function)
    return cast("Function", compiled)


def inlined(function: Function) -> Function:
    """Compile a helper that is inlined into the kernels of its own file.

    Its callers must stand in the same file: Numba's disk cache looks at the file of the kernel only, and
    would miss an edit made to a helper elsewhere.
    """
    compiled = numba.njit(inline="always", error_model="numpy", fastmath=FAST_SUMS)(function)
    return cast("Function", compiled)


def has_avx512() -> bool:
    """Tell whether the CPU that Numba compiles for has 512-bit registers.

    ``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES`` are respected, so that a test can force the generic path.
    """
    if numba.config.CPU_FEATURES is not None:
        return "+avx512f" in numba.config.CPU_FEATURES
    if numba.config.CPU_NAME not in (None, "host"):
        return False
    return bool(binding.get_host_cpu_features().get("avx512f", False))
