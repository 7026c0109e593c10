"""Arithmetic on rows of vectors in float64, and the size of the blocks they are read in."""

import numpy as np
from numpy.typing import NDArray

from idxbench.errors import DataError, Problem

BLOCK_BYTES = 1 << 23


def block_rows(n_dims: int) -> int:
    """Return how many float64 rows of this width make a block of 8 MiB (at least 64)."""
    return max(64, BLOCK_BYTES // (8 * n_dims))


def row_norms(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Euclidean norm of each row, safe from overflow and underflow at any finite scale."""
    largest = np.abs(rows).max(axis=1, initial=0.0)
    safe = np.where((largest > 1e-140) & (largest < 1e140), 1.0, np.where(largest == 0.0, 1.0, largest))
    scaled = rows if np.all(safe == 1.0) else rows / safe[:, None]
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", scaled, scaled)) * safe)


def normalized(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide each row by its norm; a zero row stays zero, so its cosine with everything is 0."""
    norms = row_norms(rows)
    return np.asarray(rows / np.where(norms == 0.0, 1.0, norms)[:, None])


def refuse_non_finite(block: NDArray[np.float64], name: str, first_row: int = 0) -> None:
    """Raise a DataError that names the first rows holding NaN or infinity, if there are any."""
    if np.isfinite(block.sum()):
        return
    bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
    if len(bad):
        rows = ", ".join(str(first_row + row) for row in bad[:5])
        raise DataError(
            Problem(
                name,
                "finite numbers",
                f"NaN or infinity in row {rows}" + (" and others" if len(bad) > 5 else ""),
                "find out where they come from; remove or repair those rows",
            )
        )
