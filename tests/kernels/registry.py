"""Every public kernel with its slow twin: one table for correctness tests and for the micro-benchmark.

An entry makes inputs of a given size, runs the kernel and runs the twin; both return arrays to compare.
Integer-valued inputs make float32 products exact, so that twins must agree to the last id, ties included.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from idxbench.kernels import clustering, codes, encode, floats, heaps
from tests.reference import kernels as twins

FIRST_ID = 5


@dataclass(frozen=True)
class Size:
    n: int
    q: int
    d: int
    k: int


@dataclass(frozen=True)
class Entry:
    make: Callable[[Size, np.random.Generator], tuple[Any, ...]]
    fast: Callable[..., tuple[np.ndarray, ...]]
    slow: Callable[..., tuple[np.ndarray, ...]]
    numpy: Callable[..., Any]
    rtol: float = 0.0


def read_only(rows: np.ndarray) -> np.ndarray:
    view = rows.view()
    view.flags.writeable = False
    return view


def _integers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return read_only(rng.integers(-3, 4, shape).astype(np.float32))


def _search_inputs(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    """Items, queries, k, whether by distance, an order to look at the items in, and whether to keep buffers."""
    items, queries = _integers(rng, size.n, size.d), _integers(rng, size.q, size.d)
    return (
        items,
        queries,
        min(size.k, size.n),
        bool(rng.integers(2)),
        rng.permutation(size.n).astype(np.int32),
        bool(rng.integers(2)),
    )


def _norms(rows):
    return np.sqrt((rows.astype(float) ** 2).sum(axis=1))


def found_for(queries, k, by_distance, buffers=False):
    """Heaps, or buffers, whose units are those of ``q.b - |b|^2 / 2`` under the distance."""
    units = np.ones((len(queries), 2))
    units[:, 0] = 0.5 if by_distance else 1.0
    units[:, 1] = 0.5 * _norms(queries) ** 2 if by_distance else 0.0
    places = 2 * k + 1 if buffers else k
    scores, ids = np.full((len(queries), places), -np.inf), np.full((len(queries), places), heaps.NO_ID)
    slack = np.full(len(queries), 1e-3)
    counts = np.ones(len(queries) if buffers else 0, np.int64)
    return heaps.Found(scores, ids, counts, units, slack, np.full(len(queries), -np.inf, np.float32))


def exact_of(items, by_distance):
    return heaps.Exact(items, np.zeros((0, items.shape[1]), np.float32), np.zeros(0), by_distance)


def _sorted(found, k):
    if len(found.counts):
        heaps.cut_buffers(found.scores, found.ids, found.counts)
        assert np.isneginf(found.scores[:, k:]).all()
        order = np.lexsort((found.ids, -found.scores))[:, :k]
        return np.take_along_axis(found.ids, order, 1), np.take_along_axis(found.scores, order, 1)
    heaps.sort_heaps(found.scores, found.ids)
    return found.ids, found.scores


def _scan(items, queries, k, by_distance, order, buffers=False):
    found = found_for(queries, k, by_distance, buffers)
    rows = items[order]
    norms = _norms(rows)
    bias = (-0.5 * norms**2 if by_distance else np.zeros(0)).astype(np.float32)
    block = floats.FloatBlock(read_only(rows), bias, (norms * 1.000001).astype(np.float32), order)
    packed = floats.pack_panels(queries)
    units = np.ones(len(packed) * floats.LANES, np.float32)
    asked = floats.QueryPanels(packed, (_norms(queries) * 1.000001).astype(np.float32), units)
    exact = exact_of(items, by_distance)
    for part in range(2):
        floats.scan(block, exact, FIRST_ID, (part, 2), asked, queries.astype(float), found)
    return _sorted(found, k)


def encode_items(items, by_distance, order):
    n_panels, n_steps = -(-len(items) // codes.LANES), -(-items.shape[1] // 4)
    norms = np.resize(_norms(items)[order], n_panels * codes.LANES).reshape(n_panels, codes.LANES)
    ranges = np.stack([norms.min(axis=1), norms.max(axis=1) * 1.000001], axis=1).astype(np.float32)
    block = codes.CodeBlock(
        np.zeros((n_panels, n_steps, codes.LANES, 4), np.uint8),
        np.zeros((n_panels, 4), np.float32),
        ranges,
        (-0.5 * norms**2 if by_distance else np.zeros((0, codes.LANES))).astype(np.float32),
        order,
    )
    n_items, n_dims = items.shape
    encode.encode_panels(items, np.zeros(n_dims), np.ones(n_dims), np.ones(n_items), np.zeros(0), 0, n_panels, block)
    return block


def encode_queries(queries):
    n_steps = -(-queries.shape[1] // 4)
    asked = codes.QueryCodes(
        np.zeros((len(queries), n_steps * codes.WORDS), np.int32),
        np.zeros((len(queries), 4), np.float32),
        (_norms(queries) * 1.000001).astype(np.float32),
        np.zeros(len(queries), np.int32),
        np.ones(len(queries), np.float32),
    )
    encode.encode_rows(queries.astype(float), asked.codes, asked.bounds, asked.excess)
    return asked


def _scan_codes(items, queries, k, by_distance, order, buffers=False):
    found = found_for(queries, k, by_distance, buffers)
    block, exact = encode_items(items, by_distance, order), exact_of(items, by_distance)
    for part in range(2):
        codes.scan_codes(block, exact, FIRST_ID, (part, 2), encode_queries(queries), queries.astype(float), found)
    return _sorted(found, k)


def _scan_few(items, queries, k, by_distance, order, buffers=False):
    found = found_for(queries, k, by_distance, buffers)
    floats.scan_few(
        exact_of(items, by_distance),
        FIRST_ID,
        queries.astype(np.float32),
        _norms(queries),
        False,
        queries.astype(float),
        found,
    )
    return _sorted(found, k)


def _slow_search(items, queries, k, by_distance, order, buffers=False):
    return twins.search(items, FIRST_ID, queries, k, by_distance)


def _numpy_search(items, queries, k, by_distance, order, buffers=False):
    scores = queries @ items.T
    if by_distance:
        scores = scores - (items**2).sum(axis=1) / 2
    return np.argpartition(-scores, k - 1, axis=1)[:, :k]


def _pair_inputs(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    items, queries = _integers(rng, size.n, size.d), _integers(rng, size.q, size.d)
    rows = rng.integers(-1, size.n, (size.q, size.k))
    rest = _integers(rng, size.n, size.d) if rng.integers(2) else np.zeros((0, size.d), np.float32)
    factors = rng.integers(1, 5, size.n).astype(float) if rng.integers(2) else np.zeros(0)
    exact = heaps.Exact(items, np.array(rest), factors, bool(rng.integers(2)))
    return exact, queries.astype(float), rows


def _score_pairs(exact, queries, rows):
    scores = np.zeros(rows.shape)
    heaps.score_pairs(queries, exact, rows, scores)
    return (scores,)


def _numpy_pairs(exact, queries, rows):
    gathered = exact.rows[rows].astype(float)
    if exact.squared_distance:
        return -((gathered - queries[:, None]) ** 2).sum(axis=2)
    return np.einsum("qkd,qd->qk", gathered, queries)


def _heap_inputs(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    """Two heaps a query, all ids different, scores with ties; entries missing at random."""
    shape = (size.q, 2 * size.k)
    scores = rng.integers(-3, 4, shape).astype(float)
    ids = np.argsort(rng.random((size.q, 4 * size.k)), axis=1)[:, : 2 * size.k]
    scores[rng.random(shape) < 0.2] = -np.inf
    ids = np.where(np.isinf(scores), heaps.NO_ID, ids)
    halves = []
    for part in (slice(0, size.k), slice(size.k, None)):
        # Any array that is sorted from the worst to the best is a heap.
        order = np.lexsort((-ids[:, part], scores[:, part]))
        halves += [np.take_along_axis(scores[:, part], order, 1), np.take_along_axis(ids[:, part], order, 1)]
    return tuple(halves)


def _merge_heaps(scores, ids, into_scores, into_ids):
    into_scores, into_ids = into_scores.copy(), into_ids.copy()
    heaps.merge_heaps(scores, ids, into_scores, into_ids)
    heaps.sort_heaps(into_scores, into_ids)
    return into_ids, into_scores


def _sort_heaps(scores, ids, *others):
    scores, ids = scores.copy(), ids.copy()
    heaps.sort_heaps(scores, ids)
    return ids, scores


def _buffer_inputs(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    """Entries with ties, each buffer filled to a point of its own."""
    scores = rng.integers(-3, 4, (size.q, 2 * size.k + 1)).astype(float)
    ids = np.argsort(rng.random((size.q, 4 * size.k)), axis=1)[:, : 2 * size.k + 1]
    return scores[:, : ids.shape[1]], ids, rng.integers(1, ids.shape[1] + 1, size.q), size.k


def _cut_buffers(scores, ids, counts, k):
    scores, ids, counts = scores.copy(), ids.copy(), counts.copy()
    heaps.cut_buffers(scores, ids, counts)
    root = np.where(counts == k, scores[:, 0], np.nan)
    order = np.lexsort((ids, -scores))
    return np.take_along_axis(ids, order, 1), np.take_along_axis(scores, order, 1), counts, root


def _limit_inputs(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return (found_for(_integers(rng, size.q, size.d), size.k, bool(rng.integers(2))), rng.normal(size=size.q) * 100)


def _set_limits(found, roots):
    found.scores[:, 0] = roots
    found.limits[:] = np.where(np.arange(len(roots)) % 3 == 2, np.inf, 0)
    heaps.set_limits(found)
    return (found.limits,)


def _row_sums(rows, center):
    sums = np.zeros(len(rows))
    encode.row_sums(rows, center, sums)
    return (sums,)


def _encode_inputs(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    items = read_only(rng.normal(size=(size.n, size.d)).astype(np.float32))
    return items, rng.normal(size=size.d), 2.0 ** rng.integers(-2, 3, size.d), rng.random(size.n) + 0.5


def _encode_panels(items, center, axes, factors):
    n_panels, n_steps = -(-len(items) // codes.LANES), -(-items.shape[1] // 4)
    block = codes.CodeBlock(
        np.zeros((n_panels, n_steps, codes.LANES, 4), np.uint8),
        np.zeros((n_panels, 4), np.float32),
        np.zeros((n_panels, 2), np.float32),
        np.zeros((0, codes.LANES), np.float32),
        np.arange(len(items), dtype=np.int32)[::-1].copy(),
    )
    encode.encode_panels(items, center, axes, factors, np.arange(len(items)) + 0.5, 0, n_panels, block)
    rows = block.codes.transpose(0, 2, 1, 3).reshape(n_panels * codes.LANES, 4 * n_steps)
    return rows, block.bounds


def _encode_rows(items, center, axes, factors):
    n_steps = -(-items.shape[1] // 4)
    packed = np.zeros((len(items), n_steps * codes.WORDS), np.int32)
    bounds, excess = np.zeros((len(items), 4), np.float32), np.zeros(len(items), np.int32)
    encode.encode_rows(items.astype(float), packed, bounds, excess)
    if codes.WORDS == 1:
        rows = packed.view(np.int8)
    else:
        rows = packed.view(np.int16).reshape(len(items), n_steps, 4)[:, :, [0, 2, 1, 3]].reshape(len(items), -1)
    return rows, bounds[:, :3], excess


def _assign_inputs(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return _integers(rng, size.n, size.d), _integers(rng, size.q, size.d), _integers(rng, size.q)


def _assign(rows, centroids, bias):
    labels, best = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.float32)
    clustering.assign(rows, *clustering.pack_centroids(centroids, bias), labels, best)
    return labels, best


def _accumulate_inputs(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return _integers(rng, size.n, size.d), rng.integers(0, size.q, size.n), size.q


def _accumulate(rows, labels, n):
    sums, counts = np.zeros((n, rows.shape[1])), np.zeros(n, np.int64)
    clustering.accumulate(rows, labels, sums, counts)
    return sums, counts


def _numpy_accumulate(rows, labels, n):
    sums = np.zeros((n, rows.shape[1]))
    np.add.at(sums, labels, rows)
    return sums


KERNELS: dict[str, Entry] = {
    "scan": Entry(_search_inputs, _scan, _slow_search, _numpy_search),
    "scan_codes": Entry(_search_inputs, _scan_codes, _slow_search, _numpy_search),
    "scan_few": Entry(_search_inputs, _scan_few, _slow_search, _numpy_search),
    "score_pairs": Entry(_pair_inputs, _score_pairs, twins.score_pairs, _numpy_pairs),
    "merge_heaps": Entry(
        _heap_inputs,
        _merge_heaps,
        lambda *heaps_: twins.merge(heaps_[0].shape[1], *heaps_),
        lambda s, i, t, j: np.argpartition(-np.concatenate([s, t], axis=1), s.shape[1] - 1, axis=1),
    ),
    "sort_heaps": Entry(
        _heap_inputs,
        _sort_heaps,
        lambda s, i, *others: twins.merge(s.shape[1], s, i),
        lambda s, i, *others: np.lexsort((i, -s)),
    ),
    "cut_buffers": Entry(
        _buffer_inputs,
        _cut_buffers,
        lambda *inputs: twins.cut_buffers(*inputs, heaps.NO_ID),
        lambda scores, ids, counts, k: np.argpartition(-scores, k - 1, axis=1),
    ),
    "set_limits": Entry(
        _limit_inputs,
        _set_limits,
        twins.limits,
        lambda found, roots: (roots * found.units[:, 0] + found.units[:, 1]).astype(np.float32),
        rtol=1e-5,
    ),
    "row_sums": Entry(
        lambda size, rng: (_integers(rng, size.n, size.d), rng.integers(-2, 3, size.d).astype(float)),
        _row_sums,
        twins.row_sums,
        lambda rows, center: ((rows - center) ** 2).sum(axis=1),
    ),
    "encode_panels": Entry(
        _encode_inputs,
        _encode_panels,
        lambda *inputs: twins.encode_panels(*inputs, codes.LANES),
        lambda items, center, axes, factors: np.round((items - center) * axes * factors[:, None]),
        rtol=1e-5,
    ),
    "encode_rows": Entry(
        _encode_inputs,
        _encode_rows,
        lambda items, *others: twins.encode_rows(items),
        lambda items, *others: np.round(items.astype(float)),
        rtol=1e-5,
    ),
    "assign": Entry(
        _assign_inputs,
        _assign,
        twins.assign,
        lambda r, c, b: np.argmax(r @ c.T + b, axis=1),
    ),
    "accumulate": Entry(_accumulate_inputs, _accumulate, twins.accumulate, _numpy_accumulate),
}
