"""Exact search as a careful user writes it with NumPy: blocks of a matrix product, argpartition, merge.

Each thread takes queries of its own and multiplies with one BLAS thread. That is faster than one thread that
multiplies with many, because most of the time goes into argpartition, which has no threads (1,000 queries by
200,000 x 128 on two shared cores: .57 s against .70 s; by 20,000 x 64: .08 against .25), and idle BLAS threads spin.
"""

import numpy as np
from numpy.typing import NDArray

from idxbench.config.schema import Similarity
from idxbench.indexes.flat import FlatIndex
from idxbench.indexes.native_threads import NativeThreads
from idxbench.pool import Crew

# Scores held at a time by a thread: 4 MB.
QUERY_BLOCK, ITEM_BLOCK = 128, 8_192


class NumpyIndex(FlatIndex):
    """Blocked NumPy."""

    def __init__(self, similarity: Similarity) -> None:
        super().__init__(similarity)
        self._blas = NativeThreads("blas")
        self._rows = np.empty((0, 0), np.float32)
        self._center: NDArray[np.float32] | None = None
        self._bias: NDArray[np.float32] | None = None

    def _hold(self, rows: NDArray[np.float32], threads: int) -> None:
        if self.similarity == "l2":
            # Nearest is largest q.b - |b|^2 / 2; around the origin the two terms lose fewer digits.
            self._center = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
            rows = rows - self._center
            self._bias = np.einsum("ij,ij->i", rows, rows) / -2
        self._rows = rows

    def prepare(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map queries as the items were, under l2 with their mean taken away."""
        mapped = super().prepare(queries)
        return mapped if self._center is None else mapped - self._center

    def size_bytes(self) -> int:
        """Return 4 bytes per coordinate, and 4 per item under l2."""
        self._built()
        return self._rows.nbytes + (0 if self._bias is None else self._bias.nbytes)

    def _find(self, prepared: NDArray[np.float32], k: int, threads: int) -> NDArray[np.int64]:
        step = min(QUERY_BLOCK, -(-len(prepared) // threads))
        blocks = [prepared[start : start + step] for start in range(0, len(prepared), step)]
        with self._blas.limited(1):
            return np.concatenate(Crew(threads).map(lambda block: self._search_block(block, k), blocks))

    def _search_block(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        self._blas.set(1)  # for a BLAS that counts in each thread; `_find` gives back what others count
        scores = np.empty((len(queries), 0), np.float32)
        ids = np.empty((len(queries), 0), np.int64)
        for start in range(0, len(self._rows), ITEM_BLOCK):
            part = slice(start, start + ITEM_BLOCK)
            block = queries @ self._rows[part].T
            if self._bias is not None:
                block += self._bias[part]
            best = _largest(block, k)
            scores = np.concatenate([scores, np.take_along_axis(block, best, axis=1)], axis=1)
            ids = np.concatenate([ids, best + start], axis=1)
            if start:
                best = _largest(scores, k)
                scores, ids = np.take_along_axis(scores, best, axis=1), np.take_along_axis(ids, best, axis=1)
        return np.take_along_axis(ids, np.argsort(-scores, axis=1), axis=1)


def _largest(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return where the k largest of each row stand, in no order; all where there are fewer."""
    width = scores.shape[1]
    if k >= width:
        return np.broadcast_to(np.arange(width), scores.shape)
    return np.argpartition(scores, width - k, axis=1)[:, width - k :]
