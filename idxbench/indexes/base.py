"""What an index library must do to be benchmarked: build, search, reachability, size, save."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Found:
    """What a search returned.

    Parameters
    ----------
    ids
        (q, k) int64, best first, padded with -1 where the library found fewer than k.
    n_short
        How many queries were padded.
    """

    ids: NDArray[np.int64]
    n_short: int


class VectorIndex(Protocol):
    """One index over one set of items, for one similarity.

    An implementation refuses NaN and infinity, checks the width of queries, and takes its thread count from
    every call. Vectors arrive as C-order float32; what the library needs done to them (norms, scales) is
    the implementation's business and must not change any ranking.
    """

    def build(self, items: NDArray[np.float32], *, seed: int, threads: int, progress: Progress) -> None:
        """Build from (n, d) items; ids are row numbers. ``progress`` is told the rows added."""
        ...

    def set_search(self, parameters: Mapping[str, Any]) -> None:
        """Set search parameters, such as ``{"ef": 40}``, for the searches that follow."""
        ...

    def prepare(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring queries into the index's own units, once, outside the timed region."""
        ...

    def search(self, prepared: NDArray[np.float32], k: int, *, threads: int) -> Found:
        """Search prepared queries; never raises because an index returned fewer than k results."""
        ...

    def size_bytes(self) -> int:
        """Return the size of the index, vectors included."""
        ...

    def reachable(self) -> NDArray[np.bool_]:
        """Return (n,) whether any search can return each item."""
        ...

    def save(self, path: Path) -> None:
        """Write what `catalogue.load_index` needs beside the items; nothing where that builds again."""
        ...
