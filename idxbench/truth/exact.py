"""Exact top-k: fast approximate scores with rigorous bounds choose the pairs, float64 scores decide.

Two engines, one answer: a float32 tile (`idxbench.kernels.floats`) and a tile of 8-bit codes
(`idxbench.kernels.codes`), chosen per search by `idxbench.truth.cost`. Both pass every pair that can belong to
the answer to the same float64 score and the same heap, so the choice changes the time only.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from idxbench.data.rows import refuse_non_finite
from idxbench.errors import DataError, Problem
from idxbench.machine import resolve_threads
from idxbench.pool import Crew, single_threaded_blas
from idxbench.truth.mapping import SAMPLE, Mapping, Metric, fit_mapping

if TYPE_CHECKING:
    from idxbench.truth.blocks import Items
    from idxbench.truth.prepared import Prepared

# Part of the key under which answers are kept: raised when an answer could change.
KERNEL_VERSION = 2

# Items made ready at a time, in bytes of float32.
BLOCK_BYTES = 1 << 27

# Queries of one pass over the items: bounds their prepared copies and heaps, not the answer.
QUERY_BATCH = 1 << 14

Engine = Literal["auto", "codes", "floats"]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Neighbors:
    """The best items of each query, best first; equal scores in the order of the ids.

    Parameters
    ----------
    ids
        (q, k) int64.
    scores
        (q, k) float64: dot products, cosines, or negative squared distances.
    engine
        What proposed the pairs: ``codes``, ``floats``, ``rows`` (one by one), ``all`` (every pair); ``given`` if
        nothing was searched.
    n_scored
        How many pairs were scored in float64.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    engine: str = "given"
    n_scored: int = 0


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
        Prepare now and hold what that takes (`idxbench.truth.memory.index_bytes`). Otherwise every search
        reads, checks and prepares the items again, a block at a time (`idxbench.truth.memory.search_bytes`).
    engine
        ``codes`` or ``floats`` to insist on one; ``auto`` chooses per search.

    Raises
    ------
    DataError
        Wrong shapes, an unknown metric, an unfit weight; with ``keep``, NaN or infinity.

    Notes
    -----
    A score is a float64 sum over the numbers as given; under ``covariance``, over items mapped by the factor of
    the weight. A zero row scores 0 under cosine and covariance.
    """

    def __init__(
        self,
        items: NDArray[Any],
        metric: Metric = "dot",
        *,
        weight: NDArray[Any] | None = None,
        threads: int | None = None,
        keep: bool = True,
        engine: Engine = "auto",
    ) -> None:
        self.items = check_matrix(items, "items")
        self.threads = resolve_threads(threads)
        self.engine = engine
        step = -(-len(self.items) // SAMPLE)
        self.mapping: Mapping = fit_mapping(self.items[::step], metric, weight)
        self._prepared: Prepared | None = None
        if keep:
            from idxbench.truth import prepared

            with blas_for(metric):
                self._prepared = prepared.Prepared(self.items, self.mapping, engine, Crew(self.threads))

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
        """Do what `search` does, with float64 scores; ``progress`` hears how many queries' worth is done."""
        queries = check_queries(queries, self.items.shape[1])
        if not 1 <= k <= len(self.items):
            raise DataError(Problem("k", f"1 to {len(self.items)}, the number of items", str(k)))
        from idxbench.truth.batch import Batch, search_batch
        from idxbench.truth.whole import holds_most, rank_all

        found = []
        crew = Crew(self.threads)
        with blas_for(self.mapping.metric):
            for start in range(0, max(len(queries), 1), QUERY_BATCH):
                batch = np.asarray(queries[start : start + QUERY_BATCH], np.float64)
                refuse_non_finite(batch, "queries", start)
                source = self._prepared if self._prepared is not None else self._blocks(len(batch))
                steps = Steps(progress, len(batch), len(self.items))
                if self.engine == "auto" and holds_most(k, len(self.items)):
                    blocks = self._items(crew)
                    found.append(rank_all(blocks, len(self.items), batch, k, self.mapping, crew, steps))
                    continue
                asked = Batch(batch, k, self.mapping, self.engine)
                found.append(search_batch(source, asked, crew, steps))
        return _joined(found)

    def _items(self, crew: Crew) -> "Iterator[Items]":
        """Yield the items as they were prepared once, or block by block."""
        from idxbench.truth.blocks import prepare_items

        if self._prepared is not None:
            yield self._prepared.items
            return
        for first, rows in array_blocks(self.items):
            yield prepare_items(rows, first, self.mapping, crew)

    def _blocks(self, n_queries: int) -> Iterator[tuple[int, NDArray[Any]]]:
        from idxbench.truth.batch import goes_in_pieces

        # Few queries are searched piece by piece: a block is no more than a step of the progress there.
        in_pieces = goes_in_pieces(n_queries, self.threads, self.engine, self.mapping.metric)
        return array_blocks(self.items, 8 * BLOCK_BYTES if in_pieces else BLOCK_BYTES)

    def score_ids(self, queries: NDArray[Any], ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Score given items of each query in float64: (q, j) ids, -1 scores -inf."""
        from idxbench.truth.batch import score_given

        with blas_for(self.mapping.metric):
            return score_given(self.items, np.asarray(queries, np.float64), ids, self.mapping, Crew(self.threads))


def exact_topk(
    items: NDArray[Any] | Iterable[NDArray[Any]],
    queries: NDArray[Any],
    k: int,
    metric: Metric = "dot",
    *,
    weight: NDArray[Any] | None = None,
    threads: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the k best items of each query, exactly; memory holds a block of items at a time.

    ``items`` may also be an iterator (or a list) of (m, d) blocks, read once; ids count through them, and all
    queries are prepared at once. See `ExactIndex` for the other parameters and `ExactIndex.search` for what is
    returned and raised.
    """
    if hasattr(items, "shape") or isinstance(items, list | tuple):
        blocks = items if isinstance(items, list | tuple) and items and np.ndim(items[0]) == 2 else None
        if blocks is None:
            return ExactIndex(np.asarray(items), metric, weight=weight, threads=threads, keep=False).search(queries, k)
        items = blocks
    found = stream_topk(items, queries, k, metric, weight=weight, threads=threads)
    with np.errstate(over="ignore"):
        return found.ids, found.scores.astype(np.float32)


def stream_topk(
    blocks: Iterable[NDArray[Any]],
    queries: NDArray[Any],
    k: int,
    metric: Metric = "dot",
    *,
    weight: NDArray[Any] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Neighbors:
    """Find the k best of items that come block by block, each read once.

    Parameters
    ----------
    blocks
        (m, d) arrays of one width; their rows are numbered through. Memory holds one, and what `ExactIndex`
        says of ``keep=False``, for all queries at once.
    progress
        Hears how many items of each block were searched.

    Raises
    ------
    DataError
        As `ExactIndex`, and where blocks differ in width or hold fewer than k items together.
    """
    from idxbench.truth.batch import Batch, search_batch

    rest = iter(blocks)
    first = check_matrix(next(rest, np.zeros((0, 0))), "items")
    mapping = fit_mapping(first[:: -(-len(first) // SAMPLE)], metric, weight)
    asked = np.asarray(check_queries(queries, first.shape[1]), np.float64)
    refuse_non_finite(asked, "queries")
    numbered = number_blocks(chain([first], rest), first.shape[1])
    if k < 1:
        raise DataError(Problem("k", "at least 1", str(k)))
    with blas_for(metric):
        crew = Crew(resolve_threads(threads))
        return search_batch(numbered, Batch(asked, k, mapping, "auto"), crew, Steps(progress, 1, 1))


@dataclass
class Steps:
    """Turns rows searched into queries' worth of progress."""

    progress: Progress | None
    n_queries: int
    n_items: int
    rows: int = 0

    def advance(self, n_rows: int) -> None:
        """Tell that some more items were searched."""
        before = self.n_queries * self.rows // self.n_items
        self.rows += n_rows
        if self.progress is not None:
            self.progress(self.n_queries * self.rows // self.n_items - before)


def array_blocks(items: NDArray[Any], n_bytes: int = BLOCK_BYTES) -> Iterator[tuple[int, NDArray[Any]]]:
    """Cut an array or a memory map into numbered blocks."""
    rows = max(1, n_bytes // (4 * items.shape[1]))
    for start in range(0, len(items), rows):
        yield start, items[start : start + rows]


def number_blocks(blocks: Iterable[NDArray[Any]], n_dims: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Give blocks the ids of their first rows, and cut those that are too long."""
    first = 0
    for block in blocks:
        rows = check_matrix(block, "items", allow_empty=True)
        if rows.shape[1] != n_dims:
            raise DataError(Problem(f"items from {first} on", f"width {n_dims}, as before", f"width {rows.shape[1]}"))
        for start, part in array_blocks(rows):
            yield first + start, part
        first += len(rows)


def check_matrix(vectors: NDArray[Any], name: str, *, allow_empty: bool = False) -> NDArray[Any]:
    """Return an array of at least one column, and one row; a DataError says what is wrong with others."""
    array = np.asarray(vectors)
    if array.ndim != 2 or array.shape[1] < 1 or (len(array) < 1 and not allow_empty):
        raise DataError(Problem(name, "a 2-D array with at least one row and column", f"shape {array.shape}"))
    if array.dtype.kind not in "fiu":
        raise DataError(Problem(name, "real numbers", f"the type {array.dtype}"))
    return array


def check_queries(queries: NDArray[Any], n_dims: int) -> NDArray[Any]:
    """Return queries of the width of the items, (q, d), possibly none."""
    array = check_matrix(queries, "queries", allow_empty=True)
    if array.shape[1] != n_dims:
        raise DataError(Problem("queries", f"width {n_dims}, that of the items", f"width {array.shape[1]}"))
    return array


def blas_for(metric: str) -> AbstractContextManager[None]:
    """Hold the linear algebra of NumPy to one thread per thread of ours where ours use it."""
    return single_threaded_blas() if metric == "covariance" else nullcontext()


def _joined(found: list[Neighbors]) -> Neighbors:
    if len(found) == 1:
        return found[0]
    return Neighbors(
        np.concatenate([one.ids for one in found]),
        np.concatenate([one.scores for one in found]),
        found[0].engine,
        sum(one.n_scored for one in found),
    )
