"""A batch of queries, from the choice of an engine to the answer."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.errors import DataError, Problem
from idxbench.kernels.codes import MAX_DIMS
from idxbench.kernels.heaps import score_pairs
from idxbench.pool import Crew, single_threaded_blas
from idxbench.truth.asked import Asked, code_queries, float_queries, prepare_queries
from idxbench.truth.blocks import Items, code_block, float_block, prepare_items
from idxbench.truth.coder import Coder, fit_axes
from idxbench.truth.cost import ASKED, Choice, Sample, Work, choose, worth_sampling
from idxbench.truth.exact import Neighbors, Steps
from idxbench.truth.mapping import Mapping
from idxbench.truth.pieces import PieceSearch
from idxbench.truth.prepared import Prepared, mapped_sample, sort_pays
from idxbench.truth.search import Search, few

# Rows of given items scored at a time.
GIVEN = 1 << 14

Blocks = Iterator[tuple[int, NDArray[Any]]]


@dataclass(frozen=True)
class Batch:
    """Queries to be searched together, and how.

    Parameters
    ----------
    queries
        (q, d) finite float64.
    k
        How many items each keeps.
    mapping
        Of the metric.
    engine
        ``codes``, ``floats`` or ``auto``.
    """

    queries: NDArray[np.float64]
    k: int
    mapping: Mapping
    engine: str


def goes_in_pieces(n_queries: int, threads: int, engine: str, metric: str) -> bool:
    """Tell whether unprepared items are prepared and searched a piece at a time, by the thread that takes it."""
    return few(n_queries, threads) and engine != "codes" and metric != "covariance"


def search_batch(source: Prepared | Blocks, batch: Batch, crew: Crew, steps: Steps) -> Neighbors:
    """Find the k best items of each query of a batch.

    Parameters
    ----------
    source
        Prepared items, or numbered blocks of rows.
    batch
        The queries.
    steps
        Hears of every block that was searched.

    Raises
    ------
    DataError
        Items that are not finite, fewer than k, or too large for float64.
    """
    if isinstance(source, Prepared):
        return _search_prepared(source, batch, crew, steps)
    if goes_in_pieces(len(batch.queries), crew.threads, batch.engine, batch.mapping.metric):
        search = PieceSearch(batch.queries, batch.k, batch.mapping, crew.threads)
        n_items = 0
        for first, rows in source:
            search.scan(rows, first, crew)
            n_items += len(rows)
            steps.advance(len(rows))
        _enough(n_items, batch.k)
        return Neighbors(*search.finish(), search.engine, search.n_scored)
    return _search_blocks(source, batch, crew, steps)


def _search_prepared(source: Prepared, batch: Batch, crew: Crew, steps: Steps) -> Neighbors:
    items = source.items
    asked = prepare_queries(batch.queries, batch.mapping, items.scale)
    chosen = _choose(items, asked, len(items), batch, source)
    search = Search(asked, batch.k, crew.threads)
    if chosen.engine == "codes":
        search.scan(items, (source.codes(crew), code_queries(asked, source.coder, items)), crew)
    else:
        search.scan(items, (source.floats(crew), float_queries(asked, items)), crew)
    steps.advance(len(items))
    return Neighbors(*search.finish(crew), chosen.engine, search.n_scored)


def _search_blocks(source: Blocks, batch: Batch, crew: Crew, steps: Steps) -> Neighbors:
    mapping = batch.mapping
    blocks = (prepare_items(rows, number, mapping, crew) for number, rows in source)
    first = next(blocks)
    asked = prepare_queries(batch.queries, mapping, first.scale)
    expected = max(steps.n_items, len(first))
    chosen = _choose(first, asked, expected, batch, None)
    search = Search(asked, batch.k, crew.threads)
    # The codes of queries don't depend on the block but through the scale of the bias.
    panels = codes = None
    n_items = 0
    for items in chain([first], blocks):
        sort = sort_pays(items, mapping)
        if chosen.engine == "codes":
            codes = codes if codes is not None and not asked.by_distance else code_queries(asked, chosen.coder, items)
            with single_threaded_blas() if chosen.coder.basis is not None else nullcontext():
                search.scan(items, (code_block(items, chosen.coder, sort, crew), codes), crew)
        else:
            panels = panels if panels is not None and not asked.by_distance else float_queries(asked, items)
            search.scan(items, (float_block(items, sort, crew), panels), crew)
        n_items += len(items)
        steps.advance(len(items))
    _enough(n_items, batch.k)
    return Neighbors(*search.finish(crew), chosen.engine, search.n_scored)


def _enough(n_items: int, k: int) -> None:
    if k > n_items:
        raise DataError(Problem("k", f"1 to {n_items}, the number of items", str(k)))


def _choose(items: Items, asked: Asked, n_items: int, batch: Batch, source: Prepared | None) -> Choice:
    """Choose the engine, and how items are to be encoded where they are not."""
    sort = source.sort if source is not None else sort_pays(items, batch.mapping)
    mapped = items.plain and not sort
    encoded = source.encoded if source is not None else None
    n_dims = items.rows.shape[1]
    work = Work(n_items, n_dims, max(len(asked), 1), min(batch.k, n_items), encoded, mapped, sort)

    def sample() -> Sample:
        rows = mapped_sample(items)
        bias = -0.5 * (rows**2).sum(axis=1) if asked.by_distance else np.zeros(len(rows))
        some = slice(None, None, max(1, len(asked) // ASKED))
        return Sample(rows, bias, asked.mapped[some], asked.bias_units(items)[some])

    if source is not None and len(asked):
        source.fit(sample, work.k)
    if batch.engine != "auto" and n_dims <= MAX_DIMS:
        seen = sample() if encoded is None and batch.engine == "codes" else None
        coder = Coder(fit_axes(seen.items, seen.queries)) if seen is not None else Coder(np.ones(n_dims))
        return Choice(batch.engine, coder, {})
    if not worth_sampling(work):
        return choose(work, None, encoded or Coder(np.ones(n_dims)))
    with single_threaded_blas():
        seen = sample()
        return choose(work, seen, encoded or Coder(fit_axes(seen.items, seen.queries)))


def score_given(
    items: NDArray[Any],
    queries: NDArray[np.float64],
    ids: NDArray[np.int64],
    mapping: Mapping,
    crew: Crew,
) -> NDArray[np.float64]:
    """Score given items of each query: (n, d), (q, d), (q, j) ids, -1 for none; (q, j) scores, -inf for none."""
    scores = np.empty(ids.shape)
    exact = mapping.exact_queries(queries)
    width = min(max(ids.shape[1], 1), GIVEN)
    step = max(1, GIVEN // width)

    def one(corner: tuple[int, int]) -> None:
        part = (slice(corner[0], corner[0] + step), slice(corner[1], corner[1] + width))
        wanted = ids[part]
        # Gathered by row number, so that a memory map is read in order and each row once.
        numbers, places = np.unique(np.maximum(wanted, 0), return_inverse=True)
        block = prepare_items(items[numbers], 0, mapping, Crew(1))
        rows = np.where(wanted >= 0, places.reshape(wanted.shape), -1)
        found = np.empty(wanted.shape)
        own = exact[part[0]] * (block.exact_scale if mapping.by_distance else 1.0)
        score_pairs(np.ascontiguousarray(own), block.exact, rows, found)
        scores[part] = found

    corners = [(a, b) for a in range(0, ids.shape[0], step) for b in range(0, ids.shape[1], width)]
    crew.map(one, corners)
    return scores
