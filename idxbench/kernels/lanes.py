"""What the intrinsics share: vector widths, and a few words of LLVM over addresses.

A tile holds the scores of ``GROUP`` rows of one side by ``LANES`` of the other in registers. Plain Numba
loops do not become such a tile (the accumulators would live in memory), so the tiles are written with
LLVM's generic vectors, which every CPU has; the compiler splits those that are too wide.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from idxbench.kernels.jit import has_avx512

# 12 x 2 accumulators of 16 numbers fill the 32 registers of AVX-512; 6 x 2 of 8 fill the 16 of AVX2.
VECTOR, GROUP = (16, 12) if has_avx512() else (8, 6)
VECTORS = 2
LANES = VECTOR * VECTORS

BYTE, INT, WORD, SINGLE = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
INTS, SINGLES = ir.VectorType(INT, VECTOR), ir.VectorType(SINGLE, VECTOR)


def word(value: int) -> Any:
    """Return a 64-bit constant."""
    return ir.Constant(WORD, value)


def address(builder: Any, base: Any, n_bytes: Any, kind: Any) -> Any:
    """Return the pointer ``base + n_bytes`` to values of a kind."""
    return builder.inttoptr(builder.add(base, n_bytes), kind.as_pointer())


def load(builder: Any, base: Any, n_bytes: Any, kind: Any) -> Any:
    """Load one value or vector; four-byte alignment is all that is asked of an array."""
    value = builder.load(address(builder, base, n_bytes, kind), typ=kind)
    value.align = 4
    return value


def store(builder: Any, value: Any, base: Any, n_bytes: int, kind: Any, align: int = 4) -> None:
    """Store one value or vector."""
    builder.store(value, address(builder, base, word(n_bytes), kind)).align = align


def splat(builder: Any, value: Any, kind: Any) -> Any:
    """Repeat one number in every lane of a vector."""
    empty = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(empty, value, ir.Constant(INT, 0))
    return builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(INT, kind.count), [0] * kind.count))


def prefetch_line(builder: Any, base: Any, n_bytes: Any) -> None:
    """Ask for the line of memory at ``base + n_bytes``, which may be beyond the end of an array."""
    kind = ir.FunctionType(ir.VoidType(), [BYTE.as_pointer(), INT, INT, INT])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    # To read, into every level of cache, data.
    flags = [ir.Constant(INT, flag) for flag in (0, 3, 1)]
    builder.call(function, [address(builder, base, n_bytes, BYTE), *flags])


class Loop:
    """A counted loop whose accumulators stay in registers: ``for t in range(n)``."""

    def __init__(self, builder: Any, n_steps: Any, initial: list[Any]) -> None:
        self.builder = builder
        before = builder.block
        self.head = builder.append_basic_block("loop.head")
        body, self.done = builder.append_basic_block("loop.body"), builder.append_basic_block("loop.done")
        builder.branch(self.head)
        builder.position_at_end(self.head)
        self.t = builder.phi(WORD)
        self.t.add_incoming(word(0), before)
        self.values = []
        for value in initial:
            phi = builder.phi(value.type)
            phi.add_incoming(value, before)
            self.values.append(phi)
        builder.cbranch(builder.icmp_signed("<", self.t, n_steps), body, self.done)
        builder.position_at_end(body)

    def end(self, updated: list[Any]) -> list[Any]:
        """Close the body with the new values of the accumulators; return what they are after the loop."""
        self.t.add_incoming(self.builder.add(self.t, word(1)), self.builder.block)
        for phi, value in zip(self.values, updated, strict=True):
            phi.add_incoming(value, self.builder.block)
        self.builder.branch(self.head)
        self.builder.position_at_end(self.done)
        return self.values


@intrinsic  # type: ignore[untyped-decorator]
def trailing_zeros(typing_context: Any, bits: Any) -> Any:
    """Return the index of the lowest bit that is set in a 32-bit word."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1)), WORD)

    return types.intp(types.uint32), emit


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing_context: Any, start: Any, n_bytes: Any) -> Any:
    """Ask for the lines of memory from an address on before they are needed."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, n_bytes = arguments
        loop = Loop(builder, builder.udiv(builder.add(n_bytes, word(63)), word(64)), [])
        prefetch_line(builder, start, builder.mul(loop.t, word(64)))
        loop.end([])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), emit
