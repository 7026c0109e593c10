"""Exact search as an index: recall 1 by definition, the time that approximate search has to beat."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.config.schema import Similarity
from idxbench.indexes.base import Found, Progress
from idxbench.truth.exact import ExactIndex
from idxbench.truth.memory import index_bytes


class ExactSearchIndex:
    """The project's own exact search behind the protocol of `VectorIndex`."""

    def __init__(self, similarity: Similarity) -> None:
        self.similarity = similarity
        self._index: ExactIndex | None = None

    def build(self, items: NDArray[np.float32], *, seed: int, threads: int, progress: Progress) -> None:
        """Prepare the items; nothing is random, so the seed is not used."""
        self._index = ExactIndex(items, self.similarity, threads=threads)
        progress(len(items))

    def set_search(self, parameters: Mapping[str, Any]) -> None:
        """Accept no parameters: there are none."""

    def prepare(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the queries: the search maps them itself."""
        return queries

    def search(self, prepared: NDArray[np.float32], k: int, *, threads: int) -> Found:
        """Search exactly; never short."""
        index = self._built()
        index.threads = threads
        ids, _ = index.search(prepared, k)
        return Found(ids, 0)

    def size_bytes(self) -> int:
        """Return the bytes of the vectors, and of the codes and norms that are held beside them."""
        items = self._built().items
        return int(items.nbytes) + index_bytes(len(items), int(items.shape[1]), self.similarity)

    def reachable(self) -> NDArray[np.bool_]:
        """Return all True: every item is looked at."""
        return np.ones(len(self._built().items), bool)

    def save(self, path: Path) -> None:
        """Write nothing: all there is to load are the items."""

    def _built(self) -> ExactIndex:
        if self._index is None:
            raise RuntimeError("build the index before using it")
        return self._index
