"""K-means, spherical or plain, with the same answer for a seed whatever the number of threads."""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.rows import block_rows, normalized
from idxbench.errors import DataError, Problem
from idxbench.machine import resolve_threads
from idxbench.truth.mapping import fit_mapping
from idxbench.truth.pool import make_pool

# k-means++ looks at every item once per centroid; a sample finds starts as good at a bounded cost.
START_SAMPLE = 20_000
# Stop when an iteration improves the objective by less than this share of it.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Clustering:
    """A partition of the items.

    Parameters
    ----------
    labels
        (n,) int64 in [0, n_clusters).
    centroids
        (n_clusters, d) float32, of unit norm when spherical.
    inertia
        Sum of squared distances to the centroids (of the unit vectors when spherical).
    iterations
        How many assignments were made.
    """

    labels: NDArray[np.int64]
    centroids: NDArray[np.float32]
    inertia: float
    iterations: int


def kmeans(
    items: NDArray[Any],
    n_clusters: int,
    *,
    seed: int,
    spherical: bool = False,
    iterations: int = 50,
    threads: int | None = None,
) -> Clustering:
    """Cluster items from a k-means++ start.

    Parameters
    ----------
    items
        (n, d), finite. A zero row belongs to the first centroid under ``spherical``.
    n_clusters
        1 to n.
    seed
        Of the start; everything after it is deterministic.
    spherical
        Cluster unit vectors by cosine; otherwise vectors as they are by squared distance.
    iterations
        At most this many assignments.
    threads
        None or 0 for every usable core.

    Raises
    ------
    DataError
        More clusters than items, or items that are not finite.
    """
    prepared = PreparedItems(items, spherical=spherical, threads=threads)
    return prepared.cluster(prepared.start(n_clusters, seed), iterations)


class PreparedItems:
    """Items made ready for clustering, once for many seeds and counts.

    Holds one float32 copy: unit rows when spherical; otherwise rows shifted to their mean and scaled by a
    power of two, which changes no assignment and keeps digits.
    """

    def __init__(self, items: NDArray[Any], *, spherical: bool, threads: int | None = None) -> None:
        self.threads = resolve_threads(threads)
        self.spherical = spherical
        with make_pool(self.threads) as pool:
            self._mapping = fit_mapping(items, "cosine" if spherical else "l2", None, pool)
            self.rows: NDArray[np.float32] = np.empty(np.shape(items), np.float32)
            step = block_rows(items.shape[1])

            def prepare(start: int) -> None:
                self.rows[start : start + step] = self._mapping.items(items[start : start + step])[0]

            list(pool.map(prepare, range(0, len(items), step)))

    def start(self, n_clusters: int, seed: int) -> NDArray[np.int64]:
        """Choose starting items by k-means++ among a sample; distinct ids, even where items repeat."""
        from sklearn.cluster import kmeans_plusplus

        n_items = len(self.rows)
        if not 1 <= n_clusters <= n_items:
            raise DataError(Problem("clusters", f"1 to {n_items} clusters, the number of items", str(n_clusters)))
        rng = np.random.default_rng(seed)
        sample = np.arange(n_items)
        if n_items > START_SAMPLE:
            sample = np.sort(rng.choice(n_items, max(START_SAMPLE, n_clusters), replace=False))
        _, chosen = kmeans_plusplus(self.rows[sample], n_clusters, random_state=int(rng.integers(2**31)))
        ids = np.unique(sample[chosen])
        missing = n_clusters - len(ids)
        if missing:
            others = np.setdiff1d(sample, ids)
            ids = np.concatenate([ids, rng.choice(others, missing, replace=False)])
        return np.asarray(ids, np.int64)

    def cluster(self, start: NDArray[np.int64], iterations: int = 50) -> Clustering:
        """Run Lloyd's iterations from given starting items (`Clustering` says what comes out)."""
        centroids = self.rows[start].astype(np.float64)
        labels = np.zeros(len(self.rows), np.int64)
        previous = np.inf
        inertia = np.inf
        made = 0
        assigned = centroids
        with make_pool(self.threads) as pool:
            for _ in range(iterations):
                made += 1
                assigned = centroids
                gains = self._assign(assigned, labels, pool)
                inertia = self._inertia(gains)
                if previous - inertia <= TOLERANCE * abs(inertia):
                    break
                previous = inertia
                centroids = self._update(labels, gains, len(start), pool)
        # The centroids that labels and inertia belong to, not those of an iteration that did not come.
        centroids = assigned
        if self._mapping.center is not None:
            centroids = centroids / self._mapping.scale + self._mapping.center
        return Clustering(labels, centroids.astype(np.float32), float(inertia / self._mapping.scale**2), made)

    def _chunks(self) -> Iterator[slice]:
        # Fixed, so that sums are added in the same order by any number of threads.
        step = max(1024, len(self.rows) // 64)
        for start in range(0, len(self.rows), step):
            yield slice(start, start + step)

    def _assign(self, centroids: NDArray[np.float64], labels: NDArray[np.int64], pool: Executor) -> NDArray[np.float32]:
        from idxbench.kernels import topk

        single = centroids.astype(np.float32)
        panels = topk.pack_panels(single)
        bias = np.full(len(panels) * topk.LANES, -np.inf, np.float32)
        exact = single.astype(np.float64)
        bias[: len(single)] = 0.0 if self.spherical else -0.5 * np.einsum("ij,ij->i", exact, exact)
        gains = np.empty(len(self.rows), np.float32)

        def one(part: slice) -> None:
            topk.assign(self.rows[part], panels, bias, labels[part], gains[part])

        list(pool.map(one, self._chunks()))
        return gains

    def _inertia(self, gains: NDArray[np.float32]) -> float:
        # |b - c|^2 = |b|^2 - 2 (b.c - |c|^2 / 2); for unit vectors 2 - 2 b.c.
        total = 0.0
        for part in self._chunks():
            rows = self.rows[part]
            squares = float(np.einsum("ij,ij->", rows, rows, dtype=np.float64))
            unit = float(len(rows)) if self.spherical else 0.0
            total += squares + unit - 2.0 * float(gains[part].sum(dtype=np.float64))
        return max(total, 0.0)

    def _update(
        self,
        labels: NDArray[np.int64],
        gains: NDArray[np.float32],
        n_clusters: int,
        pool: Executor,
    ) -> NDArray[np.float64]:
        from idxbench.kernels import topk

        n_dims = int(np.shape(self.rows)[1])

        def one(part: slice) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
            sums = np.zeros((n_clusters, n_dims))
            counts = np.zeros(n_clusters, np.int64)
            topk.accumulate(self.rows[part], labels[part], sums, counts)
            return sums, counts

        sums = np.zeros((n_clusters, n_dims))
        counts = np.zeros(n_clusters, np.int64)
        for part_sums, part_counts in pool.map(one, self._chunks()):
            sums += part_sums
            counts += part_counts
        centroids = sums / np.maximum(counts, 1)[:, None]
        empty = np.flatnonzero(counts == 0)
        if len(empty):
            # An empty cluster restarts at the item served worst by its own (ties: the lowest id).
            centroids[empty] = self.rows[np.argsort(gains, kind="stable")[: len(empty)]]
        return normalized(centroids) if self.spherical else centroids
