"""Tall arrays read block by block, on threads whose number changes no result."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from idxbench.data.check import check_matrix
from idxbench.machine import resolve_threads
from idxbench.pool import in_order

Result = TypeVar("Result")

# Fewer make BLAS slow at d >= 384 (1,024 rows: three quarters of the rate at 4,096); more lose digits where
# float32 is added up (8,192: 1.3 times the error) and are no faster.
ROWS = 4096


class RowSource(Protocol):
    """What is read block by block: an array, a memory map, or rows that are made when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers."""
        ...

    def __len__(self) -> int:
        """Count the rows."""
        ...

    def __getitem__(self, part: slice, /) -> NDArray[Any]:
        """Return some rows."""
        ...


def matrix(x: Any, name: str = "x") -> Any:
    """Return a 2-D source of real numbers with at least one row and column.

    Raises
    ------
    DataError
        It is something else.
    """
    if not (hasattr(x, "shape") and hasattr(x, "dtype")):
        x = np.asarray(x)
    check_matrix(x, name)
    return x


def each_block(one: Callable[[int], Result], n_rows: int, threads: int | None, rows: int = ROWS) -> Iterator[Result]:
    """Yield ``one(first_row)`` of every block in the order of the rows.

    The blocks are the same for any number of threads, so whatever is added up over them is, too. A few results
    wait at a time; overflow and invalid values raise no warnings in ``one``.
    """
    starts = range(0, n_rows, rows)
    used = min(resolve_threads(threads), max(1, len(starts)))

    def quiet(start: int) -> Result:
        # Set in the thread that calculates: what overflows is looked at there.
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return one(start)

    yield from in_order(used, quiet, starts, used)
