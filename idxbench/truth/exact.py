"""Exact top-k in bounded memory: a float32 pass that proposes, a float64 pass that decides.

The fused kernel keeps the ``k + margin`` best items of every query by float32 score. Those candidates are
scored again in float64 and sorted (ties to the lowest id). The answer is certified when even a worst-case
rounding error could not have lifted an item that was left out above the k-th: by the standard bound on a
sum of products, ``|fl(q.b) - q.b| <= gamma |q| |b|`` with ``gamma = (d + 8) 2^-24`` (Higham 2002, section
3.1; 8 covers the rounding of the mapped rows and of the bias). The few queries that can't be certified,
say because hundreds of items are equally good, are searched again in float64 throughout.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.rows import block_rows, refuse_non_finite
from idxbench.errors import DataError, Problem
from idxbench.machine import resolve_threads
from idxbench.truth.mapping import Mapping, Metric, fit_mapping
from idxbench.truth.pool import make_pool

KERNEL_VERSION = 1

# Queries of one pass over the items: bounds the heaps and the packed copy, not the answer.
QUERY_BATCH = 1 << 14
# Up to this many queries, a dot product per pair beats the tile.
FEW_QUERIES = 4

Progress = Callable[[int], None]
Block = tuple[int, NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Neighbors:
    """The best items of each query, best first; equal scores in the order of the ids.

    Parameters
    ----------
    ids
        (q, k) int64.
    scores
        (q, k) float64: dot products, cosines, or negative squared distances.
    n_uncertified
        How many queries needed the float64 search.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    n_uncertified: int


def margin(k: int) -> int:
    """Return how many candidates beyond k are kept, so that few queries stay uncertified."""
    return 8 + k // 8


