"""Neighbours that came with the data: believed only after a sample of them was computed again."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.truth.exact import ExactIndex, Neighbors

SAMPLE = 100
# Ties that another library broke differently, in float32, are no disagreement.
TIE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class GivenCheck:
    """Whether given neighbours may serve as ground truth.

    Parameters
    ----------
    usable
        They agree, and are deep enough.
    agreement
        Share of sampled neighbours that are as good as the computed ones, rank by rank.
    n_sampled
        How many queries were computed again.
    reason
        Why they are not usable; empty when they are.
    """

    usable: bool
    agreement: float
    n_sampled: int
    reason: str


def check_given(index: ExactIndex, queries: NDArray[Any], given: NDArray[np.int64], k: int, seed: int) -> GivenCheck:
    """Compare given neighbours with exact search on a sample of queries.

    Parameters
    ----------
    index
        Exact search under the reference similarity.
    queries, given
        (q, d) and (q, depth) ids, best first, padded with -1.
    k
        The depth needed.
    seed
        Of the sample.
    """
    if given.shape[1] < k:
        return GivenCheck(False, 0.0, 0, f"they are {given.shape[1]} deep and k is {k}")
    if int(given.max(initial=-1)) >= len(index.items):
        return GivenCheck(False, 0.0, 0, f"they name item {int(given.max())} and there are {len(index.items)} items")
    ordered = np.sort(given[:, :k], axis=1)
    unfit = (ordered[:, 0] < 0) | (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if unfit.any():
        return GivenCheck(False, 0.0, 0, f"{int(unfit.sum())} queries have fewer than {k} different neighbours")
    rows = np.arange(len(queries))
    if len(rows) > SAMPLE:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), SAMPLE, replace=False))
    sample = np.asarray(queries[rows])
    exact = index.neighbors(sample, k)
    scores = index.score_ids(sample, given[rows, :k])
    # The range of a query's scores, not their size: a common shift of all scores must not widen the tolerance.
    others = np.random.default_rng(seed).integers(0, len(index.items), (len(rows), SAMPLE))
    lowest = index.score_ids(sample, others).min(axis=1, keepdims=True)
    scale = exact.scores[:, :1] - np.minimum(lowest, exact.scores[:, -1:])
    agreement = float((scores >= exact.scores - TIE_TOLERANCE * scale).mean())
    if agreement < 1.0:
        return GivenCheck(False, agreement, len(rows), f"only {agreement:.1%} of a sample agree")
    return GivenCheck(True, agreement, len(rows), "")


def as_neighbors(index: ExactIndex, queries: NDArray[Any], given: NDArray[np.int64], k: int) -> Neighbors:
    """Turn given ids into a truth, scored in float64."""
    ids = np.ascontiguousarray(given[:, :k])
    return Neighbors(ids, index.score_ids(queries, ids))
