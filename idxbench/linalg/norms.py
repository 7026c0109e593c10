"""Norms of the rows of whole arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.rows import refuse_non_finite, row_norms
from idxbench.linalg.blocks import ROWS, each_block, matrix


def norms(items: NDArray[Any], *, threads: int | None = None) -> NDArray[np.float64]:
    """Return the Euclidean norm of each row, in float64 at any finite scale.

    Parameters
    ----------
    items
        (n, d) finite numbers of any real type, n and d at least 1; a memory map is read block by block, once.
    threads
        None or 0 for every usable core; the result is the same for any number.

    Returns
    -------
    (n,) float64, off by a few units of the last digit; infinite where the norm of a float64 row is.

    Raises
    ------
    DataError
        Wrong shape or type, rows with NaN or infinity.

    Notes
    -----
    Memory: 8 n bytes and a float64 block per thread (4,096 d numbers).
    """
    items = matrix(items, "items")
    found = np.empty(len(items))

    def one(start: int) -> None:
        block = np.asarray(items[start : start + ROWS], np.float64)
        squares = np.einsum("ij,ij->i", block, block)
        if squares.min() > 1e-280 and squares.max() < 1e300:
            found[start : start + ROWS] = np.sqrt(squares)
            return
        # Zero rows, and those whose squares leave float64, take the longer way; so do NaN and infinity.
        refuse_non_finite(block, "items", start)
        found[start : start + ROWS] = row_norms(block)

    for _ in each_block(one, len(items), threads):
        pass
    return found