class ExactIndex:
    """Exact search over one set of items, prepared once and searched often.

    Parameters
    ----------
    items
        (n, d) finite numbers of any real type, n and d at least 1; a memory map is read block by block.
    metric
        ``dot``, ``cosine``, ``l2`` (scores are negative squared distances) or ``covariance``.
    weight
        (d, d) symmetric positive semi-definite, for ``covariance`` only: the cosine under it.
    threads
        How many threads search; None or 0 for every usable core. The answer is the same for any number.
    keep
        Hold the mapped items in memory (4 n d bytes, none for dot on C-order float32). Otherwise every
        search maps them again, block by block.

    Raises
    ------
    DataError
        Wrong shapes, NaN or infinity, an unknown metric, an unfit weight.
    """

    def __init__(
        self,
        items: NDArray[Any],
        metric: Metric = "dot",
        *,
        weight: NDArray[Any] | None = None,
        threads: int | None = None,
        keep: bool = True,
    ) -> None:
        self.items = _matrix(items, "items")
        self.threads = resolve_threads(threads)
        with make_pool(self.threads) as pool, _limited_blas(metric):
            self.mapping: Mapping = fit_mapping(self.items, metric, weight, pool)
            self._blocks: list[Block] | None = list(self._map_blocks(pool)) if keep else None

    def __repr__(self) -> str:
        """Say what is searched and how."""
        n_items, n_dims = self.items.shape
        return f"ExactIndex({n_items} x {n_dims}, metric={self.mapping.metric!r}, threads={self.threads})"

    def search(self, queries: NDArray[Any], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the k best items of each query.

        Parameters
        ----------
        queries
            (q, d) finite numbers.
        k
            1 to n.

        Returns
        -------
        ids
            (q, k) int64, best first; ties go to the lowest id.
        scores
            (q, k) float32. A zero row scores 0 under cosine and covariance.

        Raises
        ------
        DataError
            Wrong shapes, NaN or infinity, k out of range.
        """
        found = self.neighbors(queries, k)
        with np.errstate(over="ignore"):
            return found.ids, found.scores.astype(np.float32)

    def neighbors(self, queries: NDArray[Any], k: int, progress: Progress | None = None) -> Neighbors:
        """Do what `search` does, with float64 scores; ``progress`` hears of each batch of queries."""
        queries = _matrix(queries, "queries", allow_empty=True)
        n_items, n_dims = self.items.shape
        if queries.shape[1] != n_dims:
            raise DataError(Problem("queries", f"width {n_dims}, that of the items", f"width {queries.shape[1]}"))
        if not 1 <= k <= n_items:
            raise DataError(Problem("k", f"1 to {n_items}, the number of items", str(k)))
        ids = np.empty((len(queries), k), np.int64)
        scores = np.empty((len(queries), k))
        n_uncertified = 0
        with make_pool(self.threads) as pool, _limited_blas(self.mapping.metric):
            for start in range(0, len(queries), QUERY_BATCH):
                batch = np.asarray(queries[start : start + QUERY_BATCH], np.float64)
                refuse_non_finite(batch, "queries", start)
                found = self._search_batch(batch, k, pool)
                ids[start : start + len(batch)] = found.ids
                scores[start : start + len(batch)] = found.scores
                n_uncertified += found.n_uncertified
                if progress is not None:
                    progress(len(batch))
        return Neighbors(ids, scores, n_uncertified)

    def score_ids(self, queries: NDArray[Any], ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Score given items of each query in float64: (q, k) ids, -1 scores -inf."""
        with make_pool(self.threads) as pool:
            return self._rescore(np.asarray(queries, np.float64), ids, pool)

    def _map_blocks(self, pool: Executor) -> Iterator[Block]:
        rows = block_rows(self.items.shape[1])

        def one(start: int) -> Block:
            return start, *self.mapping.items(self.items[start : start + rows])

        # A block per thread at a time: memory stays bounded by threads x block.
        stride = rows * self.threads
        for group in range(0, len(self.items), stride):
            yield from pool.map(one, range(group, min(group + stride, len(self.items)), rows))

    def _search_batch(self, queries: NDArray[np.float64], k: int, pool: Executor) -> Neighbors:
        kept = min(len(self.items), k + margin(k))
        mapped, scales = self.mapping.queries(queries)
        heap_scores, heap_ids = self._scan(mapped, kept, pool)
        # Products beyond float32 leave holes in a heap; such a query can't be certified below.
        heap_ids[heap_scores == -np.inf] = -1
        candidate_scores = self._rescore(queries, heap_ids, pool)
        order = np.lexsort((heap_ids, -candidate_scores))[:, :k]
        ids = np.take_along_axis(heap_ids, order, axis=1)
        scores = np.take_along_axis(candidate_scores, order, axis=1)
        doubtful = np.zeros(0, np.int64)
        if kept < len(self.items):
            doubtful = np.flatnonzero(~self._certified(mapped, scales, heap_scores[:, 0], scores[:, -1]))
        if len(doubtful):
            ids[doubtful], scores[doubtful] = self._search_float64(queries[doubtful], k, pool)
        return Neighbors(ids, scores, len(doubtful))

    def _certified(
        self,
        mapped: NDArray[np.float32],
        scales: NDArray[np.float64],
        worst_kept: NDArray[np.float32],
        kth_scores: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        gamma = (mapped.shape[1] + 8) * 2.0**-24
        norms = np.sqrt(np.einsum("ij,ij->i", mapped, mapped, dtype=np.float64))
        largest = self.mapping.largest
        if self.mapping.by_distance:
            # In the kernel's units a score is q.b - |b|^2 / 2 = (|q|^2 - distance^2) / 2, all scaled.
            kth = (norms**2 + kth_scores * self.mapping.scale**2) / 2
            # norms come from float32 rows: one more rounding of |q|^2 on top of the sum's.
            error = gamma * (norms * largest + largest**2 / 2 + norms**2)
        else:
            kth = kth_scores * scales * self.mapping.scale
            error = gamma * norms * largest
        # Products below the smallest normal float32 are lost altogether.
        error += mapped.shape[1] * 1e-37
        return np.asarray(kth > worst_kept.astype(np.float64) + error)

    def _scan(
        self, queries: NDArray[np.float32], kept: int, pool: Executor
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        from idxbench.kernels import topk

        panels = topk.pack_panels(queries)
        if len(queries) > FEW_QUERIES and len(panels) >= self.threads:
            heaps = _Heaps(len(queries), kept, len(panels))
            groups = np.array_split(np.arange(len(panels)), min(len(panels), 4 * self.threads))
            for first, rows, bias in self._blocks or self._map_blocks(pool):
                jobs = [pool.submit(heaps.scan, rows, bias, first, panels, int(g[0]), int(g[-1]) + 1) for g in groups]
                for job in jobs:
                    job.result()
            return heaps.scores, heaps.ids
        # Few queries: each thread takes a part of the items and heaps of its own, merged at the end.
        parts = [_Heaps(len(queries), kept, len(panels)) for _ in range(self.threads)]
        for first, rows, bias in self._blocks or self._map_blocks(pool):
            bounds = np.linspace(0, len(rows), self.threads + 1).astype(int)
            jobs = [
                pool.submit(heaps.scan_all, rows[a:b], bias[a:b], first + int(a), queries, panels)
                for heaps, a, b in zip(parts, bounds[:-1], bounds[1:], strict=True)
                if b > a
            ]
            for job in jobs:
                job.result()
        scores = np.concatenate([heaps.scores for heaps in parts], axis=1)
        ids = np.concatenate([heaps.ids for heaps in parts], axis=1)
        best = np.lexsort((ids, -scores))[:, :kept][:, ::-1]  # the worst kept stands first, as in a heap
        return np.take_along_axis(scores, best, axis=1), np.take_along_axis(ids, best, axis=1)

    def _rescore(self, queries: NDArray[np.float64], ids: NDArray[np.int64], pool: Executor) -> NDArray[np.float64]:
        from idxbench.kernels import topk

        scores = np.empty(ids.shape)
        exact_queries = self.mapping.exact(queries)
        # Rows gathered at a time, of one query or of several: bounded however many candidates there are.
        room = max(1, block_rows(self.items.shape[1]) // 4)
        width = min(room, max(1, ids.shape[1]))
        step = max(1, room // width)

        def one(corner: tuple[int, int]) -> None:
            part = (slice(corner[0], corner[0] + step), slice(corner[1], corner[1] + width))
            chunk = ids[part]
            rows = self.mapping.exact(self.items[np.maximum(chunk, 0).ravel()])
            found = np.empty(chunk.shape)
            topk.score_candidates(
                exact_queries[part[0]],
                np.ascontiguousarray(rows).reshape(*chunk.shape, -1),
                self.mapping.by_distance,
                found,
            )
            scores[part] = found

        corners = product(range(0, ids.shape[0], step), range(0, ids.shape[1], width))
        list(pool.map(one, corners))
        scores[ids < 0] = -np.inf
        return scores

    def _search_float64(
        self, queries: NDArray[np.float64], k: int, pool: Executor
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        from idxbench.kernels import topk

        scores = np.full((len(queries), k), -np.inf)
        ids = np.full((len(queries), k), topk.NO_ID)
        exact_queries = np.ascontiguousarray(self.mapping.exact(queries))
        groups = [g for g in np.array_split(np.arange(len(queries)), self.threads) if len(g)]
        rows_per_block = block_rows(self.items.shape[1])
        for start in range(0, len(self.items), rows_per_block):
            rows = np.ascontiguousarray(self.mapping.exact(self.items[start : start + rows_per_block]))

            def one(group: NDArray[np.int64], rows: NDArray[np.float64] = rows, start: int = start) -> None:
                part = slice(int(group[0]), int(group[-1]) + 1)
                topk.scan_float64(exact_queries[part], rows, start, self.mapping.by_distance, scores[part], ids[part])

            list(pool.map(one, groups))
        order = np.lexsort((ids, -scores))
        return np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)


class _Heaps:
    """The heaps of a batch of queries, and the scan of a part of its panels."""

    def __init__(self, n_queries: int, kept: int, n_panels: int) -> None:
        from idxbench.kernels import topk

        self.lanes = topk.LANES
        self.scores = np.full((n_queries, kept), -np.inf, np.float32)
        self.ids = np.full((n_queries, kept), topk.NO_ID)
        self.thresholds = np.full(n_panels * self.lanes, np.inf, np.float32)
        self.thresholds[:n_queries] = -np.inf

    def scan(
        self,
        rows: NDArray[np.float32],
        bias: NDArray[np.float32],
        first: int,
        panels: NDArray[np.float32],
        begin: int,
        end: int,
    ) -> None:
        from idxbench.kernels import topk

        lanes = slice(begin * self.lanes, end * self.lanes)
        topk.scan(rows, bias, first, panels[begin:end], self.scores[lanes], self.ids[lanes], self.thresholds[lanes])

    def scan_all(
        self,
        rows: NDArray[np.float32],
        bias: NDArray[np.float32],
        first: int,
        queries: NDArray[np.float32],
        panels: NDArray[np.float32],
    ) -> None:
        from idxbench.kernels import topk

        if len(queries) <= FEW_QUERIES:
            topk.scan_few(rows, bias, first, queries, self.scores, self.ids)
        else:
            self.scan(rows, bias, first, panels, 0, len(panels))


def exact_topk(
    items: NDArray[Any],
    queries: NDArray[Any],
    k: int,
    metric: Metric = "dot",
    *,
    weight: NDArray[Any] | None = None,
    threads: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the k best items of each query, exactly; memory holds a block of items at a time.

    See `ExactIndex` for the parameters and `ExactIndex.search` for what is returned and raised.
    """
    index = ExactIndex(items, metric, weight=weight, threads=threads, keep=False)
    return index.search(queries, k)


def _matrix(vectors: NDArray[Any], name: str, *, allow_empty: bool = False) -> NDArray[Any]:
    array = np.asarray(vectors)
    if array.ndim != 2 or array.shape[1] < 1 or (len(array) < 1 and not allow_empty):
        raise DataError(Problem(name, "a 2-D array with at least one row and column", f"shape {array.shape}"))
    if array.dtype.kind not in "fiu":
        raise DataError(Problem(name, "real numbers", f"the type {array.dtype}"))
    return array


def _limited_blas(metric: str) -> AbstractContextManager[Any]:
    """Hold the linear algebra of NumPy to one thread per thread of ours, and give the old count back afterwards.

    Only the factor of ``covariance`` is multiplied by it; finding the libraries takes longer than a query.
    """
    if metric != "covariance":
        return nullcontext()
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits
