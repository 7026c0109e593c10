"""What the machine can do at most: multiply-adds in registers, bytes from memory."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from idxbench.kernels.lanes import SINGLES, VECTOR, Loop, splat

CHAINS = 12


@intrinsic
def _chains(typing_context: Any, n_steps: Any, value: Any) -> Any:
    """Run independent chains of fused multiply-adds; return a number that depends on all."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        n, one = arguments
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(SINGLES, [SINGLES] * 3), f"llvm.fma.v{VECTOR}f32"
        )
        factor = splat(builder, one, SINGLES)
        loop = Loop(builder, n, [factor] * CHAINS)
        total, *others = loop.end([builder.call(fma, [factor, value, factor]) for value in loop.values])
        for other in others:
            total = builder.fadd(total, other)
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return types.float32(types.intp, types.float32), emit


@njit(nogil=True)
def multiply_adds(n_steps):
    """Return how many multiply-adds were made, and keep the compiler from leaving them out."""
    total = _chains(n_steps, np.float32(0.5))
    return n_steps * CHAINS * VECTOR + (0 if total > 0 else 1)


@njit(nogil=True, fastmath=True)
def read(table):
    total = np.float32(0)
    for index in range(len(table)):
        total += table[index]
    return total
