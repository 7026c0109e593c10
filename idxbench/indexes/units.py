"""How vectors are brought into the units of an index: float32 rows that rank as the originals do.

A library that computes in float32 loses tiny and huge vectors. Scaling all items alike keeps every ranking, and so
does any scale of a query under dot and cosine; under l2 queries share the scale of the items.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idxbench.config.schema import Similarity
from idxbench.data.rows import normalized, refuse_non_finite, row_norms
from idxbench.errors import DataError, Problem

# Bytes of a float64 block while building: our own copies must not show in the memory of the index. Still far
# more rows than the 4 x threads below which hnswlib falls back to one thread.
BLOCK_BYTES = 1 << 18
# Coordinates whose squares and sums stay far inside the range of float32.
USUAL = (1e-9, 1e9)


@dataclass(frozen=True)
class Units:
    """The map of one similarity.

    Parameters
    ----------
    similarity
        Cosine is the dot product of rows of norm 1.
    item_scale
        What items are multiplied by under dot and l2.
    """

    similarity: Similarity
    item_scale: float

    def items(self, rows: NDArray[np.float64]) -> NDArray[np.float32]:
        """Map items."""
        mapped = normalized(rows) if self.similarity == "cosine" else rows * self.item_scale
        return np.ascontiguousarray(mapped, np.float32)

    def queries(self, queries: NDArray[np.float32], n_dims: int) -> NDArray[np.float32]:
        """Map queries; refuses NaN, infinity and a width other than ``n_dims``, that of the items."""
        if queries.ndim != 2 or queries.shape[1] != n_dims:
            raise wrong_width(queries, n_dims)
        rows = np.asarray(queries, np.float64)
        refuse_non_finite(rows, "queries")
        # Under dot only the direction of a query decides its ranking; under l2 it shares the items' scale.
        mapped = rows * self.item_scale if self.similarity == "l2" else normalized(rows)
        return np.ascontiguousarray(mapped, np.float32)


def wrong_width(queries: NDArray[np.float32], n_dims: int) -> DataError:
    """Say that queries are not as wide as the items."""
    return DataError(Problem("queries", f"width {n_dims}, that of the items", f"shape {queries.shape}"))


def small_block(n_dims: int) -> int:
    """Return how many rows are mapped at a time."""
    return max(256, BLOCK_BYTES // (8 * n_dims))


def scale_to_mean_one(items: NDArray[np.float32]) -> float:
    """Return what brings the mean norm of the items to 1; refuses NaN and infinity."""
    total = 0.0
    step = small_block(items.shape[1])
    for start in range(0, len(items), step):
        rows = np.asarray(items[start : start + step], np.float64)
        refuse_non_finite(rows, "items", start)
        total += float(row_norms(rows).sum())
    mean = total / len(items)
    return 1.0 / mean if mean > 0 else 1.0


def scale_if_unusual(items: NDArray[np.float32]) -> float:
    """Return 1 for items of any usual size, else what brings their largest coordinate to 1.

    A power of two, so that no digit changes; refuses NaN and infinity.
    """
    largest = 0.0
    step = small_block(items.shape[1])
    for start in range(0, len(items), step):
        rows = items[start : start + step]
        here = max(float(rows.max()), -float(rows.min()))
        if not np.isfinite(here):
            refuse_non_finite(np.asarray(rows, np.float64), "items", start)
        largest = max(largest, here)
    if largest == 0.0 or USUAL[0] < largest < USUAL[1]:
        return 1.0
    return float(2.0 ** -np.frexp(largest)[1])
