"""What the exact searches of other libraries share: every item is looked at, so there is nothing to tune or to lose."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.config.schema import Similarity
from idxbench.indexes.base import Found, Progress
from idxbench.indexes.units import Units, scale_if_unusual, small_block


class FlatIndex(ABC):
    """Exact search by some library, behind the protocol of `VectorIndex`.

    A library is imported when its index is made, so that neither the time nor the memory of the import counts as
    that of the build. Cosine is the dot product of rows of norm 1: none of the libraries is faster by a cosine
    of its own.
    """

    def __init__(self, similarity: Similarity) -> None:
        self.similarity = similarity
        self._units = Units(similarity, 1.0)
        self._shape = (0, 0)

    @abstractmethod
    def _hold(self, rows: NDArray[np.float32], threads: int) -> None:
        """Take the mapped items."""

    @abstractmethod
    def _find(self, prepared: NDArray[np.float32], k: int, threads: int) -> NDArray[np.int64]:
        """Return (q, k) ids, best first, padded with -1."""

    @abstractmethod
    def size_bytes(self) -> int:
        """Return the bytes of what is held for searching, vectors included."""

    def build(self, items: NDArray[np.float32], *, seed: int, threads: int, progress: Progress) -> None:
        """Hand the items to the library; nothing is random, so the seed is not used.

        Raises
        ------
        DataError
            NaN or infinity among the items.
        """
        self._units = Units(self.similarity, self._fit_scale(items))
        self._hold(self._mapped(items), threads)
        self._shape = items.shape
        progress(len(items))

    def set_search(self, parameters: Mapping[str, Any]) -> None:
        """Accept none: there is nothing to set."""
        if parameters:
            raise ValueError(f"exact search has no parameters, not even {dict(parameters)}")

    def prepare(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map queries as the items were; refuses NaN, infinity and a width that is not the items'."""
        return self._units.queries(queries, self._built()[1])

    def search(self, prepared: NDArray[np.float32], k: int, *, threads: int) -> Found:
        """Search exactly."""
        self._built()
        ids = self._find(prepared, k, threads)
        return Found(ids, int(np.count_nonzero(ids[:, -1] < 0)))

    def reachable(self) -> NDArray[np.bool_]:
        """Return all True: every item is looked at."""
        return np.ones(self._built()[0], bool)

    def save(self, path: Path) -> None:  # noqa: B027
        """Write nothing: all there is to load are the items."""

    def _fit_scale(self, items: NDArray[np.float32]) -> float:
        return scale_if_unusual(items)

    def _mapped(self, items: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the items in the units of the index: themselves where nothing has to be done."""
        if self.similarity != "cosine" and self._units.item_scale == 1.0:
            return np.ascontiguousarray(items, np.float32)
        mapped = np.empty(items.shape, np.float32)
        step = small_block(items.shape[1])
        for start in range(0, len(items), step):
            mapped[start : start + step] = self._units.items(np.asarray(items[start : start + step], np.float64))
        return mapped

    def _built(self) -> tuple[int, int]:
        if not self._shape[1]:
            raise RuntimeError("build the index before using it")
        return self._shape
