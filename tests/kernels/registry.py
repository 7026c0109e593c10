"""Every public kernel with its slow twin: one table for correctness tests and for the micro-benchmark.

An entry makes inputs of a given size, runs the kernel and runs the twin; both return arrays to compare.
Integer-valued inputs make float32 products exact, so that twins must agree to the last id, ties included.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from idxbench.kernels import topk
from tests.reference import kernels as twins


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


def _integers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-3, 4, shape).astype(np.float32)


def _scan_inputs(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return _integers(rng, size.n, size.d), _integers(rng, size.n), _integers(rng, size.q, size.d), min(size.k, size.n)


def _unbiased_inputs(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    rows, bias, queries, k = _scan_inputs(size, rng)
    return rows, 0 * bias, queries, k


def _scan(rows, bias, queries, k):
    panels = topk.pack_panels(queries)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    ids = np.full((len(queries), k), topk.NO_ID)
    limits = np.full(len(panels) * topk.LANES, np.inf, np.float32)
    limits[: len(queries)] = -np.inf
    topk.scan(rows, bias, 5, panels, scores, ids, limits)
    order = np.lexsort((ids, -scores))
    return np.take_along_axis(ids, order, 1), np.take_along_axis(scores, order, 1)


def _numpy_scan(rows, bias, queries, k):
    scores = queries @ rows.T + bias
    return np.argpartition(-scores, k - 1, axis=1)[:, :k]


def _scan_float64(rows, bias, queries, k):
    scores, ids = np.full((len(queries), k), -np.inf), np.full((len(queries), k), topk.NO_ID)
    topk.scan_float64(queries.astype(float), rows.astype(float), 5, False, scores, ids)
    order = np.lexsort((ids, -scores))
    return np.take_along_axis(ids, order, 1), np.take_along_axis(scores, order, 1)


def _assign_inputs(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return _integers(rng, size.n, size.d), _integers(rng, size.q, size.d), _integers(rng, size.q)


def _assign(rows, centroids, bias):
    panels = topk.pack_panels(centroids)
    padded = np.full(len(panels) * topk.LANES, -np.inf, np.float32)
    padded[: len(centroids)] = bias
    labels, best = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.float32)
    topk.assign(rows, panels, padded, labels, best)
    return (labels,)


def _accumulate_inputs(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return _integers(rng, size.n, size.d), rng.integers(0, size.q, size.n), size.q


def _accumulate(rows, labels, n):
    sums, counts = np.zeros((n, rows.shape[1])), np.zeros(n, np.int64)
    topk.accumulate(rows, labels, sums, counts)
    return sums, counts


def _numpy_accumulate(rows, labels, n):
    sums = np.zeros((n, rows.shape[1]))
    np.add.at(sums, labels, rows)
    return sums


def _pair_inputs(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return (
        _integers(rng, size.q, size.d).astype(float),
        _integers(rng, size.q, size.k, size.d).astype(float),
        bool(rng.integers(2)),
    )


def _pairs(queries, rows, squared_distance):
    scores = np.zeros(rows.shape[:2])
    topk.score_candidates(queries, rows, squared_distance, scores)
    return (scores,)


def _numpy_pairs(queries, rows, squared_distance):
    if squared_distance:
        return -((rows - queries[:, None]) ** 2).sum(axis=2)
    return np.einsum("qkd,qd->qk", rows, queries)


def _scan_few(rows, bias, queries, k):
    scores, ids = np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), topk.NO_ID)
    topk.scan_few(rows, bias, 5, queries, scores, ids)
    order = np.lexsort((ids, -scores))
    return np.take_along_axis(ids, order, 1), np.take_along_axis(scores, order, 1)


KERNELS: dict[str, Entry] = {
    "scan": Entry(_scan_inputs, _scan, lambda r, b, q, k: twins.scan(r, b, 5, q, k), _numpy_scan),
    "scan_few": Entry(_scan_inputs, _scan_few, lambda r, b, q, k: twins.scan(r, b, 5, q, k), _numpy_scan),
    "scan_float64": Entry(
        _unbiased_inputs,
        _scan_float64,
        lambda r, b, q, k: twins.scan(r, b, 5, q, k),
        lambda r, b, q, k: _numpy_scan(r.astype(float), b, q.astype(float), k),
    ),
    "assign": Entry(
        _assign_inputs,
        _assign,
        lambda r, c, b: (twins.assign(r, c, b),),
        lambda r, c, b: np.argmax(r @ c.T + b, axis=1),
    ),
    "accumulate": Entry(_accumulate_inputs, _accumulate, twins.accumulate, _numpy_accumulate),
    "score_candidates": Entry(_pair_inputs, _pairs, lambda q, r, s: (twins.pair_scores(q, r, s),), _numpy_pairs),
}
