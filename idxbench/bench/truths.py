"""Ground truth for a run: from the cache, from the data where it can be trusted, or computed."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.progress import Progress
from idxbench.records import Notice
from idxbench.truth.cache import CachedTruth, read_truth, truth_key, write_truth
from idxbench.truth.exact import ExactIndex, Neighbors
from idxbench.truth.given import as_neighbors, check_given

# Deeper than k, so that scores around the k-th are known when ties are credited.
EXTRA_DEPTH = 10


@dataclass(frozen=True)
class Truth:
    """A ground truth, where it came from, and what it cost when it was computed."""

    neighbors: Neighbors
    seconds: float
    origin: str


class TruthSource:
    """Finds truths, each once.

    Parameters
    ----------
    use_cache
        Look into the cache on disk, and store what is computed.
    progress
        Shows queries done.
    """

    def __init__(self, use_cache: bool, progress: Progress) -> None:
        self._use_cache = use_cache
        self._progress = progress
        self._known: dict[str, Truth] = {}

    def find(self, index: ExactIndex, queries: NDArray[Any], k: int, fingerprints: dict[str, str], name: str) -> Truth:
        """Return the truth of some queries at depth k, or deeper where there are more items.

        Parameters
        ----------
        index, queries
            What is searched and what is asked.
        k
            Depth needed.
        fingerprints
            Content hashes of ``items`` and ``queries``.
        name
            For the progress bar.
        """
        depth = min(len(index.items), k + EXTRA_DEPTH)
        metric = index.mapping.metric
        key = truth_key(fingerprints["items"], fingerprints["queries"], metric, depth)
        if key not in self._known:
            self._known[key] = self._read(key) or self._compute(index, queries, depth, key, name)
        return self._known[key]

    def given(
        self, index: ExactIndex, queries: NDArray[Any], given: NDArray[np.int64], k: int, seed: int
    ) -> tuple[Truth | None, Notice]:
        """Check neighbours that came with the data; return them as truth where they agree."""
        start = time.perf_counter()
        check = check_given(index, queries, given, k, seed)
        if not check.usable:
            return None, Notice(
                "given-neighbors-rejected",
                f"the neighbours that came with the data are not used as ground truth: {check.reason}; it was "
                "computed instead",
                "were they made for other vectors, or under another similarity?",
            )
        neighbors = as_neighbors(index, queries, given, k)
        text = f"the neighbours that came with the data agree with exact search on {check.n_sampled} queries"
        return Truth(neighbors, time.perf_counter() - start, "given"), Notice("given-neighbors-used", text)

    def _read(self, key: str) -> Truth | None:
        cached = read_truth(key) if self._use_cache else None
        return None if cached is None else Truth(cached.neighbors, cached.seconds, "cache")

    def _compute(self, index: ExactIndex, queries: NDArray[Any], depth: int, key: str, name: str) -> Truth:
        start = time.perf_counter()
        with self._progress.stage(f"exact truth: {name}", len(queries)) as advance:
            neighbors = index.neighbors(queries, depth, advance)
        seconds = time.perf_counter() - start
        if self._use_cache:
            write_truth(key, CachedTruth(neighbors, seconds))
        return Truth(neighbors, seconds, "computed")
