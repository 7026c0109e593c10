"""Usearch's exact search."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.config.schema import Similarity
from idxbench.indexes.flat import FlatIndex
from idxbench.indexes.units import scale_to_mean_one


class UsearchExactIndex(FlatIndex):
    """An index of usearch, searched with ``exact=True``.

    Of its two ways this is the better one: the function ``usearch.index.search(..., exact=True)`` is as fast in
    batches, but two to five times slower for a single query, and it holds 16 bytes for every pair of query and
    item. An index has links, which an exact search doesn't follow: they are as few as can be (``connectivity = 2``).
    """

    def __init__(self, similarity: Similarity) -> None:
        from usearch.index import Index

        super().__init__(similarity)
        self._make: Any = Index
        self._index: Any = None

    def _fit_scale(self, items: NDArray[np.float32]) -> float:
        # Its "ip" is 1 - dot in float32, which ties products far smaller than 1.
        return scale_to_mean_one(items) if self.similarity == "dot" else super()._fit_scale(items)

    def _hold(self, rows: NDArray[np.float32], threads: int) -> None:
        metric = "l2sq" if self.similarity == "l2" else "ip"
        self._index = self._make(
            ndim=rows.shape[1], metric=metric, dtype="f32", connectivity=2, expansion_add=1, expansion_search=1
        )
        self._index.add(np.arange(len(rows), dtype=np.uint64), rows, threads=threads)

    def size_bytes(self) -> int:
        """Return the size as saved."""
        self._built()
        return int(self._index.serialized_length)

    def _find(self, prepared: NDArray[np.float32], k: int, threads: int) -> NDArray[np.int64]:
        found = self._index.search(prepared, k, exact=True, threads=threads)
        ids = np.asarray(found.keys).astype(np.int64).reshape(len(prepared), -1)
        counts = np.atleast_1d(getattr(found, "counts", ids.shape[1]))
        if ids.shape[1] == k and counts.min() == k:
            return ids
        padded = np.full((len(prepared), k), -1, np.int64)
        padded[:, : ids.shape[1]] = np.where(np.arange(ids.shape[1]) < counts[:, None], ids, -1)
        return padded
