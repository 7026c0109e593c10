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

from idxbench.kernels.cache import KernelCache, cpu_features, kernel_folder
from idxbench.kernels.compilations import count

Function = TypeVar("Function", bound=Callable[..., Any])

FAST_SUMS = {"nsz", "arcp", "contract", "afn", "reassoc"}


def kernel(function: Function) -> Function:
    """Compile a kernel: no interpreter lock, cached on disk, sums in any order, C division."""
    compiled = numba.njit(nogil=True, error_model="numpy", fastmath=FAST_SUMS)(function)
    folder = kernel_folder(function)
    if folder is not None and compiled is not function:  # the same with NUMBA_DISABLE_JIT
        compiled._cache = KernelCache(function, folder)
    count(compiled)
    return cast("Function", compiled)


def helper(function: Function) -> Function:
    """Compile a function that kernels call, of its own file or another of this folder; LLVM inlines small ones.

    Not Numba's ``inline="always"``: that counts references of the arrays passed, 20 ns a call.
    """
    compiled = numba.njit(nogil=True, error_model="numpy", fastmath=FAST_SUMS)(function)
    return cast("Function", compiled)


def has_avx512() -> bool:
    """Tell whether the CPU that Numba compiles for has 512-bit registers."""
    return _has("avx512f")


def has_vnni() -> bool:
    """Tell whether the CPU that Numba compiles for adds products of bytes in 512-bit registers.

    The features beside ``avx512vnni`` are what every CPU with it has; LLVM ends the process where an
    intrinsic needs one that ``NUMBA_CPU_FEATURES`` leaves out.
    """
    return _has("avx512f", "avx512bw", "avx512vl", "avx512vnni")


def has_avxvnni() -> bool:
    """Tell whether the CPU that Numba compiles for adds products of bytes in 256-bit registers without AVX-512."""
    return _has("avx2", "avxvnni")


def _has(*wanted: str) -> bool:
    """Tell whether code for all of these features may be written.

    ``NUMBA_CPU_NAME``, ``NUMBA_CPU_FEATURES`` and ``NUMBA_ENABLE_AVX`` are respected, so that a test can force the
    generic path. Named another CPU and no features, Numba compiles for the host's features all the same, and
    whoever asked for that CPU meant the generic path.
    """
    if numba.config.CPU_FEATURES is None and numba.config.CPU_NAME not in (None, "host"):
        return False
    return {f"+{name}" for name in wanted} <= set(cpu_features().split(","))
