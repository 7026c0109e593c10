"""What every source of data hands to the rest of the program."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.records import Notice

UNLABELED = -1


@dataclass(frozen=True)
class Labels:
    """One class per row.

    Parameters
    ----------
    codes
        (n,) int64, the class of each row, ``UNLABELED`` (-1) for a row without one.
    names
        The name of each class, in the order of the codes.
    """

    codes: NDArray[np.int64]
    names: tuple[str, ...]

    def take(self, rows: NDArray[np.int64]) -> "Labels":
        """Return the labels of the given rows, with the same classes."""
        return replace(self, codes=self.codes[rows])


@dataclass(frozen=True)
class Dataset:
    """Items, perhaps queries, and what is known about them.

    Parameters
    ----------
    name
        A short name for tables and messages.
    items
        (n_items, n_dims), any float or integer type, possibly a memory map; never converted here.
    queries
        (n_queries, n_dims) or None.
    labels, query_labels
        One class per item, one per query.
    neighbors
        (n_queries, depth) int64 ground truth that came with the data, best
        first, padded with -1; not yet believed.
    notices
        What was noticed while loading, for the reader of the report.
    """

    name: str
    items: NDArray[Any]
    queries: NDArray[Any] | None = None
    labels: Labels | None = None
    query_labels: Labels | None = None
    neighbors: NDArray[np.int64] | None = None
    notices: tuple[Notice, ...] = ()
