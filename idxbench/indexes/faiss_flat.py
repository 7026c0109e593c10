"""Faiss' flat indexes, IndexFlatIP and IndexFlatL2, as fast as they can be set."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.config.schema import Similarity
from idxbench.indexes.flat import FlatIndex

# From this many queries on, faiss is made to multiply matrices (BLAS); below, to go through the items query by query.
# That was its own rule for years. Since 1.15 the rule is ``queries * n_dims >= 128,000``, tuned on machines of many
# cores (facebookresearch/faiss, pull requests 5022 and 5109): on one or two threads 1,999 queries at d = 64 take
# three times as long as 2,001. A threshold of 20 for every call is no remedy: read as ``queries * n_dims`` it sends
# single queries through BLAS, too, which takes those three times as long.
BLAS_QUERIES = 20
NEVER = 2**31 - 1


class FaissFlatIndex(FlatIndex):
    """A flat index of faiss: the vectors as they are, every one compared."""

    def __init__(self, similarity: Similarity) -> None:
        import faiss

        super().__init__(similarity)
        self._faiss: Any = faiss
        self._index: Any = None

    def _hold(self, rows: NDArray[np.float32], threads: int) -> None:
        kind = self._faiss.IndexFlatL2 if self.similarity == "l2" else self._faiss.IndexFlatIP
        self._index = kind(rows.shape[1])
        with self._settings(threads, BLAS_QUERIES):
            self._index.add(rows)

    def size_bytes(self) -> int:
        """Return 4 bytes per coordinate."""
        n_items, n_dims = self._built()
        return 4 * n_items * n_dims

    def _find(self, prepared: NDArray[np.float32], k: int, threads: int) -> NDArray[np.int64]:
        with self._settings(threads, BLAS_QUERIES if len(prepared) >= BLAS_QUERIES else NEVER):
            _, ids = self._index.search(prepared, k)
        return np.asarray(ids, np.int64)

    @contextmanager
    def _settings(self, threads: int, blas_threshold: int) -> Iterator[None]:
        """Set what faiss keeps for the whole process, and give it back; its BLAS follows its OpenMP threads."""
        faiss = self._faiss
        before = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
        faiss.omp_set_num_threads(threads)
        faiss.cvar.distance_compute_blas_threshold = blas_threshold
        try:
            yield
        finally:
            faiss.omp_set_num_threads(before[0])
            faiss.cvar.distance_compute_blas_threshold = before[1]
