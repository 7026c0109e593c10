"""Faiss' flat indexes, IndexFlatIP and IndexFlatL2, as fast as they can be set."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
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
        self._lock, self._holders, self._threshold = Lock(), 0, 0

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
        """Set what faiss keeps, and give it back; its BLAS follows its OpenMP threads.

        Threads count in each thread of the caller. The threshold is one for the whole process: of several calls at a
        time the last one gives it back.
        """
        faiss = self._faiss
        with self._lock:
            if not self._holders:
                self._threshold = faiss.cvar.distance_compute_blas_threshold
            self._holders += 1
            faiss.cvar.distance_compute_blas_threshold = blas_threshold
        before = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(threads)
        try:
            yield
        finally:
            faiss.omp_set_num_threads(before)
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    faiss.cvar.distance_compute_blas_threshold = self._threshold
