"""scikit-learn's brute-force NearestNeighbors, which knows distances only."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.config.schema import Similarity
from idxbench.indexes.flat import FlatIndex
from idxbench.indexes.native_threads import NativeThreads


class SklearnIndex(FlatIndex):
    """Nearest neighbours by euclidean distance.

    There is no search by dot product, so it gets what its users do instead (Bachrach et al. 2014): items scaled to
    norms of at most 1 and given one more coordinate, ``sqrt(1 - |b|^2)``, queries of norm 1 and 0 in that place.
    Then ``distance^2 = 2 - 2 q.b``. Under cosine the items have norm 1 already and nothing is added, unless some
    are zero rows, whose cosine with everything is 0.
    """

    def __init__(self, similarity: Similarity) -> None:
        from sklearn.neighbors import NearestNeighbors

        super().__init__(similarity)
        self._neighbors: Any = NearestNeighbors(algorithm="brute", metric="euclidean")
        # Its brute force runs on OpenMP threads, whatever n_jobs says; BLAS it limits itself.
        self._openmp = NativeThreads("openmp")
        self._added = 0

    def _fit_scale(self, items: NDArray[np.float32]) -> float:
        scale = super()._fit_scale(items)
        if self.similarity != "dot":
            return scale
        largest = np.sqrt(_squared_norms(items, scale).max())
        return scale / float(2.0 ** np.frexp(largest)[1])

    def _hold(self, rows: NDArray[np.float32], threads: int) -> None:
        if self.similarity != "l2":
            squared = _squared_norms(rows, 1.0)
            # Rows of norm 1 are off by a rounding.
            missing = np.sqrt(np.maximum(1.0 - squared, 0.0)) if self.similarity == "dot" else 1.0 * (squared == 0.0)
            self._added = int(missing.any())
            rows = np.hstack([rows, missing[:, None].astype(np.float32)]) if self._added else rows
        self._neighbors.fit(rows)

    def prepare(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map queries as the items were, with a 0 where a coordinate was added."""
        return np.pad(super().prepare(queries), ((0, 0), (0, self._added)))

    def size_bytes(self) -> int:
        """Return 4 bytes per coordinate, an added one included."""
        n_items, n_dims = self._built()
        return 4 * n_items * (n_dims + self._added)

    def _find(self, prepared: NDArray[np.float32], k: int, threads: int) -> NDArray[np.int64]:
        with self._openmp.limited(threads):
            return np.asarray(self._neighbors.kneighbors(prepared, k, return_distance=False), np.int64)


def _squared_norms(rows: NDArray[np.float32], scale: float) -> NDArray[np.float64]:
    scaled = rows if scale == 1.0 else rows * np.float32(scale)
    return np.asarray(np.einsum("ij,ij->i", scaled, scaled, dtype=np.float64))
