"""K-means, spherical or plain, with the same answer for a seed whatever the number of threads."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from idxbench.data.rows import normalized, refuse_non_finite
from idxbench.errors import DataError, Problem
from idxbench.machine import resolve_threads
from idxbench.pool import Crew

Start = Literal["k-means++", "sampled"]

# k-means++ looks at every item once per centroid; a sample finds starts as good at a bounded cost.
START_SAMPLE = 20_000
# Stop when an iteration improves the objective by less than this share of it.
TOLERANCE = 1e-4
# Rows assigned and then summed while the cache still holds them: 1 MiB. Summing all of them after assigning
# all is 3 % slower with 256 clusters of 64 dimensions, blocks of 128 KiB are 15 % slower with 16 clusters.
CACHE_FLOATS = 1 << 18
# Squares of larger numbers, summed, leave float64.
LARGEST = 1e150
# Rows are assigned and summed in so many parts, or in fewer of so many products of a row's and a centroid's
# numbers, 0.1 ms of work: to hand out smaller ones costs up to half as much time again.
PARTS = 64
PART_PRODUCTS = 1 << 24


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
    start: Start = "k-means++",
    iterations: int = 50,
    threads: int | None = None,
) -> Clustering:
    """Cluster items with Lloyd's algorithm.

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
    start
        ``"k-means++"`` spreads the first centroids (Arthur and Vassilvitskii 2007, the best of several
        tries each) over a sample of 20,000 items; ``"sampled"`` takes items at random, at no cost.
    iterations
        At most this many assignments.
    threads
        None or 0 for every usable core.

    Raises
    ------
    DataError
        More clusters than items, items that are not finite or too large to square, or an unknown start.
    """
    prepared = PreparedItems(items, spherical=spherical, threads=threads)
    return prepared.cluster(prepared.start(n_clusters, seed, start), iterations)


class PreparedItems:
    """Items made ready for clustering, once for many seeds and counts.

    Holds one float32 copy: unit rows when spherical; otherwise rows shifted to their mean and scaled by a
    power of two, which changes no assignment and keeps digits.

    Raises
    ------
    DataError
        Items that are not finite, or (not spherical) beyond 1e150, whose squares leave float64.
    """

    def __init__(self, items: NDArray[Any], *, spherical: bool, threads: int | None = None) -> None:
        self.threads = resolve_threads(threads)
        self.spherical = spherical
        self.rows: NDArray[np.float32] = np.empty(items.shape, np.float32)
        # Of the plain kind: what was subtracted after scaling, and the scale. Rows are (item * scale - shift).
        self._shift = np.zeros(items.shape[1])
        self._scale = 1.0
        crew = Crew(self.threads)
        if spherical:
            self._fill_unit(items, crew)
        else:
            self._fill_centered(items, crew)
        # Once for all iterations: the part of the inertia that no centroid changes.
        self._squares = sum(crew.map(self._sum_of_squares, self._blocks()))

    def start(self, n_clusters: int, seed: int, method: Start = "k-means++") -> NDArray[np.int64]:
        """Choose starting items as `kmeans` says; distinct ids, even where items repeat."""
        n_items = len(self.rows)
        if not 1 <= n_clusters <= n_items:
            raise DataError(Problem("clusters", f"1 to {n_items} clusters, the number of items", str(n_clusters)))
        if method not in get_args(Start):
            raise DataError(Problem("start", " or ".join(get_args(Start)), repr(method)))
        rng = np.random.default_rng(seed)
        if method == "sampled":
            return np.sort(rng.choice(n_items, n_clusters, replace=False))
        sample = np.arange(n_items)
        if n_items > START_SAMPLE:
            sample = np.sort(rng.choice(n_items, max(START_SAMPLE, n_clusters), replace=False))
        ids = np.unique(sample[self._plus_plus(sample, n_clusters, int(rng.integers(2**31)))])
        missing = n_clusters - len(ids)
        if missing:
            others = np.setdiff1d(sample, ids)
            ids = np.concatenate([ids, rng.choice(others, missing, replace=False)])
        return np.asarray(ids, np.int64)

    def cluster(self, start: NDArray[np.int64], iterations: int = 50, *, tolerance: float = TOLERANCE) -> Clustering:
        """Run Lloyd's iterations from given starting items.

        Parameters
        ----------
        start
            (n_clusters,) ids of distinct items.
        iterations
            At most this many assignments, at least 1.
        tolerance
            Stop when an iteration lowers the inertia by no more than this share of it.
        """
        labels = np.zeros(len(self.rows), np.int64)
        best = np.zeros(len(self.rows), np.float32)
        centroids = self.rows[start]
        previous = np.inf
        made = 0
        crew = Crew(self.threads)
        while True:
            made += 1
            sums, counts = self._assign(centroids, labels, best, crew)
            inertia = self._inertia(centroids, sums, counts)
            # Labels and inertia belong to these centroids, not to those of an iteration that does not come.
            if made >= iterations or previous - inertia <= tolerance * inertia:
                break
            previous = inertia
            centroids = self._update(sums, counts, best)
        outside = centroids if self.spherical else (centroids + self._shift) / self._scale
        return Clustering(labels, outside.astype(np.float32), inertia / self._scale / self._scale, made)

    def _fill_unit(self, items: NDArray[Any], crew: Crew) -> None:
        def fill(part: slice) -> None:
            block = np.asarray(items[part], np.float64)
            refuse_non_finite(block, "items", part.start)
            self.rows[part] = normalized(block)

        crew.map(fill, self._blocks())

    def _fill_centered(self, items: NDArray[Any], crew: Crew) -> None:
        # Float32 stays float32: a power of two changes no digit, and a difference is rounded once either way.
        work = np.promote_types(items.dtype, np.float32)

        def measure(part: slice) -> tuple[float, NDArray[np.float64]]:
            block = np.asarray(items[part], work)  # NumPy is four times slower on float16 itself
            largest = max(float(block.max()), -float(block.min()))
            if not np.isfinite(largest):
                refuse_non_finite(block, "items", part.start)
            if largest > LARGEST:
                hint = "squares leave float64: rescale them"
                raise DataError(Problem("items", f"numbers within {LARGEST:g}", f"{largest:.3g}", hint))
            return largest, block.sum(axis=0, dtype=np.float64)

        largest, total = 0.0, np.zeros(items.shape[1])
        for part_largest, part_total in crew.map(measure, self._blocks()):
            largest = max(largest, part_largest)
            total += part_total
        exponent_range = int(np.finfo(work).maxexp) - 2
        exponent = min(max(-math.frexp(largest)[1], -exponent_range), exponent_range)
        self._scale = math.ldexp(1.0, exponent)
        shift = (total / len(items) * self._scale).astype(work)
        self._shift = shift.astype(np.float64)

        def fill(part: slice) -> None:
            out = self.rows[part]
            scaled = np.multiply(items[part], self._scale, out=out if work == np.float32 else None, dtype=work)
            np.subtract(scaled, shift, out=out, casting="same_kind")

        crew.map(fill, self._blocks())

    def _blocks(self) -> Iterator[slice]:
        # Their float64 copies are half a MiB; those of 8 MiB took four times as long.
        return _slices(len(self.rows), max(1, CACHE_FLOATS // 4 // self.rows.shape[1]))

    def _sum_of_squares(self, part: slice) -> float:
        rows = self.rows[part]
        return float(np.einsum("ij,ij->", rows, rows, dtype=np.float64))

    def _plus_plus(self, sample: NDArray[np.int64], n_clusters: int, seed: int) -> NDArray[np.int64]:
        """Return positions in the sample, perhaps not distinct."""
        from sklearn.cluster import kmeans_plusplus
        from threadpoolctl import threadpool_limits

        # Its many small products gain nothing from threads, and lose up to tenfold where cores are shared.
        with threadpool_limits(limits=1):
            return np.asarray(kmeans_plusplus(self.rows[sample], n_clusters, random_state=seed)[1])

    def _assign(
        self, centroids: NDArray[np.float32], labels: NDArray[np.int64], best: NDArray[np.float32], crew: Crew
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Fill labels and best scores; return the float64 sum and the size of every cluster."""
        from idxbench.kernels import clustering

        n_clusters, n_dims = centroids.shape
        bias = np.zeros(n_clusters) if self.spherical else -0.5 * _squared_norms(centroids)
        tiles, padded_bias = clustering.pack_centroids(centroids, bias)
        step = max(1, CACHE_FLOATS // n_dims)

        def one(part: slice) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
            sums, counts = np.zeros((n_clusters, n_dims)), np.zeros(n_clusters, np.int64)
            for start in range(part.start, part.stop, step):
                block = slice(start, min(start + step, part.stop))
                rows, own = self.rows[block], labels[block]
                clustering.assign(rows, tiles, padded_bias, own, best[block])
                clustering.accumulate(rows, own, sums, counts)
            return sums, counts

        # Parts don't depend on the number of threads, so that sums are added in the same order by any. None is
        # smaller than its sums, which keeps the memory of all sums together below twice that of the rows.
        size = max(-(-len(self.rows) // PARTS), PART_PRODUCTS // (n_clusters * n_dims), n_clusters)
        sums, counts = np.zeros((n_clusters, n_dims)), np.zeros(n_clusters, np.int64)
        for part_sums, part_counts in crew.map(one, _slices(len(self.rows), size)):
            sums += part_sums
            counts += part_counts
        return sums, counts

    def _inertia(self, centroids: NDArray[np.float32], sums: NDArray[np.float64], counts: NDArray[np.int64]) -> float:
        # The sum over a cluster of |b - c|^2 = |b|^2 - 2 b.c + |c|^2. By sums, in float64: the float32 scores
        # of a million rows would leave a ten millionth of sum |b|^2, more than tight clusters have.
        moved = float(np.einsum("ij,ij->", sums, centroids))
        return max(self._squares - 2.0 * moved + float(np.sum(counts * _squared_norms(centroids))), 0.0)

    def _update(
        self, sums: NDArray[np.float64], counts: NDArray[np.int64], best: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        centroids = sums / np.maximum(counts, 1)[:, None]
        empty = np.flatnonzero(counts == 0)
        if len(empty):
            # Restart at the items served worst by their own centroids.
            centroids[empty] = self.rows[self._farthest(best, len(empty))]
        if self.spherical:
            centroids = normalized(centroids)
        return centroids.astype(np.float32)

    def _farthest(self, best: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """Return the items farthest from their centroids, ties by the lowest id."""
        squares = np.einsum("ij,ij->i", self.rows, self.rows)
        distances = squares - 2.0 * best  # of unit rows, less 1
        if self.spherical:
            distances[squares == 0.0] = -np.inf  # a zero row has no direction to restart in
        return np.argsort(-distances, kind="stable")[:count]


def _slices(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def _squared_norms(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
